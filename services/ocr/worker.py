"""The handler of `work.ocr`: one page in a sandboxed child, reported."""

from mesh import pages
from mesh.blobs import Blobs
from mesh.errors import InvalidArgument, NotFound, PagemeshError, TooMuch
from mesh.sandbox import HandlerFailed, Sandbox, SandboxError
from mesh.tasks import Report, pages_folder
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from pagemesh.work.v1.work_pb2 import Task

TOO_MUCH = "Reading the page took more memory or time than is allowed."


class PageReader:
    """Reads single pages in the sandbox."""

    def __init__(self, sandbox: Sandbox, blobs: Blobs) -> None:
        self._sandbox = sandbox
        self._blobs = blobs

    async def recognize(self, task: Task, report: Report) -> None:
        """Reports the page, or why it cannot be read."""
        await report.tell(PageRecognized(outcome=await self._outcome(task)))

    async def read(self, request: ReadRequest) -> Page:
        """The page of the request. Raises a PagemeshError with the page's code."""
        answer: ReadFrame | None = None
        try:
            async for payload in self._sandbox.run(request.SerializeToString()):
                answer = ReadFrame.FromString(payload)  # read to the end: leaving early would cost the child its life
        except HandlerFailed as error:
            raise InvalidArgument("The engine failed on the page.", "OCR_FAILED") from error
        except SandboxError as error:
            raise TooMuch(TOO_MUCH, "OUT_OF_RESOURCES") from error
        if answer is None:
            raise InvalidArgument("The engine gave no answer.", "OCR_FAILED")
        if answer.HasField("failure"):
            raise InvalidArgument(answer.failure.message, answer.failure.code)
        return answer.page

    async def _outcome(self, task: Task) -> PageOutcome:
        wanted = task.ocr
        try:
            async with self._blobs.opened(wanted.source.storage_key) as path:
                request = ReadRequest(
                    path=str(path),
                    mime_type=wanted.source.mime_type,
                    password=wanted.source.password,
                    pages=[wanted.page],
                    languages=wanted.languages,
                )
                page = await self.read(request)
        except (InvalidArgument, TooMuch, NotFound) as error:
            return _failed(wanted.page, error)
        return await pages.pack(page, self._blobs, pages_folder(task))


def _failed(number: int, error: PagemeshError) -> PageOutcome:
    return pages.failed(number, error.code, error.message)
