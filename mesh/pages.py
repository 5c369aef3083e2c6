"""Pages packed for the way from a worker to the record, and unpacked for readers."""

import zlib

from mesh.blobs import Blobs
from pagemesh.results.v1.outcome_pb2 import Failure, PageContent, PageOutcome
from pagemesh.results.v1.page_pb2 import Page

INLINE_BYTES = 256 << 10
"""Larger pages go through the blob store: a message must stay well below the broker's 1 MiB."""


async def pack(page: Page, blobs: Blobs, folder: str) -> PageOutcome:
    """A page that was read, as its fact carries it; a large one's content goes to the folder. Raises Unavailable."""
    content = PageContent(
        width=page.width,
        height=page.height,
        source=page.source,
        language=page.language,
        confidence=page.confidence if page.HasField("confidence") else None,
        table_count=len(page.tables),
        engine=page.engine,
    )
    layout = zlib.compress(_without_text(page).SerializeToString(), 1)
    if len(layout) + len(page.text) * 4 <= INLINE_BYTES:
        content.text, content.layout = page.text, layout
    else:
        content.layout_key = f"{folder}/{page.number}"
        await blobs.put(content.layout_key, zlib.compress(page.SerializeToString(), 1))
    return PageOutcome(number=page.number, content=content)


def failed(number: int, code: str, message: str) -> PageOutcome:
    """A page that could not be read, as its fact carries it."""
    return PageOutcome(number=number, failure=Failure(code=code, message=message))


def unpack(layout: bytes) -> Page:
    """The packed page; without text unless it came from the blob store."""
    return Page.FromString(zlib.decompress(layout)) if layout else Page()


def _without_text(page: Page) -> Page:
    layout = Page()
    layout.CopyFrom(page)
    layout.ClearField("text")
    return layout
