"""A small mesh in one process for tests of the gateway: `auth`, `ingest` and `results` in memory, behind real gRPC.

Records are kept by organization, tokens are signed for real, and every refusal is one that the real services make.
"""

import asyncio
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from mesh import identity, ids
from mesh.blobs import Blobs
from mesh.errors import (
    AlreadyExists,
    Forbidden,
    IllegalState,
    InvalidArgument,
    NotFound,
    TooMuch,
    Unauthenticated,
    Unavailable,
)
from mesh.revocations import Revocations
from mesh.server import MeshServer, ServiceSpec
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from pagemesh.auth.v1.events_pb2 import IDENTITY_EVENT_KIND_SESSION_ENDED, IdentityEvent
from pagemesh.ingest.v1 import ingest_pb2, ingest_pb2_grpc, preview_pb2
from pagemesh.results.v1 import (
    analysis_pb2,
    job_control_pb2,
    job_pb2,
    page_pb2,
    results_pb2,
    results_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from services.gateway.feed import ENDED
from services.gateway.limits import Counting
from services.gateway.neighbours import Neighbours
from services.gateway.settings import GatewaySettings
from services.gateway.wiring import Gateway
from tests.support.counting import ENDLESS, MemoryCounters
from tests.support.entries import MemoryEntries

Registration = Callable[[grpc.aio.Server], list[str]]
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
            allow_sharing=True, max_file_size_mb=self.max_file_size_mb, retention_days=90
        )
        organization = auth_pb2.Organization(
            id=number, name="Acme", tier=self.tier, settings=settings, is_active=True, member_count=1
        )
        if self.rate_limits is not None:
            organization.rate_limits.CopyFrom(self.rate_limits)
        organization.created_at.FromSeconds(MOMENT)
        organization.updated_at.FromSeconds(MOMENT)
        return organization


@dataclass
class Records:
    """What `results` remembers."""

    documents: dict[str, job_pb2.Document] = field(default_factory=dict)
    jobs: dict[str, job_pb2.Job] = field(default_factory=dict)
    pages: dict[str, list[page_pb2.Page]] = field(default_factory=dict)
    analyses: dict[str, list[analysis_pb2.Analysis]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)


class Results(
    results_pb2_grpc.JobServiceServicer,
    results_pb2_grpc.DocumentServiceServicer,
    usage_pb2_grpc.UsageServiceServicer,
):
    """Records without a pipeline: a job stays as it is until a test changes it."""

    def __init__(self) -> None:
        self.records = Records()
        self.calls: Counter[str] = Counter()
        self.last_list: results_pb2.ListDocumentsRequest | None = None
        self.matches: list[results_pb2.PageMatch] = []
        self.used = usage_pb2.GetUsageResponse()
        self.usage_away = False
        self.last_usage: usage_pb2.GetUsageRequest | None = None
        self.hold: asyncio.Event | None = None
        """While set, and not yet happened, `GetJob` waits for it."""

    def add(self, organization: str, document: job_pb2.Document, job: job_pb2.Job) -> job_pb2.Job:
        """Records a document with its job."""
        document.state = document.state or job_pb2.DOCUMENT_STATE_UPLOADED
        for stamp in (document.created_at, document.updated_at, job.created_at, job.updated_at):
            stamp.FromSeconds(MOMENT)
        job.organization_id, job.document_id = organization, document.id
        job.state, job.revision = job.state or job_pb2.JOB_STATE_PENDING, job.revision or 1
        self.records.owners[document.id] = self.records.owners[job.id] = organization
        self.records.documents.setdefault(document.id, document)
        return self.records.jobs.setdefault(job.id, job)

    def _mine(self, number: str) -> str:
        if self.records.owners.get(number) != identity.current().organization_id:
            raise NotFound("There is no such thing of yours.")
        return number

    async def GetJob(self, request: results_pb2.GetJobRequest, context: object) -> results_pb2.GetJobResponse:
        self.calls["GetJob"] += 1
        job = job_pb2.Job()
        job.CopyFrom(self.records.jobs[self._mine(request.job_id)])
        if self.hold is not None:
            await self.hold.wait()
        return results_pb2.GetJobResponse(job=job)

    async def SubmitJob(self, request: results_pb2.SubmitJobRequest, context: object) -> results_pb2.SubmitJobResponse:
        job = job_pb2.Job(id=request.job_id, type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, stage="queued")
        job.config.CopyFrom(request.config)
        job.priority = request.priority
        recorded = self.add(identity.current().organization_id, request.document, job)
        return results_pb2.SubmitJobResponse(document=self.records.documents[request.document.id], job=recorded)

    async def CancelJob(
        self, request: job_control_pb2.CancelJobRequest, context: object
    ) -> job_control_pb2.CancelJobResponse:
        job = self.records.jobs[self._mine(request.job_id)]
        if job.state in ENDED and not (request.is_repeat and job.state == job_pb2.JOB_STATE_CANCELLED):
            raise IllegalState("The job has ended already.")
        job.state, job.stage, job.revision = job_pb2.JOB_STATE_CANCELLED, "cancelled", job.revision + 1
        job.result.page_count, job.pages_spent[:] = job.pages_total, range(1, job.pages_done + 1)
        return job_control_pb2.CancelJobResponse(job=job)

    async def RetryJob(
        self, request: job_control_pb2.RetryJobRequest, context: object
    ) -> job_control_pb2.RetryJobResponse:
        job = self.records.jobs[self._mine(request.job_id)]
        if job.state != job_pb2.JOB_STATE_FAILED:
            raise IllegalState("Only a failed job can be tried again.")
        job.state, job.stage, job.revision = job_pb2.JOB_STATE_PENDING, "queued", job.revision + 1
        return job_control_pb2.RetryJobResponse(job=job)

    async def WatchJob(
        self, request: results_pb2.WatchJobRequest, context: object
    ) -> AsyncIterator[results_pb2.WatchJobResponse]:
        yield results_pb2.WatchJobResponse(job=self.records.jobs[self._mine(request.job_id)])

    async def ListJobs(self, request: results_pb2.ListJobsRequest, context: object) -> results_pb2.ListJobsResponse:
        organization = identity.current().organization_id
        jobs = [one for one in self.records.jobs.values() if one.organization_id == organization]
        start = (request.page - 1) * request.per_page
        return results_pb2.ListJobsResponse(jobs=jobs[start : start + request.per_page], total=len(jobs))

    async def SubmitAnalysis(
        self, request: results_pb2.SubmitAnalysisRequest, context: object
    ) -> results_pb2.SubmitAnalysisResponse:
        document = self.records.documents[self._mine(request.document_id)]
        config = job_pb2.JobConfig(analysis=request.config)
        organization = identity.current().organization_id
        job_id = str(ids.owned(organization, request.job_id, "job_id"))
        job = job_pb2.Job(id=job_id, type=job_pb2.JOB_TYPE_ANALYSIS, stage="queued", config=config)
        return results_pb2.SubmitAnalysisResponse(job=self.add(organization, document, job))

    async def GetDocument(
        self, request: results_pb2.GetDocumentRequest, context: object
    ) -> results_pb2.GetDocumentResponse:
        document = self.records.documents[self._mine(request.document_id)]
        jobs = [job for job in self.records.jobs.values() if job.document_id == document.id]
        return results_pb2.GetDocumentResponse(document=document, jobs=jobs)

    async def ListDocuments(
        self, request: results_pb2.ListDocumentsRequest, context: object
    ) -> results_pb2.ListDocumentsResponse:
        self.last_list = request
        organization = identity.current().organization_id
        found = [one for one in self.records.documents.values() if self.records.owners[one.id] == organization]
        start = (request.page - 1) * request.per_page
        window = found[start : start + request.per_page]
        return results_pb2.ListDocumentsResponse(documents=window, total=len(found), matches=self.matches)

    async def DeleteDocument(
        self, request: results_pb2.DeleteDocumentRequest, context: object
    ) -> results_pb2.DeleteDocumentResponse:
        self._mine(request.document_id)
        del self.records.owners[request.document_id]
        for job in self.records.jobs.values():
            if job.document_id == request.document_id:
                self.records.owners.pop(job.id, None)
        return results_pb2.DeleteDocumentResponse()

    async def ListPages(self, request: results_pb2.ListPagesRequest, context: object) -> results_pb2.ListPagesResponse:
        pages = self.records.pages.get(self._mine(request.document_id), [])
        start = (request.page - 1) * request.per_page
        return results_pb2.ListPagesResponse(pages=pages[start : start + request.per_page], total=len(pages))

    async def StreamPages(
        self, request: results_pb2.StreamPagesRequest, context: object
    ) -> AsyncIterator[results_pb2.StreamPagesResponse]:
        for page in self.records.pages.get(self._mine(request.document_id), []):
            yield results_pb2.StreamPagesResponse(page=page)

    async def GetUsage(self, request: usage_pb2.GetUsageRequest, context: object) -> usage_pb2.GetUsageResponse:
        self.calls["GetUsage"] += 1
        self.last_usage = request
        if self.usage_away:
            raise Unavailable("The database is away.")
        return self.used

    async def ListAnalyses(
        self, request: results_pb2.ListAnalysesRequest, context: object
    ) -> results_pb2.ListAnalysesResponse:
        analyses = self.records.analyses.get(self._mine(request.document_id), [])
        return results_pb2.ListAnalysesResponse(analyses=analyses)


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    """Takes PDFs."""

    def __init__(self, results: Results, blobs: Blobs) -> None:
        self._results = results
        self._blobs = blobs
        self.configs: list[ingest_pb2.UploadConfig] = []
        self.largest_chunk = 0
        self.previews: list[bytes] = []
        self.breaks = False
        """While set, the connection seems to break when the document is made."""

    async def Preview(
        self, request_iterator: AsyncIterator[preview_pb2.PreviewRequest], context: object
    ) -> preview_pb2.PreviewResponse:
        config = (await anext(aiter(request_iterator))).config
        content = config.head
        async for piece in request_iterator:
            content += piece.chunk
        if not content.startswith(b"%PDF"):
            raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
        self.previews.append(content)
        return preview_pb2.PreviewResponse(mime_type="application/pdf", pages=3, ocr_pages=1, characters=4_000)

    async def Upload(
        self, request_iterator: AsyncIterator[ingest_pb2.UploadRequest], context: object
    ) -> ingest_pb2.UploadResponse:
        config = (await anext(aiter(request_iterator))).config
        self.configs.append(config)
        content = bytearray()
        async for chunk in _pieces(config, request_iterator):
            self.largest_chunk = max(self.largest_chunk, len(chunk))
            content += chunk
            if not content.startswith(b"%PDF"[: len(content)]):
                raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
            if len(content) > config.max_bytes:
                raise TooMuch("The file is too large.", "FILE_TOO_LARGE", limit_bytes=str(config.max_bytes))
        if not content:
            raise InvalidArgument("The file is empty.", "EMPTY_FILE")
        made = await self._store(config, bytes(content))
        if self.breaks:
            raise Unavailable("The connection broke.")
        return made

    async def SearchablePdf(
        self, request: ingest_pb2.SearchablePdfRequest, context: object
    ) -> AsyncIterator[ingest_pb2.SearchablePdfResponse]:
        for chunk in (b"%PDF-", b"searchable"):
            yield ingest_pb2.SearchablePdfResponse(chunk=chunk)

    async def _store(self, config: ingest_pb2.UploadConfig, content: bytes) -> ingest_pb2.UploadResponse:
        organization = identity.current().organization_id
        document_id = str(ids.owned(organization, config.document_id, "document_id"))
        key = f"originals/{organization}/{document_id}"
        await self._blobs.put(key, content)
        document = job_pb2.Document(
            id=document_id,
            filename=f"{document_id}.pdf",
            original_filename=config.original_filename,
            file_size=len(content),
            mime_type="application/pdf",
            sha256=hashlib.sha256(content).hexdigest(),
            storage_key=key,
        )
        job = job_pb2.Job(
            id=str(ids.owned(organization, config.job_id, "job_id")),
            type=job_pb2.JOB_TYPE_TEXT_EXTRACTION,
            stage="queued",
            config=config.job,
            priority=config.priority,
        )
        recorded = self._results.add(organization, document, job)
        return ingest_pb2.UploadResponse(document=self._results.records.documents[document.id], job=recorded)


@dataclass
class Mesh:
    """The gateway among its neighbours."""

    gateway: Gateway
    auth: Auth
    results: Results
    ingest: Ingest
    blobs: Blobs
    servers: dict[str, MeshServer]
    counters: MemoryCounters
    entries: MemoryEntries
    connected: bool = True

    def client(self, organization: str | None = None, **claims: str) -> httpx.AsyncClient:
        """An HTTP client of the gateway, with a token of the organization when one is given."""
        transport = httpx.ASGITransport(self.gateway.app, raise_app_exceptions=False)
        headers = (
            {"authorization": f"Bearer {self.auth.token(organization, FOREVER, **claims)}"} if organization else {}
        )
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)

    def tell(self, job: job_pb2.Job) -> None:
        """Records a job and tells the gateway of it as `results` does."""
        self.results.records.jobs[job.id] = job
        self.gateway.feed.on_message(f"status.{job.organization_id}.{job.id}", job.SerializeToString())


@asynccontextmanager
async def running_mesh(directory: Path, counting: Counting | None = None, **settings: object) -> AsyncIterator[Mesh]:
    """A mesh whose sockets and blobs are in the directory."""
    auth = Auth()  # type: ignore[abstract]  # the rest is asked of the real service, by tests/contract
    results, blobs = Results(), Blobs(f"file://{directory}/blobs")
    ingest = Ingest(results, blobs)
    urls = {f"{name}_url": f"unix:{directory}/{name}" for name in ("auth", "ingest", "ocr", "analysis", "results")}
    limits = {"limits": {"free": ENDLESS}, "address_limits": ENDLESS}
    secret = {"service_secret": SERVICE_SECRET}
    known = GatewaySettings.model_validate({**urls, **limits, **secret, "drain_seconds": 0, **settings})
    registrations = {"auth": _auth(auth), "ingest": _ingest(ingest), "results": _results(results)}
    servers = {name: _server(name, known, auth, register) for name, register in registrations.items()}
    neighbours = Neighbours.connect(known)
    counters, entries = MemoryCounters(), MemoryEntries()
    mesh: Mesh
    gateway = Gateway(known, neighbours, blobs, lambda: mesh.connected, Revocations(), counting or counters, entries)
    mesh = Mesh(gateway, auth, results, ingest, blobs, servers, counters, entries)
    for server in servers.values():
        await server.start()
    try:
        yield mesh
    finally:
        gateway.let_go()
        await neighbours.close()
        for server in servers.values():
            await server.stop()


def _server(name: str, settings: GatewaySettings, auth: Auth, register: Registration) -> MeshServer:
    public = {
        "/pagemesh.auth.v1.AccountService/Register",
        "/pagemesh.auth.v1.AccountService/Login",
        "/pagemesh.auth.v1.AccountService/Refresh",
        "/pagemesh.auth.v1.TokenService/GetJwks",
        "/pagemesh.auth.v1.TokenService/IssueServiceToken",
    }
    spec = ServiceSpec(name, register, identity.TokenVerifier(auth.jwks), frozenset(public))
    return MeshServer(spec, settings.model_copy(update={"listen": getattr(settings, f"{name}_url")}))


def _auth(auth: Auth) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        auth_pb2_grpc.add_AccountServiceServicer_to_server(auth, server)
        auth_pb2_grpc.add_OrganizationServiceServicer_to_server(auth, server)
        auth_pb2_grpc.add_TokenServiceServicer_to_server(auth, server)
        return []

    return register


def _ingest(ingest: Ingest) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server)
        return []

    return register


def _results(results: Results) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        results_pb2_grpc.add_JobServiceServicer_to_server(results, server)
        results_pb2_grpc.add_DocumentServiceServicer_to_server(results, server)
        usage_pb2_grpc.add_UsageServiceServicer_to_server(results, server)
        return []

    return register


async def _pieces(
    config: ingest_pb2.UploadConfig, rest: AsyncIterator[ingest_pb2.UploadRequest]
) -> AsyncIterator[bytes]:
    yield config.head
    async for piece in rest:
        yield piece.chunk
