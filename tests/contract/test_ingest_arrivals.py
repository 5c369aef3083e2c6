"""Documents that ingest reads as they arrive."""

import uuid

import pytest

from mesh.seal import ARRIVAL_SEAL, Sealer
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.results.v1.job_pb2 import Document
from tests.contract.test_ingest import Ingest, ingest
from tests.support import documents, hostile
from tests.support.services import ARRIVAL_SECRET, Caller

__all__ = ["ingest"]  # a fixture
SEALER = Sealer(ARRIVAL_SECRET, ARRIVAL_SEAL)


async def test_ingest_reads_small_documents_as_they_arrive(ingest: Ingest, ada: Caller) -> None:
    """What it found is sealed for this very original, and is what a task would have found."""
    for content in (documents.text_pdf(), documents.mixed_pdf(), documents.png("x")):
        document = await read_on_arrival(ingest, ada, content)
        arrival = ingest.record.recorded[document.id].arrival
        assert SEALER.is_good(arrival.seal, document.storage_key.encode(), arrival.inspected)
        assert arrival.microseconds > 0
        fact = await ingest.inspect(content, document.mime_type)
        assert fact.inspected == DocumentInspected.FromString(arrival.inspected)


async def read_on_arrival(ingest: Ingest, caller: Caller, content: bytes) -> Document:
    """An upload that was read in time: a busy machine may take longer than ingest waits."""
    for _ in range(20):
        document = (await ingest.upload(caller, content)).document
        if ingest.record.recorded[document.id].HasField("arrival"):
            return document
    raise AssertionError("nothing is ever read on arrival")


@pytest.mark.parametrize(
    "content", [documents.truncated_pdf()[:2_000], documents.encrypted_pdf("p"), hostile.object_bomb_pdf()]
)
async def test_what_cannot_be_read_at_once_is_left_to_the_tasks(ingest: Ingest, ada: Caller, content: bytes) -> None:
    """Damaged, locked or bottomless: the upload is accepted all the same."""
    document = (await ingest.upload(ada, content)).document
    assert not ingest.record.recorded[document.id].HasField("arrival")


async def test_large_documents_are_left_to_the_tasks(ingest: Ingest, ada: Caller) -> None:
    """Their upload does not wait for a reader."""
    content = documents.text_pdf() + b"\n%" + uuid.uuid4().bytes * (1 << 16)
    document = (await ingest.upload(ada, content, max_bytes=8 << 20)).document
    assert not ingest.record.recorded[document.id].HasField("arrival")
