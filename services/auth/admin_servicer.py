"""The gRPC service of operators: messages to ideas and back, no logic."""

from mesh import identity
from pagemesh.auth.v1 import admin_pb2, admin_pb2_grpc
from services.auth import convert
from services.auth.administration import Administration, Newcomer, Page
from services.auth.operators import TOKEN_LIFE, Operators, name_of
from services.auth.organization_servicer import given


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """The whole installation, for those who run it."""

    def __init__(self, administration: Administration, operators: Operators) -> None:
        self._administration = administration
        self._operators = operators

    async def IssueOperatorToken(
        self, request: admin_pb2.IssueOperatorTokenRequest, context: object
    ) -> admin_pb2.IssueOperatorTokenResponse:
        """A token for an operator."""
        token = self._operators.issue(request.secret, request.operator)
        life = int(TOKEN_LIFE.total_seconds())
        return admin_pb2.IssueOperatorTokenResponse(access_token=token, expires_in=life)

    async def CreateOrganization(
        self, request: admin_pb2.CreateOrganizationRequest, context: object
    ) -> admin_pb2.CreateOrganizationResponse:
        """Makes an organization."""
        tier = convert.tier_name(request.tier) if request.tier else None
        made = await self._administration.create_organization(_operator(), request.name, tier)
        return admin_pb2.CreateOrganizationResponse(organization=convert.organization(made))

    async def LookUpOrganization(
        self, request: admin_pb2.LookUpOrganizationRequest, context: object
    ) -> admin_pb2.LookUpOrganizationResponse:
        """One organization."""
        found = await self._administration.organization(request.organization_id)
        return admin_pb2.LookUpOrganizationResponse(organization=convert.organization(found))

    async def ListOrganizations(
        self, request: admin_pb2.ListOrganizationsRequest, context: object
    ) -> admin_pb2.ListOrganizationsResponse:
        """Organizations."""
        page = Page(request.page, request.per_page)
        found, total = await self._administration.organizations(request.search, page)
        return admin_pb2.ListOrganizationsResponse(organizations=map(convert.organization, found), total=total)

    async def SetTier(self, request: admin_pb2.SetTierRequest, context: object) -> admin_pb2.SetTierResponse:
        """Another plan."""
        tier = convert.tier_name(request.tier)
        changed = await self._administration.set_tier(_operator(), request.organization_id, tier)
        return admin_pb2.SetTierResponse(organization=convert.organization(changed))

    async def SetRateLimits(
        self, request: admin_pb2.SetRateLimitsRequest, context: object
    ) -> admin_pb2.SetRateLimitsResponse:
        """Other limits."""
        limits = {name: int(str(limit)) for name, limit in given(request, *_WINDOWS).items()}
        changed = await self._administration.set_rate_limits(_operator(), request.organization_id, limits)
        return admin_pb2.SetRateLimitsResponse(organization=convert.organization(changed))

    async def SetOrganizationActive(
        self, request: admin_pb2.SetOrganizationActiveRequest, context: object
    ) -> admin_pb2.SetOrganizationActiveResponse:
        """Disables or enables an organization."""
        changed = await self._administration.set_organization_active(
            _operator(), request.organization_id, request.is_active
        )
        return admin_pb2.SetOrganizationActiveResponse(organization=convert.organization(changed))

    async def CreateUser(self, request: admin_pb2.CreateUserRequest, context: object) -> admin_pb2.CreateUserResponse:
        """Makes an account."""
        newcomer = Newcomer(
            organization_id=request.organization_id,
            email=request.email,
            full_name=request.full_name,
            role=convert.role_name(request.role),
            password=request.password,
        )
        made = await self._administration.create_user(_operator(), newcomer)
        return admin_pb2.CreateUserResponse(user=convert.user(made))

    async def LookUpUser(self, request: admin_pb2.LookUpUserRequest, context: object) -> admin_pb2.LookUpUserResponse:
        """One account."""
        return admin_pb2.LookUpUserResponse(user=convert.user(await self._administration.user(request.user)))

    async def ListUsers(self, request: admin_pb2.ListUsersRequest, context: object) -> admin_pb2.ListUsersResponse:
        """Accounts."""
        page = Page(request.page, request.per_page)
        found, total = await self._administration.users(request.organization_id, request.search, page)
        return admin_pb2.ListUsersResponse(users=map(convert.user, found), total=total)

    async def SetUserActive(
        self, request: admin_pb2.SetUserActiveRequest, context: object
    ) -> admin_pb2.SetUserActiveResponse:
        """Disables or enables an account."""
        changed = await self._administration.set_user_active(_operator(), request.user, request.is_active)
        return admin_pb2.SetUserActiveResponse(user=convert.user(changed))

    async def RotateSigningKeys(
        self, request: admin_pb2.RotateSigningKeysRequest, context: object
    ) -> admin_pb2.RotateSigningKeysResponse:
        """The next signing key."""
        signing, following, made = await self._administration.rotate_keys(_operator())
        return admin_pb2.RotateSigningKeysResponse(
            signing=convert.signing_key(signing), next=convert.signing_key(following), made=made
        )

    async def ListOperatorActions(
        self, request: admin_pb2.ListOperatorActionsRequest, context: object
    ) -> admin_pb2.ListOperatorActionsResponse:
        """What operators did."""
        page = Page(request.page, request.per_page)
        found, total = await self._administration.actions(request.organization_id, page)
        return admin_pb2.ListOperatorActionsResponse(actions=map(convert.action, found), total=total)


_WINDOWS = ("per_second", "per_minute", "per_hour")


def _operator() -> str:
    return name_of(identity.current())
