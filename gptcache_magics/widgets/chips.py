"""Chips below the panel's head: one button for each filter that is set. Pressing it removes the filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.view import Filter, View

__all__ = ["Chips"]

NAMES: Mapping[Filter, str] = {
    **{"model": "model", "since": "time", "cell": "cell", "cause": "cause", "face": "library", "entry": "entry"}
}


class Chips(anywidget.AnyWidget):
    """A row of buttons, one for each filter that is set; empty if none is.

    Parameters
    ----------
    remove
        Called with the name of a filter when its chip is pressed.
    """

    _esm = Path(__file__).with_name("chips.js").read_text("utf-8")

    chips: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)

    def __init__(self, remove: Callable[[Filter], None]) -> None:
        super().__init__()
        self.on_msg(lambda _, content, __: remove(content["remove"]))

    def show(self, view: View, periods: Mapping[str, str]) -> None:
        """Show the filters of `view`; the first of `periods`, with their names, is the default and has no chip."""
        texts: dict[Filter, str] = {}
        if view.model is not None:
            texts["model"] = one_line(view.model)
        if view.since != next(iter(periods)):
            texts["since"] = periods[view.since]
        if view.cell is not None:
            texts["cell"] = f"[{view.cell}]"
        if view.cause is not None:
            texts["cause"] = one_line(view.cause)
        if view.face is not None:
            texts["face"] = one_line(view.face)
        if view.entry is not None:
            texts["entry"] = view.entry[:8]
        self.chips = [_chip(name, text) for name, text in texts.items()]


def _chip(name: Filter, text: str) -> dict[str, Any]:
    return {"name": name, "kind": NAMES[name], "text": text, "label": f"Remove filter {NAMES[name]} {text}"}
