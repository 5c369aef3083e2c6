"""Names of providers, and how their keys are shown."""

import pytest

from mesh.errors import InvalidArgument
from services.analysis.provider import known_providers
from services.auth.model_providers import PROVIDERS, check_key, check_provider, masked


def test_every_provider_is_one_of_litellm() -> None:
    """A key is of no use under a name that the client library does not have."""
    assert set() == PROVIDERS - known_providers()


@pytest.mark.parametrize("name", ["", "no-such", "Anthropic", "anthropic ", "bedrock", "ollama", "../anthropic", "é"])
def test_other_names_are_refused(name: str) -> None:
    """The field is named, and so are the providers that there are."""
    with pytest.raises(InvalidArgument, match="anthropic, azure") as caught:
        check_provider(name)
    assert {"field": "provider"} == caught.value.details


@pytest.mark.parametrize(
    "key", ["", "short", "with blank", "sk-line\nend", "sk-täst-1234", "sk-\x7f-1234", "k" * 1025, "sk-ant-api03-***"]
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(key: str) -> None:
    """It goes into an HTTP header, where blanks and line ends have no place."""
    with pytest.raises(InvalidArgument) as caught:
        check_key(key)
    assert ({"field": "api_key"}, False) == (caught.value.details, bool(key) and key in caught.value.message)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk-ant-api03-AbCdEf", "sk-ant-api03-***"),
        ("sk-ant-other", "sk-ant-***"),
        ("sk-proj-AbCdEf", "sk-proj-***"),
        ("sk-AbCdEf-Gh", "sk-***"),
        ("gsk_AbCdEf", "gsk_***"),
        ("AIzaAbCdEf", "AIza***"),
        ("0123456789abcdef", "***"),
        ("secret-with-hyphens", "***"),
    ],
)
def test_what_is_shown_of_a_key_is_its_kind(key: str, shown: str) -> None:
    """Nothing of what makes it a secret."""
    assert shown == masked(key)
