"""The services behind the gateway, as gRPC stubs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2_grpc

from mesh import client
from pagemesh.analysis.v1.analysis_pb2_grpc import AnalysisServiceStub
from pagemesh.auth.v1.auth_pb2_grpc import AccountServiceStub, OrganizationServiceStub, TokenServiceStub
from pagemesh.auth.v1.clients_pb2_grpc import OAuthClientServiceStub, OAuthServiceStub
from pagemesh.auth.v1.keys_pb2_grpc import ApiKeyServiceStub
from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceStub
from pagemesh.auth.v1.signin_pb2_grpc import SignInServiceStub
from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceStub
from pagemesh.results.v1.erasures_pb2_grpc import ErasureServiceStub
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub
from pagemesh.results.v1.runs_pb2_grpc import RunServiceStub
from pagemesh.results.v1.templates_pb2_grpc import TemplateServiceStub
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceStub
from pagemesh.results.v1.usage_pb2_grpc import UsageServiceStub
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceStub
from services.gateway.settings import GatewaySettings

if TYPE_CHECKING:  # names that the generated stubs have for type checkers alone
    from pagemesh.analysis.v1.analysis_pb2_grpc import AnalysisServiceAsyncStub
    from pagemesh.auth.v1.auth_pb2_grpc import (
        AccountServiceAsyncStub,
        OrganizationServiceAsyncStub,
        TokenServiceAsyncStub,
    )
    from pagemesh.auth.v1.clients_pb2_grpc import OAuthClientServiceAsyncStub, OAuthServiceAsyncStub
    from pagemesh.auth.v1.keys_pb2_grpc import ApiKeyServiceAsyncStub
    from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceAsyncStub
    from pagemesh.auth.v1.signin_pb2_grpc import SignInServiceAsyncStub
    from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceAsyncStub
    from pagemesh.results.v1.erasures_pb2_grpc import ErasureServiceAsyncStub
    from pagemesh.results.v1.results_pb2_grpc import DocumentServiceAsyncStub, JobServiceAsyncStub
    from pagemesh.results.v1.runs_pb2_grpc import RunServiceAsyncStub
    from pagemesh.results.v1.templates_pb2_grpc import TemplateServiceAsyncStub
    from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceAsyncStub
    from pagemesh.results.v1.usage_pb2_grpc import UsageServiceAsyncStub
    from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceAsyncStub

SERVICES = ("auth", "ingest", "ocr", "analysis", "results")


@dataclass(frozen=True)
class Neighbours:
    """Open channels and the stubs on them."""

    channels: dict[str, grpc.aio.Channel]
    accounts: "AccountServiceAsyncStub"
    organizations: "OrganizationServiceAsyncStub"
    api_keys: "ApiKeyServiceAsyncStub"
    provider_keys: "ProviderKeyServiceAsyncStub"
    oauth_clients: "OAuthClientServiceAsyncStub"
    oauth: "OAuthServiceAsyncStub"
    sign_in: "SignInServiceAsyncStub"
    tokens: "TokenServiceAsyncStub"
    ingest: "IngestServiceAsyncStub"
    analysis: "AnalysisServiceAsyncStub"
    jobs: "JobServiceAsyncStub"
    documents: "DocumentServiceAsyncStub"
    runs: "RunServiceAsyncStub"
    usage: "UsageServiceAsyncStub"
    webhooks: "WebhookServiceAsyncStub"
    erasures: "ErasureServiceAsyncStub"
    templates: "TemplateServiceAsyncStub"
    text_tasks: "TextTaskServiceAsyncStub"
    health: dict[str, health_pb2_grpc.HealthStub]
    """Health by service name."""

    @classmethod
    def connect(cls, settings: GatewaySettings) -> "Neighbours":
        """Channels to every service; none need be there yet."""
        channels = {name: client.connect(getattr(settings, f"{name}_url"), settings) for name in SERVICES}
        return cls(
            channels=channels,
            accounts=AccountServiceStub(channels["auth"]),
            organizations=OrganizationServiceStub(channels["auth"]),
            api_keys=ApiKeyServiceStub(channels["auth"]),
            provider_keys=ProviderKeyServiceStub(channels["auth"]),
            oauth_clients=OAuthClientServiceStub(channels["auth"]),
            oauth=OAuthServiceStub(channels["auth"]),
            sign_in=SignInServiceStub(channels["auth"]),
            tokens=TokenServiceStub(channels["auth"]),
            ingest=IngestServiceStub(channels["ingest"]),
            analysis=AnalysisServiceStub(channels["analysis"]),
            jobs=JobServiceStub(channels["results"]),
            documents=DocumentServiceStub(channels["results"]),
            runs=RunServiceStub(channels["results"]),
            usage=UsageServiceStub(channels["results"]),
            webhooks=WebhookServiceStub(channels["results"]),
            erasures=ErasureServiceStub(channels["results"]),
            templates=TemplateServiceStub(channels["results"]),
            text_tasks=TextTaskServiceStub(channels["results"]),
            health={name: health_pb2_grpc.HealthStub(channel) for name, channel in channels.items()},
        )

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self.channels.values():
            await channel.close()
