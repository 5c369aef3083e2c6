"""Messages of the admin service as the JSON that is printed; fields may be added, none changes."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from cli.administration.command import Json
from pagemesh.auth.v1 import admin_pb2, auth_pb2


def organization(message: auth_pb2.Organization) -> Json:
    """An organization; limits are null where the tier's hold."""
    limits = message.rate_limits
    return {
        "id": message.id,
        "name": message.name,
        "tier": _name(auth_pb2.Tier.Name(message.tier)),
        "is_active": message.is_active,
        "member_count": message.member_count,
        "rate_limits": {
            "per_second": limits.per_second or None,
            "per_minute": limits.per_minute or None,
            "per_hour": limits.per_hour or None,
        },
        "created_at": _time(message.created_at),
        "updated_at": _time(message.updated_at),
    }


def user(message: auth_pb2.User) -> Json:
    """An account."""
    return {
        "id": message.id,
        "email": message.email,
        "full_name": message.full_name,
        "role": _name(auth_pb2.Role.Name(message.role)),
        "is_active": message.is_active,
        "organization_id": message.organization.id,
        "organization_name": message.organization.name,
        "organization_is_active": message.organization.is_active,
        "created_at": _time(message.created_at),
        "last_login": _time(message.last_login) if message.HasField("last_login") else None,
    }


def action(message: admin_pb2.OperatorAction) -> Json:
    """What an operator did."""
    return {
        "id": message.id,
        "occurred_at": _time(message.occurred_at),
        "operator": message.operator,
        "action": message.action,
        "organization_id": message.organization_id or None,
        "user_id": message.user_id or None,
        "details": dict(sorted(message.details.items())),
    }


def signing_key(message: admin_pb2.SigningKey) -> Json:
    """A signing key."""
    return {"kid": message.kid, "signs_from": _time(message.signs_from)}


def page(items: Iterable[Json], total: int, number: int, size: int) -> Json:
    """A page of a list, in the form that the REST API has."""
    return {"items": list(items), "total": total, "page": number, "per_page": size, "pages": -(-total // size)}


def _name(constant: str) -> str:
    return constant.partition("_")[2].lower()


def _time(stamp: Timestamp) -> str:
    return stamp.ToJsonString()
