"""`pagemesh submit`: sends documents, shows how far they are, and gives back what was found."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from cli.account import Account, GivenToken, LocalAccount
from cli.client import ApiError, Client, Json
from cli.layout import Layout
from cli.progress import Progress, open_progress
from cli.report import print_outcome
from cli.state import load

_AT_ONCE = 4
_SECONDS = 90.0


@dataclass
class Outcome:
    """What came of one file."""

    file: str
    document_id: str = ""
    job: Json = field(default_factory=dict)
    text: str = ""
    tables: list[Json] = field(default_factory=list)
    analyses: list[Json] = field(default_factory=list)
    error: dict[str, str] | None = None
    """`code` and `message` when it failed."""


@dataclass(frozen=True)
class Submission:
    """What to send, and what to do with the results."""

    files: Sequence[Path]
    fields: dict[str, str]
    """Form fields of the upload, `analysis_type` and the like."""
    save: Path | None = None
    as_json: bool = False


class NowhereToSubmitError(Exception):
    """No stack runs here and no URL was given."""


def submit(submission: Submission, layout: Layout, url: str | None, token: str | None) -> int:
    """Submits and prints. Returns 0 when every document was read, else 1. Raises NowhereToSubmitError."""
    running = load(layout)
    is_local = running is not None and url in (None, running.url)
    if url is None and running is None:
        raise NowhereToSubmitError(f"No stack runs in {layout.root}: start one with `pagemesh up`, or give --url.")
    if not token and not is_local:
        raise NowhereToSubmitError(f"{url} needs a token: --token or PAGEMESH_TOKEN.")
    account: Account = GivenToken(token) if token else LocalAccount(layout.credentials)
    address = url or (running.url if running else "")
    outcomes = asyncio.run(_submit(submission, address, account, is_local))
    _give_back(submission, outcomes)
    return 1 if any(outcome.error for outcome in outcomes) else 0


async def send_all(submission: Submission, client: Client) -> list[Outcome]:
    """Sends every file, a few at a time, and waits until each has ended."""
    room = asyncio.Semaphore(_AT_ONCE)
    with open_progress([file.name for file in submission.files]) as progress:
        return await asyncio.gather(
            *(
                _one(client, number, file, submission.fields, progress, room)
                for number, file in enumerate(submission.files)
            )
        )


async def _submit(submission: Submission, url: str, account: Account, is_local: bool) -> list[Outcome]:
    # The environment's proxies are for other machines.
    async with httpx.AsyncClient(base_url=url, timeout=_SECONDS, trust_env=not is_local) as http:
        return await send_all(submission, Client(http, account))


def _give_back(submission: Submission, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if submission.save:
            _save(submission.save, outcome)
        if not submission.as_json:
            print_outcome(asdict(outcome))
    if submission.as_json:
        json.dump([asdict(outcome) for outcome in outcomes], sys.stdout, ensure_ascii=False, indent=2)
        print()


async def _one(
    client: Client, number: int, file: Path, fields: dict[str, str], progress: Progress, room: asyncio.Semaphore
) -> Outcome:
    outcome = Outcome(file=str(file))
    try:
        async with room:
            await _read(client, number, file, fields, progress, outcome)
    except ApiError as error:
        outcome.error = {"code": error.code, "message": error.message}
    except httpx.HTTPStatusError as error:
        outcome.error = {"code": "login_failed", "message": f"The server answered {error.response.status_code}."}
    except httpx.TransportError as error:
        outcome.error = {"code": "unreachable", "message": str(error) or type(error).__name__}
    except OSError as error:
        outcome.error = {"code": "unreadable_file", "message": str(error)}
    if outcome.error:
        progress.failed(number, outcome.error["code"])
    return outcome


async def _read(
    client: Client, number: int, file: Path, fields: dict[str, str], progress: Progress, outcome: Outcome
) -> None:
    document = await client.upload(file, fields)
    outcome.document_id = str(document["id"])
    async for job in client.follow(str(document["job_id"])):
        outcome.job = job
        progress.show(number, job)
    if outcome.job["status"] != "completed":
        outcome.error = _failure(outcome.job)
        return
    outcome.text = await client.text(outcome.document_id)
    outcome.tables = await client.tables(outcome.document_id)
    if "analysis_type" in fields:
        outcome.analyses = await client.analyses(outcome.document_id)


def _failure(job: Json) -> dict[str, str]:
    told = job.get("error") or {}
    status = str(job["status"])
    return {"code": str(told.get("code", status)), "message": str(told.get("message", f"The job is {status}."))}


def _save(directory: Path, outcome: Outcome) -> None:
    """Writes `<name>.txt`, `.tables.json` and `.analysis.json` for what was found."""
    directory.mkdir(parents=True, exist_ok=True)
    name = Path(outcome.file).name
    if not outcome.error:
        (directory / f"{name}.txt").write_text(outcome.text, encoding="utf-8")
        _write_json(directory / f"{name}.tables.json", outcome.tables)
    if outcome.analyses:
        _write_json(directory / f"{name}.analysis.json", outcome.analyses)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
