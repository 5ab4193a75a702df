"""Make what a model or chain is asked about each row of a table."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.text.choices import nearest

__all__ = ["answer_of", "asking", "inputs_of"]


def inputs_of(
    data: pd.DataFrame | pd.Series[Any], chain: Any, columns: str | Sequence[str] | None, template: str | None
) -> list[Any]:
    """Return an input for each row: a text, or a dict of columns.

    Parameters
    ----------
    columns
        One column gives its values as texts, or as a dict where the chain begins with a prompt that has variables;
        several give dicts. Without it, all columns that the prompt or the template has variables for.
    template
        A text with columns in braces, such as ``Review: {review}``.

    Raises
    ------
    CommandError
        If a column does not exist, or nothing says which columns are meant.
    """
    df = data.to_frame(_name(data)) if isinstance(data, pd.Series) else data
    variables = _variables(chain)
    if template is not None:
        names = _fields(template)
        _check(df, names)
        return [template.format(**row) for row in _rows(df, names)]
    if columns is None:
        columns = variables or (str(df.columns[0]) if len(df.columns) == 1 else None)
    if columns is None:
        known = ", ".join(map(str, df.columns))
        raise CommandError(f"map: columns says what is asked, such as columns='review'. Columns: {known}.")
    names = [columns] if isinstance(columns, str) else [*columns]
    _check(df, names)
    if isinstance(columns, str) and not variables:
        return [str(value) for value in df[columns]]
    if isinstance(columns, str) and len(variables) == 1:
        return [{variables[0]: value} for value in df[columns]]
    return _rows(df, names)


def asking(chain: Any) -> Callable[[Any], Any]:
    """Return a function that asks a model, chain or function.

    Raises
    ------
    CommandError
        If it is none of these.
    """
    if hasattr(chain, "invoke"):
        invoke: Callable[[Any], Any] = chain.invoke
        return invoke
    if callable(chain) and not isinstance(chain, type):
        called: Callable[[Any], Any] = chain
        return called
    raise CommandError(f"map: a model, a chain or a function answers the rows. Got {chain!r:.60}.")


def answer_of(answer: Any) -> Any:
    """Return the text of a message or of an SDK's answer; anything else as it is."""
    content = getattr(answer, "content", None)
    if isinstance(content, str):
        return content
    text = getattr(answer, "text", None)
    if callable(text):  # LangChain's message of blocks
        text = text()
    output = getattr(answer, "output_text", text)
    return str(output) if isinstance(output, str) else answer


def _variables(chain: Any) -> list[str]:
    """Return the variables of the prompt with which a chain begins."""
    first = getattr(chain, "first", chain)
    names = getattr(first, "input_variables", None)
    return [str(each) for each in names] if isinstance(names, list | tuple) else []


def _fields(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name]


def _rows(df: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in df[list(names)].to_dict("records")]


def _name(series: pd.Series[Any]) -> str:
    return "question" if series.name is None else str(series.name)


def _check(df: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in df.columns:
            known = [str(each) for each in df.columns]
            raise CommandError(f"map: no column '{name}'.{nearest(str(name), known)} Columns: {', '.join(known)}.")
