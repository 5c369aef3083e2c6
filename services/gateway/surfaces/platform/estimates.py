"""What uploads and analyses would take, as dry runs tell it."""

import math

from mesh import client
from mesh.errors import IllegalState
from pagemesh.analysis.v1 import estimate_pb2
from pagemesh.ingest.v1 import preview_pb2
from pagemesh.results.v1 import analysis_pb2, job_pb2, results_pb2
from services.gateway import polling
from services.gateway.dry_runs import Estimate
from services.gateway.neighbours import Neighbours

_PAGE_CHARACTERS = 4_000  # about what ingest takes as a page of a text
_PRICES_SECONDS = 30.0  # the first that is asked for a model loads the table of prices


async def of_upload(neighbours: Neighbours, found: preview_pb2.PreviewResponse, job: job_pb2.JobConfig) -> Estimate:
    """Reading a file that was looked through, and the analysis that was asked with it, if any. Raises as `analysis`."""
    reading = polling.reading_seconds(found.pages - found.ocr_pages, found.ocr_pages)
    estimate: Estimate = {
        "pages": found.pages,
        "ocr_pages": found.ocr_pages,
        "seconds": _rounded(reading),
        "tokens": 0,
        "cost_usd": 0.0,
    }
    if job.HasField("analysis"):
        return added(estimate, await analysis(neighbours, job.analysis, found.characters))
    return estimate


async def of_text(neighbours: Neighbours, text: str, config: analysis_pb2.AnalysisConfig | None) -> Estimate:
    """Reading a text, and its analysis. Raises as `analysis`."""
    return added(of_reading_text(text), await analysis(neighbours, config, len(text)))


def of_reading_text(text: str) -> Estimate:
    """Reading a text."""
    pages = math.ceil(len(text) / _PAGE_CHARACTERS)
    seconds = _rounded(polling.reading_seconds(pages, 0))
    return {"pages": pages, "ocr_pages": 0, "seconds": seconds, "tokens": 0, "cost_usd": 0.0}


async def of_analysis(neighbours: Neighbours, document_id: str, config: analysis_pb2.AnalysisConfig | None) -> Estimate:
    """An analysis of a document of the record. Raises as `analysis`; NotFound; IllegalState when it was not read."""
    reading, characters = await of_document(neighbours, document_id)
    return added(reading, await analysis(neighbours, config, characters))


async def of_document(neighbours: Neighbours, document_id: str) -> tuple[Estimate, int | None]:
    """A document of the record, for which nothing has to be read any more, and its characters where they are known.

    Raises NotFound; IllegalState when it could not be read.
    """
    request = results_pb2.GetDocumentRequest(document_id=document_id)
    found = await client.call(neighbours.documents.GetDocument, request)
    if found.document.state == job_pb2.DOCUMENT_STATE_FAILED:
        raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")
    job = next((one for one in found.jobs if one.type == job_pb2.JOB_TYPE_TEXT_EXTRACTION), job_pb2.Job())
    estimate: Estimate = {
        "pages": job.pages_total or None,
        "ocr_pages": job.pages_ocr if job.pages_total else None,
        "seconds": 0.0,
        "tokens": 0,
        "cost_usd": 0.0,
    }
    return estimate, job.result.text_length if job.HasField("result") else None


async def analysis(
    neighbours: Neighbours, config: analysis_pb2.AnalysisConfig | None, characters: int | None
) -> estimate_pb2.EstimateResponse:
    """What `analysis` says. Raises InvalidArgument for what it would refuse, Unavailable."""
    request = estimate_pb2.EstimateRequest(config=config, characters=characters)
    return await client.call(neighbours.analysis.Estimate, request, _PRICES_SECONDS)


def added(estimate: Estimate, told: estimate_pb2.EstimateResponse) -> Estimate:
    """The estimate with one more analysis; what is not known of a part is not known of the whole."""
    seconds, tokens, cost = estimate["seconds"], estimate["tokens"], estimate["cost_usd"]
    return {
        **estimate,
        "seconds": None if seconds is None or not told.HasField("seconds") else _rounded(seconds + told.seconds),
        "tokens": None if tokens is None or not told.HasField("tokens") else tokens + told.tokens,
        "cost_usd": None if cost is None or not told.HasField("cost_usd") else cost + told.cost_usd,
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 2)
