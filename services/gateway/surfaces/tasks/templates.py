"""Templates: what an organization configures for analyses of its own."""

from google.protobuf.json_format import ParseDict
from starlette.responses import Response

from mesh import client
from mesh.errors import NotFound
from pagemesh.results.v1 import templates_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, delete, get, post, put
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.problems import invalid
from services.gateway.surfaces.platform import PREFIX
from services.gateway.surfaces.tasks import models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_TEMPLATES = f"{PREFIX}/templates"
_READ = "enrichment.read"


class Templates:
    """Templates of the caller's organization, and those that are built in. Writing is for admins, in person."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._templates = neighbours.templates

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{_TEMPLATES}/{{name}}"
        return [
            get(
                _TEMPLATES,
                self.list,
                "Templates",
                {200: Answer("Their newest versions, built-in ones first.", shapes.TemplateList, headers=("Link",))},
                PageQuery,
                scope=_READ,
            ),
            post(
                _TEMPLATES,
                self.create,
                "Make a template",
                {201: Answer("The template.", shapes.Template, headers=("Location",))},
                models.TemplateBody,
                problems=(409,),
                keyed=Keyed(),
            ),
            get(
                one,
                self.read,
                "A template",
                {200: Answer("The template.", shapes.Template)},
                models.TemplateQuery,
                scope=_READ,
            ),
            put(
                one,
                self.update,
                "Make a new version of a template",
                {200: Answer("The new version.", shapes.Template)},
                models.TemplateChange,
            ),
            delete(one, self.delete, "Delete a template with all its versions", {204: Answer("It is gone.")}),
        ]

    async def list(self, call: Call[NoBody, PageQuery]) -> Response:
        """Newest versions."""
        request = templates_pb2.ListTemplatesRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._templates.ListTemplates, request)
        return list_response(call.request.url, call.query, list(map(render.template, found.templates)), found.total)

    async def create(self, call: Call[models.TemplateBody, NoQuery]) -> Response:
        """Makes a template."""
        request = templates_pb2.CreateTemplateRequest(
            template=_message(call.body.name, call.body), request_id=call.origin.id("template")
        )
        made = (await client.call(self._templates.CreateTemplate, request)).template
        return json_response(render.template(made), 201, {"location": f"{_TEMPLATES}/{made.name}"})

    async def read(self, call: Call[NoBody, models.TemplateQuery]) -> Response:
        """One version."""
        request = templates_pb2.GetTemplateRequest(name=_name(call), version=call.query.version or 0)
        return json_response(render.template((await client.call(self._templates.GetTemplate, request)).template))

    async def update(self, call: Call[models.TemplateChange, NoQuery]) -> Response:
        """Makes a new version."""
        name = _name(call)
        if call.body.name not in (None, name):
            raise invalid({"name": "A template keeps its name, which is that in the path."})
        request = templates_pb2.UpdateTemplateRequest(template=_message(name, call.body))
        return json_response(render.template((await client.call(self._templates.UpdateTemplate, request)).template))

    async def delete(self, call: Call[NoBody, NoQuery]) -> Response:
        """Deletes a template."""
        await client.call(self._templates.DeleteTemplate, templates_pb2.DeleteTemplateRequest(name=_name(call)))
        return Response(status_code=204)


def _name(
    call: "Call[models.TemplateChange, NoQuery] | Call[NoBody, NoQuery] | Call[NoBody, models.TemplateQuery]",
) -> str:
    name = str(call.request.path_params["name"])
    try:
        name.encode()
    except UnicodeEncodeError as error:  # bytes of the path that are no UTF-8
        raise NotFound("There is no such template.") from error
    return name


def _message(name: str, body: models.TemplateChange) -> templates_pb2.Template:
    template = templates_pb2.Template(
        name=name, description=body.description, instructions=body.instructions, model=body.model or ""
    )
    if body.output_schema is not None:
        ParseDict({"output_schema": body.output_schema}, template)
    for one in body.variables:
        required = one.default is None if one.required is None else one.required
        template.variables.add(name=one.name, description=one.description, default=one.default, required=required)
    return template
