"""Actions on the selected entries: compare, pin, unpin, tag, remove, undo; and the sentences that report them.

:mod:`gptcache_magics.editing` changes entries in the store that the panel shows, as for the commands of these names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import anywidget
import traitlets

from gptcache_magics import editing
from gptcache_magics.editing import MANY
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, Store
from gptcache_magics.text.amounts import counted
from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.scripts import one_module, one_style

__all__ = ["MANY", "Actions"]

BEGINNINGS: Final = 500
"""Most beginnings of ids that a store is asked for; SQLite does not accept thousands of conditions."""


class Actions(anywidget.AnyWidget):
    """Buttons for the selected entries, and a line that reports what they did.

    Parameters
    ----------
    grid
        The model id of the table. A button names the rows that are visibly selected when it is pressed: the selection
        that the table sends to the kernel may arrive later.
    acted
        Called after the store was changed.
    compare
        Called with the ids of two entries to show side by side.
    """

    _esm = one_module(Path(__file__).parent, "actions")
    _css = one_style(Path(__file__).parent, "actions")

    grid = traitlets.Unicode().tag(sync=True)
    writable = traitlets.Bool(False).tag(sync=True)
    undoable = traitlets.Bool(False).tag(sync=True)
    """Whether there is a removal to undo."""
    said = traitlets.Unicode().tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)
    """Whether ``said`` is an error."""
    question = traitlets.Unicode().tag(sync=True)
    """The question to confirm; empty if there is none."""

    def __init__(self, grid: str, acted: Callable[[], None], compare: Callable[[str, str], None]) -> None:
        self._acted, self._compare, self._asked = acted, compare, frozenset[str]()
        self._store: Store | None = None
        super().__init__(grid=grid)
        self.on_msg(lambda _, content, __: self.do(**content))

    def about(self, store: Store) -> None:
        """Act on this store from now on."""
        self._store, self.writable, self.undoable = store, not store.readonly, store.removed(limit=1) > 0
        if store.readonly and not self.said:
            self.say("This store can only be read.")

    def do(self, action: str, ids: Sequence[str] = (), tag: str = "") -> None:
        """Run the action of a button; report the error if the store fails, and keep the panel."""
        try:
            match action:
                case "compare":
                    one, other = ids
                    self._compare(one, other)
                case "pin":
                    self._done(editing.pin(self._open(), self._selection(ids)))
                case "unpin":
                    self._done(editing.pin(self._open(), self._selection(ids), pinned=False))
                case "tag":
                    self._done(editing.tag(self._open(), self._selection(ids), tag))
                case "remove" if len(ids) > MANY:
                    self._asked = frozenset(ids)
                    self.question = f"Remove {counted(len(ids), 'entry')}"
                    self.say(f"That is more than {MANY} at once.")
                case "remove":
                    self._remove(ids)
                case "confirm" if self.question and self._asked == frozenset(ids):
                    self._remove(ids)
                case "keep" | "confirm":
                    self.question = ""
                    self.say("Nothing was removed.")
                case "undo":
                    self._done(editing.undo(self._open()))
        except Exception as error:
            self.say(str(error) or type(error).__name__, failed=True)

    def say(self, text: str, *, failed: bool = False) -> None:
        """Report what was done, or why nothing was."""
        self.said = ""  # so that the browser notices the same words again
        self.said, self.failed = one_line(text, 300), failed

    def _remove(self, ids: Sequence[str]) -> None:
        number, sentence = editing.remove(self._open(), self._selection(ids))
        self._done(f"{sentence} Undo brings back {counted(number, 'entry')}.")

    def _selection(self, ids: Sequence[str]) -> Selection:
        """Return a selection of exactly these entries: the table shows only the beginnings of their ids."""
        if not ids:
            raise CommandError("No entry is selected.")
        selection = Selection(ids=ids if len(ids) <= BEGINNINGS else self._whole(set(ids)))
        if self._open().count(selection)[0] > len(ids):
            raise CommandError("Two entries have ids that begin alike: name one by its whole id in a command.")
        return selection

    def _whole(self, beginnings: set[str]) -> list[str]:
        """Return the whole ids of entries."""
        ids = (each.id for each in self._open().questions(None, sys.maxsize))
        return [id for id in ids if id in beginnings or id[:8] in beginnings]

    def _open(self) -> Store:
        if self._store is None or self._store.readonly:
            raise CommandError("This store can only be read.")
        return self._store

    def _done(self, text: str) -> None:
        self.question, self.undoable = "", self._open().removed(limit=1) > 0
        self.say(text)
        self._acted()
