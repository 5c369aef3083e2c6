"""The bus against a real broker that restarts, loses its store and comes late."""

import asyncio
import uuid

import pytest
from pydantic import SecretStr

from mesh import bus as bus_module
from mesh import context
from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.settings import MeshSettings
from mesh.streams import declared
from tests.support.broker import eventually
from tests.support.servers import NatsServer


def subject() -> str:
    """A subject of EVENTS that no other test has."""
    return f"events.test.{uuid.uuid4().hex}"


async def stored(bus: Bus, name: str) -> int:
    """How many messages the broker keeps on the subject."""
    info = await bus.jetstream.stream_info("EVENTS", subjects_filter=name)
    return sum((info.state.subjects or {}).values())


async def test_a_message_id_is_stored_once(bus: Bus) -> None:
    """The repeat is answered with the place of the first."""
    name = subject()
    places = [await bus.publish(name, b"payload", name) for _ in range(3)]
    assert (1, 1) == (len(set(places)), await stored(bus, name))


async def test_a_message_carries_its_request(bus: Bus) -> None:
    """Request id and trace are headers beside the message id; a token never is."""
    context.request_id.set("the-request")
    context.traceparent.set("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    context.bearer_token.set("secret")
    name = subject()
    stream, sequence = await bus.publish(name, b"payload", "an-id-" + name)
    message = await bus.jetstream.get_msg(stream, seq=sequence)
    expected = {
        "x-request-id": "the-request",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Nats-Msg-Id": "an-id-" + name,
    }
    assert (b"payload", expected) == (message.data, message.headers)


async def test_holding_is_told_of_the_very_message(bus: Bus) -> None:
    """Another id at its place, or nothing there, is not it."""
    name = subject()
    stream, sequence = await bus.publish(name, b"", name)
    held = [await bus.holds(stream, sequence, name), await bus.holds(stream, sequence, "other")]
    assert [True, False, False] == [*held, await bus.holds(stream, sequence + 1_000_000, name)]


async def test_who_listens_is_told(bus: Bus) -> None:
    """Subject and payload arrive; nobody listening is no error."""
    heard: list[tuple[str, bytes]] = []
    await bus.tell("status.nobody.listens", b"")
    subscription = await bus.listen("status.here.*", lambda name, payload: heard.append((name, payload)))
    await bus.connection.flush()
    await bus.tell("status.here.a", b"payload")

    async def arrived() -> bool:
        return bool(heard)

    await eventually(arrived)
    await subscription.unsubscribe()
    assert [("status.here.a", b"payload")] == heard


async def test_publishing_waits_for_a_broker_that_is_away(bus: Bus, nats_server: NatsServer) -> None:
    """It ends when the broker is back, and the message is there once."""
    name = subject()
    nats_server.kill()
    publishing = asyncio.create_task(bus.publish(name, b"", name))
    await asyncio.sleep(0.3)
    assert not publishing.done()
    nats_server.start()
    await publishing
    assert 1 == await stored(bus, name)


async def test_publishing_within_a_time_gives_up(
    settings: MeshSettings, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that needs the broker says that it is away, and works again when it is back."""
    monkeypatch.setattr(bus_module, "_ACK_SECONDS", 0.2)
    bus = await Bus.connect(settings)
    nats_server.stop()

    async def away() -> bool:
        return not bus.connection.is_connected

    await eventually(away)
    with pytest.raises(Unavailable) as caught:
        await bus.publish(subject(), b"", uuid.uuid4().hex, within=0.1)
    assert {"dependency": "nats"} == caught.value.details
    for asking in (bus.check(), bus.depth("FACTS"), bus.holds("WORK", 1, "")):
        with pytest.raises(Unavailable):
            await asking
    await bus.tell("status.nobody.listens", b"")
    nats_server.start()

    async def back() -> bool:
        return bus.connection.is_connected

    await eventually(back)
    await bus.check()
    await bus.publish(subject(), b"", uuid.uuid4().hex, within=10)
    await bus.close()


async def test_streams_come_back_when_the_store_was_wiped(bus: Bus, nats_server: NatsServer) -> None:
    """What was registered is restored after them."""
    restored = asyncio.Event()
    bus.on_restore(lambda: _set(restored))
    nats_server.wipe()
    await asyncio.wait_for(restored.wait(), 30)
    infos = [await bus.jetstream.stream_info(str(config.name)) for config in declared(1, 64 << 20)]
    assert [config.subjects for config in declared(1, 64 << 20)] == [info.config.subjects for info in infos]


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_a_stream_of_an_older_release_is_brought_up_to_date(bus: Bus) -> None:
    """Its messages stay."""
    name = subject()
    await bus.publish(name, b"", name)
    older = next(config for config in declared(1, 64 << 20) if config.name == "EVENTS")
    older.max_age = 3600.0
    await bus.jetstream.update_stream(older)
    await bus.restore()
    info = await bus.jetstream.stream_info("EVENTS")
    assert (7 * 86_400, 1) == (info.config.max_age, await stored(bus, name))


async def test_a_service_may_start_before_the_broker(nats_server: NatsServer) -> None:
    """Connecting waits, and the streams are there when it ends."""
    nats_server.kill()
    settings = MeshSettings(nats_url=SecretStr(nats_server.url))
    connecting = asyncio.create_task(Bus.connect(settings))
    await asyncio.sleep(0.3)
    assert not connecting.done()
    nats_server.start()
    bus = await asyncio.wait_for(connecting, 30)
    assert "WORK" == (await bus.jetstream.stream_info("WORK")).config.name
    await bus.close()


async def test_replicas_may_declare_the_streams_at_once(nats_server: NatsServer) -> None:
    """All come up."""
    settings = MeshSettings(nats_url=SecretStr(nats_server.url))
    for bus in await asyncio.gather(*(Bus.connect(settings) for _ in range(5))):
        await bus.close()
