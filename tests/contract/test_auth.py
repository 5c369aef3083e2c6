"""The auth service over gRPC, with a real PostgreSQL: who registers, who is let in, and what is told to whom."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh.errors import (
    AlreadyExists,
    Forbidden,
    InvalidArgument,
    NotFound,
    PagemeshError,
    Unauthenticated,
    Unavailable,
)
from pagemesh.auth.v1 import auth_pb2
from services.auth.__main__ import serve
from tests.contract.authing import NOBODY, Auth, _without_a_credential, auth, locked_out, settings_for

__all__ = ["_without_a_credential", "auth"]  # fixtures


async def test_registering_makes_an_admin_and_an_organization(auth: Auth) -> None:
    """The account, its organization with the defaults, and a session come back."""
    response = await auth.register("Marie@Example.org", organization_name="Institut du Radium")
    user, organization = response.user, response.user.organization
    assert ("Marie@Example.org", "Marie Curie", auth_pb2.ROLE_ADMIN, True, False) == (
        user.email,
        user.full_name,
        user.role,
        user.is_active,
        user.HasField("last_login"),
    )
    assert ("Institut du Radium", auth_pb2.TIER_FREE, True, 1) == (
        organization.name,
        organization.tier,
        organization.is_active,
        organization.member_count,
    )
    expected = auth_pb2.OrganizationSettings(allow_sharing=True, max_file_size_mb=50, retention_days=90, zero_log=False)
    assert expected == organization.settings
    assert 1800 == response.tokens.expires_in


async def test_the_access_token_proves_the_account_to_any_service(auth: Auth) -> None:
    """A verifier with nothing but the published keys learns user, organization, role and tier."""
    response = await auth.register("verified@example.org")
    identity = await auth.verifier.verify(response.tokens.access_token)
    expected = (response.user.id, response.user.organization.id, "admin", "free")
    assert expected == (identity.user_id, identity.organization_id, identity.role, identity.tier)


async def test_the_organization_is_named_after_the_person_unless_named(auth: Auth) -> None:
    """An empty organization name is derived from the full name."""
    response = await auth.register("derived@example.org", full_name="Pierre Curie")
    assert "Pierre Curie's organization" == response.user.organization.name
    response = await auth.register("longest@example.org", full_name="P" * 200)
    assert "P" * 200 == response.user.full_name == response.user.organization.name


async def test_an_email_registers_once_whatever_its_case(auth: Auth) -> None:
    """The second is EMAIL_TAKEN, and leaves no organization behind."""
    await auth.register("twice@example.org")
    with pytest.raises(AlreadyExists) as caught:
        await auth.register("TWICE@Example.ORG", organization_name="Left behind")
    assert "EMAIL_TAKEN" == caught.value.reason
    assert [(0,)] == await auth.sql("SELECT count(*) FROM organizations WHERE name = 'Left behind'")


async def test_of_two_that_register_one_email_at_once_one_succeeds(auth: Auth) -> None:
    """The database decides."""
    attempts = [auth.register(email) for email in ("race@example.org", "RACE@example.org")]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {auth_pb2.RegisterResponse, AlreadyExists} == {type(outcome) for outcome in outcomes}


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"password": "password12"}, "WEAK_PASSWORD", "password"),
        ({"password": "short"}, "WEAK_PASSWORD", "password"),
        ({"email": "no address"}, "INVALID_ARGUMENT", "email"),
        ({"email": "nul\x00@example.org"}, "INVALID_ARGUMENT", "email"),
        ({"full_name": ""}, "INVALID_ARGUMENT", "full_name"),
        ({"organization_name": "nul\x00"}, "INVALID_ARGUMENT", "organization_name"),
    ],
)
async def test_malformed_registrations_name_the_field(
    auth: Auth, fields: dict[str, str], reason: str, field: str
) -> None:
    """What is wrong is said with its field."""
    with pytest.raises(InvalidArgument) as caught:
        await auth.register(**{"email": "malformed@example.org", **fields})
    assert (reason, {"field": field}) == (caught.value.reason, caught.value.details)


async def test_each_sees_its_own_organization(auth: Auth) -> None:
    """The organization is the token's."""
    one, other = [await auth.register(f"{name}@example.org") for name in ("tenant-one", "tenant-two")]
    assert one.user.organization == await auth.organization(one.tokens.access_token)
    assert other.user.organization == await auth.organization(other.tokens.access_token)
    assert one.user.organization.id != other.user.organization.id


async def test_services_act_inside_an_organization(auth: Auth) -> None:
    """The shared secret buys a token that names the organization, and that no account stands behind."""
    registered = await auth.register("service@example.org")
    response = await auth.service_token("shared among services", registered.user.organization.id)
    identity = await auth.verifier.verify(response.access_token)
    assert ("service:analysis", "service", "free", 900) == (
        identity.user_id,
        identity.role,
        identity.tier,
        response.expires_in,
    )
    assert registered.user.organization == await auth.organization(response.access_token)
    with pytest.raises(Forbidden):
        await auth.me(response.access_token)


@pytest.mark.parametrize(
    ("secret", "organization", "error"),
    [
        ("wrong", NOBODY, Forbidden),
        ("", NOBODY, Forbidden),
        ("shared among services", NOBODY, NotFound),
        ("shared among services", "not-a-uuid", InvalidArgument),
    ],
)
async def test_service_tokens_are_refused(
    auth: Auth, secret: str, organization: str, error: type[PagemeshError]
) -> None:
    """Without the secret nothing is told; with it, an unknown organization is."""
    with pytest.raises(error):
        await auth.service_token(secret, organization)


@pytest.mark.parametrize("token", ["", "forged", "a.b.c"])
async def test_private_methods_need_a_token(auth: Auth, token: str) -> None:
    """Without a good one they are UNAUTHENTICATED."""
    with pytest.raises(Unauthenticated):
        await auth.me(token)
    with pytest.raises(Unauthenticated):
        await auth.organization(token)


async def test_health_tells_each_service(auth: Auth) -> None:
    """The whole and every gRPC service are SERVING while the database is there."""
    stub = health_pb2_grpc.HealthStub(auth.channel)
    names = ["", "auth", *(f"pagemesh.auth.v1.{kind}Service" for kind in ("Account", "Organization", "Token"))]
    states = [(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in names]
    assert [health_pb2.HealthCheckResponse.SERVING] * 5 == states


async def test_reflection_lists_the_services(auth: Auth) -> None:
    """Tools find the API without its files."""
    stub = reflection_pb2_grpc.ServerReflectionStub(auth.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name async for each in call for service in each.list_services_response.service}
    assert {f"pagemesh.auth.v1.{kind}Service" for kind in ("Account", "Organization", "Token")} <= names


async def test_a_database_that_is_away_is_unavailable(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """Calls fail as UNAVAILABLE and name the dependency; the service answers again without a restart."""
    settings = settings_for(fresh_database(), tmp_path)
    async with serve(settings):
        caller = Auth(settings)
        await caller.register("away@example.org")
        async with locked_out(settings):
            with pytest.raises(Unavailable) as caught:
                await caller.login("away@example.org")
            assert {"dependency": "postgresql"} == caught.value.details
        assert "away@example.org" == (await caller.login("away@example.org")).user.email
        await caller.channel.close()
