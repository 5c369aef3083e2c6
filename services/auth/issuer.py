"""What an OpenID Connect issuer publishes: its metadata and keys, remembered for a while.

Source: OpenID Connect Discovery 1.0 sections 3 and 4, RFC 7517.
"""

import time
from dataclasses import dataclass
from typing import Any

from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.auth.outgoing import Outgoing, fetch_json
from services.auth.provider_settings import check_endpoint

_REMEMBERED_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where everything is; `userinfo_endpoint` is empty where there is none."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    token_endpoint_auth_method: str

    @classmethod
    def parse(cls, document: Any, issuer: str) -> "Metadata":
        """The issuer's document. Raises ValueError for one that is malformed or somebody else's."""
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise ValueError("the document is not the issuer's own")
        endpoints = {
            name: check_endpoint(str(document.get(name, "")))
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        }
        userinfo = document.get("userinfo_endpoint")
        return cls(
            **endpoints,
            userinfo_endpoint=check_endpoint(str(userinfo)) if userinfo else "",
            token_endpoint_auth_method=_auth_method(document.get("token_endpoint_auth_methods_supported")),
        )


class IssuerDocuments:
    """The metadata and keys of one issuer. Every method raises Unavailable while they cannot be had."""

    def __init__(self, issuer: str, outgoing: Outgoing) -> None:
        self._issuer = issuer
        self._outgoing = outgoing
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def metadata(self) -> Metadata:
        """Where everything is."""
        if self._metadata is None or self._metadata[0] < time.monotonic():
            async with self._outgoing.client() as client:
                document = await fetch_json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                self._metadata = (_until(), Metadata.parse(document, self._issuer))
        return self._metadata[1]

    async def keys(self, anew: bool = False) -> KeySet:
        """The keys that sign; asked for again when they may have been replaced."""
        if anew or self._keys is None or self._keys[0] < time.monotonic():
            uri = (await self.metadata()).jwks_uri
            async with self._outgoing.client() as client:
                self._keys = (_until(), await _key_set(client, uri))
        return self._keys[1]


def _auth_method(offered: Any) -> str:
    # The form comes first: how the parts of the header are encoded, issuers disagree.
    methods = offered if isinstance(offered, list) else ["client_secret_basic"]
    for method in ("client_secret_post", "client_secret_basic"):
        if method in methods:
            return method
    raise ValueError("the issuer does not take a client's secret")


async def _key_set(client: AsyncOAuth2Client, uri: str) -> KeySet:
    try:
        return KeySet.import_key_set(await fetch_json(client, uri))
    except (JoseError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the keys are no key set") from error


def _until() -> float:
    return time.monotonic() + _REMEMBERED_SECONDS
