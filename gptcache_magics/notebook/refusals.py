"""Show the refusal of an SDK's call as one sentence: the SDK's own traceback of it has hundreds of lines.

IPython asks an exception for a traceback of its own making. An error that says a refusal has one while IPython shows
it; every other error is shown as before. ``%tb`` gives the whole traceback.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gptcache_magics.errors import BudgetReached, CacheMiss

__all__ = ["Refusals"]

METHOD: Final = "showtraceback"
RENDERER: Final = "_render_traceback_"
_USERS: Final = ("builtins", "__main__")
"""Modules of exceptions that a notebook raises itself: their traceback stays, and the sentence follows it."""


class Refusals:
    """The refusals that one shell shows.

    Parameters
    ----------
    shell
        An ``InteractiveShell``.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._before: Any = None
        """The function that somebody had put on the shell in place of its class's method."""
        self._wrapper: Any = None
        self._shown: BaseException | None = None
        """The error whose sentence has been shown."""

    def show(self) -> None:
        """Show sentences from now on."""
        self._before = vars(self._shell).get(METHOD)
        original = getattr(self._shell, METHOD)

        @functools.wraps(original)
        def showtraceback(exc_tuple: Any = None, *args: Any, **kwargs: Any) -> Any:
            error = exc_tuple[1] if exc_tuple is not None else sys.exc_info()[1]
            line = self._line(error) if self._wrapper is not None else None
            if line is None:
                return original(exc_tuple, *args, **kwargs)

            def rendered() -> list[str]:
                self._shown = error
                return [line]

            vars(error)[RENDERER] = rendered  # an error may refuse to have its attributes set
            try:
                return original(exc_tuple, *args, **kwargs)
            finally:
                vars(error).pop(RENDERER, None)

        self._wrapper = showtraceback
        setattr(self._shell, METHOD, showtraceback)

    def leave(self) -> None:
        """Put the method back, unless somebody has wrapped over it."""
        wrapper, self._wrapper, self._shown = self._wrapper, None, None
        if vars(self._shell).get(METHOD) is not wrapper:
            return
        if self._before is None:
            delattr(self._shell, METHOD)
        else:
            setattr(self._shell, METHOD, self._before)

    def ended(self, error: BaseException | None) -> None:
        """Print the sentence of an error that has ended a cell, unless its traceback was the sentence."""
        shown, self._shown = self._shown, None
        if error is None or error is shown or hasattr(error, RENDERER):
            return
        sentences = dict.fromkeys(f"{type(each).__name__}: {each}" for each in _refusals(error))
        if sentences:
            print(*sentences, sep="\n", file=sys.stderr)  # noqa: T201

    def _line(self, error: BaseException | None) -> str | None:
        """Return the sentence to show in place of a traceback; None for a traceback that has more to say."""
        if error is None or type(error).__module__ in _USERS or hasattr(error, RENDERER):
            return None
        with suppress(Exception):  # the text and the fields of an error may be any code
            return _line_of(error)
        return None


def _line_of(error: BaseException) -> str | None:
    """Return an error's name with the sentence of the refusal that it says; None if it says none."""
    for refusal in _refusals(error):
        name = type(refusal).__name__
        if f"{name}: " in str(error) or getattr(error, "response", None) is not None:
            return f"{type(error).__name__}: {name}: {refusal}"
    return None


def _refusals(error: BaseException) -> Iterator[CacheMiss | BudgetReached]:
    """Yield the refusals that an error says, or the members of a group."""
    module = sys.modules.get("gptcache_magics.lookup.refusal")
    if module is None:
        return  # nothing was refused, as the cache was never on
    pending: list[BaseException] = [error]
    while pending:
        each = pending.pop()
        refusal = module.refusal_in(each)
        if refusal is not None:
            yield refusal
        pending += reversed(each.exceptions if isinstance(each, BaseExceptionGroup) else ())
