"""Widgets whose texts travel in messages and not in their state.

A front end, nbclient and papermill save the state of widgets with the notebook. Prompts and answers must not be saved
there, so a view asks for them when it is drawn, and gets each change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget

from gptcache_magics.widgets.scripts import one_module

__all__ = ["UnsavedHTML", "UnsavedWidget"]


class UnsavedWidget(anywidget.AnyWidget):
    """A widget that sends its views the values that no saved notebook may hold."""

    def __init__(self, **state: Any) -> None:
        self._unsaved: dict[str, Any] = {}
        super().__init__(**state)
        self.on_msg(self._asked)

    def send_values(self, **values: Any) -> None:
        """Send these values to every view, in one message, unless the views have them."""
        if any(name not in self._unsaved or self._unsaved[name] != value for name, value in values.items()):
            self._unsaved |= values
            self.send({"unsaved": values})

    def close(self) -> None:
        """Close the widget and forget the values."""
        super().close()
        self._unsaved = {}

    def _asked(self, _: object, content: dict[str, Any], __: object) -> None:
        """Send all values to a new view."""
        if content.get("want") == "unsaved":
            self.send({"unsaved": self._unsaved})


class UnsavedHTML(UnsavedWidget):
    """HTML in which every foreign text is escaped."""

    # A text: of a file, anywidget would keep each widget for ever, to tell it when the file changes.
    _esm = one_module(Path(__file__).parent, "unsaved")

    def __init__(self) -> None:
        super().__init__()
        self.add_class("gptcache-html")

    @property
    def value(self) -> str:
        """The HTML."""
        return str(self._unsaved.get("value", ""))

    @value.setter
    def value(self, html: str) -> None:
        self.send_values(value=html)
