"""Runs started: a file passed on to ingest as it comes, a text likewise, everything else named to the record."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh import client
from mesh.errors import IllegalState
from pagemesh.ingest.v1.ingest_pb2 import UploadConfig
from pagemesh.results.v1 import zero_log_pb2 as message
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.runs_pb2 import Run, SentRun, SubmitRunRequest
from services.gateway.callbacks import CallbackPolicy
from services.gateway.idempotency import Origin, reused
from services.gateway.ingest_sink import IngestSink
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.runs.asked import run_form, wanted_analyses, wanted_reading
from services.gateway.surfaces.runs.models import RunBody, RunConfig
from services.gateway.texts import submit_text
from services.gateway.uploads import Head, Sink, UploadReader
from services.gateway.zero_log import ZeroLog, ZeroLogTerms

_SHOWN_CHARACTERS = 1_000
"""How much of a text its run shows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large what is read may be, and how long an upload may take."""

    max_bytes: int
    seconds: float


class Start:
    """One run being started."""

    def __init__(
        self,
        neighbours: Neighbours,
        callbacks: CallbackPolicy,
        terms: ZeroLogTerms,
        origin: Origin,
        limits: Limits,
        zero_log: ZeroLog | None,
    ) -> None:
        """`zero_log` tells whether the run is kept in memory alone; `terms` what its form may choose of that."""
        self._callbacks = callbacks
        self._neighbours = neighbours
        self._terms = terms
        self._origin = origin
        self._limits = limits
        self._zero_log = zero_log
        self._sink: IngestSink | None = None

    async def named(self, body: RunBody) -> Run:
        """Starts a run of something that is named, or a text. Raises what the services refuse it with."""
        self._callbacks.require(body.callback_url)
        source, analyses = body.source, list(wanted_analyses(body.config))
        if source.text is not None:
            return await self._text(source.text, body, analyses)
        request = SubmitRunRequest(
            **source.model_dump(exclude_none=True),
            id=self._origin.id("run"),
            analyses=analyses,
            job=wanted_reading(body.config),
            priority=body.config.priority,
            max_bytes=self._limits.max_bytes,
            callback_url=body.callback_url or "",
            zero_log=self._asked(),
        )
        try:
            return (await client.call(self._neighbours.runs.SubmitRun, request)).run
        except IllegalState as error:
            raise self._blamed(error) from error

    async def file(self, reader: UploadReader) -> Run:
        """Reads the form to its end; whatever fails on the way leaves nothing behind."""
        try:
            await reader.run()
            assert self._sink is not None
            return (await self._sink.finish()).run
        except IllegalState as error:
            raise self._blamed(error) from error
        except BaseException:
            if self._sink is not None:
                self._sink.cancel()
            raise

    async def open(self, head: Head) -> Sink:
        """Tells ingest what comes."""
        form, config = run_form(head.fields)
        self._callbacks.require(form.callback_url)
        self._terms.choose(self._zero_log, form.ttl_seconds)
        name = head.safe_filename
        run = SentRun(file=name, analyses=wanted_analyses(config), callback_url=form.callback_url or "")
        self._sink = IngestSink(self._neighbours.ingest, self._limits.seconds)
        self._sink.begin(self._upload(name, run, config))
        return self._sink

    async def _text(self, text: str, body: RunBody, analyses: Sequence[AnalysisConfig]) -> Run:
        shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
        run = SentRun(text=shown, analyses=analyses, callback_url=body.callback_url or "")
        upload = self._upload("text.txt", run, body.config)
        try:
            return (await submit_text(self._neighbours.ingest, upload, text, self._limits.seconds)).run
        except IllegalState as error:
            raise self._blamed(error) from error

    def _upload(self, name: str, run: SentRun, config: RunConfig) -> UploadConfig:
        run.id = self._origin.id("run")
        return UploadConfig(
            document_id=self._origin.id("document"),
            job_id=self._origin.id("job"),
            original_filename=name,
            max_bytes=self._limits.max_bytes,
            job=wanted_reading(config),
            priority=config.priority,
            run=run,
            zero_log=self._asked(),
        )

    def _asked(self) -> message.ZeroLog | None:
        zero_log = self._zero_log
        return message.ZeroLog(ttl_seconds=zero_log.seconds) if zero_log and zero_log.is_asked else None

    def _blamed(self, error: IllegalState) -> Exception:
        """Of a repeat whose first try asked for something else, the error for that; else the error."""
        return reused() if self._origin.is_repeat and "state" not in error.details else error
