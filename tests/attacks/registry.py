"""What id-like fields mean: whose id an attacker would put there. New ones have to be written down here."""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What an id belongs to."""

    ORGANIZATION = auto()
    MEMBER = auto()
    DOCUMENT = auto()
    JOB = auto()
    RUNNING_JOB = auto()
    FAILED_JOB = auto()
    RUN = auto()
    UNFINISHED_RUN = auto()
    ANALYSIS = auto()
    TASK = auto()
    TEMPLATE = auto()
    """Named by its organization."""
    API_KEY = auto()
    CLIENT = auto()
    DELIVERY = auto()
    """Of a webhook."""
    STORAGE_KEY = auto()
    """Of an original."""
    ACCESS_TOKEN = auto()
    REQUEST = auto()
    """Of a request to make something: a repeat of it is given the same thing, its secret included."""
    ERASURE = auto()
    """Of what was erased, by its own id."""
    GATEWAY = auto()
    """A process, which belongs to no organization."""
    SECRET = auto()
    """Whoever holds it is its owner, so nobody attacks with it."""
    WORD = auto()
    """No id, whatever its name: everybody may have something of that name."""


@dataclass(frozen=True)
class Meaning:
    """What a field holds."""

    kind: Kind
    is_new: bool = False
    """The caller chooses it, so that what it names is not there before."""


_ID_LIKE = re.compile(r"(^|_)(id|ids|uuid|uuids|key|keys|token|tokens)$", re.IGNORECASE)

BY_NAME = {
    "organization_id": Meaning(Kind.ORGANIZATION),
    "user_id": Meaning(Kind.MEMBER),
    "document_id": Meaning(Kind.DOCUMENT),
    "job_id": Meaning(Kind.JOB),
    "run_id": Meaning(Kind.RUN),
    "analysis_id": Meaning(Kind.ANALYSIS),
    "task_id": Meaning(Kind.TASK),
    "name": Meaning(Kind.TEMPLATE),
    "api_key_id": Meaning(Kind.API_KEY),
    "client_id": Meaning(Kind.CLIENT),
    "delivery_id": Meaning(Kind.DELIVERY),
    "storage_key": Meaning(Kind.STORAGE_KEY),
    "request_id": Meaning(Kind.REQUEST, is_new=True),
    "erasure_id": Meaning(Kind.ERASURE),
    "gateway_id": Meaning(Kind.GATEWAY),
    "refresh_token": Meaning(Kind.SECRET),
    "provider": Meaning(Kind.WORD),
}
"""Fields of requests, and parameters of paths and queries, that mean the same everywhere."""

BY_FIELD = {
    "pagemesh.auth.v1.AcceptInvitationRequest.token": Meaning(Kind.SECRET),
    "pagemesh.auth.v1.ExchangeApiKeyRequest.key": Meaning(Kind.SECRET),
    "pagemesh.auth.v1.PutProviderKeyRequest.key": Meaning(Kind.SECRET),
    "pagemesh.auth.v1.RevokeTokenRequest.token": Meaning(Kind.ACCESS_TOKEN),
    "pagemesh.auth.v1.IntrospectTokenRequest.token": Meaning(Kind.ACCESS_TOKEN),
    "pagemesh.ingest.v1.UploadConfig.document_id": Meaning(Kind.DOCUMENT, is_new=True),
    "pagemesh.ingest.v1.UploadConfig.job_id": Meaning(Kind.JOB, is_new=True),
    "pagemesh.results.v1.CancelJobRequest.job_id": Meaning(Kind.RUNNING_JOB),
    "pagemesh.results.v1.RetryJobRequest.job_id": Meaning(Kind.FAILED_JOB),
    "pagemesh.results.v1.Document.id": Meaning(Kind.DOCUMENT, is_new=True),
    "pagemesh.results.v1.SubmitJobRequest.job_id": Meaning(Kind.JOB, is_new=True),
    "pagemesh.results.v1.SubmitAnalysisRequest.job_id": Meaning(Kind.JOB, is_new=True),
    "pagemesh.results.v1.TestWebhookRequest.delivery_id": Meaning(Kind.DELIVERY, is_new=True),
    "pagemesh.results.v1.SubmitRunRequest.id": Meaning(Kind.RUN, is_new=True),
    "pagemesh.results.v1.SentRun.id": Meaning(Kind.RUN, is_new=True),
    "pagemesh.results.v1.CancelRunRequest.run_id": Meaning(Kind.UNFINISHED_RUN),
    "POST /api/v1/runs/{run_id}/cancel run_id": Meaning(Kind.UNFINISHED_RUN),
    "POST /api/v1/auth/invitations/accept token": Meaning(Kind.SECRET),
    "PUT /api/v1/users/me/api-key anthropic_api_key": Meaning(Kind.SECRET),
    "PUT /api/v1/users/me/provider-keys/{provider} api_key": Meaning(Kind.SECRET),
    "POST /api/v1/jobs/{job_id}/cancel job_id": Meaning(Kind.RUNNING_JOB),
    "POST /api/v1/jobs/{job_id}/retry job_id": Meaning(Kind.FAILED_JOB),
    "POST /auth/revoke token": Meaning(Kind.ACCESS_TOKEN),
    "POST /auth/introspect token": Meaning(Kind.ACCESS_TOKEN),
}
"""Those that mean something else in one place: full names of proto fields, or operation and field."""

BEYOND_REACH = {
    "/pagemesh.auth.v1.TokenService/IssueServiceToken": "needs the secret of the services",
}
"""Methods that no account can call well, and why."""


def is_id_like(name: str) -> bool:
    """Whether a field of that name may name something that belongs to somebody."""
    return _ID_LIKE.search(name) is not None


def meaning(where: str, name: str) -> Meaning | None:
    """What the field means; None when nobody has said so."""
    return BY_FIELD.get(where) or BY_NAME.get(name)
