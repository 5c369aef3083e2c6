"""Handlers of `work.inspect` and `work.extract`: ask a sandboxed child, report what it says."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from mesh import pages
from mesh.blobs import Blobs
from mesh.errors import NotFound
from mesh.sandbox import HandlerFailed, Sandbox, SandboxError
from mesh.tasks import Report, pages_folder
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PagesExtracted
from pagemesh.results.v1.job_pb2 import ReadMode
from pagemesh.results.v1.outcome_pb2 import Failure, PageOutcome
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from pagemesh.work.v1.work_pb2 import Source, Task

FACT_BYTES = 512 << 10
"""About how much one fact carries: well below the broker's limit of 1 MiB."""

TOO_MUCH = "Reading this took more memory or time than is allowed."


def _blame(error: SandboxError, failed_code: str) -> tuple[str, str]:
    """Code and message for what ended the reading."""
    if isinstance(error, HandlerFailed):
        return failed_code, "This is damaged in a way that cannot be read."
    return "out_of_resources", TOO_MUCH


class Reader:
    """Reads documents in the sandbox."""

    def __init__(self, sandbox: Sandbox, blobs: Blobs) -> None:
        self._sandbox = sandbox
        self._blobs = blobs

    async def inspect(self, task: Task, report: Report) -> None:
        """Reports pages and metadata, with the text of a small document, or why the document cannot be opened."""
        source, mode, folder = task.inspect.source, task.inspect.mode, pages_folder(task)
        # When reading on the way ends the child, inspection alone may do, and each page is then tried by itself.
        try:
            try:
                found = await self.look(source, mode, folder)
            except SandboxError:
                found = await self.look(source, mode, folder, read_small=False)
        except NotFound as error:
            return await report.fail(error.code, error.message)
        except SandboxError as error:
            return await report.fail(*_blame(error, "corrupt_document"))
        if isinstance(found, Failure):
            return await report.fail(found.code, found.message)
        return await report.tell(_fitting(found))

    async def look(
        self,
        source: Source,
        mode: "ReadMode.ValueType",
        folder: str,
        read_small: bool = True,
        turn_seconds: float | None = None,
    ) -> DocumentInspected | Failure:
        """Pages and metadata, with the text of a small document; or why it cannot be opened.

        Large pages go to the folder.

        Raises NotFound, Unavailable, SandboxError, with `turn_seconds` also NoTurn.
        """
        found, failure = DocumentInspected(), None
        request = ReadRequest(mode=mode, inspect=True, read_small=read_small)
        async for frame in self._frames(source, request, turn_seconds):
            if frame.HasField("failure"):
                failure = frame.failure
            elif frame.HasField("inspected"):
                found = frame.inspected
            else:
                found.outcomes.append(await self._outcome(frame, folder))
        return failure or found

    async def extract(self, task: Task, report: Report) -> None:
        """Reports each page of the range; one that ends the child fails alone, and the others go on in a new one."""
        left = list(task.extract.pages)
        collected: list[PageOutcome] = []
        try:
            while left:
                try:
                    failure = await self._extract(task, left, collected, report)
                except SandboxError as error:
                    if left:  # else it ended after the last page
                        collected.append(pages.failed(left.pop(0), *_blame(error, "unreadable_page")))
                else:
                    if failure:
                        return await report.fail(failure.code, failure.message)
                    break
        except NotFound as error:
            return await report.fail(error.code, error.message)
        await report.tell(PagesExtracted(outcomes=collected))
        return None

    async def _extract(
        self, task: Task, left: list[int], collected: list[PageOutcome], report: Report
    ) -> Failure | None:
        """Reads the pages left, taking each from `left` when it is read; answers why the document cannot be opened."""
        failure = None
        request = ReadRequest(mode=task.extract.mode, pages=left)
        async for frame in self._frames(task.extract.source, request):
            if frame.HasField("failure"):
                failure = frame.failure
                continue
            outcome = await self._outcome(frame, pages_folder(task))
            left.remove(outcome.number)
            collected.append(outcome)
            if sum(one.ByteSize() for one in collected) > FACT_BYTES:
                await report.tell(PagesExtracted(outcomes=collected), last=False)
                collected.clear()
        return failure

    async def _frames(
        self, source: Source, request: ReadRequest, turn_seconds: float | None = None
    ) -> AsyncIterator[ReadFrame]:
        """To be read to the end: a child that is left early is killed."""
        async with self._blobs.opened(source.storage_key) as path:
            request.MergeFrom(ReadRequest(path=str(path), mime_type=source.mime_type, password=source.password))
            async with aclosing(self._sandbox.run(request.SerializeToString(), turn_seconds)) as frames:
                async for frame in frames:
                    yield ReadFrame.FromString(frame)

    async def _outcome(self, frame: ReadFrame, folder: str) -> PageOutcome:
        if frame.HasField("page"):
            return await pages.pack(frame.page, self._blobs, folder)
        failure = frame.page_failure
        return pages.failed(failure.page, failure.code, failure.message)


def _fitting(fact: DocumentInspected) -> DocumentInspected:
    """The fact with as many outcomes as it may carry.

    Left out of it, pages become tasks: simpler than a second kind of message, and as right.
    """
    outcomes = list(fact.outcomes)
    if fact.ByteSize() >= FACT_BYTES:
        del fact.outcomes[:]
        for outcome in outcomes:
            if fact.ByteSize() + outcome.ByteSize() < FACT_BYTES:
                fact.outcomes.append(outcome)
    return fact
