"""The gRPC services: messages to ideas and back, no logic."""

from datetime import datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import identity
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from services.auth.accounts import Accounts, Registration, Tokens
from services.auth.keys import KeyRing
from services.auth.records import Organization, User
from services.auth.service_tokens import ServiceTokens

_PACKAGE = "pagemesh.auth.v1"
SERVICES = [f"{_PACKAGE}.AccountService", f"{_PACKAGE}.OrganizationService", f"{_PACKAGE}.TokenService"]
PUBLIC_METHODS = frozenset(
    {
        f"/{_PACKAGE}.AccountService/Register",
        f"/{_PACKAGE}.AccountService/Login",
        f"/{_PACKAGE}.AccountService/Refresh",
        f"/{_PACKAGE}.TokenService/GetJwks",
        f"/{_PACKAGE}.TokenService/IssueServiceToken",
    }
)


def register(server: grpc.aio.Server, accounts: Accounts, keys: KeyRing, services: ServiceTokens) -> list[str]:
    """Adds the servicers and returns the full names of their services."""
    auth_pb2_grpc.add_AccountServiceServicer_to_server(AccountServicer(accounts), server)
    auth_pb2_grpc.add_OrganizationServiceServicer_to_server(OrganizationServicer(accounts), server)
    auth_pb2_grpc.add_TokenServiceServicer_to_server(TokenServicer(keys, services), server)
    return SERVICES


class AccountServicer(auth_pb2_grpc.AccountServiceServicer):
    """Accounts and their sessions."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def Register(self, request: auth_pb2.RegisterRequest, context: object) -> auth_pb2.RegisterResponse:
        """Makes an account."""
        wanted = Registration(request.email, request.password, request.full_name, request.organization_name)
        user, tokens = await self._accounts.register(wanted)
        return auth_pb2.RegisterResponse(user=_user(user), tokens=_tokens(tokens))

    async def Login(self, request: auth_pb2.LoginRequest, context: object) -> auth_pb2.LoginResponse:
        """Opens a session."""
        user, tokens = await self._accounts.login(request.email, request.password)
        return auth_pb2.LoginResponse(user=_user(user), tokens=_tokens(tokens))

    async def Refresh(self, request: auth_pb2.RefreshRequest, context: object) -> auth_pb2.RefreshResponse:
        """Spends a refresh token for a new pair."""
        return auth_pb2.RefreshResponse(tokens=_tokens(await self._accounts.refresh(request.refresh_token)))

    async def GetMe(self, request: auth_pb2.GetMeRequest, context: object) -> auth_pb2.GetMeResponse:
        """The caller's account."""
        return auth_pb2.GetMeResponse(user=_user(await self._accounts.me(identity.current())))


class OrganizationServicer(auth_pb2_grpc.OrganizationServiceServicer):
    """Tenants."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def GetOrganization(
        self, request: auth_pb2.GetOrganizationRequest, context: object
    ) -> auth_pb2.GetOrganizationResponse:
        """The caller's organization."""
        organization = await self._accounts.organization(identity.current())
        return auth_pb2.GetOrganizationResponse(organization=_organization(organization))


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
        token = await self._services.issue(request.service, request.secret, request.organization_id)
        life = int(self._services.life.total_seconds())
        return auth_pb2.IssueServiceTokenResponse(access_token=token, expires_in=life)


def _user(user: User) -> auth_pb2.User:
    return auth_pb2.User(
        id=str(user.id),
        email=user.email,
        full_name=user.full_name,
        organization=_organization(user.organization),
        role=auth_pb2.Role.Value(f"ROLE_{user.role.upper()}"),
        is_active=user.is_active,
        created_at=_timestamp(user.created_at),
        last_login=_timestamp(user.last_login) if user.last_login else None,
    )


def _organization(organization: Organization) -> auth_pb2.Organization:
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
        created_at=_timestamp(organization.created_at),
        updated_at=_timestamp(organization.updated_at),
        member_count=organization.member_count,
    )


def _tokens(tokens: Tokens) -> auth_pb2.TokenPair:
    return auth_pb2.TokenPair(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
