"""Originals from S3, read with the operator's credentials: so only where the operator says that an organization may.

What the installation itself stores is out of reach whatever the rules say.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Self
from urllib.parse import unquote, urlparse

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ingest.fetch import FetchFault, Remote

ORGANIZATION: Final = "{organization}"
_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.{1,1024})")
_CHUNK_BYTES = 1 << 20


class S3Rule(BaseModel):
    """Where organizations may read: keys of a bucket that begin with the prefix."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket: str
    prefix: str = f"{ORGANIZATION}/"
    """`{organization}` in it stands for the reader's own id."""
    organizations: tuple[str, ...] = Field(default=())
    """Ids of those who may; none: everybody, each in a place of its own."""

    @model_validator(mode="after")
    def _parted(self) -> Self:
        if not self.organizations and f"/{ORGANIZATION}/" not in f"/{self.prefix}":
            raise ValueError(f"Without organizations the prefix must hold {ORGANIZATION} between slashes.")
        return self

    def permits(self, bucket: str, key: str, organization_id: str) -> bool:
        """Whether the organization may read the object."""
        if self.organizations and organization_id not in self.organizations:
            return False
        return bucket == self.bucket and key.startswith(self.prefix.replace(ORGANIZATION, organization_id))


class S3Opener:
    """Opens objects."""

    def __init__(self, rules: Sequence[S3Rule], storage_url: str) -> None:
        """`storage_url` is where the installation keeps its own."""
        self._rules = rules
        self._own = urlparse(storage_url)
        self._stores: dict[str, ObjectStore] = {}

    @asynccontextmanager
    async def __call__(self, address: str, organization_id: str) -> AsyncIterator[Remote]:
        """The object of `s3://bucket/key`. Raises FetchFault."""
        bucket, key = self.permitted(address, organization_id)
        with _translated():
            found = await obstore.get_async(self._store(bucket), key)
        yield Remote(_body(found), key.rpartition("/")[2], found.meta["size"])

    def permitted(self, address: str, organization_id: str) -> tuple[str, str]:
        """Bucket and key, which the organization may read. Raises FetchFault (address_not_allowed)."""
        match = _URI.fullmatch(address)
        if match is None or not _is_plain(match["key"]):
            raise _refused()
        bucket, key = match["bucket"], match["key"]
        if self._is_own(bucket, key) or not any(rule.permits(bucket, key, organization_id) for rule in self._rules):
            raise _refused()
        return bucket, key

    def _is_own(self, bucket: str, key: str) -> bool:
        if self._own.scheme in ("http", "https"):  # a bucket by its server's address
            return bucket in (*self._own.netloc.split("."), *self._own.path.split("/"))
        prefix = self._own.path.strip("/")
        return self._own.netloc == bucket and f"{key}/".startswith(f"{prefix}/" if prefix else "")

    def _store(self, bucket: str) -> ObjectStore:
        if bucket not in self._stores:
            self._stores[bucket] = from_url(f"s3://{bucket}")
        return self._stores[bucket]


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the store's errors into faults."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FetchFault("fetch_failed", "There is no such object.") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise FetchFault("fetch_failed", "The bucket does not let us read it.") from error
    except (BaseError, OSError) as error:
        raise FetchFault("fetch_failed", "The object store does not answer.", may_pass=True) from error


async def _body(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)


def _is_plain(key: str) -> bool:
    """Whether no client of S3 would take the key for another: no empty or dotted parts, hidden or not."""
    parts = unquote(key).split("/")
    is_dotted = bool({"", ".", ".."} & set(parts))
    return len(parts) == key.count("/") + 1 and not is_dotted and "\\" not in key and key.isprintable()


def _refused() -> FetchFault:
    return FetchFault("address_not_allowed", "The operator does not let this organization read that object.")
