"""Words, stop words and light stemming for English and Hindi."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Python's \w leaves out the vowel signs of Indic scripts, so their blocks are named (the danda is not a letter).
WORD_CLASS: Final = r"[\w\u0900-\u0963\u0971-\u097F\u0980-\u0DFF\u200C\u200D\u0300-\u036F]"
WORD: Final = re.compile(rf"{WORD_CLASS}+(?:['’.&-]{WORD_CLASS}+)*")
DEVANAGARI: Final = re.compile(r"[\u0900-\u0963\u0971-\u097F]")
DEVANAGARI_DIGITS: Final = str.maketrans("०१२३४५६७८९", "0123456789")


def word_set(listed: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(listed.split())


ENGLISH_STOP: Final = word_set(
    """
    a about above across after again against all almost along already also although always am among
    an and another any anyone anything are aren't around as at away back be became because become
    been before being below between both but by can can't cannot could couldn't did didn't do does
    doesn't doing don't done down during each either else enough etc even ever every few first for
    from further get gets given goes going got had has hasn't have haven't having he he's her here
    hers herself him himself his how however i i'm if in indeed instead into is isn't it it's its
    itself just last least less let like many may me might more most much must my myself near
    neither never next no nor not now of off often on once one only onto or other others otherwise
    our ours ourselves out over own per perhaps please quite rather really s same second several
    shall she should since so some something still such t than that that's the their theirs them
    themselves then there there's therefore these they they're this those three through throughout
    thus to together too toward towards two under until up upon us very via was wasn't we we're well
    were weren't what when where whether which while who whom whose why will with within without
    won't would wouldn't yes yet you you're your yours yourself
    """
)
# Words that carry grammar or office routine rather than a subject: never a tag, though they count in a sentence.
ENGLISH_PALE: Final = word_set(
    """
    able accordance according add added additional allow allowed apply applied appropriate apr april
    aug august available based begin best better big call called case cases certain change changes
    come complete contain contains copy current currently date day days dec december describe
    described detail details different due email end ensure example except extent fax feb february
    find following follows form found four friday full general give good great hereby herein
    hereinafter hour hours id important inc include included includes including item items jan
    january jul july jun june kind know large later left line list long lot ltd made main make makes
    making mar march means mentioned method monday month months name necessary need needed new no
    nos note nov november number obtain occur oct october old order original page pages paragraph
    part particular pay phone place possible present prior provide provided provides purpose put
    read receive received refer reference related relevant remain require required requires respect
    result resulting results right run said saturday say section see seen select sep september set
    show shown shows side similar simple simply single small special specific specified start state
    step sunday table take taken tel things thing think thursday time times tuesday type types
    unless use used user uses using usually value values various want way ways web wednesday week
    weeks www work year years zero http https com org qty sdn bhd pvt figure fig subject thereof
    therein hereof pursuant mr mrs ms dr thank thanks dear sincerely regarding concerning total
    amount subtotal price unit sr
    """
)
HINDI_STOP: Final = word_set(
    """
    और का की के को में से है हैं था थी थे हो होना होता होती होते हुआ हुई हुए ने पर यह ये वह वे इस
    इसके इसकी इसका इसे इसी उस उसके उसकी उसका उसे उन उनके उनकी उनका उन्हें इन इनके इनका इनकी इन्हें
    जो जिस जिसे जिसके जिसमें जिन कि तो ही भी तक तथा एवं व या लेकिन परन्तु परंतु किन्तु किंतु अगर यदि
    तब जब जहाँ जहां वहाँ वहां यहाँ यहां कब क्या क्यों कैसे कौन किस किसी किया किए किये की गई गए गया
    कर करना करने करता करती करते करें करके रहा रही रहे रहना सकता सकती सकते जा जाता जाती जाते जाना लिए
    लिये साथ बाद पहले द्वारा बहुत कुछ कोई सब सभी अपना अपनी अपने आप मैं हम तुम मुझे हमें हमारा हमारी
    हमारे मेरा मेरी मेरे तेरा एक दो नहीं न ना मत वाला वाली वाले दिया दिये दिए दी लिया ली होगा होगी
    होंगे ऐसा ऐसे ऐसी जैसे जैसा वैसे फिर अब अभी केवल सिर्फ बीच ओर तरह रूप अथवा बारे कम अधिक अनुसार
    प्रति हेतु आदि इत्यादि जाए जाएं जाएगा जाएगी हेतु कृपया श्री
    """
)
STOP: Final = ENGLISH_STOP | HINDI_STOP
PALE: Final = STOP | ENGLISH_PALE

_SUFFIXES: Final = (
    ("ies", "y"),
    ("sses", "ss"),
    ("ings", ""),
    ("ing", ""),
    ("edly", ""),
    ("ed", ""),
    ("es", "e"),
    ("s", ""),
)


def words(text: str) -> list[str]:
    """The words and numbers of a text, in order, as they are written."""
    return WORD.findall(text)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Fold case and drop English inflection, so that "Invoices" and "invoice" meet.

    A light suffix stripper after Harman, "How effective is suffixing?" (1991), not a full stemmer.
    """
    low = word.casefold().replace("’s", "").replace("'s", "").translate(DEVANAGARI_DIGITS)
    if len(low) < 4 or not low.isascii():
        return low
    for suffix, instead in _SUFFIXES:
        if low.endswith(suffix) and len(low) - len(suffix) >= 3 and not low.endswith(("ss", "us", "is")):
            return low[: len(low) - len(suffix)].removesuffix("e") + instead.removesuffix("e")
    return low.removesuffix("e")


@lru_cache(maxsize=65_536)
def content_stem(word: str) -> str | None:
    """The stem of a word that carries meaning, None for stop words and single letters."""
    if len(word) < 2 or word[0] == "_" or word.casefold() in STOP:
        return None
    return stem(word)


def is_hindi(text: str) -> bool:
    """Whether most letters of a text are Devanagari."""
    sample = text[:4_000]
    letters = sum(1 for character in sample if character.isalpha())
    return 2 * sum(1 for c in DEVANAGARI.findall(sample) if c.isalpha()) > letters
