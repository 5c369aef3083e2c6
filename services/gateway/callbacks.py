"""URLs that clients name to be called back at."""

from mesh.addresses import Allowed, check_url


class CallbackPolicy:
    """Which URLs may be called back; names are judged where they are called, by `results`."""

    def __init__(self, allowed_networks: str) -> None:
        self._allowed = Allowed.parse(allowed_networks)

    def require(self, url: str | None, field: str = "callback_url") -> None:
        """Passes none. Raises InvalidArgument that blames the field, with ADDRESS_NOT_ALLOWED for an address."""
        if url is not None:
            check_url(url, allowed=self._allowed, field=field)
