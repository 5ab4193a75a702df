"""Let no statement do more than ours do, and let an interrupt end any of them.

SQLite looks at no signal while it runs a statement. Now and then it calls back here, and Python then runs the handler
of a signal that has come.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["guarded", "is_interrupt"]

C = TypeVar("C", bound=sqlite3.Connection)
STEPS_BETWEEN_LOOKS: Final = 20_000
"""Steps of SQLite's virtual machine between two looks: about a millisecond."""


def guarded(db: C, stop: Callable[[], bool] = bool) -> C:
    """Return a connection whose file is not trusted. A statement ends with ``SQLITE_INTERRUPT`` after an interrupt.

    Parameters
    ----------
    stop
        Tells whether to end the statement that runs now.
    """
    # In Python code, however short, the handler of a signal runs. What it raises ends the statement.
    db.set_progress_handler(lambda: stop(), STEPS_BETWEEN_LOOKS)
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
