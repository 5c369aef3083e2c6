"""Lists by page: their parameters, their form and their `Link` header (RFC 8288)."""

from collections.abc import Sequence
from typing import TypeVar

import orjson
from pydantic import Field
from starlette.datastructures import URL
from starlette.responses import Response

from services.gateway.validation import Query, WholeNumber

T = TypeVar("T")


class PageQuery(Query):
    """Which page of a list."""

    page: WholeNumber = Field(default=1, ge=1, le=10_000_000, description="From 1.")
    per_page: WholeNumber = Field(default=20, ge=1, le=100)


def page_count(total: int, per_page: int) -> int:
    """How many pages hold `total` items."""
    return -(-total // per_page)


def list_response(url: URL, query: PageQuery, items: Sequence[object], total: int) -> Response:
    """One page of a list."""
    pages = page_count(total, query.per_page)
    content = {"items": items, "total": total, "page": query.page, "per_page": query.per_page, "pages": pages}
    headers = {"link": link_header(url, query.page, pages)} if pages else None
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")


def link_header(url: URL, page: int, pages: int) -> str:
    """Links to the first, previous, next and last page, relative to the host, other parameters kept."""
    targets = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    links = []
    for relation, number in targets.items():
        if 1 <= number <= pages:
            target = url.include_query_params(page=number)
            links.append(f'<{target.path}?{target.query}>; rel="{relation}"')
    return ", ".join(links)
