"""The gateway put together from what it depends on; tests do it with dependencies of their own."""

import asyncio
from collections.abc import Callable

from grpc_health.v1 import health_pb2

from mesh import client, context, identity
from mesh.blobs import Blobs
from mesh.errors import NotFound, Unavailable
from mesh.identity import TokenVerifier
from mesh.revocations import Revocations
from mesh.service_tokens import ServiceTokens
from pagemesh.auth.v1 import auth_pb2, keys_pb2
from pagemesh.results.v1 import job_pb2, results_pb2, usage_pb2
from services.gateway import app
from services.gateway.admission import Admission
from services.gateway.browsing import Browsing
from services.gateway.callbacks import CallbackPolicy
from services.gateway.credentials import Credentials
from services.gateway.exchange import KeyExchange
from services.gateway.feed import Feed
from services.gateway.held import Holding
from services.gateway.idempotency import EntryStore, Idempotency, Terms
from services.gateway.job_access import JobAccess
from services.gateway.limits import Counting, Limiter
from services.gateway.live.hub import Hub
from services.gateway.metering import CallMeter
from services.gateway.neighbours import SERVICES, Neighbours
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.readiness import Check, Readiness
from services.gateway.sealing import Sealing
from services.gateway.settings import GatewaySettings
from services.gateway.surfaces.oauth.tokens import OAuth
from services.gateway.surfaces.platform import organizations as organizations_surface
from services.gateway.surfaces.platform import render
from services.gateway.surfaces.platform.accounts import Accounts
from services.gateway.surfaces.platform.analyses import Analyses
from services.gateway.surfaces.platform.api_keys import ApiKeys
from services.gateway.surfaces.platform.clients import Clients
from services.gateway.surfaces.platform.documents import Documents
from services.gateway.surfaces.platform.erasures import Erasures
from services.gateway.surfaces.platform.health import Health
from services.gateway.surfaces.platform.job_control import JobControl
from services.gateway.surfaces.platform.jobs import Jobs
from services.gateway.surfaces.platform.pages import Pages
from services.gateway.surfaces.platform.provider_keys import ProviderKeys
from services.gateway.surfaces.platform.sign_in import SignIn
from services.gateway.surfaces.platform.usage import UsageReport
from services.gateway.surfaces.platform.webhooks import Webhooks
from services.gateway.surfaces.runs.runs import Runs
from services.gateway.surfaces.tasks.acceptance import Acceptance
from services.gateway.surfaces.tasks.tasks import Tasks
from services.gateway.surfaces.tasks.templates import Templates
from services.gateway.traffic import Traffic
from services.gateway.zero_log import ZeroLogTerms

_USAGE = "usage.read"
_LOOK_SECONDS = 0.25


class Gateway:
    """The application and its parts."""

    def __init__(
        self,
        settings: GatewaySettings,
        neighbours: Neighbours,
        blobs: Blobs,
        connected: Callable[[], bool],
        revocations: Revocations,
        counting: Counting,
        entries: EntryStore,
        memory: EntryStore,
    ) -> None:
        self._neighbours = neighbours
        self._blobs = blobs
        self._connected = connected
        self.traffic = Traffic()
        self.feed = Feed(self._ask_job, render.job_status, connected, settings.jobs_remembered)
        access = JobAccess(self.feed, self._ask_job)
        self.revocations = revocations
        credentials = Credentials(TokenVerifier(self._ask_jwks, revocations), KeyExchange(self._exchange))
        self.live = Hub(credentials.verify, credentials.denies, self.feed.get, settings.live_readers_per_user)
        self.feed.watch(self.live)
        self.holding = Holding(credentials.denies)
        self.organizations = organizations = Organizations(self._ask_organization)
        self._service_tokens = ServiceTokens("gateway", settings.service_secret, neighbours.tokens, [_USAGE])
        self.meter = CallMeter()
        usage = Usage(self._ask_usage, self.meter, settings.plans)
        admission = Admission(Limiter(counting), organizations, usage, self.meter, settings)
        readiness = Readiness(self._checks())
        terms = Terms(settings.idempotency_seconds, settings.idempotency_lease_seconds)
        callbacks = CallbackPolicy(settings.allowed_private_networks)
        idempotency = Idempotency(entries, memory, Sealing(settings.idempotency_secret.get_secret_value()), terms)
        zero_log = ZeroLogTerms(organizations, settings)
        acceptance = Acceptance(neighbours, organizations, usage, settings, callbacks, zero_log)
        self.runs = Runs(neighbours, organizations, usage, settings, callbacks, zero_log)
        surfaces = (
            Accounts(neighbours, revocations),
            SignIn(neighbours, revocations),
            ApiKeys(neighbours, revocations),
            ProviderKeys(neighbours),
            Clients(neighbours, revocations),
            OAuth(neighbours, revocations, settings.public_url),
            organizations_surface.Organizations(neighbours, revocations, organizations),
            Documents(neighbours, organizations, usage, blobs, self.feed, settings, callbacks, zero_log),
            Pages(neighbours),
            Jobs(neighbours, self.feed, access),
            Analyses(neighbours, self.feed, callbacks, zero_log),
            JobControl(neighbours, self.feed, zero_log),
            Webhooks(neighbours, callbacks),
            Tasks(neighbours, organizations, acceptance, self.feed, access, zero_log),
            Templates(neighbours),
            self.runs,
            UsageReport(usage),
            Erasures(neighbours),
            Health(neighbours, readiness, self.traffic, settings.environment),
            Browsing(),
        )
        endpoints = [endpoint for surface in surfaces for endpoint in surface.endpoints()]
        self.app = app.build(
            endpoints,
            credentials,
            admission,
            idempotency,
            self.feed,
            access,
            self.traffic,
            self.live,
            self.holding,
            settings,
        )

    async def watch(self) -> None:
        """Ends for ever what is held for whom it should not, and notices what was not heard."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.feed.look()
            self.holding.look()
            await self.live.look()

    def let_go(self) -> None:
        """Lets everybody go who is held: long polls, event streams and WebSockets."""
        self.feed.close()
        self.live.close()

    async def _ask_job(self, job_id: str) -> job_pb2.Job:
        answer = await client.call(self._neighbours.jobs.GetJob, results_pb2.GetJobRequest(job_id=job_id))
        return answer.job

    async def _ask_jwks(self) -> str:
        return (await client.call(self._neighbours.tokens.GetJwks, auth_pb2.GetJwksRequest())).jwks_json

    async def _ask_usage(self, request: usage_pb2.GetUsageRequest) -> usage_pb2.GetUsageResponse:
        caller, token = identity.current(), context.bearer_token.get()
        if caller.scopes is not None and _USAGE not in caller.scopes:
            token = await self._service_tokens.get(caller.organization_id)  # plans hold for every caller
        with context.bearing(token):
            return await client.call(self._neighbours.usage.GetUsage, request)

    async def _exchange(self, key: str) -> keys_pb2.ExchangeApiKeyResponse:
        return await client.call(self._neighbours.api_keys.ExchangeApiKey, keys_pb2.ExchangeApiKeyRequest(key=key))

    async def _ask_organization(self) -> auth_pb2.Organization:
        request = auth_pb2.GetOrganizationRequest()
        return (await client.call(self._neighbours.organizations.GetOrganization, request)).organization

    def _checks(self) -> dict[str, Check]:
        return {
            "database": self._check_database,
            "messaging": self._check_messaging,
            "storage": self._blobs.check,
            **{name: self._serving(name, "") for name in SERVICES},
        }

    def _serving(self, name: str, service: str) -> Check:
        async def check() -> None:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = await client.call(self._neighbours.health[name].Check, request, seconds=1)
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                raise Unavailable(f"{name} is not ready.", dependency=name)

        return check

    async def _check_database(self) -> None:
        # Only `results` and `auth` reach the database; where they do not tell of it by name, their readiness does.
        try:
            await self._serving("results", "database")()
        except NotFound:
            await self._serving("results", "")()

    async def _check_messaging(self) -> None:
        if not self._connected():
            raise Unavailable("The message broker is away.", dependency="nats")
