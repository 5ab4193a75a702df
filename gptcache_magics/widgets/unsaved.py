"""Widgets whose texts travel in messages and not in their state.

A front end, nbclient and papermill save the state of widgets with the notebook. Prompts and answers must not be saved
there, so a view asks for them when it is drawn, and hears of each change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget

__all__ = ["UnsavedHTML", "UnsavedWidget"]


class UnsavedWidget(anywidget.AnyWidget):
    """A widget that tells its views what no saved notebook may hold."""

    def __init__(self, **state: Any) -> None:
        self._told: dict[str, Any] = {}
        super().__init__(**state)
        self.on_msg(self._asked)

    def tell(self, **values: Any) -> None:
        """Tell every view these values, in one message; nothing if they are what was told before."""
        if any(name not in self._told or self._told[name] != value for name, value in values.items()):
            self._told |= values
            self.send({"told": values})

    def close(self) -> None:
        """Close the widget and forget what was told."""
        super().close()
        self._told = {}

    def _asked(self, _: object, content: dict[str, Any], __: object) -> None:
        """Tell everything to a view that is new."""
        if content.get("want") == "told":
            self.send({"told": self._told})


class UnsavedHTML(UnsavedWidget):
    """HTML in which every foreign text is escaped."""

    _esm = Path(__file__).with_name("unsaved.js")

    def __init__(self) -> None:
        super().__init__()
        self.add_class("gptcache-html")

    @property
    def value(self) -> str:
        """The HTML."""
        return str(self._told.get("value", ""))

    @value.setter
    def value(self, html: str) -> None:
        self.tell(value=html)
