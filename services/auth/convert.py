"""Records as messages."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import InvalidArgument
from pagemesh.auth.v1 import admin_pb2, auth_pb2, clients_pb2, events_pb2, keys_pb2, provider_keys_pb2
from services.auth.accounts import Tokens
from services.auth.actions import OperatorAction
from services.auth.keys import SigningKey
from services.auth.records import (
    ApiKey,
    IdentityEvent,
    Invitation,
    OAuthClient,
    Organization,
    ProviderKey,
    RateLimits,
    User,
)


def user(user: User) -> auth_pb2.User:
    """An account."""
    return auth_pb2.User(
        id=str(user.id),
        email=user.email,
        full_name=user.full_name,
        organization=organization(user.organization),
        role=auth_pb2.Role.Value(f"ROLE_{user.role.upper()}"),
        is_active=user.is_active,
        created_at=timestamp(user.created_at),
        last_login=timestamp(user.last_login) if user.last_login else None,
        updated_at=timestamp(user.updated_at),
        email_verified=user.email_verified,
        preferences=auth_pb2.Preferences(
            theme=user.preferences.theme,
            notifications=user.preferences.notifications,
            language=user.preferences.language,
        ),
    )


def organization(organization: Organization) -> auth_pb2.Organization:
    """A tenant."""
    settings = organization.settings
    return auth_pb2.Organization(
        id=str(organization.id),
        name=organization.name,
        tier=auth_pb2.Tier.Value(f"TIER_{organization.tier.upper()}"),
        settings=auth_pb2.OrganizationSettings(
            allow_sharing=settings.allow_sharing,
            max_file_size_mb=settings.max_file_size_mb,
            retention_days=settings.retention_days,
            zero_log=settings.zero_log,
        ),
        is_active=organization.is_active,
        created_at=timestamp(organization.created_at),
        updated_at=timestamp(organization.updated_at),
        member_count=organization.member_count,
        rate_limits=rate_limits(organization.rate_limits),
    )


def rate_limits(limits: RateLimits) -> auth_pb2.RateLimits | None:
    """What differs from the tier; None when nothing does."""
    if limits == RateLimits():
        return None
    return auth_pb2.RateLimits(
        per_second=limits.per_second or 0, per_minute=limits.per_minute or 0, per_hour=limits.per_hour or 0
    )


def tokens(tokens: Tokens) -> auth_pb2.TokenPair:
    """A session's tokens."""
    return auth_pb2.TokenPair(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )


def timestamp(moment: datetime) -> Timestamp:
    """A moment."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def moment(stamp: Timestamp, field: str) -> datetime:
    """The moment of a stamp. Raises InvalidArgument naming the field for one that no calendar has."""
    try:
        return stamp.ToDatetime(UTC)
    except ValueError as error:
        raise InvalidArgument("This is no time.", field=field) from error


def event(event: IdentityEvent) -> events_pb2.IdentityEvent:
    """Word of dead tokens."""
    return events_pb2.IdentityEvent(
        kind=events_pb2.IdentityEventKind.Value(f"IDENTITY_EVENT_KIND_{event.kind.upper()}"),
        subject_id=str(event.subject_id),
        generation=event.generation,
        occurred_at=timestamp(event.occurred_at),
        expires_at=timestamp(event.expires_at),
    )


def invitation(invitation: Invitation) -> auth_pb2.Invitation:
    """Somebody who may join."""
    return auth_pb2.Invitation(
        id=str(invitation.id),
        email=invitation.email,
        role=auth_pb2.Role.Value(f"ROLE_{invitation.role.upper()}"),
        created_at=timestamp(invitation.created_at),
        expires_at=timestamp(invitation.expires_at),
    )


def action(action: OperatorAction) -> admin_pb2.OperatorAction:
    """What an operator did."""
    return admin_pb2.OperatorAction(
        id=action.id,
        operator=action.operator,
        action=action.action,
        organization_id=str(action.organization_id or ""),
        user_id=str(action.user_id or ""),
        details=action.details,
        occurred_at=timestamp(action.occurred_at),
    )


def signing_key(key: SigningKey) -> admin_pb2.SigningKey:
    """A signing key, without the key itself."""
    return admin_pb2.SigningKey(kid=key.kid, signs_from=timestamp(key.signs_from))


def tier_name(tier: "auth_pb2.Tier.ValueType") -> str:
    """A plan. Raises InvalidArgument for one that there is not."""
    if tier not in (auth_pb2.TIER_FREE, auth_pb2.TIER_PRO, auth_pb2.TIER_ENTERPRISE):
        raise InvalidArgument("A tier is free, pro or enterprise.", field="tier")
    return auth_pb2.Tier.Name(tier).removeprefix("TIER_").lower()


def role_name(role: "auth_pb2.Role.ValueType") -> str:
    """A person's role. Raises InvalidArgument for any other."""
    if role not in (auth_pb2.ROLE_USER, auth_pb2.ROLE_ADMIN):
        raise InvalidArgument("A member is a user or an admin.", field="role")
    return auth_pb2.Role.Name(role).removeprefix("ROLE_").lower()


def api_key(key: ApiKey) -> keys_pb2.ApiKey:
    """A key, without the key itself."""
    return keys_pb2.ApiKey(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes or (),
        restricted=key.scopes is not None,
        created_at=timestamp(key.created_at),
        expires_at=timestamp(key.expires_at) if key.expires_at else None,
        last_used_at=timestamp(key.last_used_at) if key.last_used_at else None,
    )


def oauth_client(client: OAuthClient) -> clients_pb2.OAuthClient:
    """A client, without its secret."""
    return clients_pb2.OAuthClient(
        id=str(client.id), name=client.name, scopes=client.scopes, created_at=timestamp(client.created_at)
    )


def request_id(text: str) -> UUID | None:
    """The id of a request that may come again. Raises InvalidArgument for one that is no UUID."""
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise InvalidArgument("This is no UUID.", field="request_id") from error


def provider_key(key: ProviderKey) -> provider_keys_pb2.ProviderKey:
    """A provider key, without the key itself."""
    return provider_keys_pb2.ProviderKey(
        provider=key.provider,
        masked_key=key.masked_key,
        created_at=timestamp(key.created_at),
        updated_at=timestamp(key.updated_at),
    )
