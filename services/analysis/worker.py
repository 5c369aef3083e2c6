"""The handler of `work.analyze`: pages from the record, one analysis, reported."""

import time
from typing import TYPE_CHECKING

from mesh import client, context
from mesh.errors import NotFound
from mesh.service_tokens import ServiceTokens
from mesh.tasks import Report
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.results_pb2 import StreamPagesRequest
from pagemesh.work.v1.work_pb2 import Task
from services.analysis.analyze import analyze
from services.analysis.choice import Choice
from services.analysis.convert import to_outcome, to_request
from services.analysis.faults import AnalysisFault
from services.analysis.user_keys import Asker

if TYPE_CHECKING:
    from pagemesh.results.v1.results_pb2_grpc import DocumentServiceAsyncStub


class Analyst:
    """Analyses documents of the record."""

    def __init__(self, documents: "DocumentServiceAsyncStub", tokens: ServiceTokens, choice: Choice) -> None:
        self._documents = documents
        self._tokens = tokens
        self._choice = choice

    async def work(self, task: Task, report: Report) -> None:
        """Reports the analysis, or why there is none."""
        context.bearer_token.set(await self._tokens.get(task.organization_id))
        try:
            pages = await self._pages(task.document_id)
            asker = Asker(task.organization_id, task.analyze.user_id)
            outcome = await self.analyse(pages, task.analyze.config, asker)
        except NotFound:  # deleted meanwhile: nobody waits for it
            return await report.fail("not_found", "The document is gone.")
        except AnalysisFault as fault:
            return await report.fail(fault.code, fault.message)
        await report.tell(DocumentAnalyzed(outcome=outcome))
        return None

    async def analyse(self, pages: list[Page], config: AnalysisConfig, asker: Asker) -> AnalysisOutcome:
        """What the analyzer finds that is configured, or that the asker has a key for. Raises AnalysisFault."""
        started = time.perf_counter()
        request = to_request(config)
        request.check()
        result = await analyze(pages, request, await self._choice.choose(asker, request.model))
        return to_outcome(result, round((time.perf_counter() - started) * 1000), request.output_schema)

    async def _pages(self, document_id: str) -> list[Page]:
        request = StreamPagesRequest(document_id=document_id, include_lines=True)
        return [_slim(response.page) async for response in client.stream(self._documents.StreamPages, request)]


def _slim(page: Page) -> Page:
    """The page without its words: lines are what evidence is shown by, and words are most of a scanned page."""
    for line in page.lines:
        line.ClearField("words")
    return page
