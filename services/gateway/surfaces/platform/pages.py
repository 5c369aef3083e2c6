"""What was read from a document: pages, text, tables."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from mesh import client
from pagemesh.results.v1 import page_pb2, results_pb2
from services.gateway.answers import begun, json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.listing import list_response
from services.gateway.negotiation import choose
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render_pages, shapes
from services.gateway.validation import NoBody, NoQuery
from services.gateway.zero_log import mark

_TEXTS = ("text/plain", "text/markdown")
_TABLES = ("application/json", "text/csv")
_BY_ACCEPT = {"vary": "Accept"}

_SCOPE = "documents.read"


class Pages:
    """Pages of the documents of the caller's organization."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/documents/{{document_id}}"
        return [
            get(
                f"{one}/pages",
                self.list,
                "Pages read so far",
                {200: Answer("Pages.", shapes.PageList, headers=("Link",))},
                models.PagesQuery,
                scope=_SCOPE,
            ),
            get(
                f"{one}/text",
                self.text,
                "Text read so far",
                {200: Answer("The text.", media_types=_TEXTS)},
                scope=_SCOPE,
            ),
            get(
                f"{one}/tables",
                self.tables,
                "Tables read so far",
                {200: Answer("The tables.", shapes.Tables, media_types=("text/csv",))},
                scope=_SCOPE,
            ),
        ]

    async def list(self, call: Call[NoBody, models.PagesQuery]) -> Response:
        """A list's worth of pages."""
        query = call.query
        request = results_pb2.ListPagesRequest(
            document_id=call.ids["document_id"],
            page=query.page,
            per_page=query.per_page,
            include_lines=query.blocks,
        )
        found = await client.call(self._neighbours.documents.ListPages, request, seconds=30)
        if found.zero_log:
            mark(call.request.scope)
        items = [render_pages.page(one, query.blocks) for one in found.pages]
        return list_response(call.request.url, query, items, found.total)

    async def text(self, call: Call[NoBody, NoQuery]) -> Response:
        """All text, page after page."""
        media_type = choose(call.request.headers.get("accept"), _TEXTS)
        as_markdown = media_type == "text/markdown"
        pages = await begun(self._stream(call, include_lines=as_markdown))
        write = render_pages.markdown if as_markdown else render_pages.plain_text
        pieces = (write(page) async for page in pages)
        return StreamingResponse(pieces, headers=_BY_ACCEPT, media_type=media_type)

    async def tables(self, call: Call[NoBody, NoQuery]) -> Response:
        """All tables."""
        document_id = call.ids["document_id"]
        pages = self._stream(call, include_lines=False)
        found = [(page.number, table) async for page in pages for table in page.tables]
        if choose(call.request.headers.get("accept"), _TABLES) == "text/csv":
            content = render_pages.csv_of([table for _, table in found])
            return Response(content, headers=_BY_ACCEPT, media_type="text/csv")
        tables: list[shapes.PageTable] = [{"page": number, **render_pages.table(table)} for number, table in found]
        answer: shapes.Tables = {"document_id": document_id, "tables": tables}
        return json_response(answer, headers=_BY_ACCEPT)

    async def _stream(self, call: Call[NoBody, NoQuery], include_lines: bool) -> AsyncIterator[page_pb2.Page]:
        document_id = call.ids["document_id"]
        request = results_pb2.StreamPagesRequest(document_id=document_id, include_lines=include_lines)
        async for message in client.stream(self._neighbours.documents.StreamPages, request):
            if message.zero_log:
                mark(call.request.scope)
            if message.HasField("page"):
                yield message.page
