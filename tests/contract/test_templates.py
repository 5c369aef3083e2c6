"""Templates over gRPC: versions that never change, names that are an organization's own, and what they may hold."""

import asyncio
import uuid
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from mesh.errors import AlreadyExists, Forbidden, InvalidArgument, NotFound
from pagemesh.results.v1 import templates_pb2 as pb
from pagemesh.results.v1.templates_pb2_grpc import TemplateServiceStub
from tests.contract.recording import Results, results, settings
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures

SCHEMA = {"type": "object", "properties": {"total": {"type": ["number", "null"], "minimum": 0}}}


class Templates:
    """A client."""

    def __init__(self, channel: Any) -> None:
        self.stub = TemplateServiceStub(channel)

    async def create(self, caller: Caller, name: str, *told: str, request_id: str = "", **more: Any) -> pb.Template:
        """A new template."""
        request = pb.CreateTemplateRequest(template=template(name, *told, **more), request_id=request_id)
        answer: pb.CreateTemplateResponse = await caller.call(self.stub.CreateTemplate, request)
        return answer.template

    async def update(self, caller: Caller, name: str, *told: str, **more: Any) -> pb.Template:
        """A new version."""
        request = pb.UpdateTemplateRequest(template=template(name, *told, **more))
        answer: pb.UpdateTemplateResponse = await caller.call(self.stub.UpdateTemplate, request)
        return answer.template

    async def get(self, caller: Caller, name: str, version: int = 0) -> pb.Template:
        """A template."""
        request = pb.GetTemplateRequest(name=name, version=version)
        answer: pb.GetTemplateResponse = await caller.call(self.stub.GetTemplate, request)
        return answer.template

    async def delete(self, caller: Caller, name: str) -> None:
        """Deletes one."""
        await caller.call(self.stub.DeleteTemplate, pb.DeleteTemplateRequest(name=name))

    async def resolve(self, caller: Caller, name: str, **variables: str) -> Any:
        """The analysis that it makes."""
        request = pb.ResolveTemplateRequest(name=name, variables=variables)
        return (await caller.call(self.stub.ResolveTemplate, request)).config

    async def names(self, caller: Caller, page: int = 1, per_page: int = 100) -> list[str]:
        """Names of a list."""
        request = pb.ListTemplatesRequest(page=page, per_page=per_page)
        return [one.name for one in (await caller.call(self.stub.ListTemplates, request)).templates]


def template(name: str, instructions: str = "Do it: {{text}}", **more: Any) -> pb.Template:
    """A template to be."""
    return ParseDict({"name": name, "instructions": instructions, **more}, pb.Template())


def new_name() -> str:
    """A name that nobody has."""
    return f"t-{uuid.uuid4().hex}"


@pytest.fixture
def templates(results: Results) -> Templates:
    """A client."""
    return Templates(results.channel)


async def test_a_template_is_made_changed_and_deleted(templates: Templates, ada: Caller) -> None:
    """Every version stays what it was until all are gone; numbers go on, since results name them."""
    name = new_name()
    variables = [{"name": "tone", "description": "How.", "default": "dry", "required": False}]
    made = await templates.create(ada, name, "In a {{tone}} tone: {{text}}", output_schema=SCHEMA, variables=variables)
    assert (1, "dry", "", False) == (made.version, made.variables[0].default, made.model, made.built_in)
    changed = await templates.update(ada, name, "Otherwise: {{text}}", model="openai/other", description="New.")
    assert (2, "New.", False) == (changed.version, changed.description, changed.HasField("output_schema"))
    assert (made, changed) == (await templates.get(ada, name, 1), await templates.get(ada, name))
    await templates.delete(ada, name)
    for version in (0, 1, 2):
        with pytest.raises(NotFound):
            await templates.get(ada, name, version)
    assert 3 == (await templates.create(ada, name)).version


async def test_a_name_is_taken_once_and_by_each_organization(templates: Templates, ada: Caller, bob: Caller) -> None:
    """Another organization's template is not there for anybody else."""
    name = new_name()
    await templates.create(ada, name)
    with pytest.raises(AlreadyExists) as refused:
        await templates.create(ada, name)
    assert "TEMPLATE_EXISTS" == refused.value.reason
    for call in (templates.get(bob, name), templates.update(bob, name), templates.delete(bob, name)):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InvalidArgument):
        await templates.resolve(bob, name)
    assert name not in await templates.names(bob)
    assert 1 == (await templates.create(bob, name)).version


async def test_a_repeat_makes_no_second_one(templates: Templates, ada: Caller, bob: Caller) -> None:
    """It is answered what the first made; somebody else's repeat is none."""
    name, request_id = new_name(), str(uuid.uuid4())
    made = await templates.create(ada, name, request_id=request_id)
    assert made == await templates.create(ada, name, request_id=request_id)
    with pytest.raises(AlreadyExists):
        await templates.create(ada, name, request_id=str(uuid.uuid4()))
    assert 1 == (await templates.create(bob, name, request_id=request_id)).version


async def test_writers_at_once_make_versions_that_follow_each_other(templates: Templates, ada: Caller) -> None:
    """Of many creators one wins, and no change is lost."""
    name = new_name()
    made = await asyncio.gather(*(templates.create(ada, name) for _ in range(6)), return_exceptions=True)
    assert 1 == sum(isinstance(one, pb.Template) for one in made)
    changed = await asyncio.gather(*(templates.update(ada, name, f"{n} {{{{text}}}}") for n in range(6)))
    assert [2, 3, 4, 5, 6, 7] == sorted(one.version for one in changed)


async def test_what_is_built_in_is_for_everybody_and_stays(templates: Templates, ada: Caller) -> None:
    """First in every list."""
    built_in = ["summary", "tags", "financial_analysis", "key_value_extraction"]
    assert built_in == (await templates.names(ada))[:4]
    assert built_in[2:] == (await templates.names(ada, 2, 2))[:2]
    for name in built_in:
        one = await templates.get(ada, name, 1)
        assert (name, True, 1) == (one.name, one.built_in, one.version)
        assert (await templates.resolve(ada, name)).template.name == name
        for call in (templates.update(ada, name), templates.delete(ada, name)):
            with pytest.raises(Forbidden):
                await call
        with pytest.raises(AlreadyExists):
            await templates.create(ada, name)
    with pytest.raises(NotFound):
        await templates.get(ada, "summary", 2)


async def test_what_a_template_makes(templates: Templates, ada: Caller) -> None:
    """An analysis with all that it takes, as the template is now."""
    name = new_name()
    variables = [{"name": "tone", "required": True}]
    await templates.create(
        ada, name, "Be {{tone}}: {{text}}", output_schema=SCHEMA, model="openai/m", variables=variables
    )
    config = await templates.resolve(ada, name, tone="{{text}}")
    assert ("custom", name, 1) == (config.analysis_type, config.template.name, config.template.version)
    assert ["Be ", "{{text}}", ": ", True] == [
        piece.said or piece.value or piece.document for piece in config.template.pieces
    ]
    assert "openai/m" == config.options["model"]
    assert 0 == config.options["output_schema"]["properties"]["total"]["minimum"]
    for missing, field in (({}, "tone"), ({"tone": "x", "other": "y"}, "other")):
        with pytest.raises(InvalidArgument) as refused:
            await templates.resolve(ada, name, **missing)
        assert f"options.variables.{field}" == refused.value.details["field"]
    with pytest.raises(InvalidArgument) as unknown:
        await templates.resolve(ada, "nothing\0of that name")
    assert "template" == unknown.value.details["field"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        *(({"name": name}, "name") for name in ("", "A", "-a", "a b", "a" * 65, "a/b", "a\0", "\u00e9")),
        *(({"instructions": text}, "instructions") for text in ("", " ", "x" * 20_001, "{{x}}", "{{text.a}}", "a\0")),
        ({"description": "x" * 1_001}, "description"),
        ({"model": "x" * 201}, "model"),
        ({"output_schema": {"type": "array"}}, "output_schema"),
        ({"output_schema": {"type": "nonsense"}}, "output_schema"),
        ({"output_schema": {"$ref": "http://127.0.0.1/x.json"}}, "output_schema"),
        ({"output_schema": {"properties": {"a": {"$ref": "file:///etc/passwd"}}}}, "output_schema"),
        ({"output_schema": {"description": "x" * 66_000}}, "output_schema"),
        ({"variables": [{"name": "text"}]}, "variables"),
        ({"variables": [{"name": "A"}]}, "variables"),
        ({"variables": [{"name": "a"}, {"name": "a"}]}, "variables"),
        ({"variables": [{"name": f"a{n}"} for n in range(33)]}, "variables"),
    ],
)
async def test_what_a_template_may_not_hold(
    templates: Templates, ada: Caller, wrong: dict[str, Any], field: str
) -> None:
    """Told by field, and nothing is made."""
    asked = {"name": new_name(), **wrong}
    with pytest.raises(InvalidArgument) as refused:
        await templates.create(ada, **asked)
    assert field == refused.value.details["field"]


async def test_a_schema_that_is_deep_is_refused_and_one_less_deep_comes_back(templates: Templates, ada: Caller) -> None:
    """However deep, it is told as that."""

    def nested(depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {}
        for _ in range((depth - 1) // 2):
            schema = {"properties": {"a": schema}}
        return schema

    with pytest.raises(InvalidArgument):
        await templates.create(ada, new_name(), output_schema=nested(27))
    name = new_name()
    made = await templates.create(ada, name, output_schema=nested(23))
    assert made.output_schema == (await templates.get(ada, name)).output_schema
    assert name in await templates.names(ada)
    assert "output_schema" in (await templates.resolve(ada, name)).options
