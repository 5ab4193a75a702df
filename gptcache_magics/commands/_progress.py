"""One line that says how far a long command is. It appears after a second and goes when the command ends."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final

__all__ = ["ProgressLine"]

FIRST_SECONDS: Final = 1.0
"""Time that a command may take without such a line."""
STEP_SECONDS: Final = 0.25


class ProgressLine:
    """Shows the line below a cell of a notebook, or in a terminal. Elsewhere, as in a file of output, shows nothing."""

    def __init__(self) -> None:
        self._next = time.monotonic() + FIRST_SECONDS
        self._handle: Any = None
        self._width = 0

    def __enter__(self) -> ProgressLine:
        """Return the line."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._width:
            self._show("")

    def __call__(self, done: str, number: int, total: int) -> None:
        """Show that ``number`` entries of ``total`` are done: ``read`` or ``written``."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + STEP_SECONDS
            number = min(number, total)
            filled = 20 * number // max(total, 1)
            self._show(f"{'█' * filled}{'░' * (20 - filled)} {number:,} of {total:,} entries {done}")

    def _show(self, text: str) -> None:
        if _in_a_notebook():
            from IPython.display import display

            data = {"text/plain": text}
            if self._handle is None:
                self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
            else:
                self._handle.update(data, raw=True)
        elif sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write(f"\r{text:{self._width}}\r{text}")
            sys.stderr.flush()
        self._width = len(text)


def _in_a_notebook() -> bool:
    """Return whether a kernel shows what is displayed."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
