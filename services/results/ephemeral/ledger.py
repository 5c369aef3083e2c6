"""Rows of the ledger, from records, and what they say of work that is forgotten."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from mesh.errors import IllegalState, NotFound
from services.results.planning import RunPlan
from services.results.records import DocumentRecord, JobRecord
from services.results.store import Store
from services.results.store.ledger import BESIDE, RUN, LedgerRow

TAKEN = "The ids are taken by something else."


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


def run_rows(
    plan: RunPlan | None, root_id: UUID, document: DocumentRecord, expires_at: datetime
) -> Iterator[LedgerRow]:
    """The rows of a new run, and of the analyses that it asks for."""
    if plan is None:
        return
    for job in plan.analyses:
        yield row_of(job, root_id, document, expires_at)
    yield LedgerRow(
        id=plan.run.id,
        root_id=root_id,
        document_id=document.id,
        organization_id=document.organization_id,
        user_id=document.user_id,
        kind=RUN,
        expires_at=expires_at,
    )


async def note(store: Store, rows: Sequence[LedgerRow]) -> datetime:
    """Makes rows of one root; answers when it is forgotten, which a repeat does not put off.

    Raises IllegalState when an id belongs to something else, NotFound (EXPIRED), Unavailable.
    """
    async with store.reading() as tables:
        for row in rows:
            await tables.ledger.begin(row)
        made = await tables.ledger.of_jobs([row.id for row in rows])
    for row in rows:
        found = made.get(row.id)
        if found is None or found.is_deleted or not found.is_same(row):
            raise IllegalState(TAKEN, "ILLEGAL_STATE")
        require_current(found)
    return min(row.expires_at for row in made.values())


def document_row(rows: Iterable[LedgerRow]) -> LedgerRow | None:
    """Of the rows of one document, that of the job which reads it; None for a document of the record."""
    return next((row for row in rows if row.is_document and row.kind not in BESIDE), None)


async def current_row(
    store: Store, organization_id: UUID, thing_id: UUID, owner: UUID | None, kind: str = "job"
) -> LedgerRow:
    """The row of a job, or of a run. Raises NotFound, with EXPIRED when its time is up; Unavailable."""
    async with store.reading() as tables:
        row = await tables.ledger.get(organization_id, thing_id, owner)
    if row is None or (row.kind == RUN) != (kind == RUN):
        raise NotFound(f"There is no such {kind}.")
    require_current(row)
    return row


def require_current(row: LedgerRow) -> None:
    """Raises NotFound (EXPIRED) for a job whose time is up."""
    if row.is_over:
        raise NotFound("This was kept in memory for its time, and has been forgotten.", "EXPIRED", zero_log="true")
