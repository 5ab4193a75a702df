"""Give back the space of what is removed for good: in the background, in transactions of some milliseconds.

Entries that are left over are deleted, and then the file is cut at its end. A kernel that is killed on the way loses
nothing: the next one that uses the file goes on.
"""

from __future__ import annotations

import atexit
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.flag import Flag
from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.database import identity_of
from gptcache_magics.store.sqlite.live import generations
from gptcache_magics.store.sqlite.statements import LOOKUP_ENDS

__all__ = ["FORGET_QUESTIONS", "LAST_ID", "LOOKUPS_READ", "STEP_SECONDS", "Sweeper", "free_pages", "spare_pages"]

STEP_SECONDS: Final = 0.02
"""Longest transaction, roughly: others wait for it."""
PAUSE_SECONDS: Final = 0.02
"""Pause between two, in which others write."""
LOOKED_AT: Final = 500
"""Entries that are looked at before a transaction begins."""
AT_ONCE: Final = 20
"""Entries that are deleted between two looks at the clock."""
FREE_KEPT: Final = 32
"""Free pages that a file keeps for what comes next; a large file keeps one in twenty."""
INCREMENTAL: Final = 2
CUT: Final = 16
"""Pages to cut in a first step."""
MOST_CUT: Final = 4096
CLOSING_SECONDS: Final = 0.25
"""Time that closing a store waits: most removals are small."""
EXIT_SECONDS: Final = 2.0
TRIES: Final = 30
"""How often in a row a busy file is tried."""
LOOKUPS_READ: Final = 500_000
"""Most lookups that are read to know whether they have a question, in 0.2 s."""
LAST_ID: Final = 2**63 - 1
SINCE: Final = "SELECT entry, asked FROM lookup WHERE number > ?"
FORGET_QUESTIONS: Final = """DELETE FROM question WHERE id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.id=question.id)
    AND NOT EXISTS (SELECT 1 FROM label l WHERE l.asked=question.id) AND id NOT IN (SELECT entry FROM label)"""
"""Forget those of some questions that no entry and no label has."""
_OTHERS: Final = "removal<>(SELECT removal FROM generation)"
DELETE_OLD: Final = "DELETE FROM entry WHERE id=:id AND generation < (SELECT kept FROM generation)"
DELETE_REMOVED: Final = f"DELETE FROM entry WHERE id IN (SELECT id FROM removed WHERE id=:id AND {_OTHERS})"
FORGET_ID: Final = f"DELETE FROM removed WHERE id=:id AND {_OTHERS}"
FORGET_HISTORY: Final = "DELETE FROM history WHERE id=:id AND NOT EXISTS (SELECT 1 FROM entry WHERE id=:id)"


class Sweeper:
    """The thread that gives back the space of a file. It ends when nothing is left to do."""

    def __init__(self, folder: Path | None, shared: Connections) -> None:
        self._folder, self._shared = folder, shared
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = False
        self._stop = Flag()

    def start(self) -> None:
        """Look for something to do, now or when the thread has finished what it is at."""
        with self._lock:
            self._again = True
            if self._thread is not None and self._thread.is_alive():  # an interrupt may keep it from beginning
                return
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="gptcache-space", daemon=True)
            atexit.register(self.stop)
            self._thread.start()

    def wait(self, seconds: float = CLOSING_SECONDS) -> None:
        """Wait until nothing is left to do, for as long as ``seconds``."""
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(seconds)

    def stop(self) -> None:
        """End after the present step; the next kernel goes on."""
        self._stop.set()
        self.wait(EXIT_SECONDS)

    def _run(self) -> None:
        try:
            self._sweep_all()
        finally:
            with self._lock:
                self._thread = None
            atexit.unregister(self.stop)

    def _sweep_all(self) -> None:
        while self._due():
            self._sweep()

    def _due(self) -> bool:
        with self._lock:
            due, self._again = self._again and not self._stop.raised, False
            return due

    def _sweep(self) -> None:
        # With connections of its own it outlives the store, which is closed while a million entries go.
        connections = Connections(self._folder) if self._folder is not None else self._shared
        if self._folder is not None:
            connections.only_read()
        path = None if self._folder is None else self._folder / "cache.db"
        try:
            self._do(Steps(connections), path, identity_of(path) if path is not None else None)
        except StoreError:  # the next kernel tries again
            return
        finally:
            if path is not None:
                connections.close()

    def _do(self, steps: Steps, path: Path | None, first: object) -> None:
        """Do steps until nothing is left to do, on the ``first`` file at a path: one that was removed is not made."""
        tries = 0
        while tries < TRIES and not self._stop.raised:
            if path is not None and (first is None or identity_of(path) != first):
                return
            try:
                if not steps.next():
                    return
                tries = 0
                self._stop.wait(PAUSE_SECONDS)
            except StoreLockedError:
                tries += 1
                self._stop.wait(1.0)


class Steps:
    """The steps of one sweep."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._after: int | None = None
        """The last id of the entries that were looked at."""
        self._deleted = False
        """Whether entries were deleted, whose questions perhaps nobody has any more."""
        self._asked: Asked | None = None
        self._cut = CUT

    def next(self) -> bool:
        """Do one step. Return whether there was anything to do."""
        now = self._connections.read(generations)
        if now.swept < now.kept:
            return self._generation(now.kept)
        return self._removed() or self._questions() or self._space()

    def _generation(self, kept: int) -> bool:
        """Look at some entries, and delete those of generations that nothing brings back."""
        sql = "SELECT id, generation FROM entry WHERE id>? OR ? IS NULL ORDER BY id LIMIT ?"
        sql = sql if self._after is not None else sql.replace("id>? OR", "? IS NULL AND")
        values = (self._after, self._after, LOOKED_AT)
        found = self._connections.read(lambda db: db.execute(sql, values).fetchall())
        if not found:
            self._after = None
            done = "UPDATE generation SET swept=? WHERE swept<?"
            self._connections.write(lambda db: db.execute(done, (kept, kept)), patient=False)
            return True
        old = [id for id, generation in found if generation < kept]
        last = self._delete(DELETE_OLD, old) if old else None
        self._after = found[-1][0] if last is None else last
        return True

    def _removed(self) -> bool:
        """Delete some entries of removals that nothing brings back."""
        sql = f"SELECT id FROM removed WHERE {_OTHERS} LIMIT ?"
        ids = [id for (id,) in self._connections.read(lambda db: db.execute(sql, (LOOKED_AT,)).fetchall())]
        if ids:
            self._delete(DELETE_REMOVED, ids, FORGET_ID)
        return bool(ids)

    def _delete(self, sql: str, ids: list[int], then: str = "") -> int | None:
        """Delete entries for as long as a step may take. Return the last id of them; None if all are deleted."""

        def work(db: sqlite3.Connection) -> int | None:
            end = time.monotonic() + STEP_SECONDS
            for at in range(0, len(ids), AT_ONCE):
                some = [{"id": id} for id in ids[at : at + AT_ONCE]]
                for each in filter(None, (sql, then, FORGET_HISTORY)):
                    db.executemany(each, some)
                if time.monotonic() > end and at + AT_ONCE < len(ids):
                    return some[-1]["id"]
            return None

        last = self._connections.write(work, patient=False)
        self._deleted = True
        return last

    def _questions(self) -> bool:
        """Look at some questions, and delete those that no entry, lookup or label has."""
        if not self._deleted:
            return False
        if self._asked is None:
            self._asked = self._connections.read(_asked)
        asked = self._asked
        sql = "SELECT id FROM question q WHERE id>=? ORDER BY id LIMIT ?"
        found = self._connections.read(lambda db: db.execute(sql, (asked.after, LOOKED_AT)).fetchall())
        if not found or asked.ids is None:
            self._deleted, self._asked = False, None
            return False
        unused = [id for (id,) in found if id not in asked.ids]

        def work(db: sqlite3.Connection) -> None:
            new = {id for row in db.execute(SINCE, (asked.number,)) for id in row}
            db.execute(FORGET_QUESTIONS, (json.dumps([id for id in unused if id not in new]),))

        if unused:
            self._connections.write(work, patient=False)
        last = found[-1][0]
        if last == LAST_ID:
            self._deleted, self._asked = False, None
            return False
        self._asked = asked._replace(after=last + 1)
        return True

    def _space(self) -> bool:
        """Cut some free pages off the end of the file."""
        spare = self._connections.read(spare_pages)
        if spare <= 0:
            self._connections.read(_shorten_journal, wait=False)
            return False
        free = self._connections.read(free_pages)
        # As a script: otherwise Python stops after the first page. It is a transaction of its own.
        script = f"PRAGMA incremental_vacuum({min(self._cut, spare)})"
        started = time.monotonic()
        self._connections.read(lambda db: db.executescript(script))
        seconds = max(time.monotonic() - started, 1e-4)
        self._cut = max(1, min(2 * self._cut, round(self._cut * STEP_SECONDS / seconds), MOST_CUT))
        return self._connections.read(free_pages) < free


class Asked(NamedTuple):
    """The questions that lookups have."""

    ids: set[int | None] | None
    """None if they are too many to remember."""
    number: int
    """The last lookup that was read."""
    after: int = -(2**63)
    """The first question that was not looked at."""


def _asked(db: sqlite3.Connection) -> Asked:
    first, last = db.execute(LOOKUP_ENDS).fetchone()
    if last - first > LOOKUPS_READ:
        return Asked(None, last)
    return Asked({id for row in db.execute(SINCE, (first - 1,)) for id in row}, last)


def free_pages(db: sqlite3.Connection) -> int:
    """Return how many pages of the file are free."""
    number: int = db.execute("PRAGMA freelist_count").fetchone()[0]
    return number


def spare_pages(db: sqlite3.Connection) -> int:
    """Return how many pages can be cut off a file; 0 if it is one of an earlier version, which cannot be cut."""
    cut, pages = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("auto_vacuum", "page_count"))
    free = free_pages(db)
    return max(0, free - max(FREE_KEPT, (pages - free) // 20)) if cut == INCREMENTAL else 0


def _shorten_journal(db: sqlite3.Connection) -> None:
    """Take the journal's space back if nobody is using it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
