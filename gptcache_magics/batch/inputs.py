"""Make what a model, chain or function is asked about each row of a table."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.text.choices import nearest

__all__ = ["Inputs", "function_of", "inputs_of"]

WRAPPED: Final = ("first", "bound", "runnable")
"""Attributes of LangChain's chains that hold the part which is given the input."""


@dataclass(slots=True)
class Inputs:
    """The inputs of the rows, by their places in the table."""

    asked: dict[int, Any] = field(default_factory=dict)
    """Each input that repeats no earlier one."""
    repeated: dict[int, Any] = field(default_factory=dict)
    """The others, to be asked later: by then their answers are stored."""
    lacking: dict[int, str] = field(default_factory=dict)
    """Why a row is not asked about."""
    names: Sequence[Hashable] = ()
    """The columns that the inputs are made of."""


class _Part(NamedTuple):
    """A text of a template, and the column that follows it."""

    before: str
    name: str | None
    form: str | None
    conversion: str | None

    def filled(self, row: Mapping[str, Any]) -> str:
        if self.name is None:
            return self.before
        value = string.Formatter().convert_field(row[self.name], self.conversion)
        return self.before + format(value, self.form or "")


def inputs_of(
    data: pd.DataFrame | pd.Series[Any], chain: Any, columns: Hashable | Sequence[Hashable] | None, template: str | None
) -> Inputs:
    """Return the inputs of all rows. A row that lacks a value of its columns has none.

    Parameters
    ----------
    columns
        One column gives its values, or a dict where the chain begins with a prompt that has variables; several give
        dicts. Without it, all columns that the prompt has variables for, or the only column.
    template
        A text with columns in braces, such as ``Review: {review}``.

    Raises
    ------
    CommandError
        If a column does not exist, or nothing says which columns are meant.
    """
    df = data.to_frame("question" if data.name is None else data.name) if isinstance(data, pd.Series) else data
    variables = _variables(chain)
    if template is None:
        names = _checked(df, _named(df, columns, variables))
        return _inputs(df, names, _maker(chain, names, variables, one=not isinstance(columns, list | tuple)))
    if columns is not None:
        raise CommandError("map: the template names its columns itself. Leave out columns.")
    if len(variables) > 1:
        raise CommandError(
            f"map: the chain begins with a prompt of its own, about {', '.join(variables)}: no template."
        )
    parts = _parts(template)
    return _inputs(df, _checked(df, [each.name for each in parts if each.name is not None]), partial(_text, parts))


def function_of(chain: Any) -> Callable[[Any], Any]:
    """Return a function that asks a model, chain or function.

    Raises
    ------
    CommandError
        If it is none of these.
    """
    if callable(getattr(chain, "invoke", None)) and not isinstance(chain, type):
        for each in (chain, *getattr(chain, "steps", ())):
            # LangChain computes it at the first call, where threads that do so at once may fail.
            getattr(getattr(each, "bound", each), "_serialized", None)
        invoke: Callable[[Any], Any] = chain.invoke
        return invoke
    if callable(chain) and not isinstance(chain, type):
        called: Callable[[Any], Any] = chain
        return called
    raise CommandError(f"map: a model, a chain or a function answers the rows. Got {chain!r:.60}.")


def _inputs(df: pd.DataFrame, names: Sequence[Hashable], make: Callable[[dict[str, Any]], Any]) -> Inputs:
    found, known = Inputs(names=names), set[str]()
    for place, values in enumerate(_rows(df, names)):
        lacking = [f"no value in '{name}'" for name, value in values.items() if _is_missing(value)]
        try:
            asked = None if lacking else make(values)
        except (TypeError, ValueError) as error:  # of a format such as {n:.2f}
            lacking = [f"{type(error).__name__}: {error}"]
        if not lacking and isinstance(asked, str) and not asked.strip():
            lacking = ["the question is empty"]
        if lacking:
            found.lacking[place] = ", ".join(lacking)
            continue
        text = repr(asked)
        (found.repeated if text in known else found.asked)[place] = asked
        known.add(text)
    return found


def _maker(
    chain: Any, names: Sequence[Hashable], variables: Sequence[str], *, one: bool
) -> Callable[[dict[str, Any]], Any]:
    """Return a function that makes the input of a row of its values."""
    name = str(names[0])
    if len(variables) == len(names) == 1:
        return lambda row: {variables[0]: row[name]}
    missing = [each for each in variables if each not in names]
    if missing:
        raise CommandError(f"map: the prompt needs {', '.join(map(repr, missing))}. Name those columns, too.")
    if not hasattr(_first(chain), "generate_prompt"):
        return (lambda row: row[name]) if one and len(names) == 1 else dict
    if len(names) > 1:
        raise CommandError(
            f"map: a model is asked one text. Join the columns: template='{{{names[0]}}} {{{names[1]}}}'"
        )
    return lambda row: row[name] if isinstance(row[name], str | list | tuple) else str(row[name])


def _named(
    df: pd.DataFrame, columns: Hashable | Sequence[Hashable] | None, variables: Sequence[str]
) -> Sequence[Hashable]:
    if isinstance(columns, list | tuple) and not (isinstance(columns, tuple) and columns in df.columns):
        if not columns:
            raise CommandError("map: columns names no column.")
        return columns
    if columns is not None:
        return [columns]
    if len(df.columns) == 1 and len(variables) < 2:
        return [*df.columns]
    if variables:
        return variables
    raise CommandError(f"map: columns says what is asked, such as columns='review'. {_known(df)}")


def _checked(df: pd.DataFrame, names: Sequence[Hashable]) -> list[Hashable]:
    """Return the names without repetitions, if each is the name of one column."""
    several: Counter[Hashable] = Counter(df.columns)
    for name in names:
        if not isinstance(name, Hashable) or name not in several:
            raise CommandError(f"map: no column '{name}'.{nearest(str(name), map(str, df.columns))} {_known(df)}")
        if several[name] > 1:
            raise CommandError(f"map: the table has {several[name]} columns '{name}'. Rename them.")
    return [*dict.fromkeys(names)]


def _known(df: pd.DataFrame) -> str:
    return f"Columns: {', '.join(map(str, df.columns))}."


def _rows(df: pd.DataFrame, names: Sequence[Hashable]) -> Iterator[dict[str, Any]]:
    """Yield the values of each row, by name."""
    texts = [str(name) for name in names]
    for values in zip(*(df[name] for name in names), strict=True):
        yield dict(zip(texts, values, strict=True))


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _first(chain: Any) -> Any:
    """Return the part of a chain that is given the input."""
    for name in WRAPPED:
        inner = getattr(chain, name, None)
        if inner is not None and hasattr(inner, "invoke"):
            return _first(inner)
    return chain


def _variables(chain: Any) -> list[str]:
    """Return the variables of the prompt with which a chain begins."""
    names = getattr(_first(chain), "input_variables", None)
    return [str(each) for each in names] if isinstance(names, list | tuple) else []


def _parts(template: str) -> list[_Part]:
    """Return the parts of a template. ``str.format`` would read a column ``a.b`` as an attribute of ``a``."""
    try:
        parts = [_Part(*each) for each in string.Formatter().parse(template)]
    except ValueError as error:
        raise CommandError(f"map: a brace of the template has no partner, or is one too many: {error}.") from error
    if not any(each.name for each in parts):
        raise CommandError('map: the template names no column. Put one in braces, such as "Review: {review}".')
    return parts


def _text(parts: Sequence[_Part], row: Mapping[str, Any]) -> str:
    return "".join(each.filled(row) for each in parts)
