"""Members of an organization, and who was invited."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.errors import AlreadyExists, IllegalState, InvalidArgument, NotFound
from services.auth.records import IdentityEvent, Invitation, MemberChange, NewUser, Session, User
from services.auth.store.accounts import insert_session, insert_user
from services.auth.store.database import Database
from services.auth.store.events import record_event
from services.auth.store.rows import USERS, user_of
from services.auth.store.tenants import disable_organization


class MemberStore(Database):
    """Who belongs to an organization."""

    async def members(self, organization_id: UUID, limit: int, offset: int) -> tuple[list[User], int]:
        """Accounts of the organization, oldest first, and how many there are."""
        values = {"organization_id": organization_id, "limit": limit, "offset": offset}
        async with self._transaction() as connection:
            rows = (await connection.execute(_MEMBERS, values)).all()
            total = await connection.scalar(_COUNT_MEMBERS, {"organization_id": organization_id})
        return [user_of(row) for row in rows], int(total or 0)

    async def invite(
        self, organization_id: UUID, email: str, role: str, token_hash: bytes, life: timedelta
    ) -> Invitation:
        """Invites; an earlier invitation of the same address is void. Raises AlreadyExists, EMAIL_TAKEN."""
        values = {
            "organization_id": organization_id,
            "email": email,
            "role": role,
            "token_hash": token_hash,
            "life": life,
        }
        async with self._transaction() as connection:
            if await connection.scalar(_EMAIL_TAKEN, {"email": email}):
                raise AlreadyExists("This email is registered already.", "EMAIL_TAKEN")
            row = (await connection.execute(_INVITE, values)).one()
        return Invitation(row.id, row.email, row.role, row.created_at, row.expires_at)

    async def invited(self, token_hash: bytes) -> tuple[str, str] | None:
        """Whose mail address the invitation is for, and its organization's name, while it is good."""
        async with self._transaction() as connection:
            row = (await connection.execute(_INVITED, {"token_hash": token_hash})).one_or_none()
        return (row.email, row.name) if row else None

    async def accept_invitation(
        self, invitation_hash: bytes, user: NewUser, token_hash: bytes, life: timedelta
    ) -> Session:
        """Makes the invited account and its first session.

        Raises InvalidArgument (INVALID_INVITATION) when it is not good any more, AlreadyExists (EMAIL_TAKEN).
        """
        async with self._transaction() as connection:
            invited = (await connection.execute(_SPEND_INVITATION, {"token_hash": invitation_hash})).one_or_none()
            if invited is None:
                raise InvalidArgument("The invitation is unknown, used or expired.", "INVALID_INVITATION")
            user_id = await insert_user(connection, user, invited.organization_id, invited.role)
            return await insert_session(connection, user_id, token_hash, life)

    async def change_member(
        self, organization_id: UUID, user_id: UUID, change: MemberChange, life: timedelta
    ) -> tuple[User, list[IdentityEvent]]:
        """Changes role or state; what the change takes away, tokens lose at once. Raises NotFound, IllegalState."""
        async with self._transaction() as connection:
            before = await locked_member(connection, organization_id, user_id)
            role = before.role if change.role is None else change.role
            is_active = before.is_active if change.is_active is None else change.is_active
            if before.role == "admin" and before.is_active and not (role == "admin" and is_active):
                await _require_another_admin(connection, organization_id, user_id)
            return await change_locked(connection, before, role, is_active, life)

    async def delete_user(self, organization_id: UUID, user_id: UUID, life: timedelta) -> list[IdentityEvent]:
        """Deletes an account, softly. The organization of its last member is disabled.

        Raises NotFound, and IllegalState (LAST_ADMIN) while other members would be left without an admin.
        """
        async with self._transaction() as connection:
            member = await locked_member(connection, organization_id, user_id)
            alone = member.organization.member_count == 1
            if member.role == "admin" and not alone:
                await _require_another_admin(connection, organization_id, user_id)
            await connection.execute(_DELETE_USER, {"id": user_id})
            await connection.execute(_ERASE_PROVIDER_KEYS, {"id": user_id})
            await connection.execute(_END_SESSIONS, {"id": user_id})
            await connection.execute(_UNLINK, {"id": user_id})
            events = [await record_event(connection, "user_deleted", user_id, life)]
            if alone:
                events.append(await disable_organization(connection, organization_id))
            return events


async def change_locked(
    connection: AsyncConnection, before: User, role: str, is_active: bool, life: timedelta
) -> tuple[User, list[IdentityEvent]]:
    """Gives a locked account its role and state; what that takes away, tokens lose at once."""
    disabled, demoted = before.is_active and not is_active, before.role == "admin" and role != "admin"
    values = {"id": before.id, "role": role, "is_active": is_active, "newer": int(disabled or demoted)}
    generation = await connection.scalar(_CHANGE_MEMBER, values)
    events: list[IdentityEvent] = []
    if disabled or demoted:
        kind = "user_disabled" if disabled else "user_demoted"
        events.append(await record_event(connection, kind, before.id, life, generation or 0))
    if disabled:
        await connection.execute(_END_SESSIONS, {"id": before.id})
    return user_of((await connection.execute(_MEMBER, {"id": before.id})).one()), events


async def locked_member(connection: AsyncConnection, organization_id: UUID, user_id: UUID) -> User:
    """The account, which nobody else changes until the transaction ends. Raises NotFound."""
    # Changes of members of one organization wait for one another: the last admin must stay.
    await connection.execute(_LOCK_ORGANIZATION, {"id": organization_id})
    row = (await connection.execute(_MEMBER, {"id": user_id})).one_or_none()
    if row is None or row.organization_id != organization_id:
        raise NotFound("There is no such user.")
    return user_of(row)


async def _require_another_admin(connection: AsyncConnection, organization_id: UUID, user_id: UUID) -> None:
    others: Sequence[object] = (
        await connection.execute(_OTHER_ADMINS, {"organization_id": organization_id, "id": user_id})
    ).all()
    if not others:
        raise IllegalState("An organization needs an admin; this is its last.", "LAST_ADMIN")


_MEMBERS = text(f"""
    {USERS} WHERE u.organization_id = :organization_id AND u.deleted_at IS NULL
    ORDER BY u.created_at, u.id LIMIT :limit OFFSET :offset
""")
_COUNT_MEMBERS = text("SELECT count(*) FROM users WHERE organization_id = :organization_id AND deleted_at IS NULL")
_MEMBER = text(f"{USERS} WHERE u.id = :id AND u.deleted_at IS NULL")
_EMAIL_TAKEN = text("SELECT 1 FROM users WHERE lower(email) = lower(:email) AND deleted_at IS NULL")
_INVITE = text("""
    INSERT INTO invitations (organization_id, email, role, token_hash, expires_at)
    VALUES (:organization_id, :email, :role, :token_hash, now() + :life)
    ON CONFLICT (organization_id, lower(email)) DO UPDATE SET email = excluded.email, role = excluded.role,
        token_hash = excluded.token_hash, created_at = now(), expires_at = excluded.expires_at
    RETURNING id, email, role, created_at, expires_at
""")
_GOOD_INVITATION = """
    i.token_hash = :token_hash AND i.expires_at > now() AND o.id = i.organization_id AND o.is_active
"""
_INVITED = text(f"SELECT i.email, o.name FROM invitations i, organizations o WHERE {_GOOD_INVITATION}")
_SPEND_INVITATION = text(f"""
    DELETE FROM invitations i USING organizations o WHERE {_GOOD_INVITATION} RETURNING i.organization_id, i.role
""")
_LOCK_ORGANIZATION = text("SELECT FROM organizations WHERE id = :id FOR UPDATE")
_OTHER_ADMINS = text("""
    SELECT 1 FROM users
    WHERE organization_id = :organization_id AND id <> :id AND role = 'admin' AND is_active AND deleted_at IS NULL
    LIMIT 1
""")
_CHANGE_MEMBER = text("""
    UPDATE users SET role = :role, is_active = :is_active, generation = generation + :newer, updated_at = now()
    WHERE id = :id RETURNING generation
""")
_DELETE_USER = text("UPDATE users SET is_active = false, deleted_at = now(), updated_at = now() WHERE id = :id")
_ERASE_PROVIDER_KEYS = text("DELETE FROM provider_keys WHERE user_id = :id")
_END_SESSIONS = text("UPDATE sessions SET ended_at = now() WHERE user_id = :id AND ended_at IS NULL")
_UNLINK = text("DELETE FROM external_identities WHERE user_id = :id")
