"""Templates as organizations give them: what they may hold, and the analysis that one makes."""

import re
from collections.abc import Mapping
from uuid import UUID

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from mesh import json_schema
from mesh.errors import InvalidArgument
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, AnalysisTemplate
from pagemesh.results.v1.templates_pb2 import Template, TemplateVariable
from services.results import instructions
from services.results.built_in import ANALYSIS_TYPES
from services.results.convert import timestamp
from services.results.records import TemplateRecord

MAX_INSTRUCTIONS = 20_000
MAX_VARIABLES = 32
_MAX_DESCRIPTION = 1_000
_MAX_MODEL = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")


def is_name(text: str) -> bool:
    """Whether a template may be called so."""
    return _NAME.fullmatch(text) is not None


def check(template: Template) -> None:
    """Raises InvalidArgument naming the field unless the template can be recorded and used."""
    _require(is_name(template.name), "name", "1 to 64 lower-case letters, digits, - and _, none of these first.")
    _require(len(template.description) <= _MAX_DESCRIPTION, "description", f"At most {_MAX_DESCRIPTION} characters.")
    told = (template.description, template.instructions, template.model)
    _require(not any("\0" in text for text in told), "instructions", "No U+0000, here or in description and model.")
    written = 1 <= len(template.instructions) <= MAX_INSTRUCTIONS and not template.instructions.isspace()
    _require(written, "instructions", f"1 to {MAX_INSTRUCTIONS} characters.")
    _require(len(template.model) <= _MAX_MODEL, "model", f"At most {_MAX_MODEL} characters.")
    _check_variables(template)
    instructions.parse(template.instructions, [variable.name for variable in template.variables])
    if template.HasField("output_schema"):
        _check_schema(template.output_schema)


def _check_variables(template: Template) -> None:
    _require(len(template.variables) <= MAX_VARIABLES, "variables", f"At most {MAX_VARIABLES}.")
    names = [variable.name for variable in template.variables]
    _require(len(set(names)) == len(names), "variables", "Each name once.")
    for variable in template.variables:
        good = _VARIABLE.fullmatch(variable.name) and variable.name != instructions.DOCUMENT
        _require(
            good, "variables", f"1 to 64 lower-case letters, digits and _, a letter first: {variable.name[:64]!r}."
        )
        _require(len(variable.description) <= _MAX_DESCRIPTION, "variables", "A description is too long.")
        _require(len(variable.default) <= MAX_INSTRUCTIONS, "variables", "A default is too long.")


def _check_schema(schema: Struct) -> None:
    try:
        json_schema.check(MessageToDict(schema))
    except json_schema.BadSchema as error:
        raise InvalidArgument(str(error), field="output_schema") from error


def analysis(template: Template, values: Mapping[str, str]) -> AnalysisConfig:
    """The analysis that a template makes with these values. Raises InvalidArgument naming the field."""
    pieces = instructions.fill(template.instructions, template.variables, values)
    config = AnalysisConfig(
        analysis_type=ANALYSIS_TYPES[template.name] if template.built_in else "custom",
        template=AnalysisTemplate(
            name=template.name, version=template.version, pieces=[] if template.built_in else pieces
        ),
    )
    if template.HasField("output_schema"):
        config.options.update({"output_schema": MessageToDict(template.output_schema)})
    if template.model:
        config.options.update({"model": template.model})
    return config


def record(template: Template, user_id: UUID, request_id: UUID | None = None) -> TemplateRecord:
    """A template as it is to be recorded."""
    return TemplateRecord(
        name=template.name,
        description=template.description,
        instructions=template.instructions,
        output_schema=MessageToDict(template.output_schema) if template.HasField("output_schema") else None,
        model=template.model,
        variables=[MessageToDict(variable, preserving_proto_field_name=True) for variable in template.variables],
        user_id=user_id,
        request_id=request_id,
    )


def message(recorded: TemplateRecord) -> Template:
    """A template as it was recorded."""
    template = Template(
        name=recorded.name,
        version=recorded.version,
        description=recorded.description,
        instructions=recorded.instructions,
        model=recorded.model,
        variables=[TemplateVariable(**variable) for variable in recorded.variables],
        created_at=timestamp(recorded.created_at),
    )
    if recorded.output_schema is not None:
        template.output_schema.CopyFrom(ParseDict(recorded.output_schema, Struct()))
    return template


def _require(good: object, field: str, message: str) -> None:
    if not good:
        raise InvalidArgument(message, field=field)
