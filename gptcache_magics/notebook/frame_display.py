"""Show frames with texts of a store without the marks that a terminal or a browser would obey; the data stay raw.

IPython asks a printer for each type of object. Those here show a marked frame by a copy with escapes, one without rows
by a sentence, and every other frame as before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Final, cast

from gptcache_magics.tables.mark import is_marked, nothing_in
from gptcache_magics.unprintable import printable

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["escaped", "show_frames", "stop_showing_frames"]

Printer = Callable[..., Any]
PLAIN, HTML = "text/plain", "text/html"
MODULES: Final = {"DataFrame": ("pandas", "pandas.core.frame"), "Series": ("pandas", "pandas.core.series")}
"""Where each class says that it is defined: pandas 3 and 2."""
_SHOWN: Final = ((PLAIN, "DataFrame"), (PLAIN, "Series"), (HTML, "DataFrame"))


def show_frames(shell: InteractiveShell) -> None:
    """Let a shell show marked frames with escapes; pandas is not imported for that."""
    for kind, name in _SHOWN:
        formatter = cast(Any, shell.display_formatter).formatters[kind]
        for place in _places(name):
            formatter.for_type(place, _Printer(kind, formatter.for_type(place)))


def stop_showing_frames(shell: InteractiveShell) -> None:
    """Undo ``show_frames``, unless somebody else has taken over since."""
    for kind, name in _SHOWN:
        formatter = cast(Any, shell.display_formatter).formatters[kind]
        for place in {*_places(name), *(f"{module}.{name}" for module in MODULES[name])}:
            ours = formatter.for_type(place)
            if isinstance(ours, _Printer):
                formatter.pop(place)
                if ours.before is not None:
                    formatter.for_type(place, ours.before)


def _places(name: str) -> list[Any]:
    """Return a class of pandas; while it is not imported, its possible names."""
    known = getattr(sys.modules.get("pandas"), name, None)
    return [f"{module}.{name}" for module in MODULES[name]] if known is None else [known]


class _Printer:
    """Printer of a frame or a column, which IPython calls."""

    def __init__(self, kind: str, before: Printer | None) -> None:
        self.kind, self.before = kind, before

    def __call__(self, data: Any, *pretty: Any) -> Any:
        nothing = printable(nothing_in(data))
        if nothing:
            return f"<div>{escape(nothing)}</div>" if self.kind == HTML else pretty[0].text(nothing)
        shown = escaped(data) if is_marked(data) else data
        if self.before is not None:
            return self.before(shown, *pretty)
        if self.kind == HTML:
            return shown._repr_html_()
        printer, _ = pretty
        return printer.text(repr(shown))


def escaped(data: Any) -> Any:
    """Return a frame or a column, with escapes in the texts that pandas may show of it: those of both ends."""
    import pandas as pd

    if isinstance(data, pd.Series):
        return escaped(data.to_frame()).iloc[:, 0].rename(_escape(data.name))
    rows = pd.get_option("display.max_rows") or len(data)
    ends = [*range(min(rows, len(data))), *range(max(rows, len(data) - rows), len(data))]
    shown = data.copy(deep=False)
    for at in range(data.shape[1]):
        column = _column(data.iloc[:, at], ends)
        if column is not None:
            shown.isetitem(at, column)
    shown.index = _labels(data.index, ends)
    shown.columns = _labels(data.columns, [*range(data.shape[1])])
    return shown


def _column(column: pd.Series[Any], ends: list[int]) -> pd.Series[Any] | None:
    """Return a column with escapes, as objects; None if it needs none."""
    import pandas as pd

    if column.dtype.kind != "O":  # numbers and times
        return None
    texts = [_escape(each) for each in column.iloc[ends]]
    if all(new is old for new, old in zip(texts, column.iloc[ends], strict=True)):
        return None
    values = column.astype("object").to_numpy(copy=True)
    for at, text in zip(ends, texts, strict=True):
        values[at] = text
    dtype = column.dtype if isinstance(column.dtype, pd.StringDtype) else "object"
    return pd.Series(values, column.index, dtype=dtype, name=column.name)


def _labels(index: Any, ends: list[int]) -> Any:
    """Return names of rows or columns with escapes."""
    import pandas as pd

    if index.dtype.kind != "O":
        return index
    texts = {at: _escape(name) for at, name in zip(ends, index[ends], strict=True)}
    if all(text is name for text, name in zip(texts.values(), index[ends], strict=True)):
        return index
    values = [texts.get(at, name) for at, name in enumerate(index)]
    if isinstance(index, pd.MultiIndex):
        return pd.MultiIndex.from_tuples(values, names=index.names)
    return pd.Index(values, name=index.name, dtype="object")


def _escape(value: Any) -> Any:
    """Return a text with escapes, also in a tuple; the very value if it needs none."""
    if isinstance(value, tuple):
        return tuple(map(_escape, value)) if any(_escape(each) is not each for each in value) else value
    if not isinstance(value, str):
        return value
    text = printable(value)
    return value if text == value else text
