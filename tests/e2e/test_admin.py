"""`pagemesh admin` as a process of its own, against a running stack."""

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from cli.background import Background
from tests.support.broker import eventually

PASSWORD = "correct horse battery staple"
_SECONDS = 30


class Operator:
    """Somebody at the command line of a stack."""

    def __init__(self, stack: Background) -> None:
        self._stack = stack
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PAGEMESH_")}

    async def run(self, *arguments: str, given: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command with `given` on its standard input, in the stack's data directory unless told otherwise."""
        where = () if environment else ("--data", str(self._stack.layout.root))
        return await asyncio.to_thread(self._run, (*arguments, *where), given, environment)

    async def json(self, *arguments: str, given: str = "", code: int = 0) -> Any:
        """What a command prints as JSON."""
        done = await self.run(*arguments, "--json", given=given)
        assert (code, "") == (done.returncode, done.stderr), done
        return json.loads(done.stdout)

    def _run(
        self, arguments: tuple[str, ...], given: str, environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "cli.main", "admin", *arguments]
        known = {**self._environment, **environment}
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=_SECONDS, env=known)

    def answer(self, replies: Sequence[tuple[str, str]], *arguments: str) -> tuple[int, str]:
        """Runs a command on a terminal on which somebody replies to prompts; exit code, and what was shown."""
        outer, inner = pty.openpty()
        command = [sys.executable, "-m", "cli.main", "admin", *arguments, "--data", str(self._stack.layout.root)]
        with subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=self._environment, start_new_session=True
        ) as process:
            os.close(inner)
            shown = ""
            for prompt, reply in replies:
                shown += _read(outer, prompt)
                os.write(outer, f"{reply}\n".encode())
            shown += _read(outer)
            process.wait(_SECONDS)
        os.close(outer)
        return process.returncode, shown


def _read(terminal: int, until: str = "no such text") -> str:
    """What is shown up to the text, or to the end."""
    shown = b""
    while until.encode() not in shown:
        assert select.select([terminal], [], [], _SECONDS)[0], shown
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        shown += part
    return shown.decode()


@pytest.fixture
def operator(stack: Background) -> Operator:
    """An operator of the stack."""
    return Operator(stack)


async def newcomer(operator: Operator, role: str = "admin") -> tuple[dict[str, Any], dict[str, Any]]:
    """A new organization and its user."""
    organization = await operator.json("create-organization", "Acme", "--tier", "pro")
    arguments = ("--organization", organization["id"], "--name", "Ada", "--role", role, "--password-stdin")
    user = await operator.json("create-user", f"{uuid.uuid4()}@example.org", *arguments, given=f"{PASSWORD}\n")
    return organization, user


async def login(stack: Background, email: str, password: str = PASSWORD) -> httpx.Response:
    """Logs in over HTTP."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as http:
        return await http.post("/api/v1/auth/login", json={"email": email, "password": password})


async def session(stack: Background, email: str) -> httpx.AsyncClient:
    """A client with a session."""
    token = (await login(stack, email)).json()["access_token"]
    return httpx.AsyncClient(base_url=stack.url, timeout=30, headers={"authorization": f"Bearer {token}"})


async def _whole_minute_ahead() -> None:
    """Waits, rarely, until no minute ends in the next seconds."""
    left = 60 - time.time() % 60
    if left < 20:
        await asyncio.sleep(left + 0.01)


@pytest.mark.timeout(240)
async def test_an_override_of_three_a_minute_takes_three(stack: Background, operator: Operator) -> None:
    """Exactly, from the command on; cleared, everything is taken again."""
    await _whole_minute_ahead()
    organization, user = await newcomer(operator)
    async with await session(stack, user["email"]) as http:
        limited = await operator.json("set-limits", organization["id"], "--rpm", "3", "--yes")
        assert {"per_second": None, "per_minute": 3, "per_hour": None} == limited["rate_limits"]
        answers = [await http.get("/api/v1/jobs") for _ in range(6)]
        assert [200] * 3 + [429] * 3 == [answer.status_code for answer in answers]
        assert "rate_limit_exceeded" == answers[-1].json()["error"]
        cleared = await operator.json("set-limits", organization["id"], "--rpm", "none", "--yes")
        assert cleared["rate_limits"]["per_minute"] is None

        async def taken() -> bool:
            return (await http.get("/api/v1/jobs")).status_code == 200

        await eventually(taken, within=1)


@pytest.mark.timeout(240)
async def test_disabled_and_enabled(stack: Background, operator: Operator) -> None:
    """An organization and a user are refused by the running gateway within a second, and let in again."""
    organization, user = await newcomer(operator)
    for noun, name in (("organization", organization["id"]), ("user", user["email"])):
        async with await session(stack, user["email"]) as http:
            assert 200 == (await http.get("/api/v1/users/me")).status_code

            async def refused(http: httpx.AsyncClient = http) -> bool:
                return (await http.get("/api/v1/users/me")).status_code == 401

            assert (await operator.json(f"disable-{noun}", name, "--yes"))["is_active"] is False
            await eventually(refused, within=1)
            assert 403 == (await login(stack, user["email"])).status_code
            assert (await operator.json(f"enable-{noun}", name, "--yes"))["is_active"] is True
            assert 200 == (await login(stack, user["email"])).status_code
            assert await refused()


async def test_a_generated_password_is_shown_once(stack: Background, operator: Operator) -> None:
    """It opens the account, and nothing shows it again."""
    organization = await operator.json("create-organization", "Acme")
    email = f"{uuid.uuid4()}@example.org"
    made = await operator.json("create-user", email, "--organization", organization["id"], "--name", "Ada")
    assert 200 == (await login(stack, email, made["password"])).status_code
    assert "password" not in await operator.json("show-user", email)
    assert made["password"] not in stack.layout.log.read_text(encoding="utf-8")


async def test_the_rest(stack: Background, operator: Operator) -> None:
    """Tiers, lists, keys and the record of it all."""
    organization, user = await newcomer(operator, "user")
    assert "enterprise" == (await operator.json("set-tier", organization["id"], "enterprise", "--yes"))["tier"]
    shown = await operator.json("show-organization", organization["id"])
    assert ("enterprise", 1) == (shown["tier"], shown["member_count"])
    found = await operator.json("organizations", "--search", organization["id"], "--per-page", "1")
    assert ([shown], 1, 1, 1, 1) == tuple(found[name] for name in ("items", "total", "page", "per_page", "pages"))
    users = await operator.json("users", "--organization", organization["id"])
    assert [user["id"]] == [one["id"] for one in users["items"]]
    await operator.json("set-limits", organization["id"], "--rps", "5", "--rph", "9", "--yes")
    cleared = await operator.json("clear-limits", organization["id"], "--yes")
    assert {None} == set(cleared["rate_limits"].values())
    rotated = [await operator.json("rotate-keys", "--yes") for _ in range(2)]
    assert rotated[0]["next"] == rotated[1]["next"]
    assert rotated[1]["made"] is False
    done = await operator.json("actions", "--organization", organization["id"], "--operator", "not recorded")
    actions = ["rate_limits_set", "rate_limits_set", "tier_set", "user_created", "organization_created"]
    assert actions == [one["action"] for one in done["items"]]


async def test_people_read_tables(operator: Operator) -> None:
    """Without --json lines come out, and errors go to standard error."""
    organization, user = await newcomer(operator)
    listed = await operator.run("users", "--search", user["email"])
    assert (0, True) == (listed.returncode, listed.stdout.startswith("ID "))
    shown = await operator.run("show-organization", organization["id"])
    assert ["organization  Acme", f"id            {organization['id']}"] == shown.stdout.splitlines()[:2]
    missing = await operator.run("show-user", "nobody@example.org")
    assert (1, "", "pagemesh: There is no such user.\n") == (missing.returncode, missing.stdout, missing.stderr)


@pytest.mark.parametrize(
    ("arguments", "given", "code", "error"),
    [
        (("show-organization", "garbage"), "", 1, "not_found"),
        (("create-organization", " "), "", 1, "invalid_argument"),
        (("users", "--page", "0"), "", 1, "invalid_argument"),
        (("disable-user", "nobody@example.org", "--yes"), "", 1, "not_found"),
        (("disable-user", "nobody@example.org"), "y\n", 2, "not_confirmed"),
        (("set-tier", "ID", "gold"), "", 2, "usage"),
        (
            ("create-user", "a@example.org", "--organization", "ID", "--name", "A", "--password-stdin"),
            "",
            2,
            "no_password",
        ),
        (
            ("create-user", "a@example.org", "--organization", "ID", "--name", "A", "--ask-password"),
            "",
            2,
            "no_password",
        ),
        (("create-user", "a@example.org", "--organization", "ID", "--name", "A"), "", 1, "not_found"),
    ],
)
async def test_failures(operator: Operator, arguments: tuple[str, ...], given: str, code: int, error: str) -> None:
    """One JSON object with its code on standard output, and an exit code by which a script can go on."""
    told = await operator.json(*arguments, given=given, code=code)
    assert (error, True) == (told["error"], bool(told["message"]))


async def test_on_a_terminal_somebody_is_asked(operator: Operator) -> None:
    """Yes goes on; anything else changes nothing; a password is asked for twice and not shown."""
    organization, user = await newcomer(operator)
    for answer, code, is_active in (("", 1, True), ("no", 1, True), ("y", 0, False)):
        replies = [("[y/N] ", answer)]
        ended, shown = await asyncio.to_thread(operator.answer, replies, "disable-user", user["email"])
        assert (code, True) == (ended, f"Disable {user['email']} of Acme?" in shown), shown
        assert is_active == (await operator.json("show-user", user["email"]))["is_active"]
    email = f"{uuid.uuid4()}@example.org"
    arguments = ("create-user", email, "--organization", organization["id"], "--name", "A", "--ask-password")
    for again, code in (("another one", 2), (PASSWORD, 0)):
        replies = [("Password: ", PASSWORD), ("Once more: ", again)]
        ended, shown = await asyncio.to_thread(operator.answer, replies, *arguments)
        assert (code, False) == (ended, PASSWORD in shown), shown


async def test_elsewhere_by_address_and_secret(stack: Background, operator: Operator) -> None:
    """With the operators' secret alone: neither a wrong one nor that of services will do."""
    address = f"unix:{stack.state.sockets['auth']}"
    secrets = {name: stack.layout.known_secret(name) for name in ("admin", "service")}
    good = await operator.run("organizations", PAGEMESH_AUTH_URL=address, PAGEMESH_ADMIN_SECRET=secrets["admin"])
    assert 0 == good.returncode, good
    for name, secret in (("ADMIN", "wrong"), ("ADMIN", secrets["service"]), ("SERVICE", secrets["service"])):
        bad = await operator.run("organizations", **{"PAGEMESH_AUTH_URL": address, f"PAGEMESH_{name}_SECRET": secret})
        assert (1, True) == (bad.returncode, "operators' secret" in bad.stderr)


async def test_auth_alone_knows_the_operators_secret(stack: Background) -> None:
    """Of the processes of a stack, no other has it in its environment."""
    secret = stack.layout.known_secret("admin").encode()
    processes = stack.state.processes
    knowing = [name for name, one in processes.items() if secret in _environment(one.pid)]
    assert ["auth"] == knowing


def _environment(pid: int) -> bytes:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()
