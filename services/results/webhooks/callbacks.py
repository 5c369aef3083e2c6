"""Callback URLs as they are accepted: well-formed, and not an address that nobody may call; names are judged later."""

from mesh.addresses import Allowed, check_url
from mesh.errors import InvalidArgument
from services.results.webhooks.secrets import Secrets


class Callbacks:
    """What may be called back here."""

    def __init__(self, allowed: Allowed, secrets: Secrets) -> None:
        self._allowed = allowed
        self._secrets = secrets

    def check(self, url: str, field: str = "callback_url") -> None:
        """Passes no URL at all. Raises InvalidArgument naming the field, with ADDRESS_NOT_ALLOWED among its reasons."""
        if not url:
            return
        if not self._secrets.available:
            raise InvalidArgument("This installation delivers no webhooks.", field=field)
        check_url(url, allowed=self._allowed, field=field)
