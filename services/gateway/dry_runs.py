"""Dry runs: `?dry_run=true` has an accepting call validated as if it were meant, and estimates what it would take.

An endpoint takes part by naming what estimates it (`Endpoint.estimate`). Errors are those of the call itself, and those
that its job would fail with as far as they are known beforehand. Nothing is started, stored or remembered.

Source: contract/conventions.md, "Dry runs, provenance, receipts".
"""

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from services.gateway.answers import json_response
from services.gateway.validation import Flag, NoQuery


class DryRun(NoQuery):
    """What every accepting call can be asked; queries of such endpoints derive from it."""

    dry_run: Flag = Field(default=False, description="Validates and estimates, and starts nothing.")


class Estimate(TypedDict):
    """What a call would take, about; null: cannot be known. Of a language model the time is never known."""

    pages: int | None
    ocr_pages: int | None
    seconds: float | None
    tokens: Annotated[int | None, Field(description="Of a language model; 0 for the built-in analyzer.")]
    cost_usd: float | None


class Valid(TypedDict):
    """The call would be accepted."""

    valid: Literal[True]
    estimate: Estimate


def valid(estimate: Estimate) -> Response:
    """The answer to a dry run."""
    answer: Valid = {"valid": True, "estimate": estimate}
    return json_response(answer, headers={"cache-control": "no-store"})
