"""What clients ask for, as the services want it: jobs and analyses."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct
from pydantic import ValidationError

from pagemesh.results.v1 import analysis_pb2, job_pb2
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import models, render
from services.gateway.validation import wrong_fields

_MODES = {name: mode for mode, name in render.MODES.items()}


def upload_form(fields: Mapping[str, str]) -> models.UploadForm:
    """The fields of an upload; empty ones count as absent, as browsers send them. Raises InvalidArgument."""
    known = models.UploadForm.model_fields
    given = {name: value for name, value in fields.items() if value or name not in known}
    try:
        return models.UploadForm.model_validate(given)
    except ValidationError as error:
        raise wrong_fields(error) from error


def wanted_job(form: models.UploadForm, analysis: analysis_pb2.AnalysisConfig | None) -> job_pb2.JobConfig:
    """What an upload asks for."""
    return job_pb2.JobConfig(
        mode=_MODES[form.mode],
        languages=form.languages,
        password=form.password or "",
        analysis=analysis,
        callback_url=form.callback_url or "",
    )


def wanted_analysis(
    kind: models.AnalysisType, prompt: str | None, options: models.AnalysisOptions | None
) -> analysis_pb2.AnalysisConfig:
    """An analysis. Raises InvalidArgument when it needs a prompt and has none."""
    if kind in models.NEED_PROMPT and not (prompt and prompt.strip()):
        raise invalid({"prompt": f"Field required for {kind}"})
    struct = Struct()
    struct.update(wanted_options(options))
    return analysis_pb2.AnalysisConfig(analysis_type=kind, prompt=prompt or "", options=struct)


def wanted_options(options: models.AnalysisOptions | None) -> dict[str, Any]:
    """What is said of how to analyse, beside the values of a template's variables."""
    return {} if options is None else options.model_dump(exclude_none=True, exclude={"variables"})
