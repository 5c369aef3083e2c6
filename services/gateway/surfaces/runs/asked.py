"""What clients ask of runs, as the services want it."""

from collections.abc import Iterator, Mapping

import orjson
from pydantic import ValidationError

from pagemesh.results.v1 import analysis_pb2, job_pb2
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import render
from services.gateway.surfaces.platform.asked import wanted_analysis
from services.gateway.surfaces.platform.models import NEED_PROMPT
from services.gateway.surfaces.runs.models import RunConfig, RunForm
from services.gateway.validation import wrong_fields

_MODES = {name: mode for mode, name in render.MODES.items()}


def run_form(fields: Mapping[str, str]) -> tuple[RunForm, RunConfig]:
    """The fields of a run's form; empty ones count as absent, as browsers send them. Raises InvalidArgument."""
    known = RunForm.model_fields
    given = {name: value for name, value in fields.items() if value or name not in known}
    try:
        form = RunForm.model_validate(given)
    except ValidationError as error:
        raise wrong_fields(error) from error
    return form, _config(form.config or "{}")


def wanted_reading(config: RunConfig) -> job_pb2.JobConfig:
    """How to read."""
    return job_pb2.JobConfig(mode=_MODES[config.mode], languages=config.languages, password=config.password or "")


def wanted_analyses(config: RunConfig) -> Iterator[analysis_pb2.AnalysisConfig]:
    """What to find. Raises InvalidArgument when an analysis needs a prompt and has none."""
    for kind in config.analyses:
        prompt = config.prompt if kind in NEED_PROMPT else None
        if kind in NEED_PROMPT and not (prompt and prompt.strip()):
            raise invalid({"config.prompt": f"Field required for {kind}"})
        yield wanted_analysis(kind, prompt, None)


def _config(text: str) -> RunConfig:
    try:
        orjson.loads(text)
        return RunConfig.model_validate_json(text)
    except orjson.JSONDecodeError as error:
        raise invalid({"config": "No JSON"}) from error
    except ValidationError as error:
        raise wrong_fields(error, "config") from error
