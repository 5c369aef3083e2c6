"""`auth` in memory, as tests of the gateway need it: tokens are signed for real."""

import json
import uuid
from collections import Counter

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from mesh import identity
from mesh.errors import (
    AlreadyExists,
    Forbidden,
    InvalidArgument,
    NotFound,
    Unauthenticated,
)
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from pagemesh.auth.v1.events_pb2 import IDENTITY_EVENT_KIND_SESSION_ENDED, IdentityEvent

FOREVER = 32_000_000_000
MOMENT = 1_795_000_000
_KEY_ID = "test-key"
SERVICE_SECRET = "shared among services"


def organization_id() -> str:
    """A new organization."""
    return str(uuid.uuid4())


class Auth(
    auth_pb2_grpc.AccountServiceServicer,
    auth_pb2_grpc.OrganizationServiceServicer,
    auth_pb2_grpc.TokenServiceServicer,
):
    """Accounts without passwords' strength, organizations without a database."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._users: dict[str, auth_pb2.User] = {}
        self._passwords: dict[str, str] = {}
        self.max_file_size_mb = 50
        self.zero_log = False
        self.rate_limits: auth_pb2.RateLimits | None = None
        self.tier: auth_pb2.Tier.ValueType = auth_pb2.TIER_FREE
        self.calls: Counter[str] = Counter()

    def token(self, organization: str, expires_at: int = FOREVER, **more: str) -> str:
        """An access token for somebody of the organization; `more` are claims."""
        claims: dict[str, object] = {
            "iss": identity.ISSUER,
            "aud": identity.AUDIENCE,
            "sub": str(uuid.uuid4()),
            "org": organization,
            "role": "admin",
            "tier": "free",
            "sid": str(uuid.uuid4()),
            "iat": 1,
            "exp": expires_at,
            **more,
        }
        return jwt.encode(claims, self._key, "EdDSA", {"kid": _KEY_ID, "typ": identity.TOKEN_TYPE})

    async def jwks(self) -> str:
        """The public key."""
        key = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        return json.dumps({"keys": [{**key, "kid": _KEY_ID, "alg": "EdDSA", "use": "sig"}]})

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: object) -> auth_pb2.GetJwksResponse:
        return auth_pb2.GetJwksResponse(jwks_json=await self.jwks())

    async def Register(self, request: auth_pb2.RegisterRequest, context: object) -> auth_pb2.RegisterResponse:
        if request.email.lower() in self._users:
            raise AlreadyExists("Somebody registered this email before.", "EMAIL_TAKEN")
        if request.password == "password12":
            raise InvalidArgument("This password is too common.", "WEAK_PASSWORD")
        user = auth_pb2.User(
            id=str(uuid.uuid4()),
            email=request.email,
            full_name=request.full_name,
            organization=self._organization(organization_id()),
            role=auth_pb2.ROLE_ADMIN,
            is_active=True,
        )
        user.created_at.FromSeconds(MOMENT)
        self._users[request.email.lower()], self._passwords[request.email.lower()] = user, request.password
        return auth_pb2.RegisterResponse(user=user, tokens=self._tokens(user))

    async def Login(self, request: auth_pb2.LoginRequest, context: object) -> auth_pb2.LoginResponse:
        if self._passwords.get(request.email.lower()) != request.password:
            raise Unauthenticated("Wrong email or password.", "INVALID_CREDENTIALS")
        user = self._users[request.email.lower()]
        user.last_login.FromSeconds(MOMENT)
        return auth_pb2.LoginResponse(user=user, tokens=self._tokens(user))

    async def Refresh(self, request: auth_pb2.RefreshRequest, context: object) -> auth_pb2.RefreshResponse:
        raise Unauthenticated("The refresh token is spent.", "INVALID_REFRESH_TOKEN")

    async def Logout(self, request: auth_pb2.LogoutRequest, context: object) -> auth_pb2.LogoutResponse:
        event = IdentityEvent(kind=IDENTITY_EVENT_KIND_SESSION_ENDED, subject_id=identity.current().session_id)
        event.expires_at.FromSeconds(FOREVER)
        return auth_pb2.LogoutResponse(events=[event])

    async def IssueServiceToken(
        self, request: auth_pb2.IssueServiceTokenRequest, context: object
    ) -> auth_pb2.IssueServiceTokenResponse:
        if request.secret != SERVICE_SECRET:
            raise Forbidden("This is not the installation's secret.")
        self.calls["IssueServiceToken"] += 1
        token = self.token(request.organization_id, role="service", scope=" ".join(request.scopes), sid="")
        return auth_pb2.IssueServiceTokenResponse(access_token=token, expires_in=900)

    async def GetMe(self, request: auth_pb2.GetMeRequest, context: object) -> auth_pb2.GetMeResponse:
        caller = identity.current().organization_id
        user = next((one for one in self._users.values() if one.organization.id == caller), None)
        if user is None:
            raise NotFound("There is no such user.")
        return auth_pb2.GetMeResponse(user=user)

    async def GetOrganization(
        self, request: auth_pb2.GetOrganizationRequest, context: object
    ) -> auth_pb2.GetOrganizationResponse:
        self.calls["GetOrganization"] += 1
        return auth_pb2.GetOrganizationResponse(organization=self._organization(identity.current().organization_id))

    def _tokens(self, user: auth_pb2.User) -> auth_pb2.TokenPair:
        token = self.token(user.organization.id)
        return auth_pb2.TokenPair(access_token=token, refresh_token="refresh", expires_in=1800)

    def _organization(self, number: str) -> auth_pb2.Organization:
        settings = auth_pb2.OrganizationSettings(
            allow_sharing=True, max_file_size_mb=self.max_file_size_mb, retention_days=90, zero_log=self.zero_log
        )
        organization = auth_pb2.Organization(
            id=number, name="Acme", tier=self.tier, settings=settings, is_active=True, member_count=1
        )
        if self.rate_limits is not None:
            organization.rate_limits.CopyFrom(self.rate_limits)
        organization.created_at.FromSeconds(MOMENT)
        organization.updated_at.FromSeconds(MOMENT)
        return organization
