"""The page at `/docs`, on which people read and try the API: Swagger UI from its wheel, nothing from the network.

The wheel wraps Swagger UI for Flask; only its files are used, and nothing of it is imported.
"""

from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import FileResponse, Response

from services.gateway import polling
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.openapi import DOCUMENTS
from services.gateway.validation import LooseQuery, NoBody

_PATH = "/docs"
_FILES = ("index.css", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-32x32.png")
# Swagger UI writes what it shows into the query.
_OURS: dict[str, Any] = {"public": True, "counted": False, "standalone": True}
# Nothing runs or loads but what this gateway serves; the page is in nobody's frame.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Addresses are relative, so that the page also works behind a proxy that adds a prefix.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pagemesh API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/index.css">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="pagemesh"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  dom_id: "#pagemesh",
  urls: %s,
  deepLinking: true,
  layout: "StandaloneLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  plugins: [() => ({ components: { Logo: () => null } })], // the logo brings inline styles
  validatorUrl: null,
});
"""


class Browsing:
    """The page and its files."""

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        page = {200: Answer("The page.", media_types=("text/html",))}
        files = [get(f"{_PATH}/{name}", self.file, "", {}, LooseQuery, **_OURS, listed=False) for name in _FILES]
        return [
            get(_PATH, self.page, "This API to read and to try", page, LooseQuery, **_OURS),
            get(f"{_PATH}/start.js", self.start, "", {}, LooseQuery, **_OURS, listed=False),
            *files,
        ]

    async def page(self, call: Call[NoBody, LooseQuery]) -> Response:
        """The page."""
        return Response(_PAGE, headers={**_HEADERS, "cache-control": "no-cache"}, media_type="text/html")

    async def start(self, call: Call[NoBody, LooseQuery]) -> Response:
        """What starts Swagger UI on the page."""
        documents = [{"url": path.removeprefix("/"), "name": name} for path, (name, _) in DOCUMENTS.items()]
        script = _START % orjson.dumps(documents).decode()
        return Response(script, headers={**_HEADERS, "cache-control": "no-cache"}, media_type="text/javascript")

    async def file(self, call: Call[NoBody, LooseQuery]) -> Response:
        """One of the wheel's files."""
        headers = {**_HEADERS, "etag": self._etag, "cache-control": "public, max-age=3600"}
        if polling.matches(call.request.headers.get("if-none-match"), self._etag):
            return Response(status_code=304, headers=headers)
        return FileResponse(self._directory / call.request.url.path.rpartition("/")[2], headers=headers)

    @cached_property
    def _directory(self) -> Path:
        spec = find_spec("flask_swagger_ui")
        assert spec is not None, "flask-swagger-ui is among the requirements"
        assert spec.origin is not None
        return Path(spec.origin).parent / "dist"

    @cached_property
    def _etag(self) -> str:
        return f'"swagger-ui-{version("flask-swagger-ui")}"'
