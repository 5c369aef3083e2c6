"""The verifier of every service but `auth`: keys come from `auth`, word of dead tokens from the broker."""

from mesh import client
from mesh.bus import Bus
from mesh.identity import TokenVerifier
from mesh.revocations import RevocationFeed, Revocations
from mesh.settings import MeshSettings
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub


async def remote_verifier(settings: MeshSettings, bus: Bus) -> TokenVerifier:
    """Verifies tokens against the keys that `auth` publishes; asks again when it meets an unknown key.

    Returns when every revocation that was told before is known.
    """
    tokens = TokenServiceStub(client.connect(settings.auth_url, settings))
    revocations = Revocations(complete=False)
    await RevocationFeed(revocations).follow(bus)

    async def fetch() -> str:
        return (await client.call(tokens.GetJwks, GetJwksRequest())).jwks_json

    return TokenVerifier(fetch, revocations)
