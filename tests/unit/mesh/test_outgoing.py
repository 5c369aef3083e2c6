"""Connections go to the address that was judged, and TLS stays with the name."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mesh.addresses import Allowed
from mesh.errors import InvalidArgument
from mesh.outgoing import VettedTransport, outgoing_client
from tests.support.loopback import Answer, Asked, LoopbackServer

_LOOPBACK = Allowed.parse("127.0.0.0/8")
_NAME = "receiver.example"


class _Receiver(LoopbackServer):
    def answer(self, asked: Asked) -> Answer:
        return Answer(302, headers={"location": self.url}) if asked.path == "/away" else Answer(200)


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    with _Receiver() as receiver:
        yield receiver


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the resolver answers for _NAME, one after the other; the last stays."""
    answers: list[list[str]] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != _NAME:
            return real(host, port, *args, **kwargs)
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


async def test_the_request_keeps_its_name(receiver: _Receiver, addresses: list[list[str]]) -> None:
    """The receiver sees the host that was asked for, with its port."""
    addresses.append(["127.0.0.1"])
    port = httpx.URL(receiver.url).port
    async with outgoing_client(_LOOPBACK, 5) as client:
        answer = await client.post(f"http://{_NAME}:{port}/hook?a=b", content=b"hello=1")
    assert (200, f"{_NAME}:{port}", {"hello": "1"}) == (
        answer.status_code,
        receiver.asked[0].headers["host"],
        receiver.asked[0].form,
    )


async def test_a_name_that_changes_gains_nothing(receiver: _Receiver, addresses: list[list[str]]) -> None:
    """The name is asked once a request: what it says after the check is never heard."""
    addresses.extend([["127.0.0.1"], ["127.0.0.2"]])
    port = httpx.URL(receiver.url).port
    async with outgoing_client(Allowed.parse("127.0.0.1"), 5) as client:
        assert 200 == (await client.get(f"http://{_NAME}:{port}/")).status_code
        with pytest.raises(InvalidArgument, match="not allowed"):
            await client.get(f"http://{_NAME}:{port}/")
    assert 1 == len(receiver.asked)


async def test_private_addresses_are_not_even_connected_to(receiver: _Receiver) -> None:
    """By address or by name."""
    async with outgoing_client(Allowed(), 5) as client:
        for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(InvalidArgument):
                await client.get(url)
    assert [] == receiver.asked


async def test_the_next_address_is_tried(receiver: _Receiver, addresses: list[list[str]]) -> None:
    """A receiver with several addresses need not listen on the first."""
    addresses.append(["127.0.0.9", "127.0.0.1"])
    async with outgoing_client(_LOOPBACK, 5) as client:
        assert 200 == (await client.get(f"http://{_NAME}:{httpx.URL(receiver.url).port}/")).status_code


async def test_redirects_and_proxies_are_left_alone(receiver: _Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either would lead past the check."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with outgoing_client(_LOOPBACK, 5) as client:
        assert 302 == (await client.get(f"{receiver.url}/away")).status_code
    assert 1 == len(receiver.asked)


async def test_a_name_without_addresses() -> None:
    """It is like a receiver that is down."""
    async with outgoing_client(_LOOPBACK, 5) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://nobody.invalid/")


async def test_certificates_are_checked_for_the_name(tmp_path: Path, addresses: list[list[str]]) -> None:
    """SNI and verification use the name, though the connection is to an address."""
    addresses.append(["127.0.0.1"])
    with _TlsServer(_certificate(tmp_path)) as (port, names):
        tls = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        async with httpx.AsyncClient(transport=VettedTransport(_LOOPBACK, tls)) as client:
            assert 200 == (await client.get(f"https://{_NAME}:{port}/")).status_code
            with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
                await client.get(f"https://127.0.0.1:{port}/")
    assert [_NAME] == names[:1]


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "both.pem").write_bytes(made.public_bytes(Encoding.PEM) + pem)
    return folder / "both.pem"


class _TlsServer:
    """Answers 200 to whoever gets through the handshake; notes the names that SNI tells."""

    def __init__(self, pem: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pem)
        self._names: list[str] = []
        self._tls.sni_callback = lambda _, name, __: self._names.append(name)

    def __enter__(self) -> tuple[int, list[str]]:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self._socket.getsockname()[1], self._names

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            except OSError:
                connection.close()
