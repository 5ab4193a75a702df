"""Placeholders for API keys, for replay: the constructors of some classes need a key, although no model is called."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from gptcache_magics.identity.providers import KEY_VARIABLE
from gptcache_magics.store.protocol import Store

__all__ = ["put", "set_unset", "take_away"]

PLACEHOLDER: Final = "no-key-needed-in-replay"


def put(log: Store) -> list[str]:
    """Set the unset variables from which the models of a store read their keys. Returns the names of those set."""
    models = [*log.configurations(), *log.embedding_models()]
    return set_unset(name for each in models for name in each.environment.split())


def set_unset(names: Iterable[str]) -> list[str]:
    """Set those of the variables that are unset. Returns their names."""
    # A store or bundle may come from a stranger: only variables of keys are set.
    missing = sorted({name for name in names if KEY_VARIABLE.fullmatch(name) and not os.environ.get(name)})
    os.environ.update(dict.fromkeys(missing, PLACEHOLDER))
    return missing


def take_away(names: Iterable[str]) -> None:
    """Unset variables that still hold a placeholder."""
    for name in names:
        if os.environ.get(name) == PLACEHOLDER:
            del os.environ[name]
