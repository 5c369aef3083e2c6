"""Rows of organizations and users as records."""

from typing import Any

from sqlalchemy import Row

from services.auth.records import Organization, OrganizationSettings, Preferences, RateLimits, User

ORGANIZATION_COLUMNS = """
    o.id AS organization_id, o.name, o.tier, o.settings, o.is_active AS organization_is_active,
    o.created_at AS organization_created_at, o.updated_at AS organization_updated_at,
    o.generation AS organization_generation, o.requests_per_second, o.requests_per_minute, o.requests_per_hour,
    (SELECT count(*) FROM users m WHERE m.organization_id = o.id AND m.deleted_at IS NULL) AS member_count
"""
ORGANIZATIONS = f"SELECT {ORGANIZATION_COLUMNS} FROM organizations o"
USER_COLUMNS = f"""
    u.id, u.email, u.full_name, u.role, u.is_active, u.created_at, u.updated_at, u.last_login, u.password_hash,
    u.preferences, u.generation, u.email_verified_at IS NOT NULL AS email_verified, {ORGANIZATION_COLUMNS}
"""
USERS = f"SELECT {USER_COLUMNS} FROM users u JOIN organizations o ON o.id = u.organization_id"


def user_of(row: Row[Any]) -> User:
    """A row of USERS."""
    return User(
        id=row.id,
        email=row.email,
        full_name=row.full_name,
        organization=organization_of(row),
        role=row.role,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_login=row.last_login,
        password_hash=row.password_hash,
        preferences=Preferences(**row.preferences),
        generation=row.generation,
        email_verified=row.email_verified,
    )


def organization_of(row: Row[Any]) -> Organization:
    """A row with ORGANIZATION_COLUMNS."""
    return Organization(
        id=row.organization_id,
        name=row.name,
        tier=row.tier,
        settings=OrganizationSettings(**row.settings),
        is_active=row.organization_is_active,
        created_at=row.organization_created_at,
        updated_at=row.organization_updated_at,
        member_count=row.member_count,
        rate_limits=RateLimits(row.requests_per_second, row.requests_per_minute, row.requests_per_hour),
        generation=row.organization_generation,
    )
