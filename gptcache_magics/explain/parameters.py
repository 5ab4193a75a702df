"""Name the differences of two configurations: ``temperature 0.2 → 0.9``, ``tools added: search``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from gptcache_magics.explain.tools import tool_changes
from gptcache_magics.identity.providers import BASE_URLS, MODEL_NAMES
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.store.records import parameters_of
from gptcache_magics.text.masking import HIDDEN, masked

__all__ = ["Change", "changes", "is_of_sdk", "not_shown"]

TOOLS: Final = ("tools", "functions")
LLM_STRING: Final = "llm_string"
"""The only parameter of a model that LangChain did not show."""
CHARACTERS: Final = 60
UNSET: Final = object()


class Change(NamedTuple):
    """One difference."""

    kind: Literal["model", "base URL", "tools", "parameter"]
    text: str


def changes(old: Configuration, new: Configuration, *, portable: bool = False) -> tuple[Change, ...]:
    """Return the changes from one configuration to the other, the weightiest first.

    Parameters
    ----------
    portable
        Whether addresses do not count, as in mode ``replay``.
    """
    if old.key == new.key:
        return ()
    return tuple(each for each in _changes(old, new) if not (portable and each.kind == "base URL"))


def _changes(old: Configuration, new: Configuration) -> Iterator[Change]:
    if old.model != new.model:
        yield Change("model", f"model {old.model} → {new.model}")
    if old.provider != new.provider:
        yield Change("model", f"provider {old.provider or 'unknown'} → {new.provider or 'unknown'}")
    before, after = parameters_of(old.parameters), parameters_of(new.parameters)
    if LLM_STRING in before or LLM_STRING in after:
        yield Change("parameter", "what LangChain's llm_string says of the model")
        return
    urls = [next((values[name] for name in sorted(BASE_URLS) if name in values), None) for values in (before, after)]
    if urls[0] != urls[1]:
        yield Change("base URL", "base URL {} → {}".format(*(_shown(url) if url else "(default)" for url in urls)))
    elsewhere = {*BASE_URLS, *TOOLS}
    flat = [dict(_flat({k: v for k, v in values.items() if k not in elsewhere})) for values in (before, after)]
    for values, configuration in zip(flat, (old, new), strict=True):  # the name of a model is not a parameter
        values |= {name: configuration.model for name in MODEL_NAMES if any(name in each for each in flat)} | values
    for name in sorted(flat[0].keys() | flat[1].keys()):
        was, now = (values.get(name, UNSET) for values in flat)
        if was is UNSET:
            plain = isinstance(now, bool | int | float | str)  # a field with the default of its class is not stored
            yield Change("parameter", f"{name} (default) → {_shown(now)}" if plain else f"{name} added: {_shown(now)}")
        elif now is UNSET:
            yield Change("parameter", f"{name} {_shown(was)} → (default)")
        elif was != now:
            shown = _shown(was), _shown(now)
            yield Change("parameter", f"{name} {' → '.join(shown)}" if shown[0] != shown[1] else f"{name} changed")
    for name in TOOLS:
        for change in tool_changes(name, before.get(name), after.get(name)):
            yield Change("tools", change)


def is_of_sdk(configuration: Configuration) -> bool:
    """Return whether an SDK asked with a configuration: it names the API."""
    return "api" in parameters_of(configuration.parameters)


def not_shown(configuration: Configuration) -> list[str]:
    """Return the names of the parameters of which only the names are stored."""
    return [name for name, value in _flat(parameters_of(configuration.parameters)) if HIDDEN in _shown(value)]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value and before.count(".") < 3:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _shown(value: Any) -> str:
    text = masked(value if isinstance(value, str) and value else orjson.dumps(value).decode())
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
