"""The head of the panel: state, mode, place and size of the cache, and four figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from gptcache_magics.text.amounts import byte_size, counted
from gptcache_magics.widgets.figures import Figure
from gptcache_magics.widgets.formats import one_line

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource

__all__ = ["LACKING_HTML", "figures_html", "head_html", "notice_html", "notices_of"]


GONE: Final = "kernel gone: run the cell again"
LACKING_HTML: Final = (
    '<div role="status">The live panel needs anywidget in this page. Reload the page; if that does not help, install '
    "anywidget where JupyterLab runs, or let VS Code download widgets.</div>"
)
"""What a page says that shows widgets of ipywidgets and no others, as after ``%pip install`` in an open notebook."""


def head_html(source: PanelSource, state: str, mode: str) -> str:
    """Return title, state, mode, place and size."""
    entries, size = source.store.count()
    where = escape(one_line(source.where, 300))
    parts = [
        '<div class="gptcache-title">GPTCache</div>',
        f'<div class="gptcache-state" data-state="{state}">{state}</div>',
        f'<div class="gptcache-gone" role="status">{GONE}</div>',  # the browser shows one of the two
    ]
    if mode not in ("auto", "off"):
        parts.append(f'<div class="gptcache-mode">{escape(one_line(mode, 40))}</div>')
    parts.append(f'<div class="gptcache-where" title="{where}">{where}</div>')
    held = f"{counted(entries, 'entry')}, {byte_size(size)}"
    parts.append(f'<div class="gptcache-entries">{held}</div>')
    return "".join(parts)


def figures_html(shown_figures: Sequence[Figure]) -> str:
    """Return the figures as tiles."""
    return f'<div class="gptcache-figures" role="group" aria-label="Figures">{"".join(map(_tile, shown_figures))}</div>'


def _tile(figure: Figure) -> str:
    remarks = "".join(f"<span>{escape(words)}</span>" for words in (figure.remark, figure.of_all) if words)
    hover = f' title="{escape(figure.detail)}"' if figure.detail else ""
    return f"<div{hover}><span>{figure.label}</span><b>{escape(figure.value)}</b>{remarks}</div>"


def notices_of(source: PanelSource) -> list[str]:
    """Return notices about the cache itself, beside those of its store."""
    if source.state != "replaced":
        return []
    return ["Another cache is LangChain's global cache now, and gets the lookups. Take it back: %gptcache on"]


def notice_html(notices: Sequence[str]) -> str:
    """Return the newest notice as HTML, such as that the store's file was removed."""
    return f'<div class="gptcache-notice" role="status">{escape(one_line(notices[-1], 300))}</div>' if notices else ""
