"""A configuration in words: provider, label, parameters without secrets, and what of it holds on another machine."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import masked

__all__ = ["BASE_URLS", "MODEL_NAMES", "configuration_from_json", "provider_of"]

MODEL_NAMES: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "repo_id", "model_path")
BASE_URLS: Final = frozenset(
    {"base_url", "openai_api_base", "anthropic_api_url", "api_base", "endpoint_url", "endpoint"}
)


@lru_cache(maxsize=512)
def configuration_from_json(content: bytes, provider: str, model: str, environment: str) -> Configuration:
    """A configuration as tables show it.

    Parameters
    ----------
    content
        JSON of class, model name, fields and arguments: all that can change an answer.
    """
    _, _, fields, kwargs = orjson.loads(content)
    parameters = {**fields, **kwargs}
    temperature = parameters.get("temperature")
    temperature = float(temperature) if isinstance(temperature, int | float) else None
    for name in MODEL_NAMES:
        if parameters.get(name) == model:
            del parameters[name]
    text = masked(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS).decode())
    elsewhere = {name: value for name, value in parameters.items() if not _is_address(name, value)}
    return Configuration(
        key=blake2b(content, digest_size=16).digest(),
        provider=provider,
        model=model,
        label=masked(_label(model, parameters)),
        temperature=temperature,
        parameters=text,
        portable=blake2b(
            orjson.dumps([provider, model, elsewhere], option=orjson.OPT_SORT_KEYS), digest_size=16
        ).digest(),
        environment=environment,
    )


def _label(model: str, parameters: dict[str, Any]) -> str:
    parts = [model]
    for name, value in sorted(parameters.items()):
        if name == "temperature":
            parts.insert(1, f"T {value:g}" if isinstance(value, int | float) else f"T {value}")
        elif name == "tools" and isinstance(value, list):
            parts.append(f"{len(value)} tool{'s' if len(value) != 1 else ''}")
        elif name in BASE_URLS:
            parts.append(str(value).partition("://")[2])
        elif name in ("response_format", "format"):
            parts.append("structured")
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 24):
            parts.append(f"{name} {value}")
        else:
            parts.append(name)
    return " · ".join(parts if len(parts) <= 6 else [*parts[:6], "…"])


def _is_address(name: str, value: Any) -> bool:
    return name in BASE_URLS or (isinstance(value, str) and "://" in value)


@lru_cache(maxsize=1024)
def provider_of(kind: Any) -> str:
    """The provider's name, from the package of a class or its nearest base: ``langchain_openai`` is ``openai``."""
    for base in kind.__mro__:
        top, *rest = base.__module__.split(".")
        if top == "langchain_community" and len(rest) > 1:
            return str(rest[1])
        if top == "langchain_core" and "fake" in base.__module__:
            return "fake"
        if top.startswith("langchain_") and top != "langchain_core":
            provider = top.removeprefix("langchain_")
            return f"azure_{provider}" if base.__name__.startswith("Azure") else str(provider)
    return re.sub(r"^Chat|Chat$|LLM$", "", kind.__name__).lower() or kind.__name__.lower()
