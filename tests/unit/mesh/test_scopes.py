"""Scopes: what every method's proto asks for, and who is let through."""

import importlib
import pkgutil
import time
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FileDescriptor

import pagemesh
from mesh import context, scopes
from mesh.errors import Forbidden, Internal
from mesh.identity import OPERATOR_ROLE, Identity
from mesh.settings import MeshSettings
from services.auth.servicer import PUBLIC_METHODS
from services.gateway.neighbours import SERVICES
from tests.support.mesh_server import serving


def method_names() -> Iterator[str]:
    """Every method of every proto."""
    for module in pkgutil.walk_packages(pagemesh.__path__, "pagemesh."):
        if module.name.endswith("_pb2"):
            descriptor: FileDescriptor = importlib.import_module(module.name).DESCRIPTOR
            for service in descriptor.services_by_name.values():
                yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


METHODS = sorted(method_names())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_its_scope(method: str) -> None:
    """A new method cannot be forgotten: without a scope it is refused to everybody, and this fails."""
    scope = scopes.of_method(method)
    known = {scopes.PUBLIC, scopes.ANY, scopes.ACCOUNT, scopes.OPERATOR, *scopes.GRANTABLE}
    assert scope in known | {f"{scopes.SERVICE}{name}" for name in SERVICES}


def test_there_are_methods() -> None:
    """The walk above finds the protos."""
    assert {"/pagemesh.auth.v1.AccountService/Login", "/pagemesh.results.v1.JobService/GetJob"} <= set(METHODS)


def test_public_methods_are_those_that_auth_serves_without_a_credential() -> None:
    """The protos and the server agree."""
    assert {method for method in METHODS if scopes.of_method(method) == scopes.PUBLIC} == PUBLIC_METHODS


def test_a_method_without_a_scope_is_a_defect() -> None:
    """Unknown methods, and those of others, have none."""
    for name in ("/pagemesh.auth.v1.AccountService/Nothing", "/grpc.health.v1.Health/Check"):
        with pytest.raises(Internal):
            scopes.of_method(name)


def caller(*granted: str, restricted: bool = True) -> Identity:
    """Somebody whose token has these scopes, or no list."""
    listed = frozenset(granted) if restricted else None
    return Identity("u", "o", "user", "free", "s", time.time() + 60, scopes=listed)


@pytest.mark.parametrize("scope", [scopes.ACCOUNT, *scopes.GRANTABLE])
def test_a_listed_token_may_do_what_its_list_says(scope: str) -> None:
    """Every other scope does not help, and one without a list may do everything."""
    scopes.require(caller(restricted=False), scope)
    scopes.require(caller(scope), scope)
    others = [each for each in scopes.GRANTABLE if each != scope]
    with pytest.raises(Forbidden) as caught:
        scopes.require(caller(*others), scope)
    assert ("INSUFFICIENT_SCOPE", {"scope": scope}) == (caught.value.reason, caught.value.details)


@pytest.mark.parametrize("role", ["user", "admin", "service", "client"])
def test_what_is_for_operators_is_for_nobody_else(role: str) -> None:
    """With a list of scopes that names it, or without one."""
    for granted in (None, frozenset({scopes.OPERATOR})):
        with pytest.raises(Forbidden):
            scopes.require(Identity("u", "o", role, "free", "s", time.time() + 60, scopes=granted), scopes.OPERATOR)


@pytest.mark.parametrize("scope", [scopes.ANY, scopes.ACCOUNT, *scopes.GRANTABLE])
def test_operators_may_do_what_is_for_operators_and_no_more(scope: str) -> None:
    """They belong to no organization whose documents they could read."""
    operator = Identity("operator:ada", "", OPERATOR_ROLE, "", "", time.time() + 60)
    scopes.require(operator, scopes.OPERATOR)
    scopes.require(operator, scopes.PUBLIC)
    with pytest.raises(Forbidden):
        scopes.require(operator, scope)


def test_every_method_of_operators_is_for_them_alone() -> None:
    """But the one by which they become one."""
    methods = {method: scopes.of_method(method) for method in METHODS if ".AdminService/" in method}
    assert scopes.PUBLIC == methods.pop("/pagemesh.auth.v1.AdminService/IssueOperatorToken")
    assert {scopes.OPERATOR} == set(methods.values())
    assert methods.keys() == {method for method in METHODS if scopes.of_method(method) == scopes.OPERATOR}


def test_some_methods_are_for_anybody_with_a_credential() -> None:
    """An empty list suffices."""
    scopes.require(caller(), scopes.ANY)


@pytest.mark.parametrize(
    ("role", "subject"),
    [("service", "service:ingest"), ("user", "service:analysis"), ("admin", "u"), ("client", "service:analysis")],
)
def test_a_method_of_one_service_is_for_nobody_else(role: str, subject: str) -> None:
    """Neither for another service nor for a person, whatever the token's list says."""
    scope = "service:analysis"
    scopes.require(Identity(scope, "o", "service", "free", "", time.time() + 60), scope)
    for granted in (None, frozenset({scope})):
        with pytest.raises(Forbidden) as caught:
            scopes.require(Identity(subject, "o", role, "free", "", time.time() + 60, scopes=granted), scope)
        assert "FORBIDDEN" == caught.value.reason


async def nothing() -> None:
    """Does nothing."""


async def test_a_server_refuses_what_the_token_is_not_for(settings: MeshSettings) -> None:
    """Whatever the shape of the method, before its work begins."""
    async with serving(settings, nothing) as peer:
        context.bearer_token.set(peer.signer.token(scope="documents.read"))
        await peer.ask()
        with pytest.raises(Forbidden, match="scopes"):
            await peer.follow()
        context.bearer_token.set(peer.signer.token(scope="documents.read enrichment.write"))
        assert ["analyzing", "done"] == await peer.follow()
