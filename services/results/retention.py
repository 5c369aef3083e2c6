"""How long organizations keep things, as `auth` says; nothing is erased on an old answer.

Asked anew at each sweep, since what an answer of yesterday had erased would not come back.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from mesh import client, context
from mesh.errors import DeadlineExceeded, NotFound, Unavailable
from mesh.service_tokens import ServiceTokens
from pagemesh.auth.v1.auth_pb2 import GetOrganizationRequest

if TYPE_CHECKING:
    from pagemesh.auth.v1.auth_pb2_grpc import OrganizationServiceAsyncStub


class Retention:
    """What organizations chose."""

    def __init__(self, tokens: ServiceTokens, organizations: "OrganizationServiceAsyncStub") -> None:
        self._tokens = tokens
        self._organizations = organizations

    async def days(self, organization_id: UUID) -> int | None:
        """For how many days the organization keeps things; None when `auth` has no such organization.

        Raises Unavailable, Forbidden when `auth` does not know this service.
        """
        try:
            with context.bearing(await self._tokens.get(str(organization_id))):
                answer = await client.call(self._organizations.GetOrganization, GetOrganizationRequest())
        except NotFound:
            return None
        except DeadlineExceeded as error:
            raise Unavailable("auth does not answer.", dependency="auth") from error
        return answer.organization.settings.retention_days or None
