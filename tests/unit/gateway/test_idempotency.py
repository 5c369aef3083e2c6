"""Keys, claims and leases: one carries a request out, whoever dies on the way."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response

from mesh.errors import Forbidden, IllegalState, InvalidArgument, PagemeshError, Unavailable
from services.gateway.idempotency import Attempt, Claim, Earlier, Idempotency, Terms, read_key
from services.gateway.sealing import Sealing
from tests.support.broker import eventually
from tests.support.entries import MemoryEntries

_CLAIM = Claim("organization", ("POST /things",), "k")
_LEASE = 5.0
_DAY = 86_400


class Clock:
    """The gateway's."""

    now = 20_000.5 * _DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def entries() -> MemoryEntries:
    return MemoryEntries()


@pytest.fixture
def idempotency(entries: MemoryEntries, clock: Clock) -> Idempotency:
    return Idempotency(entries, MemoryEntries(), Sealing("secret"), Terms(_DAY, _LEASE), clock)


async def begun(idempotency: Idempotency, claim: Claim = _CLAIM, asked: bytes = b"asked") -> Attempt:
    """The right to carry the request out."""
    attempt = await idempotency.begin(claim, asked)
    assert isinstance(attempt, Attempt)
    return attempt


def work(error: BaseException | None = None) -> Callable[[], Awaitable[Response]]:
    """Work that answers, or raises."""

    async def done() -> Response:
        if error is not None:
            raise error
        return Response(b"made", 201, {"location": "/there", "retry-after": "3"}, "text/plain")

    return done


def asked(fingerprint: bytes = b"asked") -> Callable[[], tuple[bytes, int]]:
    """What was asked for, told at the end."""
    return lambda: (fingerprint, 0)


async def code(waiting: Awaitable[object]) -> str:
    """The code of the error that it raises."""
    with pytest.raises(PagemeshError) as raised:
        await waiting
    return raised.value.code


def test_no_key() -> None:
    """Requests need none."""
    assert read_key(Headers({})) is None


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("k", "k"),
        ('"k"', "k"),
        (r'"a \"b\" \\ c"', r'a "b" \ c'),
        ('"', '"'),
        ("k" * 255, "k" * 255),
        (' ~!"#; ', '~!"#;'),
    ],
)
def test_keys(sent: str, key: str) -> None:
    """As it is, or quoted as the draft has it; the same key either way."""
    assert key == read_key(Headers({"idempotency-key": sent}))


@pytest.mark.parametrize("sent", ["", " ", '""', "k" * 256, '"' + "k" * 256 + '"', "a\tb", "schlüssel", "a\x7f", "\0"])
def test_no_keys(sent: str) -> None:
    """Nothing, too long, or not printable ASCII."""
    with pytest.raises(InvalidArgument) as raised:
        read_key(Headers(raw=[(b"idempotency-key", sent.encode("latin-1"))]))
    assert "invalid_idempotency_key" == raised.value.code


def test_two_keys() -> None:
    """Which of two counts nobody could say."""
    with pytest.raises(InvalidArgument):
        read_key(Headers(raw=[(b"idempotency-key", b"a"), (b"idempotency-key", b"b")]))


async def test_the_first_answer_again(idempotency: Idempotency) -> None:
    """Status, body and headers as they were, any number of times, and that it is a replay."""
    await (await begun(idempotency)).run(work(), asked())
    for _ in range(3):
        earlier = await idempotency.begin(_CLAIM, b"asked")
        assert isinstance(earlier, Earlier)
        replayed = earlier.replay(b"asked")
        assert (201, b"made") == (replayed.status_code, replayed.body)
        assert {
            "location": "/there",
            "retry-after": "3",
            "content-type": "text/plain; charset=utf-8",
            "content-length": "4",
            "idempotency-replayed": "true",
        } == dict(replayed.headers)


async def test_another_request(idempotency: Idempotency) -> None:
    """The same key for another request is an error, before and after the first is answered."""
    attempt = await begun(idempotency)
    assert "idempotency_key_reused" == await code(idempotency.begin(_CLAIM, b"other"))
    await attempt.run(work(), asked())
    earlier = await idempotency.begin(_CLAIM, b"other")
    assert isinstance(earlier, Earlier)
    with pytest.raises(InvalidArgument):
        earlier.replay(b"other")


@pytest.mark.parametrize(
    "other",
    [
        Claim("other organization", ("POST /things",), "k"),
        Claim("organization", ("POST /other things",), "k"),
        Claim("organization", ("POST /things",), "K"),
        Claim("organization", ("POST /things", ""), "k"),
    ],
)
async def test_elsewhere_it_is_another_key(idempotency: Idempotency, other: Claim) -> None:
    """Another organization, endpoint or key has nothing to do with it, nor the same ids."""
    first, second = await begun(idempotency), await begun(idempotency, other, b"asked otherwise")
    assert first.origin.id("document") != second.origin.id("document")


async def test_in_progress(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """While the first is running, within its lease, a repeat is told to come back; kinds have ids of their own."""
    attempt = await begun(idempotency)
    entries.later(_LEASE - 0.1)
    assert "request_in_progress" == await code(idempotency.begin(_CLAIM, b"asked"))
    assert "request_in_progress" == await code(idempotency.begin(_CLAIM, b""))  # not read yet
    assert attempt.origin.id("document") != attempt.origin.id("job")
    assert attempt.origin.id("job") == attempt.origin.id("job")


async def test_going_on_for_the_dead(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """Who has not written for a lease is dead: one of those who come goes on, with the same ids."""
    dead = await begun(idempotency)
    entries.later(_LEASE)
    repeats = await asyncio.gather(*(idempotency.begin(_CLAIM, b"asked") for _ in range(10)), return_exceptions=True)
    (alive,) = [one for one in repeats if isinstance(one, Attempt)]
    assert 9 == len([one for one in repeats if isinstance(one, IllegalState)])
    assert (False, True) == (dead.origin.is_repeat, alive.origin.is_repeat)
    assert dead.origin.id("document") == alive.origin.id("document")


async def test_going_on_is_for_the_same_request(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """What the dead may have made is not given to who asks for something else."""
    await begun(idempotency)
    entries.later(_LEASE)
    assert "idempotency_key_reused" == await code(idempotency.begin(_CLAIM, b"other"))


async def test_whoever_was_thought_dead(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """The slow one tells nobody its own answer: repeats get that of who went on."""
    slow = await begun(idempotency)
    entries.later(_LEASE)
    other = await begun(idempotency)
    assert "request_in_progress" == await code(slow.run(work(), asked()))
    await other.run(work(), asked())
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)


async def test_long_work_keeps_its_lease(entries: MemoryEntries, clock: Clock) -> None:
    """The entry is written anew while the work goes on, also when a write is not heard of; the answer comes last."""
    idempotency = Idempotency(entries, MemoryEntries(), Sealing(""), Terms(_DAY, 0.06), clock)
    attempt = await begun(idempotency)
    done = asyncio.Event()

    async def written_four_times() -> bool:
        return entries.writes >= 4

    async def long_work() -> Response:
        await done.wait()
        return Response(b"made", 201)

    running = asyncio.create_task(attempt.run(long_work, asked()))
    entries.unheard = 1
    await eventually(written_four_times)
    entries.unheard = 1
    done.set()
    await running
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)


@pytest.mark.parametrize("error", [InvalidArgument("no"), Forbidden("no"), IllegalState("no")])
async def test_a_refusal_frees_the_key(idempotency: Idempotency, error: PagemeshError) -> None:
    """Where nothing was made, nothing is remembered: the next may ask for anything."""
    attempt = await begun(idempotency)
    assert error.code == await code(attempt.run(work(error), asked()))
    assert not (await begun(idempotency, asked=b"other")).origin.is_repeat


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("defect"), asyncio.CancelledError()])
async def test_after_a_failure_the_same_may_be_tried(idempotency: Idempotency, error: BaseException) -> None:
    """Where something may have been made, a repeat goes on at once with the same ids, and nothing else may."""
    failed = await begun(idempotency)
    with pytest.raises(type(error)):
        await failed.run(work(error), asked())
    assert "idempotency_key_reused" == await code(idempotency.begin(_CLAIM, b"other"))
    again = await begun(idempotency)
    assert (True, failed.origin.id("job")) == (again.origin.is_repeat, again.origin.id("job"))
    await again.run(work(), asked())
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)


@pytest.mark.parametrize(("status", "is_free"), [(409, True), (503, False)])
async def test_an_error_as_an_answer(idempotency: Idempotency, status: int, is_free: bool) -> None:
    """Errors that are told without being raised are no more remembered than those that are."""

    async def refusing() -> Response:
        return Response(b"no", status)

    assert status == (await (await begun(idempotency)).run(refusing, asked())).status_code
    again = await begun(idempotency)
    assert is_free != again.origin.is_repeat


async def test_a_refused_repeat_frees_nothing(idempotency: Idempotency) -> None:
    """What an earlier try may have made stays bound to the key when a later one is refused."""
    with pytest.raises(Unavailable):
        await (await begun(idempotency)).run(work(Unavailable("away")), asked())
    with pytest.raises(Forbidden):
        await (await begun(idempotency)).run(work(Forbidden("no")), asked())
    assert "idempotency_key_reused" == await code(idempotency.begin(_CLAIM, b"other"))
    assert (await begun(idempotency)).origin.is_repeat


async def test_the_broker_lost_the_entry(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """The answer is remembered all the same; and until then a repeat has the same ids."""
    attempt = await begun(idempotency)
    entries.entries.clear()
    again = await begun(idempotency)
    assert attempt.origin.id("document") == again.origin.id("document")
    entries.entries.clear()
    await attempt.run(work(), asked())
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)


async def test_no_answer_before_it_is_remembered(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """Without the broker nothing is begun, and what is done is not told; a repeat goes on later."""
    attempt = await begun(idempotency)

    async def losing_the_broker() -> Response:
        entries.away = True
        return Response(b"made", 201)

    assert "unavailable" == await code(attempt.run(losing_the_broker, asked()))
    assert "unavailable" == await code(idempotency.begin(_CLAIM, b"asked"))
    entries.away = False
    entries.later(_LEASE)
    assert attempt.origin.id("job") == (await begun(idempotency)).origin.id("job")


async def test_a_short_outage_costs_nothing(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """An answer is offered to the broker again for a moment."""
    attempt = await begun(idempotency)

    async def losing_the_broker() -> Response:
        entries.away = True
        asyncio.get_running_loop().call_later(0.05, setattr, entries, "away", False)
        return Response(b"made", 201)

    await attempt.run(losing_the_broker, asked())
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)


async def test_forgotten_after_its_time(idempotency: Idempotency, entries: MemoryEntries, clock: Clock) -> None:
    """A day after the answer the key is as good as new: another request, and other ids."""
    first = await begun(idempotency)
    await first.run(work(), asked())
    entries.later(_DAY - 1)
    assert isinstance(await idempotency.begin(_CLAIM, b"asked"), Earlier)
    entries.later(1)
    clock.now += _DAY
    again = await begun(idempotency, asked=b"other")
    assert (False, True) == (again.origin.is_repeat, first.origin.id("job") != again.origin.id("job"))


async def test_nothing_is_stored_in_the_clear(idempotency: Idempotency, entries: MemoryEntries) -> None:
    """Neither key nor request nor answer can be read where they are stored, nor opened elsewhere."""
    claim = Claim("organization", ("POST /api-keys",), "guess-me")
    await (await begun(idempotency, claim, b"a fingerprint")).run(work(), asked(b"a fingerprint"))
    ((subject, (entry, _)),) = entries.entries.items()
    assert subject.startswith("idempotency.organization.")
    for told in (b"guess-me", b"made", b"a fingerprint", b"/there"):
        assert told not in entry.payload
        assert told not in subject.encode()
    here, elsewhere = Sealing("secret"), Sealing("another secret")
    boxes = [sealing.box((claim.owner, *claim.scope), claim.key) for sealing in (here, elsewhere)]
    assert [True, False] == [box.name in subject for box in boxes]
    assert b"made" in boxes[0].open(entry.payload)
    with pytest.raises(PagemeshError):
        boxes[1].open(entry.payload)
