"""Two buttons that say of the selected rows whether their stored answer is right for what was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import traitlets

from gptcache_magics.widgets.formats import one_line

__all__ = ["Verdicts"]


class Verdicts(anywidget.AnyWidget):
    """*Right* and *Wrong*, and a line that says what they did.

    Parameters
    ----------
    grid
        The model id of the table whose selected rows are meant, as they are seen when a button is pressed.
    judge
        Labels the rows of these keys and returns a sentence about it.
    """

    _esm = Path(__file__).with_name("verdicts.js")

    grid = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Bool(True).tag(sync=True)
    writable = traitlets.Bool(False).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)
    """Whether what is said is why nothing was done."""

    def __init__(self, grid: str, judge: Callable[[Sequence[str], bool], str], *, shown: bool = True) -> None:
        self._judge = judge
        super().__init__(grid=grid, shown=shown)
        self.on_msg(lambda _, content, __: self.do(**content))

    def do(self, ids: Sequence[str], right: bool) -> None:
        """Do what a button says, with a store that may fail: that is said, and the panel stays."""
        try:
            if not ids:
                raise ValueError("No pair is selected.")
            said, failed = self._judge(ids, right), False
        except Exception as error:
            said, failed = str(error) or type(error).__name__, True
        self.said = ""  # so that the same words, said again, are heard
        self.said, self.failed = one_line(said, 300), failed
