"""The admin service as calls that answer JSON."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from cli.administration import shapes
from cli.administration.command import Json
from cli.administration.target import Target
from mesh import client, context
from pagemesh.auth.v1 import admin_pb2, auth_pb2
from pagemesh.auth.v1.admin_pb2_grpc import AdminServiceStub

if TYPE_CHECKING:  # a name that the generated stubs have for type checkers alone
    from pagemesh.auth.v1.admin_pb2_grpc import AdminServiceAsyncStub

R = TypeVar("R")


class AdminClient:
    """One operator. Every method raises a PagemeshError."""

    def __init__(self, stub: "AdminServiceAsyncStub", target: Target) -> None:
        self._stub = stub
        self._target = target

    async def create_organization(self, name: str, tier: str | None) -> Json:
        """Makes an organization."""
        number = auth_pb2.Tier.Value(f"TIER_{tier.upper()}") if tier else auth_pb2.TIER_UNSPECIFIED
        request = admin_pb2.CreateOrganizationRequest(name=name, tier=number)
        return shapes.organization((await self._call(self._stub.CreateOrganization, request)).organization)

    async def organization(self, organization_id: str) -> Json:
        """One organization."""
        request = admin_pb2.LookUpOrganizationRequest(organization_id=organization_id)
        return shapes.organization((await self._call(self._stub.LookUpOrganization, request)).organization)

    async def organizations(self, search: str, page: int, per_page: int) -> Json:
        """A page of organizations."""
        request = admin_pb2.ListOrganizationsRequest(search=search, page=page, per_page=per_page)
        found = await self._call(self._stub.ListOrganizations, request)
        return shapes.page(map(shapes.organization, found.organizations), found.total, page, per_page)

    async def set_tier(self, organization_id: str, tier: str) -> Json:
        """Puts an organization on another plan."""
        number = auth_pb2.Tier.Value(f"TIER_{tier.upper()}")
        request = admin_pb2.SetTierRequest(organization_id=organization_id, tier=number)
        return shapes.organization((await self._call(self._stub.SetTier, request)).organization)

    async def set_rate_limits(self, organization_id: str, limits: Mapping[str, int]) -> Json:
        """Sets limits by window; 0 clears."""
        request = admin_pb2.SetRateLimitsRequest(organization_id=organization_id, **limits)
        return shapes.organization((await self._call(self._stub.SetRateLimits, request)).organization)

    async def set_organization_active(self, organization_id: str, is_active: bool) -> Json:
        """Disables or enables an organization."""
        request = admin_pb2.SetOrganizationActiveRequest(organization_id=organization_id, is_active=is_active)
        return shapes.organization((await self._call(self._stub.SetOrganizationActive, request)).organization)

    async def create_user(self, organization_id: str, email: str, full_name: str, role: str, password: str) -> Json:
        """Makes an account."""
        request = admin_pb2.CreateUserRequest(
            organization_id=organization_id,
            email=email,
            full_name=full_name,
            role=auth_pb2.Role.Value(f"ROLE_{role.upper()}"),
            password=password,
        )
        return shapes.user((await self._call(self._stub.CreateUser, request)).user)

    async def user(self, reference: str) -> Json:
        """The account of an id or a mail address."""
        request = admin_pb2.LookUpUserRequest(user=reference)
        return shapes.user((await self._call(self._stub.LookUpUser, request)).user)

    async def users(self, organization_id: str, search: str, page: int, per_page: int) -> Json:
        """A page of accounts."""
        request = admin_pb2.ListUsersRequest(
            organization_id=organization_id, search=search, page=page, per_page=per_page
        )
        found = await self._call(self._stub.ListUsers, request)
        return shapes.page(map(shapes.user, found.users), found.total, page, per_page)

    async def set_user_active(self, reference: str, is_active: bool) -> Json:
        """Disables or enables an account."""
        request = admin_pb2.SetUserActiveRequest(user=reference, is_active=is_active)
        return shapes.user((await self._call(self._stub.SetUserActive, request)).user)

    async def rotate_keys(self) -> Json:
        """Makes the next signing key."""
        answer = await self._call(self._stub.RotateSigningKeys, admin_pb2.RotateSigningKeysRequest())
        return {
            "signing": shapes.signing_key(answer.signing),
            "next": shapes.signing_key(answer.next),
            "made": answer.made,
        }

    async def actions(self, organization_id: str, page: int, per_page: int) -> Json:
        """A page of what operators did."""
        request = admin_pb2.ListOperatorActionsRequest(organization_id=organization_id, page=page, per_page=per_page)
        found = await self._call(self._stub.ListOperatorActions, request)
        return shapes.page(map(shapes.action, found.actions), found.total, page, per_page)

    async def _call(self, method: Callable[..., Awaitable[R]], request: Message) -> R:
        # A token for each call: whoever is asked something may take their time.
        asking = admin_pb2.IssueOperatorTokenRequest(secret=self._target.secret, operator=self._target.operator)
        issued = await client.call(self._stub.IssueOperatorToken, asking)
        context.bearer_token.set(issued.access_token)
        return await client.call(method, request)


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[AdminClient]:
    """A client of the target's `auth`; it need not be there yet."""
    channel = client.connect(target.address, target.settings)
    try:
        yield AdminClient(AdminServiceStub(channel), target)
    finally:
        await channel.close()
