"""Which URLs and addresses a service may call for somebody: callbacks, and documents that are fetched by URL.

Whoever names a URL must not reach through us what only we can reach. So a name is resolved, every address that it
stands for is judged, and the connection goes to a judged address (`mesh.outgoing`). Addresses that are not on the
public Internet (RFC 6890), and those of cloud metadata, are refused unless the operator's networks hold them.
"""

import asyncio
import re
import socket
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpx

from mesh.errors import InvalidArgument

LONGEST_URL = 2_000
"""Characters of a URL."""
_LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label like this makes the host an IPv4 address (WHATWG URL)
PORTS = {"http": 80, "https": 443}
"""Ports of URLs that name none."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_EVERYTHING = "*"
_LOOPBACK = IPv4Address("127.0.0.1")
# What `ipaddress` takes for global: RFC 6890 section 2.2.2, a relay that RFC 7526 abolishes, and Azure's metadata.
_NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "64:ff9b:1::/48")))
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052
# Threads of their own: names whose servers keep silent must not hold up whatever else resolves names here.
_RESOLVERS = ThreadPoolExecutor(8, "resolver")


@dataclass(frozen=True)
class SplitURL:
    """A URL that may be called, in ASCII; `host` is in lower case and without brackets or a trailing dot."""

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None
    """What the host is, where it is no name."""


class Allowed:
    """What the operator allows beyond the public Internet."""

    def __init__(self, networks: Collection[Network] = (), everything: bool = False) -> None:
        self._networks = tuple(networks)
        self._everything = everything

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """Of networks or addresses with blanks or commas between them; `*` is everything. Raises ValueError."""
        words = text.replace(",", " ").split()
        networks = [ip_network(word) for word in words if word != _EVERYTHING]
        return cls(networks, _EVERYTHING in words)

    def allows(self, address: Address) -> bool:
        """Whether the address may be called."""
        if self._everything:
            return True
        inner = _inner(address)
        return _is_public(inner) or any(inner in network or address in network for network in self._networks)


def check_url(
    url: str, schemes: Collection[str] = ("https", "http"), allowed: Allowed | None = None, field: str = ""
) -> SplitURL:
    """The URL taken apart. Nothing is resolved; with `allowed` a host that is an address is judged.

    Raises InvalidArgument, blaming the field if one is named: INVALID_ARGUMENT for what is no URL of these schemes or
    carries credentials, ADDRESS_NOT_ALLOWED.
    """
    try:
        return _checked(url, schemes, allowed)
    except InvalidArgument as error:
        if field:
            error.details["field"] = field
        raise


def _checked(url: str, schemes: Collection[str], allowed: Allowed | None) -> SplitURL:
    parsed = _parse(url)
    if parsed.scheme not in schemes:
        raise InvalidArgument(f"The URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if parsed.userinfo:
        raise InvalidArgument("The URL must not carry credentials.")
    port = parsed.port if parsed.port is not None else PORTS[parsed.scheme]
    if not 0 < port < 1 << 16:
        raise InvalidArgument("The URL's port is out of range.")
    host = _host(parsed)
    address = literal(host)
    if address and allowed and not allowed.allows(address):
        raise not_allowed()
    return SplitURL(str(parsed), parsed.scheme, host, port, address)


async def resolve(host: str, port: int, allowed: Allowed) -> list[Address]:
    """The addresses that a name, or an address in any spelling, stands for; each of them may be called.

    Raises InvalidArgument (ADDRESS_NOT_ALLOWED) when one of them may not, OSError when there are none.
    """
    address = literal(host.removesuffix("."))
    addresses = [address] if address else await _look_up(host, port)
    if not all(allowed.allows(address) for address in addresses):
        raise not_allowed()
    return addresses


def literal(host: str) -> Address | None:
    """The address that a host spells: also in octal, hexadecimal or fewer parts, as resolvers take it; or None.

    Names below `localhost` always mean this machine (RFC 6761 section 6.3). Raises InvalidArgument for a host that
    ends in a number and is no address, or has a zone.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    if ":" in host:
        return _ipv6(host)
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError as error:
        raise _malformed() from error


def not_allowed() -> InvalidArgument:
    """The error for an address that may not be called. Which it is stays untold: names of ours may be secrets."""
    message = "The URL's address is not allowed: it is not on the public Internet."
    return InvalidArgument(message, "ADDRESS_NOT_ALLOWED")


def _parse(url: str) -> httpx.URL:
    if len(url) > LONGEST_URL:
        raise InvalidArgument(f"The URL is longer than {LONGEST_URL:,} characters.")
    if "\\" in url or any(character.isspace() for character in url):
        raise _malformed()  # parsers disagree about what these mean
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise _malformed() from error


def _host(parsed: httpx.URL) -> str:
    host = parsed.raw_host.decode("ascii").removesuffix(".")
    labels = host.split(".")
    named = len(host) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)
    if not named and ":" not in host:
        raise _malformed()
    return host


def _ipv6(host: str) -> IPv6Address:
    try:
        address = IPv6Address(host)
    except ValueError as error:
        raise _malformed() from error
    if address.scope_id is not None:
        raise InvalidArgument("The URL's address must not have a zone.")
    return address


def _malformed() -> InvalidArgument:
    return InvalidArgument("This is not a URL that can be called.")


async def _look_up(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, _getaddrinfo, host, port)
    except UnicodeError as error:
        raise OSError("not a name that resolvers take") from error
    return list(dict.fromkeys(ip_address(where[0]) for *_, where in found))


def _getaddrinfo(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _inner(address: Address) -> Address:
    """The IPv4 address that packets to this IPv6 address may end at: mapped, NAT64, 6to4 (RFC 3056), Teredo (4380)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _is_public(address: Address) -> bool:
    if address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False):
        return False
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)
