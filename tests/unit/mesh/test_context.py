"""Which request ids and traces are accepted, and what is carried on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("offered", ["a", "x" * 128, "id-1_2.3:~!", "!~"])
def test_usable_request_ids_are_kept(offered: str) -> None:
    """1 to 128 printable ASCII characters without blanks."""
    assert offered == context.accept_request_id(offered)


@pytest.mark.parametrize("offered", [None, "", " ", "a b", "x" * 129, "é", "a\n", "\x7f", "a\r\nb"])
def test_unusable_request_ids_are_replaced(offered: str | None) -> None:
    """By a new one each time."""
    one, other = (context.accept_request_id(offered) for _ in range(2))
    assert one != offered
    assert one != other
    assert re.fullmatch("[0-9a-f]{32}", one)


def test_a_well_formed_trace_is_kept() -> None:
    """The sampled flag too."""
    assert [TRACE, TRACE[:-1] + "0"] == [context.accept_traceparent(each) for each in (TRACE, TRACE[:-1] + "0")]


@pytest.mark.parametrize(
    "offered",
    [
        None,
        "",
        TRACE.upper(),
        TRACE + "-x",
        "01" + TRACE[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        TRACE[:-1],
        TRACE + "\n",
    ],
)
def test_malformed_traces_are_replaced(offered: str | None) -> None:
    """By a new sampled root that is itself well formed."""
    new = context.accept_traceparent(offered)
    assert (True, new) == (new.endswith("-01"), context.accept_traceparent(new))
    assert new != context.accept_traceparent(offered)


@given(st.text(max_size=200))
def test_whatever_is_offered_the_answer_is_accepted(offered: str) -> None:
    """What was accepted once is accepted again, by the next service."""
    for accept in (context.accept_request_id, context.accept_traceparent):
        accepted = accept(offered)
        assert accepted == accept(accepted)


def test_headers_carry_the_request_and_no_credential() -> None:
    """Messages outlive tokens; only calls carry them, and what is empty is left out."""
    context.request_id.set("r")
    context.traceparent.set("")
    context.bearer_token.set("t")
    assert {"x-request-id": "r"} == context.outgoing_headers()
    assert (("x-request-id", "r"), ("authorization", "Bearer t")) == context.outgoing_metadata()
