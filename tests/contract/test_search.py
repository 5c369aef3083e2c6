"""The words of pages are found: by the results service, with a real PostgreSQL and a real NATS."""

from collections.abc import Callable
from typing import Any

import pytest

from mesh import pages
from mesh.errors import InvalidArgument
from pagemesh.ingest.v1.events_pb2 import PagesExtracted
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1.page_pb2 import Page
from tests.contract.recording import NOBODYS, Results, fact, inspected, page, results, settings
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures

CONTENT = results_pb2.SEARCH_IN_CONTENT
_GARBAGE = ("'", '"', "& | !", "a:*", "\\", "(((", "<->", "-", "the", "\0", "%", "\U0001f600", "-" * 500, '-"' * 250)
_MUCH: list[Callable[[int], str]] = [
    lambda n: chr(0x20000 + n % 42_000) + "-" + chr(0x20000 + n * 7 % 42_000),
    lambda n: f"a{n}.com/{n}",
    lambda n: "x",
]


async def search(results: Results, caller: Caller, words: str, **more: Any) -> results_pb2.ListDocumentsResponse:
    """What is found in pages."""
    request = results_pb2.ListDocumentsRequest(search=words, search_in=CONTENT, **more)
    answer: results_pb2.ListDocumentsResponse = await caller.call(results.documents.ListDocuments, request)
    return answer


async def names(results: Results, caller: Caller, words: str, **more: Any) -> list[str]:
    """Names of the documents that are found; the total says as many."""
    answer = await search(results, caller, words, **more)
    assert len(answer.documents) == answer.total
    return [one.original_filename for one in answer.documents]


async def read(results: Results, caller: Caller, name: str, *texts: str, language: str = "eng") -> str:
    """A document with such pages; its id."""
    document, job = await results.submit(caller, name)
    held = await results.hands.next(document.id, "inspect")
    outcomes = [await packed(results, number, text, language) for number, text in enumerate(texts, 1)]
    await held.finish(inspected([False] * len(texts), outcomes))
    await results.ended(caller, job.id)
    return document.id


async def packed(results: Results, number: int, text: str, language: str) -> Any:
    """A page that was read."""
    made = Page()
    made.CopyFrom(page(number, text))
    made.language = language
    return await pages.pack(made, results.blobs, NOBODYS)


async def test_words_are_found_in_any_form_and_ranked(results: Results, auth_service: Any) -> None:
    """What says more of the words stands first unless another order is asked for; each hit names its page."""
    caller = await Caller.register(auth_service)
    often = await read(results, caller, "often.pdf", "Nothing here.", "An invoice. Invoices for the invoiced goods.")
    await read(results, caller, "once.pdf", "One invoice among many other things that are said on this long page.")
    await read(results, caller, "never.pdf", "The weather was fine.")
    assert ["often.pdf", "once.pdf"] == await names(results, caller, "INVOICING")
    created = results_pb2.DOCUMENT_SORT_CREATED_AT
    assert ["once.pdf", "often.pdf"] == await names(results, caller, "invoice", sort=created)
    assert ["often.pdf", "once.pdf"] == await names(results, caller, "invoice", sort=created, ascending=True)
    answer = await search(results, caller, "goods")
    assert [(often, 2, "invoice. Invoices for the invoiced goods")] == [
        (one.document_id, one.page, one.snippet) for one in answer.matches
    ]
    window = await search(results, caller, "invoice", page=2, per_page=1)
    assert (["once.pdf"], 2) == ([one.original_filename for one in window.documents], window.total)
    assert [] == await names(results, caller, "often")


async def test_queries_are_as_in_search_engines_and_never_wrong(results: Results, auth_service: Any) -> None:
    """Phrases, alternatives and exclusions hold; nothing that somebody types is an error."""
    caller = await Caller.register(auth_service)
    await read(results, caller, "a.pdf", "Die Katze schläft “heute” im Garten.", language="deu")
    await read(results, caller, "b.pdf", "The cat sleeps. The dogs were running.")
    await read(results, caller, "c.pdf", "The running dog.")
    assert ["a.pdf"] == await names(results, caller, "heute katze")
    assert ["b.pdf"] == await names(results, caller, '"cat sleeps"')
    assert ["c.pdf"] == await names(results, caller, "run -cats")
    assert {"a.pdf", "b.pdf"} == set(await names(results, caller, "katze or cat"))
    for garbage in _GARBAGE:
        assert isinstance(await names(results, caller, garbage), list)
    for bad in ({"search": "a" * 501}, {"search_in": 99}):
        with pytest.raises(InvalidArgument):
            await caller.call(results.documents.ListDocuments, results_pb2.ListDocumentsRequest(**bad))


async def test_hindi_is_found(results: Results, auth_service: Any) -> None:
    """Words before a danda and in another number are found."""
    caller = await Caller.register(auth_service)
    await read(results, caller, "hindi.pdf", "विद्यार्थियों ने किताबें पढ़ीं। भारत की राजधानी दिल्ली।", language="hin")
    for words in ("किताब", "दिल्ली", "भारत राजधानी"):
        assert ["hindi.pdf"] == await names(results, caller, words)
    assert [] == await names(results, caller, "मुंबई")


async def test_pages_are_found_while_the_document_is_being_read(results: Results, auth_service: Any) -> None:
    """A page is found as soon as it is settled."""
    caller = await Caller.register(auth_service)
    document, job = await results.submit(caller, "slow.pdf")
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False] * 2))
    held = await results.hands.next(document.id, "extract")
    await results.hands.say(
        fact(held, last=False, extracted=PagesExtracted(outcomes=[await packed(results, 1, "quick zebra", "eng")]))
    )
    while not (await search(results, caller, "zebra")).documents:  # they are listed before they are counted
        assert not (await results.job(caller, job.id)).HasField("completed_at")
    assert [] == await names(results, caller, "giraffe")
    await held.finish(PagesExtracted(outcomes=[await packed(results, 2, "slow giraffe", "eng")]))
    await results.ended(caller, job.id)
    assert ["slow.pdf"] == await names(results, caller, "giraffe")


async def test_only_what_is_there_is_found(results: Results, auth_service: Any, bob: Caller) -> None:
    """Another organization finds nothing, nobody finds what was deleted."""
    caller = await Caller.register(auth_service)
    document_id = await read(results, caller, "secret.pdf", "A xylophone of mine.")
    assert [] == await names(results, bob, "xylophone")
    assert [] == list((await search(results, bob, "xylophone")).matches)
    await caller.call(results.documents.DeleteDocument, results_pb2.DeleteDocumentRequest(document_id=document_id))
    assert [] == await names(results, caller, "xylophone")


@pytest.mark.parametrize("word", _MUCH)
async def test_no_page_is_too_much(results: Results, auth_service: Any, word: Any) -> None:
    """A page with more words than a vector holds is recorded, and its beginning is found."""
    caller = await Caller.register(auth_service)
    text = "beginning " + " ".join(word(number) for number in range(150_000))
    await read(results, caller, "large.pdf", text, language="")
    assert ["large.pdf"] == await names(results, caller, "beginning")
