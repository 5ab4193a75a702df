"""Two buttons that label the stored answers of the selected rows as right or wrong for the question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import traitlets

from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.scripts import one_module

__all__ = ["Verdicts"]


class Verdicts(anywidget.AnyWidget):
    """*Right* and *Wrong*, and a line that reports what they did.

    Parameters
    ----------
    grid
        The model id of the table. A button names the rows that are visibly selected when it is pressed.
    judge
        Labels the rows of these keys and returns a sentence about it.
    """

    _esm = one_module(Path(__file__).parent, "verdicts")

    grid = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Bool(True).tag(sync=True)
    writable = traitlets.Bool(False).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)
    """Whether ``said`` is an error."""

    def __init__(self, grid: str, judge: Callable[[Sequence[str], bool], str], *, shown: bool = True) -> None:
        self._judge = judge
        super().__init__(grid=grid, shown=shown)
        self.on_msg(lambda _, content, __: self.do(**content))

    def do(self, ids: Sequence[str], right: bool) -> None:
        """Label the rows; report the error if the store fails, and keep the panel."""
        try:
            if not ids:
                raise ValueError("No pair is selected.")
            said, failed = self._judge(ids, right), False
        except Exception as error:
            said, failed = str(error) or type(error).__name__, True
        self.said = ""  # so that the browser notices the same words again
        self.said, self.failed = one_line(said, 300), failed
