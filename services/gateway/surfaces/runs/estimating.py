"""What runs would take, as dry runs tell it: reading, and each of the analyses."""

from collections.abc import Sequence

from pagemesh.ingest.v1.preview_pb2 import PreviewResponse
from pagemesh.results.v1 import job_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from services.gateway.callbacks import CallbackPolicy
from services.gateway.dry_runs import Estimate
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import estimates
from services.gateway.surfaces.runs.asked import run_form, wanted_analyses, wanted_reading
from services.gateway.surfaces.runs.models import RunBody
from services.gateway.uploads import Head
from services.gateway.zero_log import ZeroLog, ZeroLogTerms

_UNKNOWN: Estimate = {"pages": None, "ocr_pages": None, "seconds": None, "tokens": None, "cost_usd": None}


class Estimating:
    """One run being estimated. Everything raises what starting it would raise."""

    def __init__(
        self, neighbours: Neighbours, callbacks: CallbackPolicy, terms: ZeroLogTerms, zero_log: ZeroLog | None
    ) -> None:
        self._terms = terms
        self._zero_log = zero_log
        self._neighbours = neighbours
        self._callbacks = callbacks
        self._analyses: Sequence[AnalysisConfig] = ()

    async def wanted(self, head: Head) -> job_pb2.JobConfig:
        """How a form would have its file read."""
        form, config = run_form(head.fields)
        self._callbacks.require(form.callback_url)
        self._terms.choose(self._zero_log, form.ttl_seconds)
        self._analyses = list(wanted_analyses(config))
        return wanted_reading(config)

    async def file(self, found: PreviewResponse) -> Estimate:
        """The run of a form whose file was looked through."""
        reading = await estimates.of_upload(self._neighbours, found, job_pb2.JobConfig())
        return await self._with_analyses(reading, found.characters)

    async def named(self, body: RunBody) -> Estimate:
        """The run of a text or a document; of what would have to be fetched nothing is known."""
        self._callbacks.require(body.callback_url)
        self._analyses, source = list(wanted_analyses(body.config)), body.source
        if source.text is not None:
            return await self._with_analyses(estimates.of_reading_text(source.text), len(source.text))
        if source.document_id is not None:
            reading, characters = await estimates.of_document(self._neighbours, source.document_id)
            return await self._with_analyses(reading, characters)
        for config in self._analyses:
            await estimates.analysis(self._neighbours, config, None)
        return _UNKNOWN

    async def _with_analyses(self, estimate: Estimate, characters: int | None) -> Estimate:
        for config in self._analyses:
            estimate = estimates.added(estimate, await estimates.analysis(self._neighbours, config, characters))
        return estimate
