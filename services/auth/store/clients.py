"""OAuth clients."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from mesh.errors import NotFound
from services.auth.records import IdentityEvent, OAuthClient
from services.auth.store.database import Database
from services.auth.store.events import record_event


class ClientStore(Database):
    """Clients of organizations; secrets are stored as hashes alone."""

    async def add_client(
        self, organization_id: UUID, name: str, scopes: tuple[str, ...], secret_hash: bytes
    ) -> OAuthClient:
        """Records a client with its first secret; the client that has the secret already is answered instead."""
        values = {"organization_id": organization_id, "name": name, "scopes": list(scopes)}
        async with self._transaction() as connection:
            client_id = await connection.scalar(_INSERT, values)
            secret = {"client_id": client_id, "secret_hash": secret_hash}
            owner_id = await connection.scalar(_INSERT_SECRET, secret)
            if owner_id != client_id:
                await connection.execute(_UNDO, {"id": client_id})
            return _client((await connection.execute(_ONE, {"id": owner_id})).one())

    async def clients(self, organization_id: UUID, limit: int, offset: int) -> tuple[list[OAuthClient], int]:
        """The organization's clients, newest first, and how many there are."""
        values = {"organization_id": organization_id, "limit": limit, "offset": offset}
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, values)).all()
            total = await connection.scalar(_COUNT, {"organization_id": organization_id})
        return [_client(row) for row in rows], int(total or 0)

    async def rotate_secret(
        self, organization_id: UUID, client_id: UUID, secret_hash: bytes, grace: timedelta
    ) -> tuple[OAuthClient, datetime]:
        """Adds a secret; those before it end after the grace, and when that is. Raises NotFound."""
        async with self._transaction() as connection:
            row = (await connection.execute(_LOCK, {"id": client_id, "organization_id": organization_id})).one_or_none()
            if row is None:
                raise NotFound("There is no such client.")
            ends: datetime = await connection.scalar(_ENDS, {"grace": grace})
            await connection.execute(_END_SECRETS, {"client_id": client_id, "ends": ends})
            await connection.execute(_INSERT_SECRET, {"client_id": client_id, "secret_hash": secret_hash})
            return _client((await connection.execute(_ONE, {"id": client_id})).one()), ends

    async def delete_client(self, organization_id: UUID, client_id: UUID, life: timedelta) -> IdentityEvent:
        """Deletes a client and its secrets. Raises NotFound."""
        async with self._transaction() as connection:
            gone = await connection.scalar(_DELETE, {"id": client_id, "organization_id": organization_id})
            if gone is None:
                raise NotFound("There is no such client.")
            await connection.execute(_DELETE_SECRETS, {"client_id": client_id})
            return await record_event(connection, "client_deleted", client_id, life)

    async def client_by_secret(self, client_id: UUID, secret_hash: bytes) -> OAuthClient | None:
        """The client, if the secret is its and good, and its organization is not disabled."""
        async with self._transaction() as connection:
            row = (await connection.execute(_BY_SECRET, {"id": client_id, "secret_hash": secret_hash})).one_or_none()
        return _client(row) if row else None

    async def revoke_token(self, token_id: UUID, life: timedelta) -> IdentityEvent:
        """Records that one token is dead, which would have lived so long."""
        async with self._transaction() as connection:
            return await record_event(connection, "token_revoked", token_id, life)


def _client(row: Row[Any]) -> OAuthClient:
    return OAuthClient(
        row.id, row.organization_id, row.tier, row.name, tuple(row.scopes), row.created_at, row.organization_generation
    )


_CLIENTS = """
    SELECT c.id, c.organization_id, o.tier, c.name, c.scopes, c.created_at, o.generation AS organization_generation
    FROM oauth_clients c JOIN organizations o ON o.id = c.organization_id
"""
_INSERT = text("""
    INSERT INTO oauth_clients (organization_id, name, scopes)
    VALUES (:organization_id, :name, CAST(:scopes AS text[])) RETURNING id
""")
_INSERT_SECRET = text("""
    INSERT INTO oauth_secrets (client_id, secret_hash) VALUES (:client_id, :secret_hash)
    ON CONFLICT (secret_hash) DO UPDATE SET secret_hash = excluded.secret_hash RETURNING client_id
""")
_UNDO = text("DELETE FROM oauth_clients WHERE id = :id")
_ONE = text(f"{_CLIENTS} WHERE c.id = :id")
_LIST = text(f"""
    {_CLIENTS} WHERE c.organization_id = :organization_id AND c.deleted_at IS NULL
    ORDER BY c.created_at DESC, c.id LIMIT :limit OFFSET :offset
""")
_COUNT = text("SELECT count(*) FROM oauth_clients WHERE organization_id = :organization_id AND deleted_at IS NULL")
_LOCK = text("""
    SELECT id FROM oauth_clients WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NULL FOR UPDATE
""")
_ENDS = text("SELECT now() + CAST(:grace AS interval)")
# Secrets that end sooner still do.
_END_SECRETS = text("""
    UPDATE oauth_secrets SET expires_at = least(expires_at, CAST(:ends AS timestamptz)) WHERE client_id = :client_id
""")
_DELETE = text("""
    UPDATE oauth_clients SET deleted_at = now()
    WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NULL RETURNING id
""")
_DELETE_SECRETS = text("DELETE FROM oauth_secrets WHERE client_id = :client_id")
_BY_SECRET = text(f"""
    {_CLIENTS} JOIN oauth_secrets s ON s.client_id = c.id
    WHERE c.id = :id AND s.secret_hash = :secret_hash AND (s.expires_at IS NULL OR s.expires_at > now())
      AND c.deleted_at IS NULL AND o.is_active
""")
