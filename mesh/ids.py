"""Ids that callers choose, so that a repeat makes no second thing, made the organization's own.

A new thing is not recorded under the chosen id but under one that derives from it and from the caller's organization.
Nobody can then take an id that another organization is about to choose, or learn from an id that is taken that the
thing exists. See docs/adr/0019-tenants.md.
"""

from uuid import UUID, uuid5

from mesh.errors import InvalidArgument

_NAMESPACE = UUID("0c0ff4c1-9be5-4d5a-8a4e-2f6b1f0a9d37")


def to_uuid(text: str, field: str) -> UUID:
    """The UUID of a field. Raises InvalidArgument naming it."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidArgument(f"{field} is not a UUID.", field=field) from error


def owned(organization_id: str, chosen: str, field: str) -> UUID:
    """The id (version 5, RFC 9562) of what somebody of the organization makes under a chosen one.

    Raises InvalidArgument naming the field unless the chosen one is a UUID.
    """
    return uuid5(_NAMESPACE, f"{organization_id}\n{to_uuid(chosen, field)}")
