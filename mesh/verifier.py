"""The verifier of every service that is not `auth` itself: keys come from `auth` and are kept."""

from mesh import client
from mesh.identity import TokenVerifier
from mesh.settings import MeshSettings
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub


def remote_verifier(settings: MeshSettings) -> TokenVerifier:
    """Verifies tokens against the keys that `auth` publishes; asks again when it meets an unknown key."""
    tokens = TokenServiceStub(client.connect(settings.auth_url, settings))

    async def fetch() -> str:
        return (await client.call(tokens.GetJwks, GetJwksRequest())).jwks_json

    return TokenVerifier(fetch)
