"""OAuth clients, governed by the admins of their organization."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import InvalidArgument
from mesh.identity import Identity
from services.auth import fields
from services.auth.accounts import Accounts, Herald
from services.auth.api_keys import check_scopes
from services.auth.members import require_admin
from services.auth.new_secrets import NewSecrets
from services.auth.records import IdentityEvent, OAuthClient
from services.auth.tokens import fingerprint

_PREFIX = "pms_"


class ClientBook(Protocol):
    """Where clients are recorded. Every method raises Unavailable while it is away."""

    async def add_client(
        self, organization_id: UUID, name: str, scopes: tuple[str, ...], secret_hash: bytes
    ) -> OAuthClient:
        """Records a client with its first secret; the client that has the secret already is answered instead."""

    async def clients(self, organization_id: UUID, limit: int, offset: int) -> tuple[list[OAuthClient], int]:
        """The organization's clients, newest first, and how many there are."""

    async def rotate_secret(
        self, organization_id: UUID, client_id: UUID, secret_hash: bytes, grace: timedelta
    ) -> tuple[OAuthClient, datetime]:
        """Adds a secret; those before it end after the grace, and when that is. Raises NotFound."""

    async def delete_client(self, organization_id: UUID, client_id: UUID, life: timedelta) -> IdentityEvent:
        """Deletes a client and its secrets. Raises NotFound."""


class Clients:
    """Clients of organizations: all methods raise Forbidden for everybody but admins."""

    def __init__(
        self,
        book: ClientBook,
        accounts: Accounts,
        herald: Herald,
        token_life: timedelta,
        grace: timedelta,
        secrets: NewSecrets,
    ) -> None:
        self._book = book
        self._accounts = accounts
        self._herald = herald
        self._token_life = token_life
        self._grace = grace
        self._secrets = secrets

    async def create(
        self, caller: Identity, name: str, scopes: Sequence[str], request_id: UUID | None = None
    ) -> tuple[OAuthClient, str]:
        """A client and its secret, the same for the same request id. Raises InvalidArgument naming the field."""
        admin = await require_admin(self._accounts, caller)
        granted = check_scopes(scopes)
        if not granted:
            raise InvalidArgument("A client needs at least one scope.", field="scopes")
        organization_id, checked = admin.organization.id, fields.check_name(name, "name")
        secret = self._secrets.make(_PREFIX, organization_id, request_id)
        return await self._book.add_client(organization_id, checked, granted, fingerprint(secret)), secret

    async def list(self, caller: Identity, page: int, per_page: int) -> tuple[Sequence[OAuthClient], int]:
        """One page of the organization's clients, pages from 1, and how many there are."""
        admin = await require_admin(self._accounts, caller)
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("Pages go from 1 and hold 1 to 100.", field="page")
        return await self._book.clients(admin.organization.id, per_page, (page - 1) * per_page)

    async def rotate(self, caller: Identity, client_id: UUID) -> tuple[OAuthClient, str, datetime]:
        """The client, another secret, and until when those before it are good. Raises NotFound."""
        admin = await require_admin(self._accounts, caller)
        secret = self._secrets.make(_PREFIX, admin.organization.id, None)
        client, ends = await self._book.rotate_secret(
            admin.organization.id, client_id, fingerprint(secret), self._grace
        )
        return client, secret, ends

    async def delete(self, caller: Identity, client_id: UUID) -> Sequence[IdentityEvent]:
        """Deletes a client; its tokens are dead. Raises NotFound."""
        admin = await require_admin(self._accounts, caller)
        events = [await self._book.delete_client(admin.organization.id, client_id, self._token_life)]
        self._herald.announce(events)
        return events
