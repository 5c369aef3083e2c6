"""Analyses that are asked for by the name of a template: looked up before anything is accepted."""

import json
from typing import TYPE_CHECKING

from mesh import client
from pagemesh.results.v1 import analysis_pb2
from pagemesh.results.v1.templates_pb2 import ResolveTemplateRequest
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import models
from services.gateway.surfaces.platform.asked import wanted_analysis, wanted_options

if TYPE_CHECKING:  # a name for type checkers alone
    from pagemesh.results.v1.templates_pb2_grpc import TemplateServiceAsyncStub

_OWN = "custom"


async def analysis_by(
    templates: "TemplateServiceAsyncStub",
    name: str | None,
    kind: models.AnalysisType | None,
    prompt: str | None,
    options: models.AnalysisOptions | None,
) -> analysis_pb2.AnalysisConfig | None:
    """The analysis, by a template if one is named; None when none is asked for.

    Raises InvalidArgument, for one by the name `template` when there is no such template.
    """
    if name is None:
        return _without(kind, prompt, options)
    request = ResolveTemplateRequest(name=name, variables=_values(options))
    config = (await client.call(templates.ResolveTemplate, request)).config
    if kind is not None and kind != config.analysis_type:
        if config.analysis_type != _OWN:
            raise invalid({"analysis_type": f"The template {name} makes another one: {config.analysis_type}."})
        config.analysis_type = kind
    given = wanted_options(options)
    if "output_schema" in given and "output_schema" in config.options:
        raise invalid({"options.output_schema": f"The template {name} has one of its own."})
    config.options.update(given)
    config.prompt = prompt or ""
    return config


def same(made: analysis_pb2.AnalysisConfig, asked: analysis_pb2.AnalysisConfig) -> bool:
    """Whether a job's analysis, as it is told, is the one that was asked for."""
    told = analysis_pb2.AnalysisConfig()
    told.CopyFrom(asked)
    if told.HasField("template"):
        told.template.ClearField("pieces")
    return made == told


def _without(
    kind: models.AnalysisType | None, prompt: str | None, options: models.AnalysisOptions | None
) -> analysis_pb2.AnalysisConfig | None:
    if options is not None and options.variables:
        raise invalid({"options.variables": "These are for templates, and none is named."})
    if kind is None and prompt:
        kind = "custom"
    return None if kind is None else wanted_analysis(kind, prompt, options)


def _values(options: models.AnalysisOptions | None) -> dict[str, str]:
    given = (options.variables if options else None) or {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
