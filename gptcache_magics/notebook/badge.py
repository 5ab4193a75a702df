"""Show below a cell, without a command, the badge and the progress of a background task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from gptcache_magics.store.reasons import Kind, Reason, sentence
from gptcache_magics.tables.totals import not_stored, served_again

if TYPE_CHECKING:
    from gptcache_magics.langchain.cache import GPTCache
    from gptcache_magics.semantic.backfill import Backfill
    from gptcache_magics.store.protocol import Lookup

__all__ = ["Remarks", "show_badge", "show_progress"]


class Remarks:
    """Remarks of a badge beside its figures. Each warning is given once."""

    def __init__(self) -> None:
        self._warned = False
        self._trouble = ""
        self._locked = False

    def about(self, lookups: Sequence[Lookup], cache: GPTCache) -> Iterator[str]:
        """Yield a mode other than auto, and warnings about the lookups of a cell."""
        modes = sorted({lookup.mode for lookup in lookups} - {"auto"})
        if modes:
            yield f"mode {', '.join(modes)}"
        if unstored := not_stored(lookups):
            yield f"{unstored.total():,} not stored: {', '.join(unstored)}"
        times = served_again(lookups, cache.ledger)
        if times > 1 and not self._warned and not cache.settings.options.kernel.several:
            self._warned = True
            yield f"1 answer served {times} times. For different ones: %%gptcache --samples {times}"
        budget = cache.ledger.budget
        if budget is not None and budget.unknown:
            yield budget.incomplete
        locked, self._locked = self._locked, cache.ledger.locked
        if self._locked and not locked:
            yield "the store is locked: what is new waits in memory"
        trouble = _trouble(lookups, cache)
        if trouble and trouble != self._trouble:
            self._trouble = trouble
            yield f"exact matches only: {trouble}"


def _trouble(lookups: Sequence[Lookup], cache: GPTCache) -> str:
    """Return what is wrong with matching by meaning; empty if nothing is."""
    if cache.similar is None:
        return ""
    reasons = (each.reason for each in lookups)
    failures = (each.detail for each in reasons if each is not None and each.kind is Kind.MATCHING_ERROR)
    return cache.similar.embedding.trouble or next((sentence(Reason(Kind.ERROR, each)) for each in failures), "")


def show_badge(text: str) -> None:
    """Show a line of small text."""
    from IPython.display import display

    style = "font-size:0.85em;color:var(--jp-content-font-color2,gray);padding:2px 0"
    # MathJax would read two dollar amounts as a formula.
    html = f'<div class="tex2jax_ignore mathjax_ignore" style="{style}">{escape(text)}</div>'
    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


def show_progress(backfill: Backfill) -> None:
    """Show a bar that follows the embedding of earlier entries, with a button that stops it."""
    from IPython.display import display

    from gptcache_magics import widgets

    display(widgets.Progress(backfill))  # type: ignore[no-untyped-call]
