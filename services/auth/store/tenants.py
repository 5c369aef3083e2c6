"""Organizations as operators govern them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.errors import NotFound
from mesh.revocations import LONGEST_TOKEN_SECONDS
from services.auth.actions import OperatorAction, Outcome
from services.auth.records import IdentityEvent, Organization, OrganizationSettings
from services.auth.store.accounts import insert_organization
from services.auth.store.actions import record_action
from services.auth.store.database import Database
from services.auth.store.events import record_event
from services.auth.store.rows import ORGANIZATIONS, organization_of

_ANY_TOKEN = timedelta(seconds=LONGEST_TOKEN_SECONDS)
_REMEMBERED = timedelta(minutes=1)  # nobody remembers an organization for longer without asking again


class TenantStore(Database):
    """Every organization of the installation. Changes raise NotFound."""

    async def create_organization(self, operator: str, name: str, tier: str) -> Outcome[Organization]:
        """Makes an organization without members."""
        async with self._transaction() as connection:
            made = await insert_organization(connection, name, tier, OrganizationSettings())
            details = {"name": name, "tier": tier}
            action = await record_action(connection, operator, "organization_created", details, made)
            return Outcome(organization_of((await connection.execute(_ONE, {"id": made})).one()), action)

    async def organizations(self, search: str, limit: int, offset: int) -> tuple[list[Organization], int]:
        """Those whose name holds the text, or whose id it is, oldest first, and how many there are."""
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, {"search": search, "limit": limit, "offset": offset})).all()
            total = await connection.scalar(_COUNT, {"search": search})
        return [organization_of(row) for row in rows], int(total or 0)

    async def set_tier(self, operator: str, organization_id: UUID, tier: str) -> Outcome[Organization]:
        """Puts it on another plan."""
        async with self._transaction() as connection:
            before = await _locked(connection, organization_id)
            await connection.execute(_SET_TIER, {"id": organization_id, "tier": tier})
            details = {"tier": tier, "before.tier": before.tier}
            action = await record_action(connection, operator, "tier_set", details, organization_id)
            return await _changed(connection, action, organization_id)

    async def set_rate_limits(
        self, operator: str, organization_id: UUID, limits: Mapping[str, int | None]
    ) -> Outcome[Organization]:
        """Sets the windows that are given, `per_second`, `per_minute`, `per_hour`; None: as the tier."""
        async with self._transaction() as connection:
            before = asdict((await _locked(connection, organization_id)).rate_limits)
            await connection.execute(_SET_LIMITS, {"id": organization_id, **before, **limits})
            details = {name: str(limit or "") for name, limit in limits.items()}
            details |= {f"before.{name}": str(before[name] or "") for name in limits}
            action = await record_action(connection, operator, "rate_limits_set", details, organization_id)
            return await _changed(connection, action, organization_id)

    async def disable_organization(self, operator: str, organization_id: UUID) -> Outcome[Organization]:
        """Ends its members' sessions and declares every token of it dead."""
        async with self._transaction() as connection:
            await _locked(connection, organization_id)
            dead = await disable_organization(connection, organization_id)
            action = await record_action(connection, operator, "organization_disabled", {}, organization_id)
            return await _changed(connection, action, organization_id, dead)

    async def enable_organization(self, operator: str, organization_id: UUID) -> Outcome[Organization]:
        """Lets its members, API keys and OAuth clients in again."""
        async with self._transaction() as connection:
            await _locked(connection, organization_id)
            await connection.execute(_ENABLE, {"id": organization_id})
            action = await record_action(connection, operator, "organization_enabled", {}, organization_id)
            return await _changed(connection, action, organization_id)


async def disable_organization(connection: AsyncConnection, organization_id: UUID) -> IdentityEvent:
    """Disables a locked organization: sessions end, and tokens of its generation are dead."""
    generation = await connection.scalar(_DISABLE, {"id": organization_id})
    await connection.execute(_END_SESSIONS, {"id": organization_id})
    return await record_event(connection, "organization_disabled", organization_id, _ANY_TOKEN, generation or 0)


async def _locked(connection: AsyncConnection, organization_id: UUID) -> Organization:
    row = (await connection.execute(_LOCK, {"id": organization_id})).one_or_none()
    if row is None:
        raise NotFound("There is no such organization.")
    return organization_of(row)


async def _changed(
    connection: AsyncConnection, action: OperatorAction, organization_id: UUID, *events: IdentityEvent
) -> Outcome[Organization]:
    changed = await record_event(connection, "organization_changed", organization_id, _REMEMBERED)
    row = (await connection.execute(_ONE, {"id": organization_id})).one()
    return Outcome(organization_of(row), action, (*events, changed))


_ONE = text(f"{ORGANIZATIONS} WHERE o.id = :id")
_LOCK = text(f"{ORGANIZATIONS} WHERE o.id = :id FOR UPDATE OF o")
_FOUND = "position(lower(:search) IN lower(o.name)) > 0 OR CAST(o.id AS text) = lower(:search)"
_LIST = text(f"{ORGANIZATIONS} WHERE {_FOUND} ORDER BY o.created_at, o.id LIMIT :limit OFFSET :offset")
_COUNT = text(f"SELECT count(*) FROM organizations o WHERE {_FOUND}")
_SET_TIER = text("UPDATE organizations SET tier = :tier, updated_at = now() WHERE id = :id")
_SET_LIMITS = text("""
    UPDATE organizations SET requests_per_second = :per_second, requests_per_minute = :per_minute,
        requests_per_hour = :per_hour, updated_at = now()
    WHERE id = :id
""")
_DISABLE = text("""
    UPDATE organizations SET is_active = false, generation = generation + 1, updated_at = now() WHERE id = :id
    RETURNING generation
""")
_ENABLE = text("UPDATE organizations SET is_active = true, updated_at = now() WHERE id = :id")
_END_SESSIONS = text("""
    UPDATE sessions s SET ended_at = now() FROM users u
    WHERE u.organization_id = :id AND s.user_id = u.id AND s.ended_at IS NULL
""")
