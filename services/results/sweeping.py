"""Everything that erases, put together."""

from dataclasses import dataclass
from datetime import timedelta

import grpc

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.service_tokens import ServiceTokens
from pagemesh.auth.v1.auth_pb2_grpc import OrganizationServiceStub, TokenServiceStub
from pagemesh.auth.v1.receipts_pb2_grpc import ReceiptServiceStub
from services.results.document_eraser import DocumentEraser
from services.results.erasure import Erasure
from services.results.hiding import Aftermath
from services.results.orphans import Orphans
from services.results.receipts import Receipts
from services.results.retention import Retention
from services.results.settings import ResultsSettings
from services.results.store import Store
from services.results.sweep import Pace, Sweeper

_NAME = "results"
# The least that there is: what this asks of `auth` is for any token, or for this service's alone.
_SCOPES = ("documents.read",)


@dataclass(frozen=True)
class Sweeping:
    """What erases at once, and what does so by and by."""

    erasure: Erasure
    sweeper: Sweeper
    orphans: Orphans

    @classmethod
    def build(
        cls,
        settings: ResultsSettings,
        store: Store,
        blobs: Blobs,
        bus: Bus,
        aftermath: Aftermath,
        auth: grpc.aio.Channel,
    ) -> "Sweeping":
        """One more kind of thing is one more eraser here, and one more ager if organizations' days hold for it."""
        keys = TokenServiceStub(auth)
        tokens = ServiceTokens(_NAME, settings.service_secret, keys, _SCOPES)
        receipts = Receipts(store, tokens, keys, ReceiptServiceStub(auth))
        retention = Retention(tokens, OrganizationServiceStub(auth))
        documents = DocumentEraser(store, blobs, aftermath)
        erasure = Erasure(store, blobs, bus, receipts, [documents])
        orphans = Orphans(store, blobs, retention, timedelta(hours=settings.orphan_hours))
        pace = Pace(settings.sweep_seconds, settings.tombstone_days)
        sweeper = Sweeper(store, erasure, receipts, retention, orphans, [documents], pace)
        return cls(erasure, sweeper, orphans)
