"""Two answers side by side below a table: the HTML of a region, with the ways to both entries."""

from __future__ import annotations

from html import escape

from gptcache_magics.store.protocol import Store
from gptcache_magics.tables import comparison
from gptcache_magics.tables.comparison import Side
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.entry.side_by_side import side_by_side_html
from gptcache_magics.widgets.links import link

__all__ = ["beside_html"]


def beside_html(store: Store, one: str, other: str = "", *, redact: bool = False, focus: bool = True) -> str:
    """Return two entries side by side, or an entry and its answer before, as HTML with all foreign text escaped.

    Parameters
    ----------
    one, other
        Keys of entries; without ``other``, the answer before.
    focus
        Whether the region takes the focus: what was pressed may be hidden now.

    Raises
    ------
    LookupError
        If one of them is not stored.
    """
    try:
        found = comparison.entries(store, one, other) if other else comparison.history(store, one)
    except (IndexError, ValueError) as error:
        raise LookupError("One of these answers is not stored any more.") from error
    if found is None:
        raise LookupError("The answer before is not stored any more.")
    heading = "Two answers side by side" if found.a.key else "This answer and the one before"
    region = f'role="region" tabindex="-1"{" data-focus" * focus} aria-label="{heading}"'
    beside = side_by_side_html(found, redact=redact, name=_name)
    return f'<div class="gptcache-detail gptcache-beside" {region}><h4>{heading}</h4>{beside}</div>'


def _name(side: Side) -> str:
    if not side.key:
        return escape(printable(side.name))
    id, _, label = side.name.partition("  ")
    return f"{link('entry', side.key, id)} {escape(printable(label))}"
