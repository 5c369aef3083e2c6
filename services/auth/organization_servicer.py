"""The gRPC service of organizations: messages to ideas and back, no logic."""

from uuid import UUID

from google.protobuf.message import Message

from mesh import identity
from mesh.errors import NotFound
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from services.auth import convert
from services.auth.accounts import Accounts
from services.auth.invitations import Invitations
from services.auth.members import Members
from services.auth.records import MemberChange


class OrganizationServicer(auth_pb2_grpc.OrganizationServiceServicer):
    """Tenants and their members."""

    def __init__(self, accounts: Accounts, members: Members, invitations: Invitations) -> None:
        self._accounts = accounts
        self._members = members
        self._invitations = invitations

    async def GetOrganization(
        self, request: auth_pb2.GetOrganizationRequest, context: object
    ) -> auth_pb2.GetOrganizationResponse:
        """The caller's organization."""
        organization = await self._accounts.organization(identity.current())
        return auth_pb2.GetOrganizationResponse(organization=convert.organization(organization))

    async def UpdateOrganization(
        self, request: auth_pb2.UpdateOrganizationRequest, context: object
    ) -> auth_pb2.UpdateOrganizationResponse:
        """Changes it."""
        settings = given(request, "allow_sharing", "max_file_size_mb", "retention_days", "zero_log")
        name = request.name if request.HasField("name") else None
        changed = await self._members.change_organization(identity.current(), name, settings)
        return auth_pb2.UpdateOrganizationResponse(organization=convert.organization(changed))

    async def ListMembers(self, request: auth_pb2.ListMembersRequest, context: object) -> auth_pb2.ListMembersResponse:
        """Its members."""
        members, total = await self._members.members(identity.current(), request.page, request.per_page)
        return auth_pb2.ListMembersResponse(members=map(convert.user, members), total=total)

    async def InviteMember(
        self, request: auth_pb2.InviteMemberRequest, context: object
    ) -> auth_pb2.InviteMemberResponse:
        """Invites somebody."""
        role = convert.role_name(request.role)
        invitation, token = await self._invitations.invite(identity.current(), request.email, role)
        return auth_pb2.InviteMemberResponse(invitation=convert.invitation(invitation), token=token)

    async def UpdateMember(
        self, request: auth_pb2.UpdateMemberRequest, context: object
    ) -> auth_pb2.UpdateMemberResponse:
        """Changes a member."""
        change = MemberChange(
            role=convert.role_name(request.role) if request.HasField("role") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        member, events = await self._members.change(identity.current(), _user_id(request.user_id), change)
        return auth_pb2.UpdateMemberResponse(member=convert.user(member), events=map(convert.event, events))

    async def RemoveMember(
        self, request: auth_pb2.RemoveMemberRequest, context: object
    ) -> auth_pb2.RemoveMemberResponse:
        """Removes a member."""
        events = await self._members.remove(identity.current(), _user_id(request.user_id))
        return auth_pb2.RemoveMemberResponse(events=map(convert.event, events))


def given(request: Message, *names: str) -> dict[str, object]:
    """Those of the optional fields that are present."""
    return {name: getattr(request, name) for name in names if request.HasField(name)}


def _user_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:  # nobody has such an id
        raise NotFound("There is no such user.") from error
