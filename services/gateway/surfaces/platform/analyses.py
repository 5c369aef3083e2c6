"""Analyses of documents."""

from starlette.responses import Response

from mesh import client
from pagemesh.results.v1 import analysis_pb2, results_pb2
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from services.gateway import zero_log
from services.gateway.answers import accepted, json_response
from services.gateway.callbacks import CallbackPolicy
from services.gateway.dry_runs import Estimate
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, get, post
from services.gateway.feed import Feed
from services.gateway.idempotency import read_key
from services.gateway.kept_terms import KeptTerms
from services.gateway.neighbours import Neighbours
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import PREFIX, estimates, models, render, shapes
from services.gateway.template_use import analysis_by
from services.gateway.validation import NoBody, NoQuery
from services.gateway.zero_log import ZeroLogTerms, mark

_PRIORITY = 5


class Analyses:
    """Analyses of the documents of the caller's organization."""

    def __init__(self, neighbours: Neighbours, feed: Feed, callbacks: CallbackPolicy, zero_log: ZeroLogTerms) -> None:
        self._callbacks = callbacks
        self._neighbours = neighbours
        self._zero_log = zero_log
        self._kept = KeptTerms(neighbours, zero_log)
        self._feed = feed

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/documents/{{document_id}}"
        return [
            post(
                f"{one}/analyze",
                self.analyze,
                "Start an analysis of a document",
                {202: Answer("The job that makes it.", shapes.AnalysisAccepted, headers=("Location", "Retry-After"))},
                models.AnalyzeBody,
                problems=(409,),
                keyed=Keyed(),
                estimate=self.estimate,
                zero_log=self._is_zero_log,
                scope="enrichment.write",
            ),
            get(
                f"{one}/analysis",
                self.list,
                "Analyses of a document",
                {200: Answer("Analyses, newest first.", shapes.Analyses)},
                models.AnalysesQuery,
                scope="enrichment.read",
            ),
        ]

    async def analyze(self, call: Call[models.AnalyzeBody, NoQuery]) -> Response:
        """Starts an analysis."""
        document_id, body = call.ids["document_id"], call.body
        request = results_pb2.SubmitAnalysisRequest(
            document_id=document_id,
            job_id=call.origin.id("job"),
            config=await self._wanted(body),
            priority=_PRIORITY,
            callback_url=body.callback_url or "",
            zero_log=ZeroLog(ttl_seconds=call.zero_log.seconds) if call.zero_log and call.zero_log.is_asked else None,
        )
        job = (await client.call(self._neighbours.jobs.SubmitAnalysis, request)).job
        self._feed.offer(job)
        if job.zero_log:
            mark(call.request.scope)
            if call.zero_log is not None:
                call.zero_log.until(job.expires_at)
        answer: shapes.AnalysisAccepted = {"job_id": job.id, "status": "pending", "message": "Analysis job created"}
        return accepted(answer, 202, f"{PREFIX}/jobs/{job.id}", render.retry_after(job))

    async def estimate(self, call: Call[models.AnalyzeBody, NoQuery]) -> Estimate:
        """What the analysis would take."""
        return await estimates.of_analysis(self._neighbours, call.ids["document_id"], await self._wanted(call.body))

    async def _wanted(self, body: models.AnalyzeBody) -> analysis_pb2.AnalysisConfig | None:
        self._callbacks.require(body.callback_url)
        if body.analysis_type is None and body.template is None:
            raise invalid({"analysis_type": "Field required"})
        templates = self._neighbours.templates
        return await analysis_by(templates, body.template, body.analysis_type, body.prompt, body.options)

    async def _is_zero_log(self, call: Call[models.AnalyzeBody, NoQuery]) -> zero_log.ZeroLog | None:
        """As asked, or, where an answer is to be remembered, as the document is that it is about."""
        asked = await self._zero_log.of(call.request.headers, call.identity)
        if asked is not None or read_key(call.request.headers) is None:
            return asked
        return await self._kept.of_document(call.request.scope, call.ids["document_id"])

    async def list(self, call: Call[NoBody, models.AnalysesQuery]) -> Response:
        """Analyses of a document."""
        document_id = call.ids["document_id"]
        request = results_pb2.ListAnalysesRequest(document_id=document_id, analysis_type=call.query.analysis_type or "")
        found = await client.call(self._neighbours.documents.ListAnalyses, request)
        if found.zero_log:
            mark(call.request.scope)
        answer: shapes.Analyses = {
            "document_id": document_id,
            "analyses": [render.analysis(one) for one in found.analyses],
        }
        return json_response(answer)
