"""Name a configuration for people: by the parameters that differ from the defaults, and by its provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gptcache_magics.identity.addresses import LOCAL
from gptcache_magics.identity.providers import BASE_URLS, DECLARATIONS
from gptcache_magics.store.records import Configuration, parameters_of
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import masked

__all__ = ["label_of", "provider_shown", "temperature_of"]

PARTS: Final = 6
"""Most parts of a label; an ellipsis stands for the rest."""
CHARACTERS: Final = 24
"""Most characters of a text that is shown; of a longer text only the parameter's name is shown."""


GROUPS: Final = ("generationConfig", "options")
"""Parameters of Google's and Ollama's that hold others."""
STRUCTURED: Final = frozenset(
    ["response_format", "format", "responseSchema", "responseJsonSchema", "output_format", "output_config"]
)
"""Parameters that say in which form the model is to answer."""
USUAL_HEADERS: Final = frozenset({"anthropic-version"})
"""Headers that an SDK always sends."""


def label_of(model: str, parameters: Mapping[str, Any]) -> str:
    """Return the label of a model with these parameters, without secrets: ``gpt-4o-mini · T 0.2 · 3 tools``."""
    parts = [model]
    flat = {name: value for name, value in parameters.items() if name not in GROUPS}
    for name in GROUPS:
        group = parameters.get(name)
        flat |= group if isinstance(group, Mapping) else {name: group} if name in parameters else {}
    for name, value in sorted(flat.items()):
        if name == "temperature":
            parts.insert(1, f"T {value:g}" if isinstance(value, int | float) else f"T {value}")
        elif name == "api":
            parts.insert(1, str(value))
        elif name == "headers" and isinstance(value, Mapping) and value.keys() <= USUAL_HEADERS:
            continue
        elif name == "tools" and isinstance(value, list):
            parts.append(counted(sum(map(_tools_in, value)), "tool"))
        elif isinstance(value, str) and value.startswith(f"{model}@"):  # the model's file
            continue
        elif name in BASE_URLS:
            if not str(value).startswith(LOCAL):  # says nothing to a reader
                parts.append(str(value).partition("://")[2])
        elif name in STRUCTURED or (name == "text" and isinstance(value, Mapping) and "format" in value):
            parts.append("structured")
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= CHARACTERS):
            parts.append(f"{name} {value}")
        else:
            parts.append(name)
    return masked(" · ".join(parts if len(parts) <= PARTS else [*parts[:PARTS], "…"]))


def _tools_in(tool: Any) -> int:
    """Return how many tools an item of a list is: Google's declare several functions."""
    found = [tool.get(name) for name in DECLARATIONS] if isinstance(tool, Mapping) else []
    return next((len(declared) for declared in found if isinstance(declared, list)), 1)


def temperature_of(parameters: Mapping[str, Any]) -> float | None:
    """Return the temperature that a call sets, also within what Google and Ollama group; None if it sets none."""
    places = [parameters, *(parameters.get(name) for name in GROUPS)]
    found = [place.get("temperature") for place in places if isinstance(place, Mapping)]
    return next((float(each) for each in found if isinstance(each, int | float)), None)


def provider_shown(configuration: Configuration) -> str:
    """Return the provider of a configuration, ``local`` where a server of this process answers in its place."""
    if LOCAL not in configuration.parameters:  # most are not read
        return configuration.provider
    parameters = parameters_of(configuration.parameters)
    addresses = (str(parameters[name]) for name in BASE_URLS if name in parameters)
    return LOCAL.rstrip(":") if any(each.startswith(LOCAL) for each in addresses) else configuration.provider
