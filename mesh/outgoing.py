"""HTTP to places that somebody named: connections go to addresses that were judged, whatever the name says later.

The name is resolved once a request and each of its addresses judged (`mesh.addresses`); the connection is made to the
address itself, while the `Host` field, SNI and the certificate's check stay with the name. So a name that changes
between check and connection (DNS rebinding) gains nothing. Redirects are not followed, proxies not asked.
"""

import ssl

import httpx

from mesh.addresses import PORTS, Address, Allowed, resolve

_AT_MOST = 4  # addresses tried


class VettedTransport(httpx.AsyncBaseTransport):
    """Sends each request to a judged address of its host.

    Raises, beyond what httpx does, InvalidArgument (ADDRESS_NOT_ALLOWED).
    """

    def __init__(self, allowed: Allowed, tls: ssl.SSLContext) -> None:
        self._allowed = allowed
        # A kept connection would serve another name at the same address, for which its certificate was not checked.
        self._inner = httpx.AsyncHTTPTransport(verify=tls, limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the host's addresses in turn until one takes the connection."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or PORTS.get(request.url.scheme, 0)
        refused: httpx.HTTPError = httpx.ConnectError("no address", request=request)
        for address in (await self._addresses(request, host, port))[:_AT_MOST]:
            try:
                return await self._inner.handle_async_request(_sent_to(request, address, host))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing of the request has been sent
                refused = error
        raise refused

    async def _addresses(self, request: httpx.Request, host: str, port: int) -> list[Address]:
        try:
            return await resolve(host, port, self._allowed)
        except OSError as error:
            raise httpx.ConnectError("the name does not resolve", request=request) from error

    async def aclose(self) -> None:
        """Closes what is open."""
        await self._inner.aclose()


def outgoing_client(allowed: Allowed, seconds: float) -> httpx.AsyncClient:
    """A client that calls allowed addresses only; each step of a request may take so long."""
    transport = VettedTransport(allowed, httpx.create_ssl_context())
    return httpx.AsyncClient(transport=transport, timeout=seconds, follow_redirects=False, trust_env=False)


def _sent_to(request: httpx.Request, address: Address, host: str) -> httpx.Request:
    name = host.removesuffix(".")
    secure = request.url.scheme == "https"
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers.raw,  # with the Host field of the name
        stream=request.stream,
        extensions=request.extensions | ({"sni_hostname": name} if secure else {}),
    )
