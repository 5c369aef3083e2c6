"""Runs about to be recorded: each in the transaction that records what it works on, so that there are no half ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

import orjson
from google.protobuf.json_format import MessageToDict

from mesh.addresses import Allowed, check_url
from mesh.errors import IllegalState, InvalidArgument
from mesh.identity import Identity
from mesh.ids import owned
from pagemesh.results.v1.results_pb2 import SubmitJobRequest
from pagemesh.results.v1.runs_pb2 import Run, RunSource
from services.results import convert, pipeline, work
from services.results.originals import account
from services.results.records import DocumentRecord, JobRecord
from services.results.runs import ANALYSIS, RunRecord
from services.results.store import Transaction
from services.results.store.documents import as_json
from services.results.store.tasks import TaskRecord

MAX_ANALYSES = 20


@dataclass(frozen=True)
class RunPlan:
    """A run and the analyses that it asks for."""

    run: RunRecord
    analyses: Sequence[JobRecord]

    async def insert_waiting(self, tables: Transaction, reading: JobRecord) -> None:
        """Records the run of a document that the same transaction has made.

        Raises IllegalState when its id was there before.
        """
        if not await tables.runs.insert(self.run):
            raise taken()
        for job in self.analyses:
            pipeline.submitted(job, "uploaded")
            await tables.jobs.insert(job)
        await tables.runs.add_jobs(self.run.id, [reading.id, *(job.id for job in self.analyses)])

    async def insert(
        self, tables: Transaction, document: DocumentRecord, reading: JobRecord, headers: dict[str, str]
    ) -> list[TaskRecord]:
        """Records the run of a document that is there; when its id was there before, nothing.

        The reading belongs to the run unless it has ended. Answers the tasks to hand out.
        """
        if not await tables.runs.insert(self.run):
            return []
        tasks: list[TaskRecord] = []
        for job in self.analyses:
            wanted = pipeline.submitted(job, document.state)
            await tables.jobs.insert(job)
            tasks += (replace(task, headers=headers) for task in work.assignments(job, document, wanted))
        jobs = self.analyses if reading.ended else (reading, *self.analyses)
        await tables.runs.add_jobs(self.run.id, [job.id for job in jobs])
        await tables.tasks.insert(tasks, headers)
        return tasks


class Planner:
    """Makes plans of what callers ask for."""

    def __init__(self, allowed: Allowed) -> None:
        """`allowed` is where URLs may lead."""
        self.allowed = allowed

    def sent(self, caller: Identity, request: SubmitJobRequest, document_id: UUID) -> RunPlan | None:
        """The run of a document that was sent, if there is one. Raises as `plan` does."""
        if not request.HasField("run"):
            return None
        run = request.run
        kind = run.WhichOneof("sent")
        if kind is None:
            raise InvalidArgument("A run begins with something.", field="source")
        wanted = Run(
            source=RunSource(**{kind: getattr(run, kind)}),
            mode=request.config.mode,
            languages=request.config.languages,
            analyses=run.analyses,
            priority=request.priority,
            callback_url=run.callback_url,
        )
        return self.plan(caller, run.id, wanted, document_id)

    def plan(self, caller: Identity, chosen_id: str, wanted: Run, document_id: UUID) -> RunPlan:
        """The run on a document. Raises InvalidArgument naming the field, Forbidden for services."""
        self._check(wanted)
        run = RunRecord(
            id=owned(caller.organization_id, chosen_id, "id"),
            organization_id=UUID(caller.organization_id),
            user_id=account(caller),
            document_id=document_id,
            asked=orjson.loads(as_json(MessageToDict(wanted, preserving_proto_field_name=True))),
        )
        return RunPlan(run, tuple(_analyses(run, wanted)))

    def _check(self, wanted: Run) -> None:
        types = [each.analysis_type for each in wanted.analyses]
        if len(types) > MAX_ANALYSES or len(set(types)) < len(types) or not all(types):
            raise InvalidArgument("Each analysis has a type, and each type is there once.", field="analyses")
        if not 0 <= wanted.priority <= 9:
            raise InvalidArgument("priority is from 0 to 9.", field="priority")
        if wanted.callback_url:
            self.check_url(wanted.callback_url, "callback_url")

    def check_url(self, url: str, field: str) -> str:
        """The URL in ASCII; one whose host is an address that may not be called is not even tried.

        Raises InvalidArgument naming the field.
        """
        try:
            return check_url(url, allowed=self.allowed).url
        except InvalidArgument as error:
            raise InvalidArgument(error.message, error.reason, field=field) from error


def taken() -> IllegalState:
    """The error of an id that another run has."""
    return IllegalState("The id is taken by another run.", "ILLEGAL_STATE")


def _analyses(run: RunRecord, wanted: Run) -> Iterator[JobRecord]:
    for each in wanted.analyses:
        yield JobRecord(
            id=uuid5(run.id, f"analysis {each.analysis_type}"),
            organization_id=run.organization_id,
            user_id=run.user_id,
            document_id=run.document_id,
            type=ANALYSIS,
            priority=wanted.priority,
            config=convert.analysis_config_record(each),
        )
