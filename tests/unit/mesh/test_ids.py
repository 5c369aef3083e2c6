"""Ids that callers choose."""

import uuid

import pytest

from mesh import ids
from mesh.errors import InvalidArgument


@pytest.mark.parametrize(
    "value", ["", "x", "6f1f0b8e", "../../etc/passwd", "6f1f0b8e-0000-4000-8000-00000000000g", "\0"]
)
def test_what_is_no_uuid_is_an_argument_error(value: str) -> None:
    """It names the field and repeats nothing of the value."""
    with pytest.raises(InvalidArgument) as caught:
        ids.to_uuid(value, "job_id")
    assert ("job_id is not a UUID.", {"field": "job_id"}) == (caught.value.message, caught.value.details)


def test_a_chosen_id_is_the_same_again_for_one_organization_alone() -> None:
    """However it is spelled; another organization's is another, and so is another choice."""
    chosen, ours, theirs = (str(uuid.uuid4()) for _ in range(3))
    made = {ids.owned(ours, each, "id") for each in (chosen, chosen.upper(), chosen.replace("-", ""))}
    assert 1 == len(made)
    assert made.isdisjoint({ids.owned(theirs, chosen, "id"), ids.owned(ours, theirs, "id"), uuid.UUID(chosen)})


def test_a_choice_that_is_no_uuid_is_an_argument_error() -> None:
    """It names the field."""
    with pytest.raises(InvalidArgument) as caught:
        ids.owned(str(uuid.uuid4()), "mine", "document_id")
    assert {"field": "document_id"} == caught.value.details
