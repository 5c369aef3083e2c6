"""Which model is asked, and with whose key."""

from collections.abc import Sequence

import pytest

from services.analysis.choice import Choice, UserModels
from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.provider import known_providers
from services.analysis.settings import USER_KEY_MODELS
from services.analysis.user_keys import Asker

ADA = Asker("organization", "ada")
OWN = LlmSettings("openai/tiny", "http://own.example/v1", "sk-of-the-deployment", timeout_s=5.0)
USER = UserModels(
    {"anthropic": "anthropic/usual", "groq": "groq/openai/usual"},
    {"groq": "http://proxy.example"},
    LlmSettings("", timeout_s=7.0),
)


class Keys:
    """Keys of ada, by provider."""

    def __init__(self, *providers: str) -> None:
        self._providers = providers
        self.asked: list[list[str]] = []

    async def open(self, asker: Asker, providers: Sequence[str]) -> tuple[str, str]:
        """As `auth` does it."""
        assert asker == ADA
        self.asked.append(list(providers))
        return next(((name, f"key for {name}") for name in providers if name in self._providers), ("", ""))


async def chosen(own: LlmSettings | None, wanted: str | None, *providers: str) -> tuple[str, str | None, str | None]:
    """Model, address and key; nothing at all for the built-in analyzer."""
    settings = await Choice(Keys(*providers), own, USER).choose(ADA, wanted)
    if settings is None:
        return "", None, None
    assert settings.key_of_user == (settings.api_key != OWN.api_key)
    assert settings.timeout_s == (own or USER.bounds).timeout_s
    return settings.model, settings.api_base, settings.api_key


async def refusal(own: LlmSettings | None, wanted: str | None, *providers: str) -> str:
    """Why nothing was chosen."""
    with pytest.raises(AnalysisFault) as caught:
        await chosen(own, wanted, *providers)
    return caught.value.code


@pytest.mark.parametrize(
    ("wanted", "providers", "expected"),
    [
        (None, (), ("openai/tiny", OWN.api_base, OWN.api_key)),
        (None, ("anthropic",), ("openai/tiny", OWN.api_base, OWN.api_key)),
        (None, ("openai", "anthropic"), ("openai/tiny", OWN.api_base, "key for openai")),
        ("openai/other", (), ("openai/other", OWN.api_base, OWN.api_key)),
        ("other", (), ("openai/other", OWN.api_base, OWN.api_key)),
        ("other", ("openai",), ("openai/other", OWN.api_base, "key for openai")),
        ("no-provider/other", (), ("openai/no-provider/other", OWN.api_base, OWN.api_key)),
        ("anthropic/claude", ("anthropic", "openai"), ("anthropic/claude", None, "key for anthropic")),
        ("groq/openai/x", ("groq",), ("groq/openai/x", "http://proxy.example", "key for groq")),
    ],
)
async def test_with_a_deployments_model(
    wanted: str | None, providers: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    """It is asked unless the request names another; the user's key for that one's provider goes first."""
    assert expected == await chosen(OWN, wanted, *providers)


@pytest.mark.parametrize(
    ("wanted", "providers", "expected"),
    [
        (None, (), ("", None, None)),
        ("anthropic/claude", (), ("", None, None)),
        ("claude", (), ("", None, None)),
        ("no model at all", (), ("", None, None)),
        ("anthropic/claude", ("groq",), ("", None, None)),
        (None, ("mistral",), ("", None, None)),
        (None, ("groq", "anthropic"), ("anthropic/usual", None, "key for anthropic")),
        (None, ("groq",), ("groq/openai/usual", "http://proxy.example", "key for groq")),
        ("claude", ("anthropic",), ("anthropic/claude", None, "key for anthropic")),
        ("mistral/small", ("mistral",), ("mistral/small", None, "key for mistral")),
    ],
)
async def test_without_a_deployments_model(
    wanted: str | None, providers: tuple[str, ...], expected: tuple[str, str | None, str | None]
) -> None:
    """The user's key is used, with the usual model of its provider or the one that is named; else nothing is asked."""
    assert expected == await chosen(None, wanted, *providers)


async def test_the_deployments_key_goes_to_its_own_provider_alone() -> None:
    """Another provider's model needs a key of the user's."""
    assert "provider_key_missing" == await refusal(OWN, "anthropic/claude", "groq")


@pytest.mark.parametrize(
    "name",
    ["openai/../admin", "a b", "openai//x", "/openai", "openai/x?y=1", "openai/x#", "http://evil.example/x", "é", ""],
)
async def test_a_name_cannot_lead_elsewhere(name: str) -> None:
    """Some providers have it in their URLs."""
    if name:
        assert "invalid_request" == await refusal(OWN, name)
        assert name.startswith("openai") is False or "invalid_request" == await refusal(None, name, "openai")


@pytest.mark.parametrize("provider", ["azure", "azure_ai", "hosted_vllm", "litellm_proxy"])
async def test_a_provider_without_an_address_needs_one(provider: str) -> None:
    """A key for it must not go to anybody else's server."""
    assert "provider_key_missing" == await refusal(None, f"{provider}/x", provider)
    own = LlmSettings(f"{provider}/tiny", "http://own.example/v1")
    assert (f"{provider}/x", "http://own.example/v1", f"key for {provider}") == await chosen(own, "x", provider)


async def test_a_deployments_model_may_be_named_without_its_provider() -> None:
    """The client library knows whose it is."""
    own = LlmSettings("gpt-4o", None, OWN.api_key, timeout_s=5.0)
    assert ("gpt-4o", None, OWN.api_key) == await chosen(own, None)
    assert ("gpt-4o", None, "key for openai") == await chosen(own, None, "openai")
    assert ("openai/gpt-5", None, "key for openai") == await chosen(own, "gpt-5", "openai")


async def test_no_key_is_opened_that_is_not_used() -> None:
    """One question for one analysis, for the provider of the model."""
    keys = Keys("anthropic")
    await Choice(keys, OWN, USER).choose(ADA, None)
    await Choice(keys, None, USER).choose(ADA, "mistral/small")
    await Choice(keys, None, USER).choose(ADA, None)
    assert [["openai"], ["mistral"], ["anthropic", "groq"]] == keys.asked


def test_the_usual_models_are_known_to_the_client_library() -> None:
    """Under the provider that their name begins with, for chats, and with answers of a given shape."""
    assert set(USER_KEY_MODELS) < known_providers()
    import litellm  # now, since the first import by others would ask the internet for prices

    for provider, model in USER_KEY_MODELS.items():
        assert provider == litellm.get_llm_provider(model)[1]
        info = litellm.get_model_info(model)
        assert ("chat", True) == (info["mode"], litellm.supports_response_schema(model=model)), model
