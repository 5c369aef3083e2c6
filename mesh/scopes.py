"""Which scope each gRPC method needs, as its proto says, and whether a caller has it.

A token with a list of scopes, that of an OAuth client or of a restricted API key, may do what the list says; a token
without a list may do whatever its role may. What is for operators is for nobody else, and they may do nothing else.
"""

from functools import lru_cache

from google.protobuf import descriptor_pool

from mesh.errors import Forbidden, Internal
from mesh.identity import OPERATOR_ROLE, Identity
from pagemesh.options.v1 import scopes_pb2

PUBLIC = "public"
ANY = "any"
ACCOUNT = "account"
OPERATOR = "operator"
SERVICE = "service:"
"""Before the name of the one service that may."""
GRANTABLE = (
    "documents.read",
    "documents.write",
    "files.read",
    "files.write",
    "enrichment.read",
    "enrichment.write",
    "jobs.read",
    "usage.read",
)
"""What API keys and OAuth clients can be given."""


@lru_cache(maxsize=1_000)
def of_method(name: str) -> str:
    """The scope of a method, `/package.Service/Method`. Raises Internal for one whose proto says none."""
    try:
        method = descriptor_pool.Default().FindMethodByName(name.strip("/").replace("/", "."))
    except KeyError as error:
        raise Internal("There is no such method.") from error
    scope: str = method.GetOptions().Extensions[scopes_pb2.scope]
    known = (PUBLIC, ANY, ACCOUNT, OPERATOR, *GRANTABLE)
    if scope not in known and not scope.startswith(SERVICE):
        raise Internal(f"{name} says no scope that there is.")
    return scope


def require(caller: Identity, scope: str) -> None:
    """Raises Forbidden unless the caller's token has the scope; INSUFFICIENT_SCOPE for one with a list."""
    if scope != PUBLIC and (scope == OPERATOR) != (caller.role == OPERATOR_ROLE):
        raise Forbidden("This is for operators alone." if scope == OPERATOR else "This is not for operators.")
    if scope.startswith(SERVICE):
        # The subject of a service's token is spelled like the scope; nobody else gets the role.
        if (caller.role, caller.user_id) != ("service", scope):
            raise Forbidden("This is for another service of the installation.")
    elif not (caller.scopes is None or scope in (PUBLIC, ANY) or scope in caller.scopes):
        raise Forbidden("The credential's scopes do not allow this.", "INSUFFICIENT_SCOPE", scope=scope)
