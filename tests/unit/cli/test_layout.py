"""Directories, secrets and ports of an installation."""

import os
import socket
import stat
from base64 import b64decode
from pathlib import Path

import pytest

from cli.layout import Layout
from cli.ports import LOOPBACK, free_ports, is_free, remembered_port


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    """A secret must stay what it is over restarts, and only its owner may read it."""
    layout = Layout(tmp_path / "data")
    layout.create()
    first = layout.secret("nats")
    assert (first, 43, 0o600) == (Layout(layout.root).secret("nats"), len(first), _mode(layout.secrets / "nats"))


def test_master_key_is_32_bytes(tmp_path: Path) -> None:
    """`auth` reads 32 bytes in standard base64."""
    layout = Layout(tmp_path)
    layout.create()
    assert 32 == len(b64decode(layout.master_key().read_text().strip(), validate=True))


def test_long_paths_get_short_sockets(tmp_path: Path) -> None:
    """A data directory of any length must have sockets that the system can bind, reachable by their owner alone."""
    layout = Layout(tmp_path / ("long" * 30))
    layout.create()
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(layout.socket("analysis")))
        assert 0o700 == _mode(layout.sockets)
    finally:
        layout.socket("analysis").unlink(missing_ok=True)
        layout.sockets.rmdir()


def test_foreign_socket_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that others may write, laid where ours would be, must not be used."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    layout = Layout(tmp_path / ("long" * 30))
    layout.sockets.mkdir()
    layout.sockets.chmod(0o777)
    with pytest.raises(PermissionError):
        layout.create()


def test_short_paths_keep_sockets_inside(tmp_path: Path) -> None:
    """Two directories must never share sockets."""
    short = [Path(os.sep, "srv", name) for name in ("a", "b")]
    assert [path / "run" / "ocr.sock" for path in short] == [Layout(path).socket("ocr") for path in short]


def test_ports_are_different_and_free() -> None:
    """Servers that start together must not meet on a port."""
    ports = free_ports(20)
    assert (20, True) == (len(set(ports)), all(map(is_free, ports)))


def test_port_is_remembered_while_free(tmp_path: Path) -> None:
    """A broker that starts again must be where it was, unless somebody else is there now."""
    file = tmp_path / "port"
    first = remembered_port(file)
    again = remembered_port(file)
    with socket.create_server((LOOPBACK, first)):
        other = remembered_port(file)
    assert (first, True, other) == (again, other != first, int(file.read_text()))
