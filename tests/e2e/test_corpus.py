"""Every document of the corpus ends, well or with a documented code, and no service dies of it."""

from collections import Counter
from pathlib import Path

import pytest

from cli.background import Background
from tests.support.client import ApiClient
from tests.support.corpus import DOCUMENTED, Read, documents, read_all


@pytest.mark.timeout(900)
async def test_every_document_ends(stack: Background, corpus: Path) -> None:
    """Each completes or fails with a documented code; encrypted ones fail as such; no process was restarted."""
    before = _pids(stack)
    client = await ApiClient(stack.url).register()
    read = await read_all(client, corpus, documents(corpus), within=600)
    await client.close()

    assert {} == {one.file: one.job["error"] for one in read if not _is_allowed(one)}
    assert {} == {one.file: one.job["error"] for one in read if one.kind in _READABLE and not _completed(one)}
    assert {"password_required"} <= {one.job["error"]["code"] for one in read if one.kind == "encrypted_pdf"}
    assert Counter(_completed(one) for one in read)[True] > 130
    assert before == _pids(stack)


_READABLE = frozenset(
    {"born_digital", "table_pdf", "invoice_pdf", "receipt_image", "scan_pdf", "scan_image", "big_pdf"}
)


def _pids(stack: Background) -> dict[str, int]:
    return {name: process.pid for name, process in stack.state.processes.items()}


def _completed(one: Read) -> bool:
    return bool(one.job["status"] == "completed")


def _is_allowed(one: Read) -> bool:
    return _completed(one) or one.job["error"]["code"] in DOCUMENTED | {"invalid_file_type", "empty_file"}
