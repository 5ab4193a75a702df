"""Let no statement do more than ours do, and let an interrupt end any of them.

SQLite looks at no signal while it runs a statement. Now and then it calls back here, and Python then runs the handler
of a signal that has come.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

__all__ = ["guarded", "interrupt_heard", "is_interrupt"]

C = TypeVar("C", bound=sqlite3.Connection)
STEPS_BETWEEN_LOOKS: Final = 20_000
"""Steps of SQLite's virtual machine between two looks: about a millisecond."""
_heard: Final = threading.local()
"""The ``error`` that the handler of a signal raised in this thread, and that ended a statement."""


def guarded(db: C, stop: Callable[[], bool] = bool) -> C:
    """Return a connection whose file is not trusted. A statement ends with ``SQLITE_INTERRUPT`` after an interrupt.

    Parameters
    ----------
    stop
        Tells whether to end the statement that runs now.
    """
    db.set_progress_handler(_looks(stop).__next__, STEPS_BETWEEN_LOOKS)
    db.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 10)
    db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1)  # VACUUM needs one
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")
    if sys.version_info >= (3, 12):
        db.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    return db


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error says that a statement was ended because a signal has come."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT


def interrupt_heard() -> BaseException:
    """Return what the handler of the signal raised that ended a statement of this thread, to be raised again."""
    heard: BaseException | None = _heard.__dict__.pop("error", None)
    return heard or KeyboardInterrupt()


def _looks(stop: Callable[[], bool]) -> Iterator[bool]:
    """Yield without end whether to end the statement.

    sqlite3 drops what is raised here. Python runs the handler of a signal where it enters code: in a generator, and not
    in a function, that is inside of the ``try``.
    """
    while True:
        try:
            while True:
                yield stop()
        except GeneratorExit:
            return
        except BaseException as error:
            _heard.error = error
        yield True
