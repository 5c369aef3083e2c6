"""Requests with an `Idempotency-Key`: carried out once, answered the same ever after.

The entry of a key is made before the request is carried out, and only by one (mesh/entries.py). Whoever made it writes
it anew while working; an entry that nobody has written for the length of a lease belongs to somebody who died, and the
next repeat goes on with it. What a request makes has ids that derive from the entry's seed, so that going on makes
nothing twice. See docs/adr/0020-idempotency.md.

Source: contract/conventions.md, "Idempotency"; draft-ietf-httpapi-idempotency-key-header-07.
"""

import asyncio
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response

from mesh.entries import ABSENT, Entry
from mesh.errors import IllegalState, InvalidArgument, PagemeshError, Unavailable
from mesh.streams import ephemeral_idempotency_subject, idempotency_subject
from pagemesh.gateway.v1 import idempotency_pb2
from pagemesh.gateway.v1.idempotency_pb2 import KeyedRequest
from services.gateway import problems
from services.gateway.sealing import Box, Sealing
from services.gateway.zero_log import ZeroLog

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
_NAMESPACE = uuid.UUID("6f1d7a52-3f0c-5c86-9f0e-0a4f3b7f7d11")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_TRIES = 5
_PAUSES = (0.1, 0.3, 1.0)
_RUNNING = idempotency_pb2.KEYED_REQUEST_STATE_RUNNING
_FAILED = idempotency_pb2.KEYED_REQUEST_STATE_FAILED
_ANSWERED = idempotency_pb2.KEYED_REQUEST_STATE_ANSWERED


class EntryStore(Protocol):
    """Where entries are kept; see mesh.entries.Entries."""

    async def put(self, subject: str, payload: bytes, replaces: int, seconds: int) -> int | None:
        """Writes over a revision; the new one, None on a conflict."""

    async def get(self, subject: str) -> Entry | None:
        """The entry."""

    async def age(self, entry: Entry) -> float:
        """Seconds since it was written."""

    async def drop(self, revision: int) -> None:
        """Removes that revision."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long answers are remembered, and how long a silent gateway is believed to be alive, in seconds."""

    remembered: int
    lease: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A key where it counts: of an organization, or `public`, and within the scope, which says the endpoint."""

    owner: str
    scope: tuple[str, ...]
    key: str


class Origin:
    """What the ids of new things derive from."""

    def __init__(self, seed: uuid.UUID | None = None, is_repeat: bool = False) -> None:
        """`is_repeat` says that somebody else may have made them before."""
        self._seed = seed
        self.is_repeat = is_repeat

    def id(self, kind: str) -> str:
        """A UUID: version 5 (RFC 9562) of the seed and the kind; random when there is no seed."""
        return str(uuid.uuid4() if self._seed is None else uuid.uuid5(self._seed, kind))


def read_key(headers: Headers) -> str | None:
    """The `Idempotency-Key`, quoted (RFC 8941 string) or not. Raises InvalidArgument."""
    values = headers.getlist(HEADER)
    if not values:
        return None
    key = values[0].strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = re.sub(r'\\(["\\])', r"\1", key[1:-1])
    if len(values) > 1 or not _KEY.fullmatch(key):
        raise InvalidArgument(
            "Idempotency-Key must be there once, 1 to 255 printable ASCII characters.", "INVALID_IDEMPOTENCY_KEY"
        )
    return key


class Idempotency:
    """Remembers answers."""

    def __init__(
        self,
        entries: EntryStore,
        memory: EntryStore,
        sealing: Sealing,
        terms: Terms,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`memory` remembers zero-log requests, each no longer than what comes of it is kept."""
        self._entries = entries
        self._memory = memory
        self._sealing = sealing
        self._terms = terms
        self._clock = clock

    async def begin(self, claim: Claim, fingerprint: bytes, zero_log: ZeroLog | None = None) -> "Attempt | Earlier":
        """The right to carry the request out, or what came of it before; no fingerprint for what is not read yet.

        Raises InvalidArgument (IDEMPOTENCY_KEY_REUSED), IllegalState (REQUEST_IN_PROGRESS), Unavailable.
        """
        if zero_log is not None:  # another endpoint, as it were: neither is ever answered with what the other made
            claim = replace(claim, scope=(*claim.scope, "zero-log"))
        box = self._sealing.box((claim.owner, *claim.scope), claim.key)
        slot = _Slot(self._memory if zero_log else self._entries, box, claim, self._terms, zero_log)
        ours = KeyedRequest(
            state=_RUNNING, attempt=secrets.token_hex(8), seed=str(self._seed(claim)), fingerprint=fingerprint
        )
        for _ in range(_TRIES):
            if revision := await slot.write(ours, ABSENT):
                return Attempt(slot, ours, revision)
            found = await slot.read()
            if found is None:  # its time was over in between
                continue
            entry, theirs = found
            if theirs.state == _ANSWERED:
                return Earlier(theirs)
            await self._require_free(slot, entry, theirs, fingerprint)
            ours.seed = theirs.seed
            if revision := await slot.write(ours, entry.revision):
                return Attempt(slot, ours, revision, is_repeat=True)
        raise in_progress()

    async def _require_free(self, slot: "_Slot", entry: Entry, theirs: KeyedRequest, fingerprint: bytes) -> None:
        if theirs.fingerprint and fingerprint and theirs.fingerprint != fingerprint:
            raise reused()
        if theirs.state == _RUNNING and await slot.age(entry) < self._terms.lease:
            raise in_progress()

    def _seed(self, claim: Claim) -> uuid.UUID:
        # Also the same when the broker lost its entries, yet another once the key is forgotten.
        period = int(self._clock()) // self._terms.remembered
        return uuid.uuid5(_NAMESPACE, "\n".join((claim.owner, *claim.scope, claim.key, str(period))))


class Earlier:
    """A request that was answered."""

    def __init__(self, request: KeyedRequest) -> None:
        self._request = request
        self.content_bytes = request.content_bytes
        """How long the contents of its form's parts were."""

    def replay(self, fingerprint: bytes) -> Response:
        """The first answer again. Raises InvalidArgument (IDEMPOTENCY_KEY_REUSED) for another request."""
        if fingerprint != self._request.fingerprint:
            raise reused()
        answer = self._request.answer
        response = Response(answer.body, answer.status)
        response.raw_headers = [
            *((header.name, header.value) for header in answer.headers),
            (b"content-length", b"%d" % len(answer.body)),
            (REPLAYED.encode(), b"true"),
        ]
        return response


class Attempt:
    """The right to carry a request out, kept by writing the entry anew until it ends."""

    def __init__(self, slot: "_Slot", request: KeyedRequest, revision: int, is_repeat: bool = False) -> None:
        self.origin = Origin(uuid.UUID(request.seed), is_repeat)
        self._slot = slot
        self._request = request
        self._revision = revision
        self._over = asyncio.Event()

    async def run(self, work: Callable[[], Awaitable[Response]], asked: Callable[[], tuple[bytes, int]]) -> Response:
        """Does the work and remembers its answer, unless it is an error, before anybody hears it.

        `asked` tells, when the work is done, the request's fingerprint and the length of its contents. Raises what the
        work raises; IllegalState (REQUEST_IN_PROGRESS) when another has gone on with it meanwhile; Unavailable.
        """
        beating = asyncio.create_task(self._keep())
        try:
            response = await work()
        except BaseException as error:
            await self._end(beating, _status(error))
            raise
        await self._end(beating, response.status_code)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            self._request.fingerprint, self._request.content_bytes = asked()
            await self._settle(response)
        return response

    async def _end(self, beating: asyncio.Task[None], status: int) -> None:
        self._over.set()
        await beating
        if status >= HTTPStatus.BAD_REQUEST:
            # Only a refusal says for sure that nothing was made, and only by this try.
            is_refused = status < HTTPStatus.INTERNAL_SERVER_ERROR and not self.origin.is_repeat
            with suppress(PagemeshError):  # the lease ends by itself
                await (self._forget() if is_refused else self._fail())

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._slot.terms.lease / 3)
            if self._over.is_set():
                return
            with suppress(PagemeshError):
                self._revision = await self._slot.write(self._request, self._revision) or await self._ours()

    async def _forget(self) -> None:
        await self._slot.drop(self._revision)

    async def _fail(self) -> None:
        self._request.state = _FAILED
        await self._slot.write(self._request, self._revision)

    async def _settle(self, response: Response) -> None:
        self._request.state = _ANSWERED
        self._request.answer.CopyFrom(_answer(response))
        replaces: int | None = self._revision
        for pause in (*_PAUSES, None):
            try:
                if replaces is not None and await self._slot.write(self._request, replaces):
                    return
                replaces = await self._ours()
            except Unavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise in_progress()

    async def _ours(self) -> int:
        """The revision to write over: ours, which may have come about without our hearing of it, or none at all.

        Raises IllegalState when another has taken over.
        """
        found = await self._slot.read()
        if found is None:
            return ABSENT
        entry, now = found
        if now.attempt != self._request.attempt:
            raise in_progress()
        return entry.revision


class _Slot:
    """The entry of one key."""

    def __init__(
        self, entries: EntryStore, box: Box, claim: Claim, terms: Terms, zero_log: ZeroLog | None = None
    ) -> None:
        self._entries = entries
        self._box = box
        subject_of = idempotency_subject if zero_log is None else ephemeral_idempotency_subject
        self._subject = subject_of(claim.owner, box.name)
        self._zero_log = zero_log
        self.terms = terms

    async def write(self, request: KeyedRequest, replaces: int) -> int | None:
        sealed = self._box.seal(request.SerializeToString())
        seconds = self.terms.remembered if self._zero_log is None else self._zero_log.seconds
        return await self._entries.put(self._subject, sealed, replaces, seconds)

    async def read(self) -> tuple[Entry, KeyedRequest] | None:
        entry = await self._entries.get(self._subject)
        return None if entry is None else (entry, KeyedRequest.FromString(self._box.open(entry.payload)))

    async def drop(self, revision: int) -> None:
        await self._entries.drop(revision)

    async def age(self, entry: Entry) -> float:
        return await self._entries.age(entry)


def reused() -> InvalidArgument:
    """The error of a key that was used for another request."""
    return InvalidArgument("This Idempotency-Key was used for another request.", "IDEMPOTENCY_KEY_REUSED")


def in_progress() -> IllegalState:
    """The error of a repeat while the first is still running."""
    return IllegalState(
        "The first request with this Idempotency-Key is still running.",
        "REQUEST_IN_PROGRESS",
        retry_after=str(problems.RETRY_SECONDS),
    )


def _status(error: BaseException) -> int:
    return problems.status_of(error) if isinstance(error, PagemeshError) else HTTPStatus.INTERNAL_SERVER_ERROR


def _answer(response: Response) -> idempotency_pb2.Answer:
    kept = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return idempotency_pb2.Answer(
        status=response.status_code,
        headers=[idempotency_pb2.Header(name=name, value=value) for name, value in kept],
        body=bytes(response.body),
    )
