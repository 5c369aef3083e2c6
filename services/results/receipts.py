"""Receipts, signed by `auth` in the background and kept with their tombstones.

Keys come and go. A receipt whose key is published no longer is replaced by one that says the same, so that what is
answered here can always be checked.
"""

import json
import logging
from typing import TYPE_CHECKING

import jwt
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import client, context
from mesh.errors import DeadlineExceeded, NotFound, Unavailable
from mesh.service_tokens import ServiceTokens
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.receipts_pb2 import IssueReceiptRequest
from services.results.few import for_each
from services.results.store import Store
from services.results.tombstones import Tombstone

if TYPE_CHECKING:
    from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceAsyncStub
    from pagemesh.auth.v1.receipts_pb2_grpc import ReceiptServiceAsyncStub

log = logging.getLogger(__name__)


class Receipts:
    """Asks `auth` for receipts, as this service inside the organization whose thing was erased."""

    def __init__(
        self, store: Store, tokens: ServiceTokens, keys: "TokenServiceAsyncStub", auth: "ReceiptServiceAsyncStub"
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._keys = keys
        self._auth = auth

    async def sign(self, tombstone: Tombstone) -> None:
        """Has a receipt signed for something erased, and keeps it.

        Raises Unavailable, Forbidden when `auth` does not know this service, NotFound when it does not know the
        organization.
        """
        receipt = await self._issued(tombstone)
        async with self._store.reading() as tables:
            await tables.erasures.sign(tombstone, receipt, str(jwt.get_unverified_header(receipt)["kid"]))

    async def sign_some(self, limit: int) -> int:
        """Signs some of those that have no receipt, or one that nobody can check any more; how many were tried.

        Raises Unavailable, Forbidden, after which they are tried again in five minutes.
        """
        published = await self._published()
        async with self._store.reading() as tables:
            unsigned = await tables.erasures.claim_unsigned(published, limit)
        await for_each(unsigned, self._sign_if_known)
        return len(unsigned)

    async def _sign_if_known(self, tombstone: Tombstone) -> None:
        try:
            await self.sign(tombstone)
        except NotFound:
            log.warning("no receipt: auth has no such organization", extra={"id": str(tombstone.id)})

    async def _issued(self, tombstone: Tombstone) -> str:
        stamp = Timestamp()
        assert tombstone.erased_at is not None
        stamp.FromDatetime(tombstone.erased_at)
        request = IssueReceiptRequest(
            subject=str(tombstone.subject),
            kind=tombstone.kind,
            reason=tombstone.reason,
            objects=tombstone.objects or 0,
            erased_at=stamp,
            digest=tombstone.digest,
        )
        try:
            with context.bearing(await self._tokens.get(str(tombstone.organization_id))):
                return (await client.call(self._auth.IssueReceipt, request)).receipt
        except DeadlineExceeded as error:
            raise Unavailable("auth does not answer.", dependency="auth") from error

    async def _published(self) -> list[str]:
        """Ids of the keys by which receipts can be checked."""
        try:
            jwks = json.loads((await client.call(self._keys.GetJwks, GetJwksRequest())).jwks_json)
        except DeadlineExceeded as error:
            raise Unavailable("auth does not answer.", dependency="auth") from error
        return [str(key["kid"]) for key in jwks["keys"]]
