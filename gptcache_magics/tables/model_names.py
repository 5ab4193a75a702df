"""Find the rows of a table that a model's name fits, and the names that a person's short form stands for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from typing import Final

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.text.choices import nearest

__all__ = ["UNKNOWN", "fitting", "named"]

UNKNOWN: Final = "unknown"
"""The name of a missing model."""
LISTED: Final = 5
"""Most models that an error lists."""
_GLOB: Final = frozenset("*?[")


def named(df: pd.DataFrame, model: str | Collection[str]) -> pd.Series[bool]:
    """Return which rows have one of these names: of a model, with or without provider, or the label of a configuration.

    ``df`` has the columns ``model``, ``raw_model``, ``provider`` and ``configuration``.
    """
    names = [model] if isinstance(model, str) else list(model)
    return pd.concat([each.isin(names) for each in _names(df)], axis=1).any(axis=1)


def fitting(known: pd.DataFrame, typed: str) -> list[str]:
    """Return the names that a typed text stands for, for ``named``.

    The text is a name, a glob such as ``gpt-4*`` that may fit several models, or a part that fits one model. Globs and
    parts ignore case.

    Raises
    ------
    CommandError
        If the text fits nothing, or is a part of several models' names.
    """
    if named(known, typed).any():
        return [typed]
    lower = typed.lower()
    if not _GLOB.isdisjoint(typed) and (found := dict(_fits(known, lambda name: fnmatchcase(name, lower)))):
        return list(found)
    found = dict(_fits(known, lambda name: lower in name)) if lower.strip() else {}
    models = sorted(set(found.values()))
    if len(models) > 1:
        *first, last = models if len(models) <= LISTED else [*models[:LISTED], "more"]
        glob = f"{typed}*" if all(model.lower().startswith(lower) for model in models) else f"*{typed}*"
        raise CommandError(f"'{typed}' fits {', '.join(first)} and {last}. Type more, or a glob: -m '{glob}'")
    if not found:
        names = sorted(set(known["model"]))
        if not names:
            raise CommandError(f"No model '{typed}' in this store, which is empty. Run a cell that calls a model.")
        raise CommandError(f"No model '{typed}' in this store.{nearest(typed, names)} Models: {', '.join(names)}.")
    return list(found)


def _fits(known: pd.DataFrame, fits: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield a name of each configuration that fits in lower case, and the name of its model.

    The name is that of the model if a name of the model fits, else the label of the configuration.
    """
    for model, *others, label in zip(*_names(known), strict=True):
        if any(fits(name.lower()) for name in (model, *others)):
            yield model, model
        elif fits(label.lower()):
            yield label, model


def _names(df: pd.DataFrame) -> tuple[pd.Series[str], ...]:
    """Return the names of each row: model, model without and with provider, and label of the configuration."""
    known = df[["model", "raw_model", "provider", "configuration"]].astype("string")  # without rows any dtype
    full = known["provider"] + "/" + known["raw_model"]
    return known["model"].fillna(UNKNOWN), known["raw_model"], full, known["configuration"]
