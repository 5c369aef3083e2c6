"""Choosing a media type by `Accept` (RFC 9110, section 12.5.1)."""


def choose(accept: str | None, offered: tuple[str, ...]) -> str:
    """The offered media type that is wanted most; the first when the header is missing or wants none of them."""
    if not accept:
        return offered[0]
    ranges = [_weighed(part) for part in accept.split(",")]
    return max(offered, key=lambda media_type: _quality(media_type, ranges))


def _weighed(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    weights = dict(ranges)
    wildcards = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((weights[name] for name in wildcards if name in weights), -1.0)
