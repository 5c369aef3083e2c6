"""What an organization has used, and what its plan allows."""

from datetime import UTC, datetime

from starlette.responses import Response

from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.plans import Plan, Usage, Used, month_of
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import PREFIX, models, shapes
from services.gateway.validation import NoBody


class UsageReport:
    """Usage of the caller's organization."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            get(
                f"{PREFIX}/organizations/me/usage",
                self.read,
                "What the organization has used",
                {200: Answer("Usage of the period, this month without one.", shapes.Usage)},
                models.UsageQuery,
                scope="usage.read",
                within_plan=False,  # whoever has used up their calls must be able to see it
            ),
        ]

    async def read(self, call: Call[NoBody, models.UsageQuery]) -> Response:
        """Usage of some days."""
        first, last = call.query.start_date, call.query.end_date
        first = first or month_of(last or datetime.now(UTC).date())[0]
        last = last or month_of(first)[1]
        if last < first:
            raise invalid({"end_date": "Is before start_date"})
        used = await self._usage.between(call.identity, first, last)
        plan = self._usage.plan(call.identity)
        report: shapes.Usage = {
            "period": {"start": first.isoformat(), "end": last.isoformat()},
            "usage": {
                "documents_processed": used.documents,
                "pages_processed": used.pages,
                "api_calls": used.calls,
                "tokens_used": used.tokens,
                "storage_bytes": used.storage_bytes,
            },
            "limits": {
                "documents_per_month": plan.documents,
                "pages_per_month": plan.pages,
                "api_calls_per_month": plan.calls,
                "storage_bytes": plan.storage_bytes,
            },
            "percentage_used": _percentages(used, plan),
        }
        return json_response(report, headers={"cache-control": "no-store"})


def _percentages(used: Used, plan: Plan) -> shapes.PercentageUsed:
    return {
        "documents": _percent(used.documents, plan.documents),
        "pages": _percent(used.pages, plan.pages),
        "api_calls": _percent(used.calls, plan.calls),
        "storage": _percent(used.storage_bytes, plan.storage_bytes),
    }


def _percent(used: int, limit: int) -> float:
    return round(100 * used / limit, 2) if limit else 100.0
