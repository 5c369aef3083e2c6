"""People's own provider keys, which `auth` opens for this service alone. None is kept: each analysis asks again."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh import client, context
from mesh.errors import IllegalState
from mesh.service_tokens import ServiceTokens
from mesh.settings import MeshSettings
from pagemesh.auth.v1.provider_keys_pb2 import OpenProviderKeyRequest
from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceStub
from services.analysis.faults import AnalysisFault


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for an analysis. The user may be nobody: an OAuth client, or a task of an older release."""

    organization_id: str
    user_id: str


class UserKeys:
    """Asks `auth`, as this service, inside the asker's organization."""

    def __init__(self, tokens: ServiceTokens, settings: MeshSettings) -> None:
        self._tokens = tokens
        self._may_ask = bool(settings.service_secret.get_secret_value())
        self._auth = ProviderKeyServiceStub(client.connect(settings.auth_url, settings))

    async def open(self, asker: Asker, providers: Sequence[str]) -> tuple[str, str]:
        """The first of these keys that the asker has: its provider and the key; two empty texts when there is none.

        Raises AnalysisFault (`provider_key_unreadable`), Unavailable.
        """
        if not (asker.user_id and providers and self._may_ask):
            return "", ""
        context.bearer_token.set(await self._tokens.get(asker.organization_id))
        request = OpenProviderKeyRequest(user_id=asker.user_id, providers=providers)
        try:
            opened = await client.call(self._auth.OpenProviderKey, request)
        except IllegalState as error:
            raise AnalysisFault(error.code, "Your API key for the provider cannot be read. Store it again.") from error
        return opened.provider, opened.key
