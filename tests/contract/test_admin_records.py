"""What operators did is recorded, logged and told."""

import json
import logging
import uuid

import pytest

from mesh import context
from mesh.bus import Bus
from pagemesh.auth.v1 import admin_pb2
from services.auth.settings import AuthSettings
from tests.contract.governing import admin, mesh, settings
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh
from tests.support.operators import NAME, Admin

__all__ = ["admin", "mesh", "settings"]  # fixtures


async def test_every_change_is_recorded_logged_and_told(
    mesh: IdentityMesh, admin: Admin, settings: AuthSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Who did what, when, to whom, with what it was before; no password is in it."""
    heard: dict[str, admin_pb2.OperatorAction] = {}
    bus = await Bus.connect(settings)
    await bus.listen("events.operator.>", lambda subject, payload: _hear(heard, subject, payload))
    await bus.connection.flush()
    with caplog.at_level(logging.INFO, "services.auth.administration"):
        organization = (await admin.client.create_organization("Recorded", "free"))["id"]
        user = await admin.client.create_user(
            organization, f"{uuid.uuid4()}@example.org", "A", "user", "a secret that must not be told"
        )
        await admin.client.set_tier(organization, "pro")
        await admin.client.set_rate_limits(organization, {"per_minute": 7})
        await admin.client.set_rate_limits(organization, {"per_minute": 0, "per_hour": 9})
        await admin.client.set_user_active(user["id"], False)
        await admin.client.set_user_active(user["id"], True)
        await admin.client.set_organization_active(organization, False)
        await admin.client.set_organization_active(organization, True)
    recorded = await admin.client.actions(organization, 1, 20)
    expected: list[tuple[str, str | None, dict[str, str]]] = [
        ("organization_created", None, {"name": "Recorded", "tier": "free"}),
        ("user_created", user["id"], {"role": "user"}),
        ("tier_set", None, {"tier": "pro", "before.tier": "free"}),
        ("rate_limits_set", None, {"per_minute": "7", "before.per_minute": ""}),
        (
            "rate_limits_set",
            None,
            {"per_minute": "", "before.per_minute": "7", "per_hour": "9", "before.per_hour": ""},
        ),
        ("user_disabled", user["id"], {}),
        ("user_enabled", user["id"], {}),
        ("organization_disabled", None, {}),
        ("organization_enabled", None, {}),
    ]
    oldest_first = recorded["items"][::-1]
    assert expected == [(one["action"], one["user_id"], one["details"]) for one in oldest_first]
    assert {(NAME, organization)} == {(one["operator"], one["organization_id"]) for one in oldest_first}
    assert sorted(one["occurred_at"] for one in oldest_first) == [one["occurred_at"] for one in oldest_first]
    logged = [(one.__dict__["action"], one.__dict__["operator"], one.__dict__["details"]) for one in caplog.records]
    assert [(action, NAME, details) for action, _, details in expected] == logged

    async def all_told() -> bool:
        return {str(one["id"]) for one in oldest_first} <= set(heard)

    await eventually(all_told)
    told = [heard[str(one["id"])] for one in oldest_first]
    assert expected == [(one.action, one.user_id or None, dict(one.details)) for one in told]
    assert "must not be told" not in json.dumps(recorded) + "".join(str(each.__dict__) for each in caplog.records)
    await bus.close()


def _hear(heard: dict[str, admin_pb2.OperatorAction], subject: str, payload: bytes) -> None:
    action = admin_pb2.OperatorAction.FromString(payload)
    assert subject == f"events.operator.{action.action}"
    heard[str(action.id)] = action


async def test_what_was_recorded_is_read_in_pages(admin: Admin) -> None:
    """Newest first, of one organization or of all."""
    context.bearer_token.set("")
    made = [await admin.client.create_organization("Paged", None) for _ in range(2)]
    newest = await admin.client.actions("", 1, 2)
    assert [made[1]["id"], made[0]["id"]] == [one["organization_id"] for one in newest["items"]]
    assert newest["total"] > 2
    assert 1 == (await admin.client.actions(made[0]["id"], 1, 2))["total"]
