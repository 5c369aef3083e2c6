"""Tokens by which the services of one installation act inside an organization."""

import hmac
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, InvalidArgument
from services.auth.api_keys import check_scopes
from services.auth.records import Organization
from services.auth.tokens import AccessTokens, Subject

_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")


class OrganizationBook(Protocol):
    """Where organizations are looked up."""

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound, Unavailable."""


class ServiceTokens:
    """Issues tokens to whoever shows the secret that the services share."""

    def __init__(self, book: OrganizationBook, access: AccessTokens, secret: str, life: timedelta) -> None:
        self._book = book
        self._access = access
        self._secret = secret.encode()
        self.life = life

    async def issue(self, service: str, secret: str, organization_id: str, scopes: Sequence[str] = ()) -> str:
        """An access token with role `service` and subject `service:<name>`; with scopes, it is for no more than these.

        A disabled organization's work has to be put away too, so it gets tokens as well. Raises Forbidden,
        InvalidArgument, NotFound, Unavailable.
        """
        if not self._secret or not hmac.compare_digest(self._secret, secret.encode()):
            raise Forbidden("This is not the secret that services share.")
        if not _SERVICE.fullmatch(service):
            raise InvalidArgument("This is not the name of a service.", field="service")
        organization = await self._book.organization(_uuid(organization_id))
        granted = check_scopes(scopes) or None
        subject = Subject(f"service:{service}", str(organization.id), "service", organization.tier, scopes=granted)
        return self._access.issue(subject, self.life)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidArgument("This is not a UUID.", field="organization_id") from error
