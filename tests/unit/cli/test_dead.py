"""`pagemesh dead`: what was given up, seen and handed out again, on a real broker."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from cli.administration import questions
from cli.main import main
from mesh import dead
from mesh.bus import MESSAGE_ID, Bus
from mesh.settings import MeshSettings
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1.outcome_pb2 import PageContent, PageOutcome
from pagemesh.work.v1.work_pb2 import Fact, InspectTask, Source, Task
from tests.support.servers import NatsServer

JOB = str(uuid.uuid4())
TASK = Task(
    id="t-1",
    job_id=JOB,
    document_id="d-1",
    organization_id="o-1",
    inspect=InspectTask(source=Source(storage_key="k", password="open sesame")),
)
FACT = Fact(
    task_id="t-2",
    job_id=JOB,
    recognized=PageRecognized(outcome=PageOutcome(number=3, content=PageContent(text="x" * 5_000))),
)

T = TypeVar("T")


@pytest.fixture
def broker(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> NatsServer:
    """A broker that holds nothing, and no other that is known by chance."""
    nats_server.wipe()
    monkeypatch.setenv("PAGEMESH_DATA", str(tmp_path / "nothing"))
    monkeypatch.delenv("PAGEMESH_NATS_URL", raising=False)
    return nats_server


def with_bus(server: NatsServer, do: Callable[[Bus], Awaitable[T]]) -> T:
    """What comes of it."""

    async def run() -> T:
        bus = await Bus.connect(MeshSettings(nats_url=SecretStr(server.url)))
        try:
            return await do(bus)
        finally:
            await bus.close()

    return asyncio.run(run())


async def bury(bus: Bus) -> None:
    """A task as older releases kept it, with its password; one as it is kept now; a fact; garbage."""
    await bus.publish("dead.inspect", TASK.SerializeToString(), "dead.t-1.1", headers={"x-request-id": "the-request"})
    await bus.publish(*dead.copy("inspect", TASK.SerializeToString()), "dead.t-1.2")
    await bus.publish(*dead.copy(dead.FACT, FACT.SerializeToString()), "dead.t-2.1")
    await bus.publish("dead.fact", b"\xff\xff", "dead.garbage")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code and the one JSON object on standard output."""
    code = main(["dead", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_newest_come_first(broker: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    """With their ids where they can be read, and no more than asked for; gaps are passed over."""
    assert (0, {"items": []}) == (with_bus(broker, nothing), told(capsys, "list", "--nats", broker.url)[1])
    with_bus(broker, bury)
    _, answer = told(capsys, "list", "--nats", broker.url)
    brief = [(one["sequence"], one["kind"], one["task_id"], one["job_id"]) for one in answer["items"]]
    assert [
        (4, "fact", None, None),
        (3, "fact", "t-2", JOB),
        (2, "inspect", "t-1", JOB),
        (1, "inspect", "t-1", JOB),
    ] == brief
    assert "the-request" == answer["items"][3]["request_id"]
    with_bus(broker, lambda bus: bus.jetstream.delete_msg("DEAD", 3))
    _, answer = told(capsys, "list", "--nats", broker.url, "--limit", "2")
    assert [4, 2] == [one["sequence"] for one in answer["items"]]


async def nothing(bus: Bus) -> int:
    """Declares the streams."""
    return 0


def test_one_is_shown_without_secrets(broker: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a password, not even one that an older release has kept, nor a page of text."""
    with_bus(broker, bury)
    for sequence in ("1", "2"):
        code, answer = told(capsys, "show", sequence, "--nats", broker.url)
        assert (0, {"storage_key": "k"}) == (code, answer["content"]["inspect"]["source"])
    _, answer = told(capsys, "show", "3", "--nats", broker.url)
    text = answer["content"]["recognized"]["outcome"]["content"]["text"]
    assert "x" * 200 + "… (5,000 characters)" == text
    assert {} == told(capsys, "show", "4", "--nats", broker.url)[1]["content"]
    code, answer = told(capsys, "show", "99", "--nats", broker.url)
    assert (1, "not_found") == (code, answer["error"])
    assert 0 == main(["dead", "show", "1", "--nats", broker.url])
    shown = capsys.readouterr().out
    assert ("t-1" in shown, "sesame" in shown) == (True, False)


def test_one_is_handed_out_again(broker: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks to workers, facts to the record, under a new id and in the same request; it is dead no longer."""
    with_bus(broker, bury)
    code, answer = told(capsys, "requeue", "1", "--nats", broker.url)
    assert (2, "not_confirmed") == (code, answer["error"])
    code, answer = told(capsys, "requeue", "1", "--yes", "--nats", broker.url)
    assert (0, "requeued.1.dead.t-1.1") == (code, answer["message_id"])
    assert 0 == main(["dead", "requeue", "3", "--yes", "--nats", broker.url])
    capsys.readouterr()
    task = with_bus(broker, lambda bus: bus.jetstream.get_last_msg("WORK", "work.inspect.normal"))
    assert (TASK, "requeued.1.dead.t-1.1") == (Task.FromString(task.data or b""), (task.headers or {})[MESSAGE_ID])
    assert "the-request" == (task.headers or {})["x-request-id"]
    fact = with_bus(broker, lambda bus: bus.jetstream.get_last_msg("FACTS", "facts.requeued"))
    assert FACT == Fact.FromString(fact.data or b"")
    _, answer = told(capsys, "list", "--nats", broker.url)
    assert [4, 2] == [one["sequence"] for one in answer["items"]]
    assert 1 == told(capsys, "requeue", "1", "--yes", "--nats", broker.url)[0]


def test_people_are_asked(
    broker: NatsServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever says no has changed nothing."""
    with_bus(broker, bury)
    monkeypatch.setattr(questions, "can_ask", lambda: True)
    monkeypatch.setattr(questions, "agreed", lambda question: False)
    code, answer = told(capsys, "requeue", "1", "--nats", broker.url)
    assert (1, "declined") == (code, answer["error"])
    assert 4 == len(told(capsys, "list", "--nats", broker.url)[1]["items"])


def test_lines_for_people(broker: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, and a sentence when there is nothing."""
    with_bus(broker, nothing)
    main(["dead", "list", "--nats", broker.url])
    assert "Nothing was given up.\n" == capsys.readouterr().out
    with_bus(broker, bury)
    main(["dead", "list", "--nats", broker.url])
    lines = capsys.readouterr().out.splitlines()
    assert (5, "sequence", "4") == (len(lines), lines[0].split()[0], lines[1].split()[0])


def test_nothing_to_reach(
    broker: NatsServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stack and no address are wrong usage; a broker that is away is a failure; the environment can name it."""
    code, answer = told(capsys, "list")
    assert (2, "no_target") == (code, answer["error"])
    code, answer = told(capsys, "list", "--nats", "nats://127.0.0.1:1")
    assert (1, "unavailable") == (code, answer["error"])
    with_bus(broker, bury)
    monkeypatch.setenv("PAGEMESH_NATS_URL", broker.url)
    assert 4 == len(told(capsys, "list")[1]["items"])
