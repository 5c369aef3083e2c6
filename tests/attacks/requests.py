"""A good request for every gRPC method, so that an attack fails for what is attacked and not for being malformed."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message

from pagemesh.analysis.v1.analysis_pb2 import AnalyzeRequest
from pagemesh.analysis.v1.estimate_pb2 import EstimateRequest
from pagemesh.auth.v1 import auth_pb2, clients_pb2, keys_pb2
from pagemesh.auth.v1.provider_keys_pb2 import (
    DeleteProviderKeyRequest,
    ListProviderKeysRequest,
    OpenProviderKeyRequest,
    PutProviderKeyRequest,
)
from pagemesh.auth.v1.receipts_pb2 import IssueReceiptRequest
from pagemesh.ingest.v1.ingest_pb2 import UploadConfig, UploadRequest
from pagemesh.ingest.v1.preview_pb2 import PreviewConfig, PreviewRequest
from pagemesh.ocr.v1.ocr_pb2 import RecognizeRequest
from pagemesh.results.v1 import results_pb2, templates_pb2, usage_pb2, webhooks_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_pb2 import Document
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.runs_pb2 import SentRun, SubmitRunRequest
from tests.attacks.methods import Leaf, Method
from tests.attacks.people import PASSWORD, PROVIDER, Attacker, new_template, store_provider_key
from tests.attacks.registry import Kind, Meaning, is_id_like, meaning
from tests.support.documents import png, text_pdf

_SUMMARY = AnalysisConfig(analysis_type="summary")
_RUN = SentRun(file="own.pdf")
_MIB = 1 << 20
# One file for all: two files say that they were made at different times, and so do their answers.
_PDF = text_pdf()


def ids_of(method: Method) -> dict[Leaf, Meaning | None]:
    """The id-like fields of a method's request, and what they mean."""
    found = {leaf: meaning(leaf.field.full_name, leaf.field.name) for leaf in method.leaves() if _may_be_id(leaf)}
    return {leaf: what for leaf, what in found.items() if what is None or what.kind not in (Kind.SECRET, Kind.WORD)}


def _may_be_id(leaf: Leaf) -> bool:
    return leaf.field.type == leaf.field.TYPE_STRING and is_id_like(leaf.field.name)


async def good(method: Method, attacker: Attacker, but: Leaf | None = None) -> list[Message]:
    """What the method should carry out for the attacker, on things of the attacker's own, `but` one to be set yet."""
    make = _TEMPLATES.get(method.label)
    requests = await make(attacker) if make else [method.request()]
    for leaf, what in ids_of(method).items():
        if what is not None and leaf != but and not _get(leaf, requests[0]):
            leaf.put(requests[0], await attacker.own(what))
    return requests


def _get(leaf: Leaf, request: Any) -> Any:
    for step in leaf.path:
        request = getattr(request, step)
    return request


async def _credentials(attacker: Attacker) -> clients_pb2.ClientCredentials:
    client = attacker.client
    return clients_pb2.ClientCredentials(client_id=client["client_id"], client_secret=client["client_secret"])


async def _upload(attacker: Attacker) -> list[Message]:
    config = UploadConfig(original_filename="own.pdf", max_bytes=_MIB, priority=5, run=_RUN)
    return [UploadRequest(config=config), UploadRequest(chunk=_PDF)]


async def _preview(attacker: Attacker) -> list[Message]:
    return [PreviewRequest(config=PreviewConfig(max_bytes=_MIB)), PreviewRequest(chunk=_PDF)]


async def _submit_job(attacker: Attacker) -> list[Message]:
    document = Document(
        filename=f"{uuid.uuid4()}.pdf",
        original_filename="own.pdf",
        file_size=len(_PDF),
        mime_type="application/pdf",
        sha256=uuid.uuid4().hex * 2,
        user_id=attacker.person.user_id,
    )
    return [results_pb2.SubmitJobRequest(document=document, priority=5, run=_RUN)]


async def _analyze(attacker: Attacker) -> list[Message]:
    page = Page(number=1, text="The total of 42.50 EUR was paid on 3 May 2026.")
    return [AnalyzeRequest(pages=[page], config=_SUMMARY)]


async def _issue_token(attacker: Attacker) -> list[Message]:
    return [clients_pb2.IssueTokenRequest(client=await _credentials(attacker))]


async def _revoke_token(attacker: Attacker) -> list[Message]:
    return [clients_pb2.RevokeTokenRequest(client=await _credentials(attacker))]


async def _introspect_token(attacker: Attacker) -> list[Message]:
    return [clients_pb2.IntrospectTokenRequest(client=await _credentials(attacker))]


async def _delete_provider_key(attacker: Attacker) -> list[Message]:
    return [DeleteProviderKeyRequest(provider=await store_provider_key(attacker.person))]


async def _invite(attacker: Attacker) -> list[Message]:
    email = f"{uuid.uuid4().hex}@example.com"
    return [auth_pb2.InviteMemberRequest(email=email, role=auth_pb2.ROLE_USER)]


async def _register(attacker: Attacker) -> list[Message]:
    email = f"{uuid.uuid4().hex}@example.com"
    return [auth_pb2.RegisterRequest(email=email, password=PASSWORD, full_name="Another Person")]


async def _test_webhook(attacker: Attacker) -> list[Message]:
    return [webhooks_pb2.TestWebhookRequest(url=attacker.receiver)]


async def _create_template(attacker: Attacker) -> list[Message]:
    return [templates_pb2.CreateTemplateRequest(template=_template(str(uuid.uuid4())))]


async def _update_template(attacker: Attacker) -> list[Message]:
    return [templates_pb2.UpdateTemplateRequest(template=_template(await new_template(attacker.person)))]


async def _delete_template(attacker: Attacker) -> list[Message]:
    return [templates_pb2.DeleteTemplateRequest(name=await new_template(attacker.person))]


def _template(name: str) -> templates_pb2.Template:
    return templates_pb2.Template(name=name, instructions="Say what this is about: {{text}}")


def _always(request: Message) -> Callable[[Attacker], Awaitable[list[Message]]]:
    async def make(attacker: Attacker) -> list[Message]:
        copy = type(request)()
        copy.CopyFrom(request)
        return [copy]

    return make


_TEMPLATES: dict[str, Callable[[Attacker], Awaitable[list[Message]]]] = {
    "AccountService.Register": _register,
    "AnalysisService.Analyze": _analyze,
    "ApiKeyService.CreateApiKey": _always(keys_pb2.CreateApiKeyRequest(name="another program")),
    "ApiKeyService.ListApiKeys": _always(keys_pb2.ListApiKeysRequest(page=1, per_page=100)),
    "AnalysisService.Estimate": _always(EstimateRequest(config=_SUMMARY, characters=1_000)),
    "IngestService.Preview": _preview,
    "IngestService.Upload": _upload,
    "JobService.SubmitAnalysis": _always(results_pb2.SubmitAnalysisRequest(config=_SUMMARY, priority=5)),
    "JobService.SubmitJob": _submit_job,
    "OAuthClientService.CreateClient": _always(
        clients_pb2.CreateClientRequest(name="another machine", scopes=["jobs.read"])
    ),
    "OAuthClientService.ListClients": _always(clients_pb2.ListClientsRequest(page=1, per_page=100)),
    "OAuthService.IntrospectToken": _introspect_token,
    "OAuthService.IssueToken": _issue_token,
    "OAuthService.RevokeToken": _revoke_token,
    "OcrService.Recognize": _always(RecognizeRequest(content=png("The harbour office opens at nine."))),
    "OrganizationService.InviteMember": _invite,
    "OrganizationService.ListMembers": _always(auth_pb2.ListMembersRequest(page=1, per_page=100)),
    "OrganizationService.UpdateMember": _always(auth_pb2.UpdateMemberRequest(is_active=False)),
    "OrganizationService.UpdateOrganization": _always(auth_pb2.UpdateOrganizationRequest(retention_days=60)),
    "ProviderKeyService.DeleteProviderKey": _delete_provider_key,
    "ProviderKeyService.ListProviderKeys": _always(ListProviderKeysRequest(page=1, per_page=100)),
    "ProviderKeyService.OpenProviderKey": _always(OpenProviderKeyRequest(providers=[PROVIDER])),
    "ProviderKeyService.PutProviderKey": _always(PutProviderKeyRequest(provider=PROVIDER, key="sk-own-0123456789")),
    "ReceiptService.IssueReceipt": _always(
        IssueReceiptRequest(subject=str(uuid.uuid4()), kind="document", reason="deleted", objects=1)
    ),
    "TemplateService.CreateTemplate": _create_template,
    "TemplateService.DeleteTemplate": _delete_template,
    "TemplateService.GetTemplate": _always(templates_pb2.GetTemplateRequest(name="summary")),
    "TemplateService.ResolveTemplate": _always(templates_pb2.ResolveTemplateRequest(name="summary")),
    "TemplateService.UpdateTemplate": _update_template,
    "RunService.SubmitRun": _always(SubmitRunRequest(priority=5, max_bytes=_MIB)),
    "TokenService.IssueServiceToken": _always(auth_pb2.IssueServiceTokenRequest(service="analysis", secret="a guess")),
    "WebhookService.ListWebhookDeliveries": _always(webhooks_pb2.ListWebhookDeliveriesRequest(page=1, per_page=100)),
    "WebhookService.TestWebhook": _test_webhook,
    "UsageService.GetUsage": _always(usage_pb2.GetUsageRequest(first_day=20_000, last_day=30_000)),
}
"""What a request needs beside ids, where an empty one will not do."""
