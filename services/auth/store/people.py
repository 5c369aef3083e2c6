"""Accounts of all organizations, as operators govern them."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from mesh.errors import NotFound
from services.auth.actions import Outcome
from services.auth.records import NewUser, User
from services.auth.store.accounts import insert_user
from services.auth.store.actions import record_action
from services.auth.store.database import Database
from services.auth.store.members import change_locked, locked_member
from services.auth.store.rows import USERS, user_of


class PeopleStore(Database):
    """Every account of the installation that was not deleted."""

    async def create_user(self, operator: str, organization_id: UUID, user: NewUser, role: str) -> Outcome[User]:
        """Makes an account. Raises NotFound for the organization, AlreadyExists (EMAIL_TAKEN)."""
        async with self._transaction() as connection:
            if await connection.scalar(_ORGANIZATION, {"id": organization_id}) is None:
                raise NotFound("There is no such organization.")
            user_id = await insert_user(connection, user, organization_id, role)
            action = await record_action(connection, operator, "user_created", {"role": role}, organization_id, user_id)
            return Outcome(user_of((await connection.execute(_ONE, {"id": user_id})).one()), action)

    async def people(
        self, organization_id: UUID | None, search: str, limit: int, offset: int
    ) -> tuple[list[User], int]:
        """Those of the organization, or of all, whose address or name holds the text, or whose id it is; and how many.

        Oldest first.
        """
        wanted = {"organization_id": organization_id, "search": search}
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, {**wanted, "limit": limit, "offset": offset})).all()
            total = await connection.scalar(_COUNT, wanted)
        return [user_of(row) for row in rows], int(total or 0)

    async def set_user_active(self, operator: str, user: User, is_active: bool, life: timedelta) -> Outcome[User]:
        """Disables or enables an account; its tokens live so long at most. Raises NotFound.

        The last admin of an organization is not spared: an operator can make another.
        """
        async with self._transaction() as connection:
            before = await locked_member(connection, user.organization.id, user.id)
            after, events = await change_locked(connection, before, before.role, is_active, life)
            done = "user_enabled" if is_active else "user_disabled"
            action = await record_action(connection, operator, done, {}, before.organization.id, before.id)
        return Outcome(after, action, tuple(events))


_ORGANIZATION = text("SELECT id FROM organizations WHERE id = :id")
_ONE = text(f"{USERS} WHERE u.id = :id")
_WANTED = """
    u.deleted_at IS NULL AND (CAST(:organization_id AS uuid) IS NULL OR u.organization_id = :organization_id)
    AND (position(lower(:search) IN lower(u.email)) > 0 OR position(lower(:search) IN lower(u.full_name)) > 0
         OR CAST(u.id AS text) = lower(:search))
"""
_LIST = text(f"{USERS} WHERE {_WANTED} ORDER BY u.created_at, u.id LIMIT :limit OFFSET :offset")
_COUNT = text(f"SELECT count(*) FROM users u WHERE {_WANTED}")
