"""Runs read from the record."""

from uuid import UUID

from mesh.errors import NotFound
from pagemesh.results.v1.runs_pb2 import Run, RunResult
from services.results.planning import RunPlan, taken
from services.results.records import JobRecord
from services.results.run_convert import result_message, run_message
from services.results.runs import RunRecord, RunView
from services.results.store import Store, Transaction


class RunReader:
    """Reads runs for callers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, organization_id: UUID, run_id: UUID, owner: UUID | None) -> RunView:
        """The run with its jobs. Raises NotFound."""
        async with self._store.reading() as tables:
            run = await tables.runs.get(organization_id, run_id, owner)
            jobs = await tables.jobs.of_runs([run_id]) if run else {}
        if run is None:
            raise NotFound("There is no such run.")
        return _view(run, jobs[run_id])

    async def recorded(self, plan: RunPlan) -> Run:
        """The run that was recorded under the plan's id. Raises IllegalState when it is another."""
        try:
            view = await self.get(plan.run.organization_id, plan.run.id, None)
        except NotFound as error:
            raise taken() from error
        if (view.run.document_id, view.run.asked) != (plan.run.document_id, plan.run.asked):
            raise taken()
        return run_message(view)

    async def list(
        self, organization_id: UUID, owner: UUID | None, state: str, limit: int, offset: int
    ) -> tuple[list[RunView], int]:
        """A list's worth of runs, and how many match in all."""
        async with self._store.reading() as tables:
            runs, total = await tables.runs.list(organization_id, owner, state, limit, offset)
            jobs = await tables.jobs.of_runs([run.id for run in runs])
        return [_view(run, jobs[run.id]) for run in runs], total

    async def message(self, view: RunView) -> Run:
        """The run for its caller, once completed with its result."""
        run = run_message(view)
        if view.state == "completed" and (result := await self._result(view)):
            run.result.CopyFrom(result)
        return run

    async def _result(self, view: RunView) -> RunResult | None:
        run, ids = view.run, {job.id for job in view.jobs}
        async with self._store.reading() as tables:
            document = await tables.documents.get(run.organization_id, run.document_id, None, hidden=True)
            reading, language, engines = await how_read(tables, run)
            analyses = await tables.analyses.list(run.document_id, "") if ids else []
        if document is None or reading is None:  # it was deleted in between
            return None
        return result_message(document, reading, [one for one in analyses if one.job_id in ids], language, engines)


async def how_read(tables: Transaction, run: RunRecord) -> tuple[JobRecord | None, str, list[str]]:
    """The job that reads a run's document, the language of most pages, and what engines read them."""
    return (
        await tables.jobs.reading(run.organization_id, run.document_id),
        await tables.pages.language(run.document_id),
        await tables.pages.engines(run.document_id),
    )


def _view(run: RunRecord, jobs: list[JobRecord]) -> RunView:
    assert run.created_at is not None, "it comes from the record"
    return RunView(run, jobs, run.created_at)
