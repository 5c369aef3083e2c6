"""Documents: uploading, finding, downloading, deleting."""

from starlette.responses import Response, StreamingResponse

from mesh import client, ids
from mesh.blobs import Blobs
from mesh.errors import Forbidden, IllegalState, NotFound, TooMuch
from mesh.identity import Identity
from pagemesh.ingest.v1 import ingest_pb2
from pagemesh.results.v1 import job_pb2, results_pb2
from services.gateway import downloads, polling
from services.gateway.answers import accepted, begun, json_response
from services.gateway.callbacks import CallbackPolicy
from services.gateway.dry_runs import Estimate
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Endpoint, Keyed, get
from services.gateway.feed import Feed
from services.gateway.idempotency import reused
from services.gateway.ingest_sink import IngestSink
from services.gateway.listing import list_response
from services.gateway.neighbours import Neighbours
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.settings import GatewaySettings
from services.gateway.surfaces.platform import PREFIX, estimates, models, render, shapes
from services.gateway.surfaces.platform.asked import upload_form, wanted_job
from services.gateway.surfaces.platform.erasures import DeleteQuery, Erasure, shown
from services.gateway.surfaces.platform.previews import Preview
from services.gateway.template_use import analysis_by, same
from services.gateway.uploads import Head, Opener, Sink, UploadReader, too_large
from services.gateway.validation import NoBody, NoQuery, declared_length

_MIB = 1 << 20
_FORM_OVERHEAD_BYTES = _MIB
_SEARCHABLE_SECONDS = 600.0
_ERASING_SECONDS = 60.0
_BYTES_PER_SECOND_OF_WORK = 20 * _MIB
_STATES = {name: state for state, name in render.DOCUMENT_STATUSES.items()}
_SORTS = {
    "created_at": results_pb2.DOCUMENT_SORT_CREATED_AT,
    "filename": results_pb2.DOCUMENT_SORT_FILENAME,
    "file_size": results_pb2.DOCUMENT_SORT_FILE_SIZE,
}
_PLACES = {"name": results_pb2.SEARCH_IN_NAME, "content": results_pb2.SEARCH_IN_CONTENT}

_TYPES = ("application/pdf", "image/png", "image/jpeg", "image/tiff")
_READ, _WRITE = "documents.read", "documents.write"


class Documents:
    """Documents of the caller's organization."""

    def __init__(
        self,
        neighbours: Neighbours,
        organizations: Organizations,
        usage: Usage,
        blobs: Blobs,
        feed: Feed,
        settings: GatewaySettings,
        callbacks: CallbackPolicy,
    ) -> None:
        self._neighbours = neighbours
        self._organizations = organizations
        self._usage = usage
        self._blobs = blobs
        self._feed = feed
        self._settings = settings
        self._callbacks = callbacks

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/documents/{{document_id}}"
        return [
            Endpoint(
                "POST",
                f"{PREFIX}/documents/upload",
                self.upload,
                "Upload a document and start reading it",
                {201: Answer("The accepted document.", shapes.Uploaded, headers=("Location", "Retry-After"))},
                NoBody,
                NoQuery,
                form=models.UploadForm,
                problems=(400, 413, 415, 422, 429),
                keyed=Keyed(),
                estimate=self.estimate,
                scope=_WRITE,
            ),
            get(
                f"{PREFIX}/documents",
                self.find,
                "Find documents",
                {200: Answer("Documents.", shapes.DocumentList, headers=("Link",))},
                models.DocumentsQuery,
                scope=_READ,
            ),
            get(one, self.read, "One document", {200: Answer("The document.", shapes.DocumentDetail)}, scope=_READ),
            Endpoint(
                "DELETE",
                one,
                self.delete,
                "Delete a document",
                {
                    200: Answer("It is erased; the receipt proves it.", Erasure),
                    204: Answer("It is gone for everybody, and erased soon."),
                },
                NoBody,
                DeleteQuery,
                scope=_WRITE,
            ),
            get(
                f"{one}/download",
                self.download,
                "The original",
                {
                    200: Answer("All bytes.", media_types=_TYPES, headers=("ETag",)),
                    206: Answer("The range.", media_types=_TYPES, headers=("ETag", "Content-Range")),
                    304: Answer("The client has it.", headers=("ETag",)),
                },
                problems=(409, 416),
                request_headers=("Range", "If-Range", "If-None-Match"),
                scope=_READ,
            ),
            get(
                f"{one}/searchable-pdf",
                self.searchable_pdf,
                "The original as a PDF with an invisible layer of the recognized text",
                {200: Answer("The PDF.", media_types=("application/pdf",))},
                problems=(409,),
                scope=_READ,
            ),
        ]

    async def upload(self, call: Call[NoBody, NoQuery]) -> Response:
        """Takes a document in."""
        upload = _Upload(self._neighbours, call, self._settings.upload_seconds, self._callbacks)
        await self._require_room(call.identity, upload)
        upload.max_bytes = await self._max_bytes(call)
        answer = await upload.run(self._reader(call, upload.open, upload.max_bytes))
        self._feed.offer(answer.job)
        document = render.uploaded(answer.document, answer.job.id)
        retry_after = 1 + min(29, answer.document.file_size // _BYTES_PER_SECOND_OF_WORK)
        return accepted(document, 201, f"{PREFIX}/jobs/{answer.job.id}", retry_after)

    async def estimate(self, call: Call[NoBody, NoQuery]) -> Estimate:
        """What reading the file would take, which is opened and looked through, and then forgotten."""
        await self._usage.require_room(call.identity)
        max_bytes, wanted = await self._max_bytes(call), _Upload(self._neighbours, call, 0.0, self._callbacks).wanted
        preview = Preview(self._neighbours.ingest, self._settings.upload_seconds, max_bytes, wanted)
        found = await preview.run(self._reader(call, preview.open, preview.max_bytes))
        return await estimates.of_upload(self._neighbours, found, preview.job)

    def _reader(self, call: Call[NoBody, NoQuery], open_sink: Opener, max_bytes: int) -> UploadReader:
        return UploadReader(call.form(), open_sink, max_bytes, self._settings.upload_held_bytes)

    async def _max_bytes(self, call: Call[NoBody, NoQuery]) -> int:
        """The largest file that the organization allows. Raises InvalidArgument when the request must be larger."""
        organization = await self._organizations.get(call.identity.organization_id)
        max_bytes: int = organization.settings.max_file_size_mb * _MIB
        if declared_length(call.request) > max_bytes + _FORM_OVERHEAD_BYTES:
            raise too_large(max_bytes)
        return max_bytes

    async def _require_room(self, caller: Identity, upload: "_Upload") -> None:
        try:
            await self._usage.require_room(caller)
        except TooMuch:
            if not await upload.is_repeat():
                raise

    async def find(self, call: Call[NoBody, models.DocumentsQuery]) -> Response:
        """A list of documents."""
        query = call.query
        request = results_pb2.ListDocumentsRequest(
            page=query.page,
            per_page=query.per_page,
            state=_STATES[query.status] if query.status else job_pb2.DOCUMENT_STATE_UNSPECIFIED,
            search=query.search,
            sort=_SORTS[query.sort] if query.sort else results_pb2.DOCUMENT_SORT_UNSPECIFIED,
            ascending=query.order == "asc",
            search_in=_PLACES[query.search_in],
        )
        found = await client.call(self._neighbours.documents.ListDocuments, request)
        items = render.found_documents(found, with_matches=bool(query.search) and query.search_in == "content")
        return list_response(call.request.url, query, items, found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """One document."""
        found = await self._get(call.ids["document_id"])
        uri = self._blobs.uri(found.document.storage_key) if found.document.storage_key else ""
        return json_response(render.document_detail(found.document, list(found.jobs), uri))

    async def delete(self, call: Call[NoBody, DeleteQuery]) -> Response:
        """Deletes a document, or erases it at once."""
        document_id, erase = call.ids["document_id"], call.query.erase
        request = results_pb2.DeleteDocumentRequest(document_id=document_id, erase=erase)
        seconds = _ERASING_SECONDS if erase else client.DEFAULT_SECONDS
        gone = await client.call(self._neighbours.documents.DeleteDocument, request, seconds)
        self._feed.forget_document(call.identity.organization_id, document_id)
        return json_response(shown(gone.erasure)) if erase else Response(status_code=204)

    async def download(self, call: Call[NoBody, NoQuery]) -> Response:
        """The original, or a part of it."""
        document = (await self._get(call.ids["document_id"])).document
        if not document.storage_key:
            raise IllegalState("The original has not been fetched.", state=render.DOCUMENT_STATUSES[document.state])
        asked, etag = call.request.headers, f'"{document.sha256}"'
        headers = {"etag": etag, "accept-ranges": "bytes", "cache-control": "private, no-cache"}
        if polling.matches(asked.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        part = None
        if call.request.method == "GET" and asked.get("if-range", etag) == etag:
            part = downloads.requested_range(asked.get("range"), document.file_size)
        headers |= _describing(document, part)
        status, (start, end) = (206, part) if part else (200, (0, document.file_size))
        if call.request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        pieces = await begun(self._blobs.stream(document.storage_key, start, end))
        return StreamingResponse(pieces, status, headers)

    async def searchable_pdf(self, call: Call[NoBody, NoQuery]) -> Response:
        """A PDF that can be searched."""
        document = (await self._get(call.ids["document_id"])).document
        request = ingest_pb2.SearchablePdfRequest(document_id=document.id)
        answers = client.stream(self._neighbours.ingest.SearchablePdf, request, _SEARCHABLE_SECONDS)
        pieces = await begun(one.chunk async for one in answers)
        name = document.original_filename.removesuffix(".pdf") + ".pdf"
        headers = {"content-disposition": downloads.attachment(name), "x-content-type-options": "nosniff"}
        return StreamingResponse(pieces, headers=headers, media_type="application/pdf")

    async def _get(self, document_id: str) -> results_pb2.GetDocumentResponse:
        request = results_pb2.GetDocumentRequest(document_id=document_id)
        return await client.call(self._neighbours.documents.GetDocument, request)


class _Upload:
    """One upload on its way to ingest."""

    def __init__(
        self, neighbours: Neighbours, call: Call[NoBody, NoQuery], seconds: float, callbacks: CallbackPolicy
    ) -> None:
        self._neighbours = neighbours
        self._seconds = seconds
        self._callbacks = callbacks
        self._organization_id = call.identity.organization_id
        self._origin = call.origin
        self._job = job_pb2.JobConfig()
        self._sink: IngestSink | None = None
        self.max_bytes = 0

    async def open(self, head: Head) -> Sink:
        """Tells ingest what comes."""
        self._job = await self.wanted(head)
        config = ingest_pb2.UploadConfig(
            document_id=self._origin.id("document"),
            job_id=self._origin.id("job"),
            original_filename=head.safe_filename,
            max_bytes=self.max_bytes,
            job=self._job,
            priority=upload_form(head.fields).priority,
        )
        self._sink = IngestSink(self._neighbours.ingest, self._seconds)
        self._sink.begin(config)
        return self._sink

    async def wanted(self, head: Head) -> job_pb2.JobConfig:
        """What the form asks for. Raises InvalidArgument."""
        form = upload_form(head.fields)
        self._callbacks.require(form.callback_url)
        analysis = await analysis_by(self._neighbours.templates, form.template, form.analysis_type, form.prompt, None)
        return wanted_job(form, analysis)

    async def is_repeat(self) -> bool:
        """Whether a try that nobody finished has made the document already: a repeat takes no room."""
        if not self._origin.is_repeat:
            return False
        made = ids.owned(self._organization_id, self._origin.id("document"), "document_id")
        try:
            request = results_pb2.GetDocumentRequest(document_id=str(made))
            await client.call(self._neighbours.documents.GetDocument, request)
        except (NotFound, Forbidden):  # a caller that may only write cannot tell
            return False
        return True

    async def run(self, reader: UploadReader) -> ingest_pb2.UploadResponse:
        """Reads the form to its end; whatever fails on the way leaves nothing behind."""
        try:
            await reader.run()
            assert self._sink is not None
            return self._checked(await self._sink.finish())
        except IllegalState as error:  # an earlier try made the document of another file
            raise reused() from error
        except BaseException:
            if self._sink is not None:
                self._sink.cancel()
            raise

    def _checked(self, answer: ingest_pb2.UploadResponse) -> ingest_pb2.UploadResponse:
        made, asked = answer.job.config, self._job
        told = (made.mode, made.languages, made.callback_url) == (asked.mode, asked.languages, asked.callback_url)
        if self._origin.is_repeat and not (told and same(made.analysis, asked.analysis)):
            raise reused()
        return answer


def _describing(document: job_pb2.Document, part: tuple[int, int] | None) -> dict[str, str]:
    start, end = part or (0, document.file_size)
    headers = {
        "content-type": document.mime_type,
        "content-length": str(end - start),
        "content-disposition": downloads.attachment(document.original_filename),
        "x-content-type-options": "nosniff",
    }
    if part:
        headers["content-range"] = f"bytes {start}-{end - 1}/{document.file_size}"
    return headers
