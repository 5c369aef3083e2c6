"""Values and errors that shapes of all resources have."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
ZeroLogged = Annotated[Literal[True], Field(description="It is kept in memory alone, until `expires_at`.")]


class Problem(TypedDict):
    """Why a request failed."""

    error: str
    message: str
    details: NotRequired[dict[str, str]]
    retry_after: NotRequired[Annotated[int, Field(description="Seconds; with 429 alone.")]]
