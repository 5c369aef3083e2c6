"""Plain text, TLS or mutual TLS between services, as settings say."""

from pathlib import Path

import grpc

from mesh.settings import MeshSettings


def add_port(server: grpc.aio.Server, settings: MeshSettings) -> None:
    """Makes the server listen as the settings say. Raises OSError when the address cannot be had."""
    if not settings.tls_cert:
        port = server.add_insecure_port(settings.listen)
    else:
        port = server.add_secure_port(settings.listen, _server_credentials(settings))
    if port == 0:
        raise OSError(f"cannot listen on {settings.listen}")


def open_channel(target: str, settings: MeshSettings, options: list[tuple[str, str | int]]) -> grpc.aio.Channel:
    """A channel to the target, secured as the settings say."""
    if not settings.tls_ca:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(settings.tls_ca),
        private_key=_read(settings.tls_key) if settings.tls_key else None,
        certificate_chain=_read(settings.tls_cert) if settings.tls_cert else None,
    )
    return grpc.aio.secure_channel(target, credentials, options=options)


def _server_credentials(settings: MeshSettings) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(_read(settings.tls_key), _read(settings.tls_cert))],
        root_certificates=_read(settings.tls_ca) if settings.tls_ca else None,
        require_client_auth=bool(settings.tls_ca),
    )


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
