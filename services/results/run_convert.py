"""Runs as messages."""

from collections.abc import Iterable

from google.protobuf.json_format import ParseDict

from pagemesh.results.v1.job_pb2 import JobResult
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.results.v1.runs_pb2 import Run, RunResult, RunState
from services.results import convert
from services.results.convert import timestamp
from services.results.records import AnalysisRecord, DocumentRecord, JobRecord
from services.results.runs import RunView


def run_message(view: RunView) -> Run:
    """A run, without its result, for a caller of its organization."""
    run = ParseDict(view.run.asked, Run(), ignore_unknown_fields=True)
    run.MergeFrom(
        Run(
            id=str(view.run.id),
            organization_id=str(view.run.organization_id),
            user_id=str(view.run.user_id),
            document_id=str(view.run.document_id),
            state=RunState.Value(f"RUN_STATE_{view.state.upper()}"),
            jobs=[convert.job_message(job) for job in view.jobs],
            progress=view.progress,
            revision=view.revision,
            created_at=timestamp(view.created_at),
            started_at=timestamp(view.started_at),
            completed_at=timestamp(view.completed_at),
            updated_at=timestamp(view.updated_at),
        )
    )
    if problem := view.problem:
        run.error.CopyFrom(Failure(code=problem.code, message=problem.message))
    return run


def result_message(
    document: DocumentRecord,
    reading: JobRecord | None,
    analyses: Iterable[AnalysisRecord],
    language: str,
    engines: Iterable[str],
) -> RunResult:
    """What came of a run; of pages in that language, read by those engines."""
    result = (reading and reading.result) or {}
    return RunResult(
        document=convert.document_message(document),
        reading=ParseDict(result, JobResult(), ignore_unknown_fields=True),
        analyses=[convert.analysis_message(one) for one in analyses],
        language=language,
        engines=engines,
    )
