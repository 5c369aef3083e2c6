"""New documents as callers announce them: nothing is taken on trust, since the announcement may come from anybody."""

import re
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

from mesh.errors import Forbidden, InvalidArgument
from mesh.identity import Identity
from mesh.ids import owned
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.results.v1.job_pb2 import Document
from services.results.records import DocumentRecord

_SUFFIXES = {
    "application/pdf": "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/tiff": "tiff",
    "text/plain": "txt",
}
_LONGEST_NAME = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")
# As `ingest` makes them; no key leads anywhere else.
_KEY = re.compile(r"originals/(?P<organization>[0-9a-f-]{36})/[0-9A-Za-z-]{1,64}\.(?P<suffix>[a-z]{3,4})")

T = TypeVar("T")


def account(caller: Identity) -> UUID:
    """Whose the new thing is. Raises Forbidden for services, which own nothing."""
    try:
        return UUID(caller.user_id)
    except ValueError as error:
        raise Forbidden("This is for people and their programs, not for services.") from error


def new_document(caller: Identity, sent: Document) -> DocumentRecord:
    """The record of a stored document. Raises InvalidArgument naming the field, Forbidden."""
    document_id = owned(caller.organization_id, sent.id, "document.id")
    return DocumentRecord(
        id=document_id,
        organization_id=UUID(caller.organization_id),
        user_id=account(caller),
        filename=f"{document_id}.{_suffix(sent)}",
        original_filename=_name(sent.original_filename),
        file_size=_checked(sent.file_size, sent.file_size > 0, "file_size"),
        mime_type=sent.mime_type,
        sha256=_checked(sent.sha256, _SHA256.fullmatch(sent.sha256), "sha256"),
        storage_key=_own_key(sent, caller.organization_id),
    )


def suggested_name(address: str) -> str:
    """What a document is called until it is fetched: the last part of its address."""
    name = unquote(urlsplit(address).path.rpartition("/")[2])
    return "".join(character for character in name if character.isprintable())[:_LONGEST_NAME] or "document"


def unfetched_document(caller: Identity, document_id: UUID, name: str) -> DocumentRecord:
    """The record of a document that is to be fetched, under the name that its address suggests. Raises Forbidden."""
    return DocumentRecord(
        id=document_id,
        organization_id=UUID(caller.organization_id),
        user_id=account(caller),
        filename=str(document_id),
        original_filename=name,
        file_size=0,
        mime_type="application/octet-stream",
        sha256="",
        storage_key="",
    )


def fetched_document(document: DocumentRecord, fact: DocumentFetched) -> None:
    """Tells the record what was fetched."""
    document.filename = f"{document.id}.{_SUFFIXES.get(fact.mime_type, 'bin')}"
    document.original_filename = fact.filename or document.original_filename
    document.file_size, document.mime_type = fact.size, fact.mime_type
    document.sha256, document.storage_key = fact.sha256, fact.storage_key


def _suffix(sent: Document) -> str:
    return _SUFFIXES[_checked(sent.mime_type, sent.mime_type in _SUFFIXES, "mime_type")]


def _name(text: str) -> str:
    return _checked(text, 1 <= len(text) <= _LONGEST_NAME and text.isprintable(), "original_filename")


def _own_key(sent: Document, organization_id: str) -> str:
    match = _KEY.fullmatch(sent.storage_key)
    if match is None or match["organization"] != organization_id or match["suffix"] != _suffix(sent):
        raise InvalidArgument("The original is not among your organization's.", field="document.storage_key")
    return sent.storage_key


def _checked(value: T, good: object, name: str) -> T:
    if not good:
        raise InvalidArgument(f"{name} is not acceptable.", field=f"document.{name}")
    return value
