"""Where a document and what is read of it are kept: in the blob store, or, of zero-log work, in memory."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from mesh import memory_blobs
from mesh.errors import InvalidArgument
from mesh.streams import LONGEST_ZERO_LOG_SECONDS
from pagemesh.ingest.v1.ingest_pb2 import UploadConfig


@dataclass(frozen=True, slots=True)
class Place:
    """Folders of the blob store, and when they are forgotten."""

    originals: str
    pages: str
    expires_at: Timestamp | None = None

    @classmethod
    def of(cls, config: UploadConfig, organization_id: str, document_id: str) -> "Place":
        """The place of an upload that begins now. Raises InvalidArgument."""
        if not config.HasField("zero_log"):
            return cls(f"originals/{organization_id}", f"pages/{document_id}")
        seconds = config.zero_log.ttl_seconds
        if not 1 <= seconds <= LONGEST_ZERO_LOG_SECONDS:
            raise InvalidArgument(f"From 1 to {LONGEST_ZERO_LOG_SECONDS} seconds.", field="zero_log.ttl_seconds")
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        folder = memory_blobs.folder(organization_id, document_id, expires_at)
        stamp = Timestamp()
        stamp.FromDatetime(expires_at)
        return cls(folder, f"{folder}/pages", stamp)
