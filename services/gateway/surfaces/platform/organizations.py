"""The caller's organization and its members."""

from starlette.responses import Response

from mesh import client
from mesh.revocations import Revocations
from pagemesh.auth.v1 import auth_pb2
from pagemesh.results.v1 import results_pb2
from services.gateway import organizations
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, delete, get, patch, post, put
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_ORGANIZATION = f"{PREFIX}/organizations/me"
_MEMBERS = f"{_ORGANIZATION}/members"
_ROLES = {"user": auth_pb2.ROLE_USER, "admin": auth_pb2.ROLE_ADMIN}


class Organizations:
    """Tenants, as their members and admins see them."""

    def __init__(
        self, neighbours: Neighbours, revocations: Revocations, remembered: organizations.Organizations
    ) -> None:
        self._neighbours = neighbours
        self._revocations = revocations
        self._remembered = remembered

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        whole = {200: Answer("The organization.", shapes.Organization)}
        return [
            get(_ORGANIZATION, self.organization, "The caller's organization", whole),
            put(
                _ORGANIZATION,
                self.change,
                "Change the caller's organization",
                whole,
                models.OrganizationBody,
                problems=(403,),
            ),
            get(
                _MEMBERS,
                self.members,
                "Members of the caller's organization",
                {200: Answer("One page of them.", shapes.MemberList, headers=("Link",))},
                PageQuery,
                problems=(403,),
            ),
            post(
                _MEMBERS,
                self.invite,
                "Invite somebody",
                {201: Answer("The invitation.", shapes.Invitation)},
                models.InviteBody,
                problems=(403, 409),
                keyed=Keyed(secret=True),
            ),
            patch(
                f"{_MEMBERS}/{{user_id}}",
                self.change_member,
                "Change a member",
                {200: Answer("The member.", shapes.User)},
                models.MemberBody,
                problems=(403, 409),
            ),
            delete(
                f"{_MEMBERS}/{{user_id}}",
                self.remove,
                "Remove a member",
                {204: Answer("The member's account is deleted, its tokens and keys are dead.")},
                problems=(403, 409),
            ),
        ]

    async def organization(self, call: Call[NoBody, NoQuery]) -> Response:
        """The caller's organization."""
        request = auth_pb2.GetOrganizationRequest()
        answer = await client.call(self._neighbours.organizations.GetOrganization, request)
        return await self._shown(answer.organization)

    async def change(self, call: Call[models.OrganizationBody, NoQuery]) -> Response:
        """Changes it."""
        settings = call.body.settings or models.OrganizationSettingsBody()
        request = auth_pb2.UpdateOrganizationRequest(
            name=call.body.name,
            allow_sharing=settings.allow_sharing,
            max_file_size_mb=settings.max_file_size_mb,
            retention_days=settings.retention_days,
            zero_log=settings.zero_log,
        )

        async def ask() -> auth_pb2.Organization:
            return (await client.call(self._neighbours.organizations.UpdateOrganization, request)).organization

        return await self._shown(await self._remembered.told(ask))

    async def members(self, call: Call[NoBody, PageQuery]) -> Response:
        """Its members."""
        request = auth_pb2.ListMembersRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._neighbours.organizations.ListMembers, request)
        items = [render.user(member) for member in found.members]
        return list_response(call.request.url, call.query, items, found.total)

    async def invite(self, call: Call[models.InviteBody, NoQuery]) -> Response:
        """Invites somebody."""
        request = auth_pb2.InviteMemberRequest(email=call.body.email, role=_ROLES[call.body.role])
        made = await client.call(self._neighbours.organizations.InviteMember, request)
        return json_response(render.invitation(made), 201, {"cache-control": "no-store"})

    async def change_member(self, call: Call[models.MemberBody, NoQuery]) -> Response:
        """Changes a member."""
        request = auth_pb2.UpdateMemberRequest(
            user_id=call.ids["user_id"],
            role=None if call.body.role is None else _ROLES[call.body.role],
            is_active=call.body.is_active,
        )
        changed = await client.call(self._neighbours.organizations.UpdateMember, request)
        self._revocations.learn_all(changed.events)
        return json_response(render.user(changed.member))

    async def remove(self, call: Call[NoBody, NoQuery]) -> Response:
        """Removes a member."""
        request = auth_pb2.RemoveMemberRequest(user_id=call.ids["user_id"])
        gone = await client.call(self._neighbours.organizations.RemoveMember, request)
        self._revocations.learn_all(gone.events)
        return Response(status_code=204)

    async def _shown(self, organization: auth_pb2.Organization) -> Response:
        counting = results_pb2.ListDocumentsRequest(page=1, per_page=1)
        counted = await client.call(self._neighbours.documents.ListDocuments, counting)
        return json_response(render.organization(organization, counted.total))
