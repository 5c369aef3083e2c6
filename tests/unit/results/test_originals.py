"""Documents as callers announce them."""

import time
import uuid
from typing import Any

import pytest

from mesh.errors import Forbidden, InvalidArgument
from mesh.identity import Identity
from pagemesh.results.v1.job_pb2 import Document
from services.results.originals import new_document

ORGANIZATION, ACCOUNT = "77d9a195-8705-4089-b9cd-81adf90be4bc", "f07ca7b4-58a9-4bbd-a368-005d7f537d45"
OTHER = "254d32e4-4e91-4fa7-acdc-93878c9d0675"
CALLER = Identity(ACCOUNT, ORGANIZATION, "user", "free", "", time.time() + 60)
GOOD: dict[str, Any] = {
    "id": str(uuid.uuid4()),
    "original_filename": "Übersicht (2).pdf",
    "file_size": 7,
    "mime_type": "application/pdf",
    "sha256": "0" * 64,
    "storage_key": f"originals/{ORGANIZATION}/{uuid.uuid4()}.pdf",
}


def test_an_announced_document_is_the_callers() -> None:
    """Owner and organization are those of the token, whatever is sent; name and id are made here."""
    sent = Document(user_id=str(uuid.uuid4()), filename="../x.html", **GOOD)
    record = new_document(CALLER, sent)
    assert (ACCOUNT, ORGANIZATION) == (str(record.user_id), str(record.organization_id))
    assert (f"{record.id}.pdf", "Übersicht (2).pdf") == (record.filename, record.original_filename)
    assert GOOD["id"] != str(record.id)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "mine"),
        ("original_filename", ""),
        ("original_filename", "a\r\nset-cookie: x"),
        ("original_filename", "nul\0"),
        ("original_filename", "a" * 256),
        ("file_size", 0),
        ("file_size", -(1 << 40)),
        ("mime_type", "text/html"),
        ("mime_type", ""),
        ("sha256", "0" * 63),
        ("sha256", "0" * 63 + "\n"),
        ("sha256", "G" * 64),
        ("storage_key", ""),
        ("storage_key", f"originals/{OTHER}/{ACCOUNT}.pdf"),
        ("storage_key", f"originals/{ORGANIZATION}/../{OTHER}/x.pdf"),
        ("storage_key", f"originals/{ORGANIZATION}/..%2fx.pdf"),
        ("storage_key", f"originals/{ORGANIZATION}/x.pdf/../../../layouts/x"),
        ("storage_key", f"/originals/{ORGANIZATION}/x.pdf"),
        ("storage_key", f"originals/{ORGANIZATION}/x.png"),
        ("storage_key", f"originals/{ORGANIZATION}/x.pdf\n"),
    ],
)
def test_what_no_upload_would_announce_is_refused(field: str, value: object) -> None:
    """The field is named; above all no key leads to another organization's original, and no type is one that runs."""
    with pytest.raises(InvalidArgument) as caught:
        new_document(CALLER, Document(**{**GOOD, field: value}))
    assert {"field": f"document.{field}"} == caught.value.details


def test_services_own_no_documents() -> None:
    """A service's token names no account."""
    with pytest.raises(Forbidden):
        new_document(
            Identity("service:analysis", ORGANIZATION, "service", "free", "", time.time() + 60), Document(**GOOD)
        )
