"""Taking tasks in: what is asked for is looked up first, then text or file go to ingest like a document."""

import orjson
from pydantic import ValidationError

from mesh import client, ids
from mesh.errors import Forbidden, IllegalState, NotFound, TooMuch
from pagemesh.ingest.v1 import ingest_pb2
from pagemesh.results.v1 import analysis_pb2, job_pb2, results_pb2
from services.gateway.callbacks import CallbackPolicy
from services.gateway.dry_runs import Estimate
from services.gateway.endpoints import Call
from services.gateway.idempotency import reused
from services.gateway.ingest_sink import IngestSink
from services.gateway.neighbours import Neighbours
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.problems import invalid
from services.gateway.settings import GatewaySettings
from services.gateway.surfaces.platform import estimates
from services.gateway.surfaces.platform.models import AnalysisOptions
from services.gateway.surfaces.platform.previews import Preview
from services.gateway.surfaces.tasks import models
from services.gateway.template_use import analysis_by, same
from services.gateway.texts import submit_text
from services.gateway.uploads import Head, Opener, Sink, UploadReader, too_large
from services.gateway.validation import NoBody, NoQuery, declared_length, wrong_fields

_MIB = 1 << 20
_PRIORITY = 5
_TEXT_NAME = "text.txt"

_Call = Call[models.TaskBody, NoQuery] | Call[NoBody, NoQuery]


class Acceptance:
    """Accepts tasks."""

    def __init__(
        self,
        neighbours: Neighbours,
        organizations: Organizations,
        usage: Usage,
        settings: GatewaySettings,
        callbacks: CallbackPolicy,
    ) -> None:
        self._callbacks = callbacks
        self._neighbours = neighbours
        self._organizations = organizations
        self._usage = usage
        self._settings = settings

    async def text(self, call: Call[models.TaskBody, NoQuery]) -> job_pb2.Job:
        """The job of a text. Raises what is wrong with it before anything was accepted."""
        body = call.body
        await self._require_room(call)
        analysis = await self._wanted(body)
        job = job_pb2.JobConfig(mode=job_pb2.READ_MODE_TEXT, analysis=analysis, callback_url=body.callback_url or "")
        config = _config(call, _TEXT_NAME, job)
        try:
            sent = await submit_text(self._neighbours.ingest, config, body.text, self._settings.upload_seconds)
        except IllegalState as error:  # an earlier try made the task of another text
            raise reused() from error
        return _checked(call, sent.job, job)

    async def file(self, call: Call[NoBody, NoQuery]) -> job_pb2.Job:
        """The job of a file, which is read from its form as it comes in."""
        await self._require_room(call)
        max_bytes = await self._max_bytes(call)
        upload = _File(self, call, max_bytes)
        return await upload.run(self._reader(call, upload.open, max_bytes))

    async def estimate_text(self, call: Call[models.TaskBody, NoQuery]) -> Estimate:
        """What the task of a text would take."""
        await self._usage.require_room(call.identity)
        return await estimates.of_text(self._neighbours, call.body.text, await self._wanted(call.body))

    async def estimate_file(self, call: Call[NoBody, NoQuery]) -> Estimate:
        """What the task of a file would take, which is opened and looked through, and then forgotten."""
        await self._usage.require_room(call.identity)
        max_bytes = await self._max_bytes(call)
        preview = Preview(self._neighbours.ingest, self._settings.upload_seconds, max_bytes, self.file_job)
        found = await preview.run(self._reader(call, preview.open, max_bytes))
        return await estimates.of_upload(self._neighbours, found, preview.job)

    def _reader(self, call: Call[NoBody, NoQuery], open_sink: Opener, max_bytes: int) -> UploadReader:
        return UploadReader(call.form(), open_sink, max_bytes, self._settings.upload_held_bytes)

    async def _max_bytes(self, call: Call[NoBody, NoQuery]) -> int:
        organization = await self._organizations.get(call.identity.organization_id)
        max_bytes: int = organization.settings.max_file_size_mb * _MIB
        if declared_length(call.request) > max_bytes + _MIB:
            raise too_large(max_bytes)
        return max_bytes

    async def _wanted(self, body: models.TaskBody) -> analysis_pb2.AnalysisConfig | None:
        self._callbacks.require(body.callback_url)
        return await self._analysis(body.template, body.options)

    def sink(self) -> IngestSink:
        """A way for a file."""
        return IngestSink(self._neighbours.ingest, self._settings.upload_seconds)

    async def file_job(self, head: Head) -> job_pb2.JobConfig:
        """What is asked for with a file. Raises InvalidArgument."""
        form = _form(head.fields)
        self._callbacks.require(form.callback_url)
        return job_pb2.JobConfig(
            mode=job_pb2.READ_MODE_MIXED,
            languages=form.languages,
            password=form.password or "",
            analysis=await self._analysis(form.template, _options(form.options)),
            callback_url=form.callback_url or "",
        )

    async def _analysis(
        self, template: str | None, options: AnalysisOptions | None
    ) -> analysis_pb2.AnalysisConfig | None:
        name = template or models.DEFAULT_TEMPLATE
        return await analysis_by(self._neighbours.templates, name, None, None, options)

    async def _require_room(self, call: _Call) -> None:
        try:
            await self._usage.require_room(call.identity)
        except TooMuch:
            if not (call.origin.is_repeat and await self._is_made(call)):
                raise

    async def _is_made(self, call: _Call) -> bool:
        """Whether a try that nobody finished has made the task already: a repeat takes no room."""
        made = ids.owned(call.identity.organization_id, call.origin.id("job"), "job_id")
        try:
            await client.call(self._neighbours.jobs.GetJob, results_pb2.GetJobRequest(job_id=str(made)))
        except (NotFound, Forbidden):  # a caller that may only write cannot tell
            return False
        return True


class _File:
    """A file on its way to ingest."""

    def __init__(self, acceptance: Acceptance, call: Call[NoBody, NoQuery], max_bytes: int) -> None:
        self._acceptance = acceptance
        self._call = call
        self._max_bytes = max_bytes
        self._job = job_pb2.JobConfig()
        self._sink: IngestSink | None = None

    async def open(self, head: Head) -> Sink:
        """Tells ingest what comes."""
        self._job = await self._acceptance.file_job(head)
        config = _config(self._call, head.safe_filename, self._job)
        config.max_bytes = self._max_bytes
        self._sink = self._acceptance.sink()
        self._sink.begin(config)
        return self._sink

    async def run(self, reader: UploadReader) -> job_pb2.Job:
        """Reads the form to its end; whatever fails on the way leaves nothing behind."""
        try:
            await reader.run()
            assert self._sink is not None
            sent = await self._sink.finish()
        except IllegalState as error:  # an earlier try made the task of another file
            raise reused() from error
        except BaseException:
            if self._sink is not None:
                self._sink.cancel()
            raise
        return _checked(self._call, sent.job, self._job)


def _config(call: _Call, name: str, job: job_pb2.JobConfig) -> ingest_pb2.UploadConfig:
    return ingest_pb2.UploadConfig(
        document_id=call.origin.id("document"),
        job_id=call.origin.id("job"),
        original_filename=name,
        job=job,
        priority=_PRIORITY,
        job_type=job_pb2.JOB_TYPE_TEXT_TASK,
    )


def _checked(call: _Call, made: job_pb2.Job, asked: job_pb2.JobConfig) -> job_pb2.Job:
    had = made.config
    told = (had.mode, had.languages, had.callback_url) == (asked.mode, asked.languages, asked.callback_url)
    if call.origin.is_repeat and not (told and same(made.config.analysis, asked.analysis)):
        raise reused()
    return made


def _form(fields: dict[str, str]) -> models.TaskForm:
    """The fields beside the file; empty ones count as absent, as browsers send them."""
    known = models.TaskForm.model_fields
    try:
        return models.TaskForm.model_validate(
            {name: value for name, value in fields.items() if value or name not in known}
        )
    except ValidationError as error:
        raise wrong_fields(error) from error


def _options(text: str | None) -> AnalysisOptions | None:
    if text is None:
        return None
    try:
        orjson.loads(text)
        return AnalysisOptions.model_validate_json(text)
    except orjson.JSONDecodeError as error:
        raise invalid({"options": "No JSON."}) from error
    except ValidationError as error:
        wrong = wrong_fields(error)
        raise invalid({_within(name): message for name, message in wrong.details.items()}) from error


def _within(name: str) -> str:
    return "options" if name == "body" else f"options.{name}"
