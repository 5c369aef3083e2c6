"""Rows of the ledger, from records, and what they say of work that is forgotten."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from mesh.errors import NotFound
from services.results.records import DocumentRecord, JobRecord
from services.results.store import Store
from services.results.store.ledger import LedgerRow


def row_of(job: JobRecord, root_id: UUID, document: DocumentRecord, expires_at: datetime) -> LedgerRow:
    """The row of a new job."""
    return LedgerRow(
        id=job.id,
        root_id=root_id,
        document_id=document.id,
        organization_id=job.organization_id,
        user_id=document.user_id,
        kind=job.type,
        expires_at=expires_at,
    )


def document_row(rows: Iterable[LedgerRow]) -> LedgerRow | None:
    """Of the rows of one document, that of the job which reads it; None for a document of the record."""
    return next((row for row in rows if row.is_document and row.kind != "analysis"), None)


async def current_row(store: Store, organization_id: UUID, job_id: UUID, owner: UUID | None) -> LedgerRow:
    """The row of a job. Raises NotFound, with EXPIRED when its time is up; Unavailable."""
    async with store.reading() as tables:
        row = await tables.ledger.get(organization_id, job_id, owner)
    if row is None:
        raise NotFound("There is no such job.")
    require_current(row)
    return row


def require_current(row: LedgerRow) -> None:
    """Raises NotFound (EXPIRED) for a job whose time is up."""
    if row.is_over:
        raise NotFound("This was kept in memory for its time, and has been forgotten.", "EXPIRED", zero_log="true")
