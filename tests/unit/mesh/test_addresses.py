"""Only the public Internet may be called, however an address is spelled or wrapped, unless the operator allows more."""

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from mesh.addresses import LONGEST_URL, Allowed, check_url, literal, resolve
from mesh.errors import InvalidArgument

_PUBLIC = Allowed()

_NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.1.1",
    "169.254.169.254",  # metadata of most clouds
    "100.100.100.200",  # of Alibaba, in 100.64.0.0/10 (RFC 6598)
    "100.64.0.1",
    "168.63.129.16",  # of Azure
    "192.0.0.192",  # of Oracle
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo of 127.0.0.1
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of AWS
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
_SPELLINGS = [
    "http://127.1/",
    "http://0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0X7F.1/",
    "http://017700000001/",
    "http://0177.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1:8080/",
    "http://127\u30020\u30020\u30021/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://deep.below.localhost/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::FFFF:7F00:1]/",
    "http://[::ffff:127.0.0.1]:81/",
]
_MALFORMED = [
    "",
    "example.org",
    "//example.org/",
    "http://",
    "http:///path",
    "ftp://example.org/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user@example.org/",
    "http://user:password@example.org/",
    "http://example.org\\@127.0.0.1/",
    "http://exa mple.org/",
    "http://example.org/\r\nx: y",
    "http://example.org/a\tb",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:-1/",
    "http://example.org:80a/",
    "http://256.1.1.1/",
    "http://0177.0.0.01/",
    "http://1.2.3.4.5/",
    "http://example.08/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://[::1]x/",
    "http://\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11/",
    "http://a..b/",
    "http://-a.example/",
    "http://%6cocalhost/",
    "http://127.0.0.1%00.example.org/",
    "http://\u24d8ocalhost/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 127}example/",
    "http://example.org/" + "a" * LONGEST_URL,
]


@pytest.mark.parametrize("address", _NOT_PUBLIC)
def test_what_is_not_on_the_internet_is_refused(address: str) -> None:
    """Each kind of address that only we can reach, IPv6 that leads to IPv4 included."""
    assert not _PUBLIC.allows(ip_address(address))
    assert Allowed.parse("*").allows(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_what_is_on_the_internet_is_allowed(address: str) -> None:
    """Also through NAT64, as hosts without IPv4 see the Internet."""
    assert _PUBLIC.allows(ip_address(address))


@pytest.mark.parametrize("url", _SPELLINGS)
def test_every_spelling_of_this_machine_is_refused(url: str) -> None:
    """Resolvers understand more than dotted quads, so all of it is judged."""
    with pytest.raises(InvalidArgument) as caught:
        check_url(url, allowed=_PUBLIC)
    assert "ADDRESS_NOT_ALLOWED" == caught.value.reason
    assert check_url(url, allowed=Allowed.parse("127.0.0.0/8 ::1 0.0.0.0")).address is not None


@pytest.mark.parametrize("url", _MALFORMED)
def test_what_is_no_url_to_call_is_refused(url: str) -> None:
    """Malformed, of another scheme, with credentials, or open to two readings."""
    with pytest.raises(InvalidArgument) as caught:
        check_url(url, allowed=Allowed.parse("*"))
    assert "INVALID_ARGUMENT" == caught.value.reason


def test_a_url_is_taken_apart() -> None:
    """Names become ASCII (IDNA), ports follow from the scheme, a trailing dot falls."""
    url = check_url("HTTPS://Bücher.Example./ä?q=ö", allowed=_PUBLIC)
    assert ("https", "xn--bcher-kva.example", 443, None) == (url.scheme, url.host, url.port, url.address)
    assert url.url.isascii()
    assert ("h_1", 81) == (check_url("http://h_1:81").host, check_url("http://h_1:81").port)


def test_schemes_may_be_fewer() -> None:
    """Whoever wants TLS says so."""
    with pytest.raises(InvalidArgument, match="https://"):
        check_url("http://example.org", schemes=("https",))


def test_networks_of_the_operator() -> None:
    """Networks and single addresses; what is inside of an IPv6 address counts."""
    allowed = Allowed.parse("10.0.0.0/8, fd00::/8 192.168.7.7")
    good = ("10.1.2.3", "fd00::1", "192.168.7.7", "::ffff:10.0.0.1", "64:ff9b::a00:1", "8.8.8.8")
    assert all(allowed.allows(ip_address(address)) for address in good)
    assert not any(allowed.allows(ip_address(address)) for address in ("192.168.7.8", "127.0.0.1", "fe80::1"))
    with pytest.raises(ValueError, match="nonsense"):
        Allowed.parse("nonsense")


def test_names_are_no_addresses() -> None:
    """A name with digits in it stays one."""
    assert [None] * 3 == [literal(host) for host in ("1.example", "0x7f.example", "localhost.example")]


async def test_a_name_is_good_when_all_its_addresses_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough to refuse: the connection might take it."""
    names = {"public.example": ["8.8.8.8", "1.1.1.1"], "mixed.example": ["8.8.8.8", "10.0.0.1"]}
    _resolve_by(monkeypatch, names)
    assert [ip_address("8.8.8.8"), ip_address("1.1.1.1")] == await resolve("public.example", 443, _PUBLIC)
    with pytest.raises(InvalidArgument) as caught:
        await resolve("mixed.example", 443, _PUBLIC)
    assert "ADDRESS_NOT_ALLOWED" == caught.value.reason
    assert "10.0.0.1" not in caught.value.message
    with pytest.raises(OSError, match="unknown"):
        await resolve("nobody.example", 443, _PUBLIC)


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.1", "0x7f000001", "2130706433.", "::1"])
async def test_spelled_addresses_are_judged_where_names_are_resolved(host: str) -> None:
    """Whoever skipped `check_url` gains nothing."""
    with pytest.raises(InvalidArgument):
        await resolve(host, 80, _PUBLIC)


def _resolve_by(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
