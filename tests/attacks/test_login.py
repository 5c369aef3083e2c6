"""Logging in tells nobody which accounts there are: not by status, body or headers, by limits, or by time."""

import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import psycopg
import pytest

from mesh import client
from mesh.errors import PagemeshError
from pagemesh.auth.v1.auth_pb2 import LoginRequest
from pagemesh.auth.v1.auth_pb2_grpc import AccountServiceStub
from services.auth.__main__ import serve
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings
from tests.attacks.conftest import World
from tests.attacks.people import register
from tests.attacks.sending import comparable
from tests.support.services import Caller, auth_settings
from tests.support.timing import told_apart

KINDS = ("known", "without a password", "unknown", "no address")
# So many that timing all rounds tries none of them as often as is refused.
_ACCOUNTS = 8


class Logins:
    """Wrong passwords, over HTTP, for accounts of each kind."""

    def __init__(self, http: httpx.AsyncClient, record: str) -> None:
        self._http = http
        self._record = record
        self.addresses: dict[str, list[str]] = {kind: [] for kind in KINDS}

    async def prepare(self, url: str) -> None:
        """Makes the accounts that there are to be."""
        for kind in KINDS:
            for _ in range(_ACCOUNTS):
                self.addresses[kind].append(await self._address(url, kind))
        async with await psycopg.AsyncConnection.connect(self._record) as connection:
            for address in self.addresses["without a password"]:
                await connection.execute(await self._without_password(connection), (address,))

    async def forget(self) -> None:
        """Sets back who has failed how often."""
        async with await psycopg.AsyncConnection.connect(self._record) as connection:
            await connection.execute("DELETE FROM auth.login_failures")

    async def attempt(self, email: str, password: str = "a wrong password") -> httpx.Response:
        """One login."""
        return await self._http.post("/api/v1/auth/login", json={"email": email, "password": password})

    def timed(self, kind: str) -> Callable[[], Awaitable[object]]:
        """A login of that kind, every time of the next account."""
        addresses = itertools.cycle(self.addresses[kind])
        return lambda: self.attempt(next(addresses))

    async def _address(self, url: str, kind: str) -> str:
        if kind == "no address":
            return f"{uuid.uuid4().hex}.example.com"
        if kind == "unknown":
            return f"{uuid.uuid4().hex}@example.com"
        person = await register(url)
        await person.close()
        return str(person.session["user"]["email"])

    async def _without_password(self, connection: psycopg.AsyncConnection) -> bytes:
        """Where no account can be without one, its password is one that nobody knows."""
        cursor = await connection.execute(
            "SELECT is_nullable = 'YES' FROM information_schema.columns "
            "WHERE table_schema = 'auth' AND table_name = 'users' AND column_name = 'password_hash'"
        )
        [[nullable]] = await cursor.fetchall()
        return b"UPDATE auth.users SET password_hash = %s WHERE email = %%s" % (
            b"NULL" if nullable else b"password_hash"
        )


@pytest.fixture(scope="module")
async def logins(world: World) -> AsyncIterator[Logins]:
    """Accounts of every kind."""
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as http:
        logins = Logins(http, world.record.dsn)
        await logins.prepare(world.url)
        yield logins


@pytest.fixture(autouse=True)
async def _forgotten(logins: Logins) -> None:
    """Each test begins without failures."""
    await logins.forget()


async def test_the_answer_is_the_same(logins: Logins) -> None:
    """Status, body and headers, for every kind of account."""
    answers = {kind: comparable(await logins.attempt(logins.addresses[kind][0]), "") for kind in KINDS}
    assert 1 == len(set(map(str, answers.values()))), answers
    assert 401 == answers["known"][0]


async def test_the_limits_are_the_same(logins: Logins) -> None:
    """As many tries, the same refusal, and the right password refused like a wrong one."""
    told: dict[str, list[tuple[int, str]]] = {}
    for kind in KINDS:
        answers = [await logins.attempt(logins.addresses[kind][0]) for _ in range(12)]
        told[kind] = [(each.status_code, each.json()["error"]) for each in answers]
        late = answers[-1]
        assert 0 < int(late.headers["retry-after"]) <= 900
        assert {"error", "message", "retry_after"} == set(late.json())
    assert 1 == len(set(map(str, told.values()))), told
    assert [401] * 10 + [429] * 2 == [status for status, _ in told["known"]]
    right = await logins.attempt(logins.addresses["known"][0], "a long enough phrase")
    assert (429, "too_many_attempts") == (right.status_code, right.json()["error"])


async def test_registering_throttles_no_login_and_login_no_registering(world: World, logins: Logins) -> None:
    """An address that is guessed at can still be registered, and is then as refused as it was."""
    address = logins.addresses["unknown"][1]
    for _ in range(11):
        await logins.attempt(address)
    body = {"email": address, "password": "a long enough phrase", "full_name": "Late Comer"}
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as http:
        assert 201 == (await http.post("/api/v1/auth/register", json=body)).status_code
    assert 429 == (await logins.attempt(address)).status_code


@pytest.mark.timeout(600)
async def test_the_time_is_the_same(logins: Logins) -> None:
    """Nobody can tell by the clock; see tests/support/timing.py for how often this errs."""
    kinds = {kind: logins.timed(kind) for kind in KINDS if kind != "no address"}
    assert set() == await told_apart(kinds)


@pytest.fixture(scope="module")
async def own_auth(
    fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AuthSettings]:
    """An auth service in this process, which refuses nobody for failing."""
    settings = auth_settings(fresh_database(), tmp_path_factory.mktemp("login"))
    settings = settings.model_copy(update={"login_failures": 1_000_000})
    async with serve(settings):
        yield settings


async def timed_logins(settings: AuthSettings) -> dict[str, Callable[[], Awaitable[object]]]:
    """A known and an unknown account, over gRPC."""
    caller = await Caller.register(settings)
    async with await psycopg.AsyncConnection.connect(_dsn(settings)) as connection:
        cursor = await connection.execute("SELECT email FROM auth.users WHERE id = %s", (caller.user_id,))
        [[known]] = await cursor.fetchall()
    accounts = AccountServiceStub(client.connect(settings.listen, settings))

    def login(email: str) -> Callable[[], Awaitable[object]]:
        async def attempt() -> None:
            with pytest.raises(PagemeshError):
                await client.call(accounts.Login, LoginRequest(email=email, password="a wrong password"))

        return attempt

    return {"known": login(known), "unknown": login(f"{uuid.uuid4().hex}@example.com")}


def _dsn(settings: AuthSettings) -> str:
    return settings.database_url.get_secret_value().replace("+psycopg", "")


@pytest.mark.timeout(600)
async def test_a_service_that_hashes_nothing_for_unknown_accounts_would_be_found_out(
    own_auth: AuthSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual mistake is planted, and told; without it the same service passes."""
    kinds = await timed_logins(own_auth)
    assert set() == await told_apart(kinds)
    verify = Passwords.verify

    async def careless(self: Passwords, password_hash: str | None, password: str) -> bool:
        return password_hash is not None and await verify(self, password_hash, password)

    monkeypatch.setattr(Passwords, "verify", careless)
    for _ in range(3):  # on a machine that is busy beyond measure a round may fail to see it
        if {("unknown", "known")} == await told_apart(kinds):
            return
    pytest.fail("the planted difference was not seen")
