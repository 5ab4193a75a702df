"""What appears below a cell by itself: the badge, and how far a task in the background is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptcache_magics.indexing import Indexing

__all__ = ["show_badge", "show_progress"]


def show_badge(text: str) -> None:
    """Show a small line."""
    from IPython.display import display

    style = "font-size:0.85em;color:var(--jp-content-font-color2,gray);padding:2px 0"
    # Typesetting would read two dollar amounts as a formula.
    html = f'<div class="tex2jax_ignore mathjax_ignore" style="{style}">{escape(text)}</div>'
    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


def show_progress(indexing: Indexing) -> None:
    """Show a bar that follows the embedding of earlier entries, with a button that stops it."""
    from IPython.display import display

    from gptcache_magics import widgets

    display(widgets.Progress(indexing))  # type: ignore[no-untyped-call]
