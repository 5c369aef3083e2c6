import subprocess
import sys
from typing import Any

import pytest

from services.analysis.analyze import analyze
from services.analysis.faults import AnalysisFault
from services.analysis.request import AnalysisRequest
from tests.unit.analysis.pages import INVOICE, REPORT, pages

ORDER = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number"},
        "date": {"type": "string", "format": "date"},
        "vendor": {"type": ["string", "null"]},
    },
    "required": ["invoice_number", "total"],
}


def request(schema: Any = None, **options: Any) -> AnalysisRequest:
    return AnalysisRequest("summary", None, {"output_schema": schema, **options} if schema else options)


async def test_the_local_analyzer_answers_without_a_provider() -> None:
    """Without settings of a model the built-in analyzer does the work."""
    assert (await analyze(pages(REPORT), request())).model_version.startswith("pagemesh-local ")


def test_no_provider_means_no_client_library() -> None:
    """A local analysis does not load litellm."""
    program = (
        "import asyncio, sys\nfrom services.analysis.analyze import analyze\n"
        "from services.analysis.request import AnalysisRequest\nfrom tests.unit.analysis.pages import REPORT, pages\n"
        "asyncio.run(analyze(pages(REPORT), AnalysisRequest('summary')))\nprint('litellm' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False" == ran.stdout.strip()


async def test_a_schema_is_filled_from_the_fields() -> None:
    """Properties are filled by name, as the types that they want, with evidence along."""
    result = await analyze(pages(INVOICE), request(ORDER))
    evidence = result.result_data.pop("evidence")
    expected = {"invoice_number": "BT-2025-0042", "total": 58.8, "date": "2025-03-03", "vendor": None}
    assert expected == result.result_data
    assert "Grand Total $58.80" == evidence["total"][0]["quote"]


async def test_what_cannot_be_found_cannot_be_required() -> None:
    """A required property that the document does not name ends in `output_schema_unsupported`."""
    with pytest.raises(AnalysisFault) as fault:
        await analyze(pages(REPORT), request(ORDER))
    assert "output_schema_unsupported" == fault.value.code


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"type": "array"},
        {"type": "object", "properties": {"a": {"$ref": "http://example.org/s"}}},
    ],
)
async def test_bad_schemas_are_refused(schema: dict[str, Any]) -> None:
    """No schema, none of an object, or one that refers elsewhere: `invalid_output_schema`."""
    with pytest.raises(AnalysisFault) as fault:
        await analyze(pages(REPORT), request(schema))
    assert "invalid_output_schema" == fault.value.code


async def test_no_pages_are_nothing_to_analyze() -> None:
    """A document without pages is refused before any provider is asked."""
    with pytest.raises(AnalysisFault) as fault:
        await analyze([], request())
    assert "nothing_to_analyze" == fault.value.code
