"""Buttons in the HTML of a detail that lead on: to an entry, to its lookups, to a cell of the notebook.

The detail of a row is HTML, so its buttons are no widgets. One invisible widget hears them all and tells the panel. A
jump to a cell happens in the browser, where the front end shows the notebook's cells; elsewhere the cell is plain text.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import anywidget

from gptcache_magics.text.masking import masked
from gptcache_magics.widgets.formats import one_line, plain
from gptcache_magics.widgets.scripts import one_module, one_style

__all__ = ["Html", "Links", "cell_link", "link"]


class Html(str):
    """HTML in which every foreign text is escaped."""

    __slots__ = ()


class Links(anywidget.AnyWidget):
    """Hears the buttons of `link`.

    Parameters
    ----------
    follow
        Called with the kind of the place, ``entry`` or ``lookups``, and the key of the entry.
    """

    _esm = one_module(Path(__file__).parent, "links")
    _css = one_style(Path(__file__).parent, "links")

    def __init__(self, follow: Callable[[str, str], None]) -> None:
        super().__init__()
        self.on_msg(lambda _, content, __: follow(content["to"], content["key"]))


def link(to: str, key: str, text: str, *, style: str = "gptcache-link") -> Html:
    """Return a button that leads to an entry, or to the lookups of an entry, by its key."""
    return Html(
        f'<button type="button" class="{style}" data-to="{to}" data-key="{escape(key)}">{escape(text)}</button>'
    )


def cell_link(notebook: str, execution_count: int | None, line: str = "") -> Html:
    """Return the name of a cell, with a button that jumps to the cell where the front end shows it.

    Parameters
    ----------
    line
        The line that names the cell: tells whether ``[12]`` is still the same cell.
    """
    name = escape(one_line(masked(notebook)))
    if execution_count is None:
        return Html(name)
    number = f"[{execution_count}]"
    facts = {"cell": execution_count, "notebook": notebook, "line": line}
    data = " ".join(f'data-{key}="{escape(plain(masked(str(value))))}"' for key, value in facts.items())
    button = f'<button type="button" class="gptcache-link gptcache-jump" title="Go to this cell" {data}>'
    return Html(f'{name} {button}{number}</button><span class="gptcache-no-jump">{number}</span>'.strip())
