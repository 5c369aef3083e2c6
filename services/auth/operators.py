"""Who may govern the whole installation: whoever shows the operators' secret, for some minutes at a time."""

import hmac
from datetime import timedelta

from mesh.errors import Forbidden
from mesh.identity import OPERATOR_AUDIENCE, OPERATOR_ROLE, Identity
from services.auth import fields
from services.auth.tokens import AccessTokens, Subject

TOKEN_LIFE = timedelta(minutes=5)
_SUBJECT = f"{OPERATOR_ROLE}:"


class Operators:
    """Issues operators' tokens: of no organization, for an audience that `auth` alone belongs to."""

    def __init__(self, access: AccessTokens, secret: str) -> None:
        self._access = access
        self._secret = secret.encode()

    def issue(self, secret: str, operator: str) -> str:
        """A token for an operator who calls themselves so. Raises Forbidden, InvalidArgument for the name."""
        if not self._secret or not hmac.compare_digest(self._secret, secret.encode()):
            raise Forbidden("This is not the operators' secret.")
        name = fields.check_name(operator, "operator")
        subject = Subject(f"{_SUBJECT}{name}", organization_id="", role=OPERATOR_ROLE, tier="")
        return self._access.issue(subject, TOKEN_LIFE, OPERATOR_AUDIENCE)


def name_of(caller: Identity) -> str:
    """What an operator called themselves."""
    return caller.user_id.removeprefix(_SUBJECT)
