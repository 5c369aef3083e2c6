"""Providers of language models that people may bring a key for, and what is shown of such a key.

Names are litellm's. Those are left out for which a key alone says nothing (clouds that sign requests), and those that
run on one's own machine.
"""

import re

from mesh.errors import InvalidArgument

ANTHROPIC = "anthropic"
_NAMES = """
    ai21 aiml anthropic azure azure_ai baseten cerebras codestral cohere dashscope deepinfra deepseek featherless_ai
    fireworks_ai friendliai gemini github groq hosted_vllm huggingface hyperbolic inception lambda_ai litellm_proxy
    meta_llama minimax mistral moonshot morph nebius novita nscale nvidia_nim openai openrouter perplexity replicate
    sambanova scaleway together_ai v0 vercel_ai_gateway volcengine wandb xai zai
"""
PROVIDERS = frozenset(_NAMES.split())
_MASK = "***"
_KEY = re.compile(r"[\x21-\x7e]{8,1024}")
# How keys of well-known kinds begin; what follows is secret.
_PREFIX = re.compile(
    r"sk-ant-(?:api\d{2}-|admin\d{2}-)?|sk-or-v1-|sk-proj-|sk-svcacct-|sk-|gsk_|xai-|AIza|hf_|r8_|pplx-|nvapi-|csk-"
)


def check_provider(name: str) -> str:
    """The name. Raises InvalidArgument for an unknown one."""
    if name not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise InvalidArgument(f"There is no such provider. Known are: {known}.", field="provider")
    return name


def check_key(key: str) -> str:
    """The key, if it can go into an HTTP header. Raises InvalidArgument, which does not repeat it."""
    if not _KEY.fullmatch(key):
        raise InvalidArgument("A key has 8 to 1024 printable ASCII characters and no blanks.", field="api_key")
    if key.endswith(_MASK):
        raise InvalidArgument("This is what is shown of a key, and not the key.", field="api_key")
    return key


def masked(key: str) -> str:
    """How keys of its kind begin, and three stars: "sk-ant-api03-***"."""
    prefix = _PREFIX.match(key)
    return f"{prefix[0] if prefix else ''}{_MASK}"
