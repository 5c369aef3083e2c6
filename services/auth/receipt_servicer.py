"""The gRPC service of receipts: messages to ideas and back, no logic."""

from mesh import identity
from pagemesh.auth.v1 import receipts_pb2 as pb
from pagemesh.auth.v1.receipts_pb2_grpc import ReceiptServiceServicer
from services.auth import convert
from services.auth.receipts import Erased, Receipts


class ReceiptServicer(ReceiptServiceServicer):
    """Receipts for what was erased."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    async def IssueReceipt(self, request: pb.IssueReceiptRequest, context: object) -> pb.IssueReceiptResponse:
        """Signs one."""
        erased = Erased(
            subject=request.subject,
            kind=request.kind,
            reason=request.reason,
            objects=request.objects,
            erased_at=convert.moment(request.erased_at, "erased_at"),
            digest=request.digest,
        )
        return pb.IssueReceiptResponse(receipt=self._receipts.issue(identity.current(), erased))
