"""`pagemesh admin`: what it understands, where it goes, and how it prints."""

import json
import os
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cli.administration import organizations, output, questions, shapes
from cli.administration.command import Command, Json, UsageError
from cli.administration.run import run
from cli.administration.target import find
from cli.layout import Layout
from cli.main import main
from cli.state import Process, StackState
from pagemesh.auth.v1 import admin_pb2, auth_pb2

_CHANGING = (
    ("set-tier", "ID", "pro"),
    ("set-limits", "ID", "--rpm", "3"),
    ("clear-limits", "ID"),
    ("disable-organization", "ID"),
    ("enable-organization", "ID"),
    ("disable-user", "ada@example.org"),
    ("enable-user", "ada@example.org"),
    ("rotate-keys",),
)


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No installation is known by chance."""
    for name in [name for name in os.environ if name.startswith("PAGEMESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAGEMESH_DATA", str(tmp_path / "nothing"))


@pytest.fixture
def stack(tmp_path: Path) -> Layout:
    """A data directory in which a stack seems to run: this process."""
    layout = Layout(tmp_path / "data")
    layout.create()
    layout.secret("admin")
    state = StackState("http://127.0.0.1:1", Process.of(os.getpid()), sockets={"auth": "/run/auth.sock"})
    state.save(layout)
    return layout


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """The one JSON object on standard output."""
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("arguments", _CHANGING)
def test_changes_are_not_made_unasked(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal and without --yes nothing is even looked for."""
    assert (2, "not_confirmed") == (main(["admin", *arguments, "--json"]), printed(capsys)["error"])
    assert 2 == main(["admin", *arguments])
    told = capsys.readouterr()
    assert ("", True) == (told.out, "--yes" in told.err)


@pytest.mark.parametrize(
    "arguments",
    [
        *_CHANGING,
        ("organizations",),
        ("show-organization", "ID"),
        ("create-organization", "Acme"),
        ("users",),
        ("show-user", "ada@example.org"),
        ("create-user", "ada@example.org", "--organization", "ID", "--name", "Ada"),
        ("actions",),
    ],
)
def test_every_command_needs_an_installation(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """And says where it looked."""
    confirmed = ("--yes",) if arguments in _CHANGING else ()
    assert 2 == main(["admin", *arguments, *confirmed, "--json"])
    told = printed(capsys)
    assert ("no_target", True) == (told["error"], "nothing" in told["message"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("set-tier", "ID", "gold", "--yes"),
        ("set-tier", "ID"),
        ("set-limits", "ID", "--yes"),
        ("set-limits", "ID", "--rpm", "0", "--yes"),
        ("set-limits", "ID", "--rpm", "many", "--yes"),
        ("create-user", "ada@example.org", "--organization", "ID", "--name", "A", "--role", "owner"),
        (
            "create-user",
            "ada@example.org",
            "--organization",
            "ID",
            "--name",
            "A",
            "--password",
            "not on a command line",
        ),
        ("users", "--page", "one"),
        ("show-user", "ada@example.org", "and", "another"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2; a sentence on standard error, or JSON on standard output."""
    assert (2, "usage") == (_exit_code("admin", *arguments, "--json"), printed(capsys)["error"])
    assert 2 == _exit_code("admin", *arguments)
    told = capsys.readouterr()
    assert ("", True) == (told.out, bool(told.err))


def _exit_code(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(str(ended.code))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does, examples and exit codes."""
    assert 0 == _exit_code("admin", "--help")
    told = capsys.readouterr().out
    expected = [command for command, *_ in _CHANGING] + ["create-user", "organizations", "actions", "exit codes"]
    assert [] == [word for word in expected if word not in told]


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("1000000000", 1_000_000_000), ("none", 0)])
def test_limits(text: str, expected: int) -> None:
    """A number, or none."""
    assert expected == organizations.limit(text)


@pytest.mark.parametrize("text", ["0", "-1", "1000000001", "1.5", "", "None", "nan"])
def test_what_is_no_limit(text: str) -> None:
    """Zero requests are no limit but a mistake."""
    with pytest.raises(ArgumentTypeError):
        organizations.limit(text)


def test_a_stack_on_this_machine_is_found_by_its_directory(stack: Layout) -> None:
    """With the secret that it made for operators."""
    target = find(stack.root, None, "ada")
    assert ("unix:/run/auth.sock", stack.known_secret("admin"), "ada") == (
        target.address,
        target.secret,
        target.operator,
    )
    assert target.secret not in repr(target)


def test_elsewhere_the_environment_says_where_and_who(stack: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address goes before a directory unless the directory is typed; operators' secret before that of services."""
    monkeypatch.setenv("PAGEMESH_DATA", str(stack.root))
    monkeypatch.setenv("PAGEMESH_AUTH_URL", "auth.example:7001")
    monkeypatch.setenv("PAGEMESH_SERVICE_SECRET", "of services")
    found = [find(None, None, None), find(None, "typed:1", None), find(stack.root, None, None)]
    assert [("auth.example:7001", "of services"), ("typed:1", "of services")] == [
        (target.address, target.secret) for target in found[:2]
    ]
    assert ("unix:/run/auth.sock", stack.known_secret("admin")) == (found[2].address, found[2].secret)
    monkeypatch.setenv("PAGEMESH_ADMIN_SECRET", "of operators")
    assert {"of operators"} == {find(data, None, None).secret for data in (None, stack.root)}
    assert "@" in found[0].operator


def test_an_address_without_a_secret_is_nothing(stack: Layout) -> None:
    """Nor is a stack that has none."""
    with pytest.raises(UsageError, match="PAGEMESH_ADMIN_SECRET"):
        find(None, "auth.example:7001", None)
    (stack.secrets / "admin").unlink()
    with pytest.raises(UsageError, match="secret"):
        find(stack.root, None, None)


def test_settings_that_are_none_are_named(
    stack: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable and what it may be, without its value."""
    monkeypatch.setenv("PAGEMESH_LOG_LEVEL", "not-to-be-shown")
    assert 2 == main(["admin", "users", "--data", str(stack.root), "--json"])
    told = printed(capsys)
    assert ("invalid_settings", True, False) == (
        told["error"],
        "PAGEMESH_LOG_LEVEL" in told["message"],
        "not-to-be-shown" in told["message"],
    )


def test_nobody_there(stack: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """An `auth` that does not answer is named; exit code 1."""
    assert 1 == main(["admin", "users", "--data", str(stack.root), "--json"])
    told = printed(capsys)
    assert ("unavailable", True) == (told["error"], "unix:/run/auth.sock" in told["message"])


def test_who_was_asked_and_did_not_agree(
    stack: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done; exit code 1."""
    done = []

    async def do(client: object, arguments: Namespace) -> Json:
        done.append(arguments)
        return {}

    async def question(client: object, arguments: Namespace) -> str:
        return "Really?"

    monkeypatch.setattr(questions, "can_ask", lambda: True)
    arguments = Namespace(yes=False, json=True, data=stack.root, auth=None, operator=None)
    for answer, expected in ((False, 1), (True, 0)):
        monkeypatch.setattr(questions, "agreed", lambda text, answer=answer: answer)
        assert expected == run(Command("c", "does", do, str, question), arguments)
        assert ("declined" if not answer else None) == printed(capsys).get("error")
        assert answer == bool(done)


def test_organizations_as_json() -> None:
    """Limits are null where the tier's hold; nothing else is printed of them."""
    message = auth_pb2.Organization(id="o", name="Acme", tier=auth_pb2.TIER_PRO, is_active=True, member_count=2)
    message.rate_limits.per_minute = 3
    message.created_at.CopyFrom(Timestamp(seconds=1_795_000_000))
    message.updated_at.CopyFrom(Timestamp(seconds=1_795_000_000, nanos=5_000_000))
    assert {
        "id": "o",
        "name": "Acme",
        "tier": "pro",
        "is_active": True,
        "member_count": 2,
        "rate_limits": {"per_second": None, "per_minute": 3, "per_hour": None},
        "created_at": "2026-11-18T11:06:40Z",
        "updated_at": "2026-11-18T11:06:40.005Z",
    } == shapes.organization(message)


def test_users_and_actions_as_json() -> None:
    """What is not there is null."""
    user = shapes.user(auth_pb2.User(id="u", role=auth_pb2.ROLE_ADMIN, organization=auth_pb2.Organization(id="o")))
    assert ("admin", None, "o", False) == tuple(
        user[name] for name in ("role", "last_login", "organization_id", "organization_is_active")
    )
    action = shapes.action(admin_pb2.OperatorAction(id=5, action="tier_set", details={"tier": "pro", "a": "b"}))
    assert (5, None, None, ["a", "tier"]) == (
        action["id"],
        action["organization_id"],
        action["user_id"],
        list(action["details"]),
    )


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (20, 1), (21, 2)])
def test_pages(total: int, pages: int) -> None:
    """As the REST API counts them."""
    assert {"items": [], "total": total, "page": 1, "per_page": 20, "pages": pages} == shapes.page([], total, 1, 20)


def test_for_people() -> None:
    """Columns line up, and what others chose cannot steer the terminal."""
    rows = [("o1", True, 1_000, None, "Acme"), ("o2", False, 3, 5, "\x1b[31mred\u202e\u009b2J")]
    assert [
        "ID  ENABLED  RPM    RPS  NAME",
        "o1  yes      1,000  -    Acme",
        "o2  no       3      5    �[31mred��2J",
    ] == output.table(("ID", "ENABLED", "RPM", "RPS", "NAME"), rows).splitlines()
    assert "id          o\nlast login  -" == output.record([("id", "o"), ("last login", None)])


def test_lists_say_where_they_stand() -> None:
    """An empty one, too."""
    page = shapes.page([{}], 21, 2, 20)
    assert "Page 2 of 2, 21 in all." == output.listing(page, ("ID",), [("o",)]).splitlines()[-1]
    assert "Nothing here. Page 1 of 1, 0 in all." == output.listing(shapes.page([], 0, 1, 20), ("ID",), [])


def test_generated_passwords_differ_and_are_long() -> None:
    """120 bits."""
    one, other = questions.generated_password(), questions.generated_password()
    assert (20, True) == (len(one), one != other)
