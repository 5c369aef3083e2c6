"""The guide for direct callers is true: its table is the protos', and its code runs against a stack."""

import asyncio
import os
import re
import sys
from pathlib import Path

from cli.background import Background
from tests.attacks.methods import every_method
from tests.attacks.people import Person, new_client, register

_ROOT = Path(__file__).parents[2]
_GUIDE = (_ROOT / "docs" / "guides" / "grpc.md").read_text("utf-8")
_SAMPLE = _ROOT / "samples" / "grpc_client.py"
_ROW = re.compile(r"^\| `(\w+\.\w+)` \| (\w+) \| `([\w.:]+)` \|$", re.MULTILINE)
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_table_has_every_method_with_its_scope() -> None:
    """As the protos have them, by name."""
    expected = [(method.label, method.service, method.scope) for method in every_method()]
    assert expected == _ROW.findall(_GUIDE)


def test_the_guide_names_every_service_where_it_is() -> None:
    """In the table of addresses."""
    for method in every_method():
        name = method.descriptor.containing_service.name
        assert re.search(rf"^\| `{method.service}` \|.*`{name}`", _GUIDE, re.MULTILINE), name


def test_the_guide_has_the_sample_as_it_is() -> None:
    """Word for word."""
    assert _SAMPLE.read_text("utf-8") == _CODE.findall(_GUIDE)[-1]


async def run(stack: Background, *command: str, **more: str) -> tuple[int, str, str]:
    """Runs Python with the stack's addresses; its exit code and what it wrote."""
    sockets = stack.state.sockets
    addresses = {f"PAGEMESH_{name.upper()}_URL": f"unix:{path}" for name, path in sockets.items() if name != "postgres"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **addresses, **more},
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def credentials(person: Person) -> dict[str, str]:
    """A new client's, as the sample takes them."""
    client = await new_client(person)
    return {"CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"]}


async def test_the_sample_reads_and_asks(stack: Background) -> None:
    """It uploads, follows the job to its end, prints the pages, and the summary with its evidence."""
    person = await register(stack.url)
    file = str(_ROOT / "samples" / "quarterly-report.pdf")
    code, out, err = await run(stack, str(_SAMPLE), file, **await credentials(person))
    assert (0, "") == (code, err)
    listed = await person.send("GET", "/documents", 200)
    [document] = listed["items"]
    assert ("quarterly-report.pdf", "completed") == (document["original_filename"], document["status"])
    pages = [f"--- page {number}" for number in range(1, document["page_count"] + 1)]
    assert pages == re.findall(r"^--- page \d+$", out, re.MULTILINE)
    assert 2 == out.count("completed: 100 %")
    assert '"summary": "' in out
    assert '"evidence": ' in out
    await person.close()


async def test_the_sample_says_why_it_fails(stack: Background, tmp_path: Path) -> None:
    """With the reason of the error, and what belongs to it."""
    person = await register(stack.url)
    known = await credentials(person)
    file = tmp_path / "no.pdf"
    file.write_text("no document")
    refused = await run(stack, str(_SAMPLE), str(file), **known)
    assert (1, "INVALID_FILE_TYPE") == (refused[0], refused[2].partition(":")[0])
    unknown = await run(stack, str(_SAMPLE), str(file), **{**known, "CLIENT_SECRET": "wrong"})
    assert (1, "INVALID_CLIENT") == (unknown[0], unknown[2].partition(":")[0])
    await person.close()


async def test_health_and_reflection_are_there_as_shown(stack: Background) -> None:
    """The guide's first piece of Python runs, and needs no credential."""
    code, out, err = await run(stack, "-c", _CODE.findall(_GUIDE)[0])
    assert (0, "") == (code, err)
    assert "results SERVING" == out.splitlines()[0]
    assert {"pagemesh.results.v1.DocumentService", "grpc.health.v1.Health"} <= set(out.split())
