"""Templates: proto ⇄ domain; the caller's organization is always the token's."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import AlreadyExists, Forbidden, InvalidArgument, NotFound
from mesh.identity import Identity
from mesh.ids import owned
from pagemesh.results.v1 import templates_pb2 as pb
from pagemesh.results.v1.templates_pb2_grpc import TemplateServiceServicer
from services.results import templates
from services.results.built_in import BUILT_IN
from services.results.fields import window
from services.results.originals import account
from services.results.records import TemplateRecord
from services.results.store import Store

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class TemplateServicer(TemplateServiceServicer):
    """Templates."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListTemplates(self, request: pb.ListTemplatesRequest, context: "Context") -> pb.ListTemplatesResponse:
        """See the proto."""
        limit, offset = window(request.page, request.per_page)
        built_in = list(BUILT_IN.values())[offset : offset + limit]
        async with self._store.reading() as tables:
            own, total = await tables.templates.list(
                _organization(), limit - len(built_in), max(0, offset - len(BUILT_IN))
            )
        return pb.ListTemplatesResponse(
            templates=[*built_in, *map(templates.message, own)], total=total + len(BUILT_IN)
        )

    async def GetTemplate(self, request: pb.GetTemplateRequest, context: "Context") -> pb.GetTemplateResponse:
        """See the proto."""
        template = await self._find(request.name, request.version)
        if template is None:
            raise _none()
        return pb.GetTemplateResponse(template=template)

    async def CreateTemplate(self, request: pb.CreateTemplateRequest, context: "Context") -> pb.CreateTemplateResponse:
        """See the proto."""
        caller = _admin()
        templates.check(request.template)
        request_id = owned(caller.organization_id, request.request_id, "request_id") if request.request_id else None
        return pb.CreateTemplateResponse(
            template=templates.message(
                await self._create(templates.record(request.template, account(caller), request_id))
            )
        )

    async def _create(self, template: TemplateRecord) -> TemplateRecord:
        if template.name in BUILT_IN:
            raise _taken()
        async with self._store.transaction() as tables:
            await tables.templates.lock(_organization(), template.name)
            known = await tables.templates.get(_organization(), template.name)
            if known is None:
                return await tables.templates.insert(_organization(), template)
        if template.request_id is None or known.request_id != template.request_id:
            raise _taken()
        return known

    async def UpdateTemplate(self, request: pb.UpdateTemplateRequest, context: "Context") -> pb.UpdateTemplateResponse:
        """See the proto."""
        caller, name = _admin(), request.template.name
        _require_own(name)
        templates.check(request.template)
        async with self._store.transaction() as tables:
            await tables.templates.lock(_organization(), name)
            if await tables.templates.get(_organization(), name) is None:
                raise _none()
            made = await tables.templates.insert(_organization(), templates.record(request.template, account(caller)))
        return pb.UpdateTemplateResponse(template=templates.message(made))

    async def DeleteTemplate(self, request: pb.DeleteTemplateRequest, context: "Context") -> pb.DeleteTemplateResponse:
        """See the proto."""
        _admin()
        _require_own(request.name)
        async with self._store.transaction() as tables:
            await tables.templates.lock(_organization(), request.name)
            if not await tables.templates.delete(_organization(), request.name):
                raise _none()
        return pb.DeleteTemplateResponse()

    async def ResolveTemplate(
        self, request: pb.ResolveTemplateRequest, context: "Context"
    ) -> pb.ResolveTemplateResponse:
        """See the proto."""
        template = await self._find(request.name)
        if template is None:
            raise InvalidArgument("There is no such template.", field="template")
        return pb.ResolveTemplateResponse(config=templates.analysis(template, request.variables))

    async def _find(self, name: str, version: int = 0) -> pb.Template | None:
        if name in BUILT_IN:
            return BUILT_IN[name] if version in (0, BUILT_IN[name].version) else None
        if not templates.is_name(name):
            return None
        async with self._store.reading() as tables:
            found = await tables.templates.get(_organization(), name, version)
        return templates.message(found) if found else None


def _organization() -> UUID:
    return UUID(identity.current().organization_id)


def _admin() -> Identity:
    caller = identity.current()
    if caller.role != "admin":
        raise Forbidden("Templates are made and changed by admins of the organization.")
    return caller


def _require_own(name: str) -> None:
    if name in BUILT_IN:
        raise Forbidden("Built-in templates cannot be changed.")
    if not templates.is_name(name):
        raise _none()


def _none() -> NotFound:
    return NotFound("There is no such template.")


def _taken() -> AlreadyExists:
    return AlreadyExists("A template of that name exists, or is built in.", "TEMPLATE_EXISTS")
