"""Records as the platform API shows them."""

import math
from datetime import UTC, datetime
from typing import Any, Literal, cast

import orjson
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from pagemesh.auth.v1 import auth_pb2, clients_pb2, keys_pb2, provider_keys_pb2
from pagemesh.results.v1 import analysis_pb2, job_pb2, results_pb2
from services.gateway import polling
from services.gateway.feed import ENDED, Headers, Status
from services.gateway.surfaces.platform import API_VERSION, models, shapes

ROLES: dict["auth_pb2.Role.ValueType", Literal["user", "admin"]] = {
    auth_pb2.ROLE_USER: "user",
    auth_pb2.ROLE_ADMIN: "admin",
}
TIERS: dict["auth_pb2.Tier.ValueType", Literal["free", "pro", "enterprise"]] = {
    auth_pb2.TIER_FREE: "free",
    auth_pb2.TIER_PRO: "pro",
    auth_pb2.TIER_ENTERPRISE: "enterprise",
}
DOCUMENT_STATUSES: dict["job_pb2.DocumentState.ValueType", models.DocumentStatus] = {
    job_pb2.DOCUMENT_STATE_UPLOADED: "uploaded",
    job_pb2.DOCUMENT_STATE_PROCESSING: "processing",
    job_pb2.DOCUMENT_STATE_COMPLETED: "completed",
    job_pb2.DOCUMENT_STATE_FAILED: "failed",
}
JOB_STATUSES: dict["job_pb2.JobState.ValueType", models.JobStatus] = {
    job_pb2.JOB_STATE_PENDING: "pending",
    job_pb2.JOB_STATE_RUNNING: "running",
    job_pb2.JOB_STATE_COMPLETED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
JOB_TYPES: dict["job_pb2.JobType.ValueType", models.JobKind] = {
    job_pb2.JOB_TYPE_TEXT_EXTRACTION: "text_extraction",
    job_pb2.JOB_TYPE_ANALYSIS: "analysis",
    job_pb2.JOB_TYPE_TEXT_TASK: "text_task",
    job_pb2.JOB_TYPE_TAGGING: "tagging",
}
MODES: dict["job_pb2.ReadMode.ValueType", models.Mode] = {
    job_pb2.READ_MODE_TEXT: "text",
    job_pb2.READ_MODE_TABLE: "table",
    job_pb2.READ_MODE_MIXED: "mixed",
}
_EXACT_INTEGERS = 2.0**53


def time(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, with microseconds."""
    moment = datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1_000, tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def user(account: auth_pb2.User) -> shapes.User:
    """An account."""
    return {
        "id": account.id,
        "email": account.email,
        "full_name": account.full_name,
        "organization_id": account.organization.id,
        "organization_name": account.organization.name,
        "role": ROLES.get(account.role, "user"),
        "tier": TIERS.get(account.organization.tier, "free"),
        "is_active": account.is_active,
        "last_login": time(account.last_login) if account.HasField("last_login") else None,
        "created_at": time(account.created_at),
    }


def me(told: auth_pb2.GetMeResponse | auth_pb2.UpdateMeResponse) -> shapes.Me:
    """The caller's account."""
    account = told.user
    return {
        **user(account),
        "anthropic_api_key": told.masked_anthropic_key if told.HasField("masked_anthropic_key") else None,
        "is_verified": account.email_verified,
        "preferences": {
            "theme": account.preferences.theme,
            "notifications": account.preferences.notifications,
            "language": account.preferences.language,
        },
        "updated_at": time(account.updated_at),
    }


def invitation(made: auth_pb2.InviteMemberResponse) -> shapes.Invitation:
    """An invitation with its token."""
    return {
        "id": made.invitation.id,
        "email": made.invitation.email,
        "role": ROLES.get(made.invitation.role, "user"),
        "token": made.token,
        "created_at": time(made.invitation.created_at),
        "expires_at": time(made.invitation.expires_at),
    }


def api_key(key: keys_pb2.ApiKey) -> shapes.ApiKey:
    """An API key."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes) if key.restricted else None,
        "created_at": time(key.created_at),
        "expires_at": time(key.expires_at) if key.HasField("expires_at") else None,
        "last_used": time(key.last_used_at) if key.HasField("last_used_at") else None,
    }


def provider_key(key: provider_keys_pb2.ProviderKey) -> shapes.ProviderKey:
    """A provider key."""
    return {
        "provider": key.provider,
        "masked_key": key.masked_key,
        "created_at": time(key.created_at),
        "updated_at": time(key.updated_at),
    }


def oauth_client(client: clients_pb2.OAuthClient) -> shapes.OAuthClient:
    """An OAuth client."""
    return {
        "id": client.id,
        "client_id": client.id,
        "name": client.name,
        "scopes": list(client.scopes),
        "created_at": time(client.created_at),
    }


def tokens(pair: auth_pb2.TokenPair) -> shapes.Tokens:
    """A session's tokens."""
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
    }


def session(account: auth_pb2.User, pair: auth_pb2.TokenPair) -> shapes.Session:
    """A new session with its account."""
    return {**tokens(pair), "user": user(account)}


def organization(tenant: auth_pb2.Organization, document_count: int) -> shapes.Organization:
    """A tenant."""
    return {
        "id": tenant.id,
        "name": tenant.name,
        "tier": TIERS.get(tenant.tier, "free"),
        "settings": {
            "allow_sharing": tenant.settings.allow_sharing,
            "max_file_size_mb": tenant.settings.max_file_size_mb,
            "retention_days": tenant.settings.retention_days,
            "zero_log": tenant.settings.zero_log,
        },
        "member_count": tenant.member_count,
        "document_count": document_count,
        "is_active": tenant.is_active,
        "created_at": time(tenant.created_at),
        "updated_at": time(tenant.updated_at),
    }


def document(record: job_pb2.Document) -> shapes.Document:
    """A document, as lists show it."""
    return {
        "id": record.id,
        "filename": record.filename,
        "original_filename": record.original_filename,
        "file_size": record.file_size,
        "mime_type": record.mime_type,
        "status": DOCUMENT_STATUSES.get(record.state, "uploaded"),
        "page_count": record.page_count if record.HasField("page_count") else None,
        "metadata": {key: record.metadata[key] for key in sorted(record.metadata)},
        "created_at": time(record.created_at),
        "updated_at": time(record.updated_at),
    }


def found_documents(found: results_pb2.ListDocumentsResponse, with_matches: bool) -> list[shapes.FoundDocument]:
    """Documents of a list; with `matches` where content was searched."""
    items: list[shapes.FoundDocument] = [cast("shapes.FoundDocument", document(one)) for one in found.documents]
    for item in items if with_matches else ():
        item["matches"] = [
            {"page": match.page, "snippet": match.snippet} for match in found.matches if match.document_id == item["id"]
        ]
    return items


def document_detail(record: job_pb2.Document, jobs: list[job_pb2.Job], uri: str) -> shapes.DocumentDetail:
    """A document with its jobs."""
    return {
        **document(record),
        "sha256": record.sha256,
        "storage_uri": uri,
        "gcs_path": uri if uri.startswith("gs://") else None,
        "processing_jobs": [document_job(one) for one in jobs],
    }


def document_job(record: job_pb2.Job) -> shapes.DocumentJob:
    """A job of a document, in short."""
    return {
        "id": record.id,
        "job_type": JOB_TYPES.get(record.type, "text_extraction"),
        "status": JOB_STATUSES.get(record.state, "pending"),
        "progress": record.progress,
        "completed_at": time(record.completed_at) if record.HasField("completed_at") else None,
    }


def uploaded(record: job_pb2.Document, job_id: str) -> shapes.Uploaded:
    """A document that was just accepted: reading it may have begun, but the answer speaks of its acceptance."""
    return {
        "id": record.id,
        "filename": record.filename,
        "original_filename": record.original_filename,
        "file_size": record.file_size,
        "mime_type": record.mime_type,
        "status": "uploaded",
        "page_count": None,
        "created_at": time(record.created_at),
        "job_id": job_id,
    }


def job(record: job_pb2.Job) -> shapes.Job:
    """A job."""
    short = document_job(record)
    return {
        "id": record.id,
        "document_id": record.document_id,
        "job_type": short["job_type"],
        "status": short["status"],
        "priority": record.priority,
        "progress": record.progress,
        "stage": record.stage,
        "config": _job_config(record.config),
        "result": _job_result(record) if record.HasField("result") else None,
        "error": {"code": record.error.code, "message": record.error.message} if record.HasField("error") else None,
        "attempts": record.attempts,
        "pages": {
            "total": record.pages_total,
            "done": record.pages_done,
            "failed": record.pages_failed,
            "ocr": record.pages_ocr,
        },
        "estimated_seconds_left": seconds_left(record),
        "started_at": time(record.started_at) if record.HasField("started_at") else None,
        "completed_at": short["completed_at"],
        "created_at": time(record.created_at),
        "updated_at": time(record.updated_at),
    }


def seconds_left(record: job_pb2.Job) -> int | None:
    """Time to completion as `results` expected it when the job changed last; None where it cannot know."""
    return record.estimated_seconds_left if record.HasField("estimated_seconds_left") else None


def retry_after(record: job_pb2.Job) -> int:
    """Seconds until it is worth asking for the job again."""
    if record.state in ENDED:
        return 1
    left = max(0, record.pages_total - record.pages_done - record.pages_failed)
    ocr_left = min(left, record.pages_ocr)
    return polling.retry_seconds(seconds_left(record), left - ocr_left, ocr_left)


def job_status(record: job_pb2.Job) -> Status:
    """A job's status as it goes over the wire."""
    body = orjson.dumps(job(record))
    etag = polling.strong_etag(body)
    shared: Headers = [
        (b"etag", etag.encode()),
        (b"cache-control", b"private, no-cache"),
        (b"api-version", API_VERSION.encode()),
    ]
    if record.state not in ENDED:
        shared.append((b"retry-after", str(retry_after(record)).encode()))
    describing = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return Status(body, etag, [*describing, *shared], shared)


def _job_config(config: job_pb2.JobConfig) -> shapes.JobConfig:
    mode = MODES.get(config.mode, "mixed")
    return {
        "mode": mode,
        "include_tables": mode != "text",
        "languages": config.languages,
        "analysis_type": config.analysis.analysis_type if config.HasField("analysis") else None,
    }


def _job_result(record: job_pb2.Job) -> shapes.JobResult:
    result = record.result
    told: shapes.JobResult = {
        "text_length": result.text_length,
        "table_count": result.table_count,
        "page_count": result.page_count,
        "ocr_page_count": result.ocr_page_count,
        "pages_failed": [{"page": one.page, "code": one.code, "message": one.message} for one in result.pages_failed],
        "processing_time_ms": result.processing_time_ms,
        "analysis_id": result.analysis_id or None,
        "provenance": {
            "engines": list(result.engines),
            "model": None,
            "prompt_sha256": None,
            "template": None,
            "template_version": None,
            "started_at": time(record.started_at) if record.HasField("started_at") else None,
            "completed_at": time(record.completed_at) if record.HasField("completed_at") else None,
        },
    }
    if record.state == job_pb2.JOB_STATE_CANCELLED:
        told["pages_spent"] = list(record.pages_spent)
    return told


def analysis(record: analysis_pb2.Analysis) -> shapes.Analysis:
    """An analysis."""
    completed = time(record.created_at)
    return {
        "id": record.id,
        "analysis_type": record.analysis_type,
        "result_data": cast("dict[str, Any]", plain(record.result_data)),
        "confidence_score": round(record.confidence, 4),
        "model_version": record.model_version,
        "processing_time_ms": record.processing_time_ms,
        "token_usage": {
            "input_tokens": record.token_usage.input_tokens,
            "output_tokens": record.token_usage.output_tokens,
            "total_tokens": record.token_usage.total_tokens,
        },
        "cost_usd": record.cost_usd if record.HasField("cost_usd") else None,
        "provenance": {
            "engines": record.engine.split(", ") if record.engine else [],
            "model": record.model_version,
            "prompt_sha256": record.prompt_sha256 or None,
            "template": record.template or None,
            "template_version": record.template_version or None,
            "started_at": time(record.started_at) if record.HasField("started_at") else None,
            "completed_at": completed,
        },
        "created_at": completed,
    }


def plain(value: Struct | Value) -> object:
    """A Struct or Value as JSON has it: whole numbers as integers, names in alphabetical order."""
    if isinstance(value, Struct):
        return {name: plain(value.fields[name]) for name in sorted(value.fields)}
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return plain(value.struct_value)
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    if kind == "number_value":
        return _number(value.number_value)
    return None if kind in (None, "null_value") else getattr(value, kind)


def _number(number: float) -> int | float | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= _EXACT_INTEGERS else number
