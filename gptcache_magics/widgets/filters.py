"""The filters of the panel: a button that opens a menu of values, and a chip for each filter that is set.

The values come when the menu is opened. They travel in messages, because the first line of a cell may hold a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import traitlets

from gptcache_magics.widgets.choices import word
from gptcache_magics.widgets.scripts import one_module
from gptcache_magics.widgets.unsaved import UnsavedWidget
from gptcache_magics.widgets.view import NAMES, Filter, View

__all__ = ["Filters"]


class Filters(UnsavedWidget):
    """A button with a menu, and a row of chips; pressing a chip takes its filter away.

    Parameters
    ----------
    narrow
        Called with the name of a filter and its new value, ``None`` to take it away.
    choices
        Returns the values of each filter by their texts.
    """

    _esm = one_module(Path(__file__).parent, "filters")

    chips: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)

    def __init__(
        self, narrow: Callable[[Filter, Any], None], choices: Callable[[], dict[Filter, dict[str, Any]]]
    ) -> None:
        self._narrow, self._choices = narrow, choices
        self._values: dict[Filter, dict[str, Any]] = {}
        super().__init__()

    def show(self, view: View, periods: Mapping[str, str]) -> None:
        """Show the filters of `view`; the first of `periods`, with their names, is the default and has no chip."""
        texts: dict[Filter, str] = {
            name: word(name, value) for name in NAMES if name != "since" and (value := getattr(view, name)) is not None
        }
        if view.since != next(iter(periods)):
            texts["since"] = periods[view.since]
        self.chips = [_chip(name, texts[name]) for name in NAMES if name in texts]

    def close(self) -> None:
        """Close the widget and forget the values."""
        super().close()
        self._values = {}

    def _asked(self, _: object, content: dict[str, Any], __: object) -> None:
        match content:
            case {"remove": name}:
                self._narrow(name, None)
            case {"choose": name, "text": text}:
                self._narrow(name, self._values.get(name, {}).get(text))
            case {"open": True}:
                self._values = self._choices()
                menu = [
                    {"name": name, "kind": NAMES[name], "texts": [*values]} for name, values in self._values.items()
                ]
                self.send_values(menu=menu)
            case _:
                super()._asked(_, content, __)


def _chip(name: Filter, text: str) -> dict[str, Any]:
    return {"name": name, "kind": NAMES[name], "text": text, "label": f"Remove filter {NAMES[name]} {text}"}
