"""Which tokens are dead, and how every service learns of it."""

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from mesh import revocations as module
from mesh.bus import Bus
from mesh.errors import Unauthenticated, Unavailable
from mesh.identity import Identity, TokenVerifier
from mesh.revocations import RevocationFeed, Revocations
from mesh.settings import MeshSettings
from mesh.streams import identity_subject
from pagemesh.auth.v1.events_pb2 import IDENTITY_EVENT_KIND_ORGANIZATION_CHANGED, IdentityEvent
from tests.support.broker import eventually
from tests.support.servers import NatsServer
from tests.support.tokens import Signer


def event(subject: str, generation: int = 0, seconds: float = 600) -> IdentityEvent:
    """Word of dead tokens that would have lived so long."""
    told = IdentityEvent(subject_id=subject, generation=generation)
    told.expires_at.FromSeconds(int(time.time() + seconds))
    return told


def caller(session: str = "s", user: str = "u", token: str = "t", key: str = "k", generation: int = 1) -> Identity:
    """Somebody whose token lives ten minutes."""
    return Identity(user, "o", "user", "free", session, time.time() + 600, generation, token, key)


@pytest.mark.parametrize("subject", ["s", "u", "t", "k"])
def test_a_token_dies_with_its_session_user_key_or_alone(subject: str) -> None:
    """Any of the four, and nobody else's."""
    known = Revocations()
    known.learn(event(subject))
    assert [True, False] == [known.denies(caller()), known.denies(caller("s2", "u2", "t2", "k2"))]


def test_a_generation_dies_and_the_next_lives() -> None:
    """Whatever the order in which the events come."""
    for order in ((3, 2), (2, 3)):
        known = Revocations()
        for generation in order:
            known.learn(event("u", generation))
        assert [True, True, False] == [known.denies(caller(generation=each)) for each in (1, 2, 3)]


def test_an_organizations_tokens_die_by_its_own_generation() -> None:
    """Whoever holds them, but its services'; those that are given out after it was let in again are good."""
    known = Revocations()
    known.learn(event("o", 3))
    generations = [replace(caller(generation=9), organization_generation=each) for each in (0, 2, 3)]
    assert [True, True, False] == [known.denies(each) for each in generations]
    assert [True, False] == [known.denies(replace(caller(), role=role)) for role in ("client", "service")]
    assert not known.denies(replace(caller(), organization_id="another"))


def test_a_changed_organization_is_nobodys_death() -> None:
    """Gateways ask for it again, that is all."""
    known = Revocations()
    changed = event("o")
    changed.kind = IDENTITY_EVENT_KIND_ORGANIZATION_CHANGED
    known.learn(changed)
    assert not known.denies(caller())


def test_nothing_is_dead_before_anything_is_told() -> None:
    """Empty ids are nobody's."""
    known = Revocations()
    known.learn(event("somebody"))
    assert not known.denies(caller("", "u", "", ""))


def test_an_event_past_its_time_is_not_kept() -> None:
    """Tokens that it denies have expired by themselves, clocks' differences included."""
    known = Revocations()
    known.learn(event("s", seconds=-600))
    assert not known.denies(caller())


def test_a_full_list_never_forgets_in_a_tokens_favour() -> None:
    """What ends first is forgotten, and every token that ends no later is refused from then on."""
    known = Revocations(capacity=2)
    for subject, seconds in (("first", 600), ("second", 20_000), ("third", 30_000)):
        known.learn(event(subject, seconds=seconds))
    lives_on = Identity("u", "o", "user", "free", "unknown", time.time() + 40_000)
    assert [True, True, True, False] == [
        known.denies(caller("first")),
        known.denies(caller("unknown")),  # ends before what was forgotten: who knows
        known.denies(caller("second")),
        known.denies(lives_on),
    ]


async def test_a_remembered_token_dies_all_the_same() -> None:
    """Word of its end beats the verifier's memory."""
    signer, known = Signer(), Revocations()
    verifier = TokenVerifier(signer.jwks, known)
    token = signer.token(sid="session")
    await verifier.verify(token)
    known.learn(event("session"))
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_nobody_is_verified_before_the_list_is_complete() -> None:
    """Whether a token is dead is not known yet: that is no reason to refuse it for good, nor to take it."""
    signer = Signer()
    with pytest.raises(Unavailable):
        await TokenVerifier(signer.jwks, Revocations(complete=False)).verify(signer.token())


async def tell(bus: Bus, session: str) -> None:
    """Publishes that a session ended, as `auth` does."""
    await bus.publish(identity_subject("session_ended"), event(session).SerializeToString(), f"test.{uuid.uuid4()}")


def knows(known: Revocations, session: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether the session is known to have ended."""

    async def ask() -> bool:
        return known.denies(caller(session))

    return ask


async def test_what_was_told_before_is_known_before_the_service_is_ready(bus: Bus) -> None:
    """Who starts later learns, before anything else, what was told while it was away; and then what is told."""
    before, later = (str(uuid.uuid4()) for _ in range(2))
    await tell(bus, before)
    known = Revocations(complete=False)
    feed = RevocationFeed(known)
    await feed.follow(bus)
    assert (True, True) == (known.complete, known.denies(caller(before)))
    await tell(bus, later)
    await eventually(knows(known, later))
    await feed.stop()


async def test_what_was_told_while_disconnected_is_learned(
    bus: Bus, settings: MeshSettings, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker restarts; what somebody else told it before the follower was back is known soon."""
    monkeypatch.setattr(module, "_LOOK_AGAIN_SECONDS", 3600.0)
    known = Revocations()
    feed = RevocationFeed(known)
    await feed.follow(bus)
    missed = str(uuid.uuid4())
    # As if the message had been delivered to nobody: it is in the stream, and no live message came.
    monkeypatch.setattr(feed, "_revocations", Revocations())
    await tell(bus, missed)
    monkeypatch.setattr(feed, "_revocations", known)
    nats_server.stop()
    nats_server.start()
    await eventually(knows(known, missed))
    await feed.stop()


async def test_a_lost_live_message_is_learned_from_the_stream(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The follower looks at the stream again now and then."""
    monkeypatch.setattr(module, "_LOOK_AGAIN_SECONDS", 0.05)
    known, deaf = Revocations(), Revocations()
    feed = RevocationFeed(deaf)
    await feed.follow(bus)
    missed = str(uuid.uuid4())
    await tell(bus, missed)
    await eventually(knows(deaf, missed))
    monkeypatch.setattr(feed, "_revocations", known)
    await eventually(knows(known, missed))
    await feed.stop()


async def test_garbage_on_the_subject_is_passed_over(bus: Bus) -> None:
    """An event that is none changes nothing and stops nothing."""
    known = Revocations()
    feed = RevocationFeed(known)
    await feed.follow(bus)
    await bus.publish(identity_subject("session_ended"), b"\xff", f"test.{uuid.uuid4()}")
    session = str(uuid.uuid4())
    await tell(bus, session)
    await eventually(knows(known, session))
    await feed.stop()
