"""HTTP/1.1 as the server speaks it: also what is no request at all is answered in the one form of errors."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mesh import context
from services.gateway import problems
from services.gateway.surfaces import version_of


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's, with answers of our own to what cannot be parsed: no application ever sees it."""

    def send_400_response(self, msg: str) -> None:
        """Answers and closes the connection."""
        content = problems.body("invalid_request", "This is no HTTP request.")
        headers = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            "connection": "close",
            "api-version": version_of("/"),
            context.REQUEST_ID_KEY: context.accept_request_id(None),
        }
        lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
        self.transport.write(b"".join([STATUS_LINE[HTTPStatus.BAD_REQUEST], *lines, b"\r\n", content]))
        self.transport.close()
