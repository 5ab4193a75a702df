"""A bar that shows how many earlier entries are embedded, with a button to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import ipywidgets

if TYPE_CHECKING:
    from gptcache_magics.semantic.backfill import Backfill

__all__ = ["Progress"]

STEP_SECONDS = 0.25


class Progress(ipywidgets.HBox):
    """A bar that follows ``Backfill`` until it is done or stopped.

    Parameters
    ----------
    backfill
        The backfill, already started.
    """

    def __init__(self, backfill: Backfill) -> None:
        self._backfill = backfill
        self._bar = ipywidgets.IntProgress(value=0, max=1, layout={"width": "240px"})
        self._words = ipywidgets.HTML("Loading the embedder…")
        self._stop = ipywidgets.Button(description="Stop", tooltip="Embedded entries stay; the others can wait")
        self._stop.on_click(lambda _: backfill.stop())
        super().__init__([self._bar, self._words, self._stop], layout={"align_items": "center", "grid_gap": "8px"})
        threading.Thread(target=self._follow, name="gptcache-progress", daemon=True).start()

    def _follow(self) -> None:
        while not self._backfill.wait(STEP_SECONDS):
            self._show()
        self._show()
        self._stop.layout.display = "none"

    def _show(self) -> None:
        done, total = self._backfill.done, self._backfill.total
        if total:
            self._bar.max, self._bar.value = total, done
            self._words.value = f"{done:,} of {total:,} earlier entries are searchable"
        elif self._backfill.settled:
            self._words.value = "Nothing to embed"
