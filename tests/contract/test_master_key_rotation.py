"""Replacing the master key beside a running `auth` and on a real PostgreSQL, also when it is broken off."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from cli.layout import Layout
from cli.processes import die_with_parent
from mesh import client
from mesh.errors import PagemeshError, Unavailable
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from services.auth.__main__ import serve
from services.auth.master_keys import MasterKey, WrongMasterKey, parse
from services.auth.model_providers import PROVIDERS
from services.auth.settings import AuthSettings
from tests.contract.authing import dsn
from tests.support.broker import eventually
from tests.support.provider_keys import KeyClient
from tests.support.services import SECRET, Caller


class Installation:
    """A data directory with its master key, a database, and the settings of an `auth` that uses both."""

    def __init__(self, root: Path, database_url: str) -> None:
        self.layout = Layout(root)
        self.layout.create()
        self.file = self.layout.master_key()
        self.settings = AuthSettings(
            listen=f"unix:{root}/auth.sock",
            database_url=SecretStr(database_url),
            service_secret=SecretStr(SECRET),
            master_key_file=self.file,
            drain_seconds=0.5,
        )

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The master keys in the file."""
        return parse(self.file.read_text())

    def replica(self, name: str, *keys: bytes) -> AuthSettings:
        """Settings of another `auth`, which is given its keys by the environment."""
        text = SecretStr(" ".join(base64.b64encode(key).decode() for key in keys))
        update = {"listen": f"unix:{self.layout.root}/{name}.sock", "master_key": text, "master_key_file": None}
        return self.settings.model_copy(update=update)

    @contextmanager
    def rotating(self, **environ: str) -> Iterator["subprocess.Popen[str]"]:
        """The command, running."""
        given = {"PAGEMESH_DATABASE_URL": self.settings.database_url.get_secret_value(), **environ}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PAGEMESH_")}
        command = ["-m", "cli.main", "admin", "rotate-master-key", "--yes", "--json", "--data", str(self.layout.root)]
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**kept, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    async def rotate(self, expected: int = 0, **environ: str) -> dict[str, Any]:
        """What the command answers."""
        with self.rotating(**environ) as process:
            output, complaint = await asyncio.to_thread(process.communicate, timeout=60)
        assert expected == process.returncode, output + complaint
        told: dict[str, Any] = json.loads(output)
        return told

    async def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Reads or changes the record."""
        async with self.transaction() as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
        """One that is over when the block ends."""
        connect = psycopg.AsyncConnection.connect(dsn(self.settings), options="-c search_path=auth")
        async with await connect as connection:
            yield connection

    async def under(self) -> dict[str, int]:
        """How many secrets and signing keys each master key wraps."""
        statement = """
            SELECT master_key_id, count(*) FROM (
                SELECT master_key_id FROM signing_keys UNION ALL SELECT master_key_id FROM provider_keys
            ) AS wrapped GROUP BY 1
        """
        return dict(await self.sql(statement))

    async def is_waiting(self) -> bool:
        """Whether somebody waits for a lock in the record."""
        statement = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return [(0,)] != await self.sql(statement)


@pytest.fixture
def installation(fresh_database: Callable[[], str], tmp_path: Path) -> Installation:
    """A new one."""
    return Installation(tmp_path / "data", fresh_database())


class Owner:
    """Somebody with a key for every provider."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @classmethod
    async def register(cls, settings: AuthSettings) -> "Owner":
        """A new one."""
        owner = cls(await Caller.register(settings))
        await owner.store(settings, PROVIDERS)
        return owner

    async def store(self, settings: AuthSettings, providers: Iterable[str]) -> None:
        """Stores keys at a replica."""
        async with asking(settings) as keys:
            for provider in providers:
                await keys.put(self._caller.token, provider, f"key-for-{provider}")

    async def check(self, settings: AuthSettings, providers: Iterable[str] = PROVIDERS) -> None:
        """Keys open at a replica, and are what was stored."""
        async with asking(settings) as keys:
            for provider in providers:
                assert (provider, f"key-for-{provider}") == await self.opened(keys, provider)

    async def opened(self, keys: KeyClient, provider: str) -> tuple[str, str]:
        """What a key is."""
        return await keys.open_as_service(self._caller.organization_id, self._caller.user_id, provider)


@asynccontextmanager
async def asking(settings: AuthSettings) -> AsyncIterator[KeyClient]:
    """A client of a replica."""
    keys = KeyClient(settings)
    yield keys
    await keys.channel.close()


async def key_ids(settings: AuthSettings) -> set[str]:
    """Ids of the signing keys that the replica publishes."""
    channel = client.connect(settings.listen, settings)
    answer = await client.call(TokenServiceStub(channel).GetJwks, GetJwksRequest())
    await channel.close()
    return {key["kid"] for key in json.loads(answer.jwks_json)["keys"]}


def id_of(key: bytes) -> str:
    """As the record has it."""
    return MasterKey(key).id


ALL = len(PROVIDERS)


async def test_everything_is_wrapped_anew_while_the_service_works(installation: Installation) -> None:
    """Keys open and are stored before, during and after; the file has the new master key alone, for its owner alone."""
    settings, [old] = installation.settings, installation.keys
    async with serve(settings):
        owner = await Owner.register(settings)
        published, stop = await key_ids(settings), asyncio.Event()
        using = [asyncio.create_task(_use(owner, settings, stop)) for _ in range(2)]
        told = await installation.rotate()
        stop.set()
        assert min(await asyncio.gather(*using)) > 0
        [new] = installation.keys
        expected = {"signing_keys": 1, "unreadable": 0, "key_id": id_of(new), "previous_key_id": id_of(old)}
        assert expected == {name: told[name] for name in expected}
        assert {id_of(new): ALL + 1} == await installation.under()
        await owner.check(settings)
        await owner.store(settings, ["openai"])
        await owner.check(settings, ["openai"])
    async with serve(settings):
        assert published == await key_ids(settings)
        await owner.check(settings)
    assert 0o600 == installation.file.stat().st_mode & 0o777


async def _use(owner: Owner, settings: AuthSettings, stop: asyncio.Event) -> int:
    """Stores and opens keys until told to stop; how often."""
    times = 0
    while not stop.is_set():
        await owner.store(settings, ["groq", "mistral"])
        await owner.check(settings, ["anthropic", "groq", "mistral", "zai"])
        times += 1
    return times


async def test_a_rotation_that_was_killed_is_finished_by_the_next(installation: Installation) -> None:
    """In the middle of the secrets: some are under either key, all open, and a repeat goes on with the new one."""
    settings, [old] = installation.settings, installation.keys
    async with serve(settings):
        owner = await Owner.register(settings)
        async with installation.transaction() as holding:
            await holding.execute("SELECT 1 FROM provider_keys WHERE provider = 'mistral' FOR UPDATE")
            with installation.rotating() as process:
                await eventually(installation.is_waiting)
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
        new, kept = installation.keys
        under = await installation.under()
        assert (old, {id_of(new), id_of(old)}, True) == (kept, set(under), all(under.values()))
        await owner.check(settings)
        await owner.store(settings, ["anthropic", "zai"])
        async with serve(installation.replica("later", *installation.keys)):
            await owner.check(installation.replica("later", *installation.keys))
        told = await installation.rotate()
        assert (id_of(new), (new,)) == (told["key_id"], installation.keys)
        assert {id_of(new): ALL + 1} == await installation.under()
        await owner.check(settings)


async def test_a_rotation_that_was_killed_before_it_began_changes_nothing(installation: Installation) -> None:
    """Both keys are in the file; what is stored is still under the old one, and the next rotation makes no third."""
    settings, [old] = installation.settings, installation.keys
    async with serve(settings):
        owner = await Owner.register(settings)
        async with installation.transaction() as holding:
            await holding.execute("SELECT 1 FROM master_key FOR SHARE")
            with installation.rotating() as process:
                await eventually(installation.is_waiting)
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
        new, _ = installation.keys
        await owner.store(settings, ["openai"])
        assert {id_of(old): ALL + 1} == await installation.under()
        assert id_of(new) == (await installation.rotate())["key_id"]
        assert {id_of(new): ALL + 1} == await installation.under()
        await owner.check(settings)


async def test_a_rotation_that_was_killed_at_its_end_is_ended(installation: Installation) -> None:
    """When nothing was left to do but to take the old key out of the file, the next one does that."""
    async with serve(installation.settings):
        owner = await Owner.register(installation.settings)
        [old] = installation.keys
        await installation.rotate()
        [new] = installation.keys
        installation.file.write_text("".join(f"{base64.b64encode(key).decode()}\n" for key in (new, old)))
        told = await installation.rotate()
        assert (id_of(new), 0, 0) == (told["key_id"], told["signing_keys"], told["provider_keys"])
        assert (new,) == installation.keys
        await owner.check(installation.settings)


async def test_each_rotation_makes_another_key(installation: Installation) -> None:
    """The service follows."""
    seen = {*installation.keys}
    async with serve(installation.settings):
        owner = await Owner.register(installation.settings)
        for _ in range(2):
            await installation.rotate()
            seen |= {*installation.keys}
            await owner.check(installation.settings, ["openai"])
    assert 3 == len(seen)


async def test_a_second_rotation_at_the_same_time_is_refused(installation: Installation) -> None:
    """Each would make a key; the first goes on undisturbed."""
    async with serve(installation.settings):
        owner = await Owner.register(installation.settings)
        async with installation.transaction() as holding:
            await holding.execute("SELECT 1 FROM master_key FOR SHARE")
            with installation.rotating() as first:
                await eventually(installation.is_waiting)
                assert "rotation_in_progress" == (await installation.rotate(expected=2))["error"]
                await holding.rollback()
                assert 0 == await asyncio.to_thread(first.wait)
        await owner.check(installation.settings)
        assert 1 == len(installation.keys)


async def test_operators_who_give_the_keys_themselves(installation: Installation, tmp_path: Path) -> None:
    """Replicas with both keys work on either side of the command; those with the new one alone do after it."""
    [old], new = installation.keys, os.urandom(32)
    before, both = (installation.replica(*each) for each in (("before", old), ("both", new, old)))
    text = " ".join(base64.b64encode(key).decode() for key in (new, old))
    async with serve(before):
        owner = await Owner.register(before)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve(before))
        await stack.enter_async_context(serve(both))
        await owner.store(both, ["groq"])  # a replica that knows the new one does not use it before it is time
        await owner.check(before)
    async with serve(both):
        told = await installation.rotate(PAGEMESH_MASTER_KEY=text)
        assert {id_of(new): ALL + 1} == await installation.under()
        assert (1, ALL, (old,)) == (told["signing_keys"], told["provider_keys"], installation.keys)
        await owner.check(both)
        again = await installation.rotate(PAGEMESH_MASTER_KEY=text)
        assert (0, 0) == (again["signing_keys"], again["provider_keys"])
    after = installation.replica("after", new)
    async with serve(after):
        await owner.check(after)
    with pytest.raises(WrongMasterKey, match=id_of(new)):
        async with serve(before):
            pass


async def test_a_replica_that_does_not_know_the_new_key_says_so_for_a_while(installation: Installation) -> None:
    """Nothing is stored under the old key any more; who asks is told to try again, and the others work."""
    [old], new = installation.keys, os.urandom(32)
    behind, both = (installation.replica(*each) for each in (("behind", old), ("both", new, old)))
    text = " ".join(base64.b64encode(key).decode() for key in (new, old))
    async with AsyncExitStack() as stack:
        for settings in (behind, both):
            await stack.enter_async_context(serve(settings))
        owner = await Owner.register(behind)
        await owner.check(behind, ["openai"])
        await installation.rotate(PAGEMESH_MASTER_KEY=text)
        for attempt in (owner.check(behind, ["openai"]), owner.store(behind, ["openai"])):
            with pytest.raises(Unavailable) as caught:
                await attempt
            assert {"dependency": "master_key"} == caught.value.details
        await owner.store(both, ["openai"])
        await owner.check(both)
    assert {id_of(new): ALL + 1} == await installation.under()


async def test_signing_keys_of_an_older_release_are_wrapped_anew_too(installation: Installation) -> None:
    """Those stored without an id of their master key."""
    async with serve(installation.settings):
        published = await key_ids(installation.settings)
    await installation.sql("UPDATE signing_keys SET master_key_id = NULL")
    await installation.sql("DELETE FROM master_key")
    assert 1 == (await installation.rotate())["signing_keys"]
    async with serve(installation.settings):
        assert published == await key_ids(installation.settings)


async def test_what_no_key_opens_is_left_and_counted(installation: Installation) -> None:
    """An altered secret stops nothing, and opens no more than before."""
    async with serve(installation.settings):
        owner = await Owner.register(installation.settings)
        await installation.sql("UPDATE provider_keys SET data_key = '\\x00' WHERE provider = 'mistral'")
        told = await installation.rotate()
        assert (ALL - 1, 1) == (told["provider_keys"], told["unreadable"])
        async with asking(installation.settings) as keys:
            with pytest.raises(PagemeshError) as caught:
                await owner.opened(keys, "mistral")
        assert "PROVIDER_KEY_UNREADABLE" == caught.value.reason
        await owner.check(installation.settings, PROVIDERS - {"mistral"})
        await owner.store(installation.settings, ["mistral"])
        await owner.check(installation.settings)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "older release"])
async def test_under_another_key_nothing_is_changed(installation: Installation, recorded: bool) -> None:
    """The command says which is missing, as far as that is known, and neither record nor file have changed."""
    [old] = installation.keys
    async with serve(installation.settings):
        pass
    if not recorded:
        await installation.sql("UPDATE signing_keys SET master_key_id = NULL")
        await installation.sql("DELETE FROM master_key")
    before = await installation.under()
    wrong = base64.b64encode(os.urandom(32)).decode()
    given = await installation.rotate(expected=1, PAGEMESH_MASTER_KEY=wrong)
    installation.file.write_text(wrong)
    found = await installation.rotate(expected=1)
    assert ["wrong_master_key"] * 2 == [given["error"], found["error"]]
    assert recorded == (id_of(old) in given["message"])
    assert (wrong, before) == (installation.file.read_text(), await installation.under())


async def test_without_a_database_or_a_key_it_says_what_is_missing(installation: Installation, tmp_path: Path) -> None:
    """And makes neither."""
    nowhere = await installation.rotate(expected=2, PAGEMESH_DATABASE_URL="")
    away = await installation.rotate(expected=1, PAGEMESH_DATABASE_URL=f"postgresql://nobody@/none?host={tmp_path}")
    malformed = await installation.rotate(expected=2, PAGEMESH_MASTER_KEY="not-a-key")
    installation.file.unlink()
    keyless = await installation.rotate(expected=2)
    errors = [told["error"] for told in (nowhere, away, malformed, keyless)]
    assert (["no_database", "unavailable", "bad_settings", "no_master_key"], False) == (
        errors,
        "not-a-key" in malformed["message"],
    )
    assert not installation.file.exists()


def test_without_a_terminal_it_wants_to_be_confirmed(installation: Installation) -> None:
    """Nobody is there to say yes."""
    command = [sys.executable, "-m", "cli.main", "admin", "rotate-master-key", "--data", str(installation.layout.root)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (2, "", True) == (done.returncode, done.stdout, "--yes" in done.stderr)
