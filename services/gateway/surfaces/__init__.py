"""What clients call: each surface is an API of its own, with a version of its own (semantic versioning)."""

VERSIONS = {"platform": "1.0.0", "rest": "2.0.0", "tagging": "2.0.0"}
"""Version by surface."""
_PREFIXES = (("/api/v1", "platform"), ("/v2", "rest"), ("/auth", "rest"), ("/api", "tagging"))


def version_of(path: str) -> str:
    """The version of the surface that a path belongs to; what belongs to none is the platform's."""
    for prefix, surface in _PREFIXES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return VERSIONS[surface]
    return VERSIONS["platform"]
