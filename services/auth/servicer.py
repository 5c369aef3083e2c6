"""The gRPC services: messages to ideas and back, no logic."""

from dataclasses import dataclass

import grpc

from mesh import identity
from pagemesh.auth.v1 import (
    admin_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    clients_pb2_grpc,
    keys_pb2_grpc,
    provider_keys_pb2_grpc,
    receipts_pb2_grpc,
    signin_pb2_grpc,
)
from services.auth import convert
from services.auth.accounts import Accounts, Registration
from services.auth.admin_servicer import AdminServicer
from services.auth.administration import Administration
from services.auth.api_key_servicer import ApiKeyServicer
from services.auth.api_keys import ApiKeys
from services.auth.client_servicer import OAuthClientServicer, OAuthServicer
from services.auth.client_tokens import ClientTokens
from services.auth.clients import Clients
from services.auth.invitations import Invitations
from services.auth.keys import KeyRing
from services.auth.members import Members
from services.auth.model_providers import ANTHROPIC
from services.auth.operators import Operators
from services.auth.organization_servicer import OrganizationServicer, given
from services.auth.profiles import Profiles
from services.auth.provider_key_servicer import ProviderKeyServicer
from services.auth.provider_keys import ProviderKeys
from services.auth.receipt_servicer import ReceiptServicer
from services.auth.receipts import Receipts
from services.auth.records import User
from services.auth.service_tokens import ServiceTokens
from services.auth.sign_in import SignIn
from services.auth.sign_in_servicer import SignInServicer

_PACKAGE = "pagemesh.auth.v1"
_NAMES = (
    "Account",
    "Organization",
    "ApiKey",
    "OAuthClient",
    "OAuth",
    "SignIn",
    "Token",
    "Admin",
    "ProviderKey",
    "Receipt",
)
SERVICES = [f"{_PACKAGE}.{name}Service" for name in _NAMES]
PUBLIC_METHODS = frozenset(
    {
        f"/{_PACKAGE}.AccountService/Register",
        f"/{_PACKAGE}.AccountService/Login",
        f"/{_PACKAGE}.AccountService/Refresh",
        f"/{_PACKAGE}.AccountService/AcceptInvitation",
        f"/{_PACKAGE}.ApiKeyService/ExchangeApiKey",
        *(f"/{_PACKAGE}.OAuthService/{method}Token" for method in ("Issue", "Revoke", "Introspect")),
        f"/{_PACKAGE}.SignInService/BeginSignIn",
        f"/{_PACKAGE}.SignInService/FinishSignIn",
        f"/{_PACKAGE}.TokenService/GetJwks",
        f"/{_PACKAGE}.TokenService/IssueServiceToken",
        f"/{_PACKAGE}.AdminService/IssueOperatorToken",
    }
)


@dataclass(frozen=True, slots=True)
class Ideas:
    """What the servicers put into messages."""

    accounts: Accounts
    profiles: Profiles
    members: Members
    invitations: Invitations
    api_keys: ApiKeys
    clients: Clients
    client_tokens: ClientTokens
    sign_in: SignIn
    keys: KeyRing
    services: ServiceTokens
    administration: Administration
    operators: Operators
    provider_keys: ProviderKeys
    receipts: Receipts


def register(server: grpc.aio.Server, ideas: Ideas) -> list[str]:
    """Adds the servicers and returns the full names of their services."""
    auth_pb2_grpc.add_AccountServiceServicer_to_server(
        AccountServicer(ideas.accounts, ideas.profiles, ideas.invitations, ideas.provider_keys), server
    )
    organizations = OrganizationServicer(ideas.accounts, ideas.members, ideas.invitations)
    auth_pb2_grpc.add_OrganizationServiceServicer_to_server(organizations, server)
    auth_pb2_grpc.add_TokenServiceServicer_to_server(TokenServicer(ideas.keys, ideas.services), server)
    keys_pb2_grpc.add_ApiKeyServiceServicer_to_server(ApiKeyServicer(ideas.api_keys), server)
    clients_pb2_grpc.add_OAuthClientServiceServicer_to_server(OAuthClientServicer(ideas.clients), server)
    clients_pb2_grpc.add_OAuthServiceServicer_to_server(OAuthServicer(ideas.client_tokens), server)
    signin_pb2_grpc.add_SignInServiceServicer_to_server(SignInServicer(ideas.sign_in), server)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(ideas.administration, ideas.operators), server)
    provider_keys_pb2_grpc.add_ProviderKeyServiceServicer_to_server(ProviderKeyServicer(ideas.provider_keys), server)
    receipts_pb2_grpc.add_ReceiptServiceServicer_to_server(ReceiptServicer(ideas.receipts), server)
    return SERVICES


class AccountServicer(auth_pb2_grpc.AccountServiceServicer):
    """Accounts and their sessions."""

    def __init__(
        self, accounts: Accounts, profiles: Profiles, invitations: Invitations, provider_keys: ProviderKeys
    ) -> None:
        self._accounts = accounts
        self._profiles = profiles
        self._invitations = invitations
        self._provider_keys = provider_keys

    async def Register(self, request: auth_pb2.RegisterRequest, context: object) -> auth_pb2.RegisterResponse:
        """Makes an account."""
        wanted = Registration(request.email, request.password, request.full_name, request.organization_name)
        user, tokens = await self._accounts.register(wanted)
        return auth_pb2.RegisterResponse(user=convert.user(user), tokens=convert.tokens(tokens))

    async def Login(self, request: auth_pb2.LoginRequest, context: object) -> auth_pb2.LoginResponse:
        """Opens a session."""
        user, tokens = await self._accounts.login(request.email, request.password, request.client_address)
        return auth_pb2.LoginResponse(user=convert.user(user), tokens=convert.tokens(tokens))

    async def Refresh(self, request: auth_pb2.RefreshRequest, context: object) -> auth_pb2.RefreshResponse:
        """Spends a refresh token for a new pair."""
        return auth_pb2.RefreshResponse(tokens=convert.tokens(await self._accounts.refresh(request.refresh_token)))

    async def GetMe(self, request: auth_pb2.GetMeRequest, context: object) -> auth_pb2.GetMeResponse:
        """The caller's account."""
        user = await self._accounts.me(identity.current())
        return auth_pb2.GetMeResponse(user=convert.user(user), masked_anthropic_key=await self._masked(user))

    async def Logout(self, request: auth_pb2.LogoutRequest, context: object) -> auth_pb2.LogoutResponse:
        """Ends the caller's session."""
        events = await self._accounts.logout(identity.current())
        return auth_pb2.LogoutResponse(events=map(convert.event, events))

    async def UpdateMe(self, request: auth_pb2.UpdateMeRequest, context: object) -> auth_pb2.UpdateMeResponse:
        """Changes the caller's account."""
        name = request.full_name if request.HasField("full_name") else None
        preferences = given(request, "theme", "notifications", "language")
        changed = await self._profiles.change(identity.current(), name, preferences)
        return auth_pb2.UpdateMeResponse(user=convert.user(changed), masked_anthropic_key=await self._masked(changed))

    async def _masked(self, user: User) -> str | None:
        return await self._provider_keys.masked(user, ANTHROPIC)

    async def DeleteMe(self, request: auth_pb2.DeleteMeRequest, context: object) -> auth_pb2.DeleteMeResponse:
        """Deletes the caller's account."""
        events = await self._profiles.delete(identity.current())
        return auth_pb2.DeleteMeResponse(events=map(convert.event, events))

    async def AcceptInvitation(
        self, request: auth_pb2.AcceptInvitationRequest, context: object
    ) -> auth_pb2.AcceptInvitationResponse:
        """Makes the invited account."""
        user, tokens = await self._invitations.accept(request.token, request.password, request.full_name)
        return auth_pb2.AcceptInvitationResponse(user=convert.user(user), tokens=convert.tokens(tokens))


class TokenServicer(auth_pb2_grpc.TokenServiceServicer):
    """What services need to trust each other's callers."""

    def __init__(self, keys: KeyRing, services: ServiceTokens) -> None:
        self._keys = keys
        self._services = services

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: object) -> auth_pb2.GetJwksResponse:
        """Public keys."""
        return auth_pb2.GetJwksResponse(jwks_json=await self._keys.jwks())

    async def IssueServiceToken(
        self, request: auth_pb2.IssueServiceTokenRequest, context: object
    ) -> auth_pb2.IssueServiceTokenResponse:
        """A token for a service."""
        token = await self._services.issue(request.service, request.secret, request.organization_id, request.scopes)
        life = int(self._services.life.total_seconds())
        return auth_pb2.IssueServiceTokenResponse(access_token=token, expires_in=life)
