"""Another analysis of a document that was read asks for nothing but the analysis."""

import uuid

from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from tests.contract.recording import Results, found, inspected, results, settings
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures


async def test_pages_are_recognized_once(results: Results, ada: Caller) -> None:
    """However many analyses there are; the tasks for OCR are counted."""
    document, job = await results.submit(ada)
    await (await results.hands.next(document.id, "inspect")).finish(inspected([True, True]))
    for _ in range(2):
        held = await results.hands.next(document.id, "ocr")
        [outcome] = await results.outcomes(held.task.ocr.page)
        await held.finish(PageRecognized(outcome=outcome))
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, job.id)).state
    for kind in ("summary", "tagging", "key_value_extraction"):
        request = results_pb2.SubmitAnalysisRequest(
            document_id=document.id, job_id=str(uuid.uuid4()), config=AnalysisConfig(analysis_type=kind)
        )
        started = (await ada.call(results.jobs.SubmitAnalysis, request)).job
        await (await results.hands.next(document.id, "analyze")).finish(found(kind))
        assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, started.id)).state
        assert results.hands.idle(document.id)
    listed = await ada.call(results.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document.id))
    assert {"summary", "tagging", "key_value_extraction"} == {one.analysis_type for one in listed.analyses}
