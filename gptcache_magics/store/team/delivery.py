"""Send what waits in a folder's queue to the team, in a thread.

The kernels of a folder send one at a time. Everything may be sent twice, because a killed kernel may have sent it and
not noted so. While the team is away, the thread asks from time to time whether it is back.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, TeamAway
from gptcache_magics.flag import Flag
from gptcache_magics.store.protocol import Configuration, Selection
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.outbox import Queued
from gptcache_magics.store.sqlite.statements import id_number, id_text
from gptcache_magics.text.amounts import counted

if TYPE_CHECKING:
    from gptcache_magics.store.team.store import TeamStore

__all__ = ["Delivery"]

BATCH: Final = 50
USED_KEPT: Final = 10_000
"""Embeddings of which is told when they were used, at once."""
FINISH_SECONDS: Final = 5.0
"""Longest time that ``off`` sends."""
AGAIN_SECONDS: Final = 5.0
"""Time between two tries while the team is away, another kernel sends, or the file is locked. Leases last longer."""
NOUNS: Final = {
    outbox.ENTRY: "answer",
    outbox.OVERTAKEN: "answer",
    outbox.VECTOR: "vector",
    outbox.LOOKUP_KIND: "lookup",
    outbox.LABEL: "label",
    outbox.EMBEDDING: "embedding",
}


class Delivery:
    """The thread that sends for a store. It begins when there is something to send."""

    def __init__(self, store: TeamStore) -> None:
        self._store = store
        self.refused: list[str] = []
        """Messages about what the team refused to take."""
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._thread: threading.Thread | None = None
        self._awake = Flag()
        self._starting = threading.Lock()
        self._sending = threading.Lock()
        self._contexts: deque[tuple[str, str]] = deque()
        self._configurations: set[Configuration] = set()
        self._used: dict[str, float] = {}
        self._holder = uuid4().hex
        self._closed = False

    @property
    def notices(self) -> Sequence[str]:
        """Messages about what the team refused to take."""
        return self.refused

    def wake(self) -> None:
        """Let the thread send."""
        self._closed = False
        self._awake.set()
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def fetch(self, embedder: str, context: str) -> None:
        """Let the thread fetch the rest of a context."""
        self._contexts.append((embedder, context))
        self.wake()

    def use(self, used: Mapping[str, float]) -> None:
        """Let the thread tell the team which embeddings were used, by key and moment, if it can soon."""
        if len(self._used) < USED_KEPT:
            self._used = {**self._used, **used}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Send nothing in this block: what is on its way would arrive after it was removed."""
        with self._sending:
            yield

    def stop(self) -> None:
        """End the thread; the next ``wake`` begins another."""
        self._closed = True
        self._awake.set()

    def finish(self) -> str:
        """Send what waits, as far as that is possible in ``FINISH_SECONDS``. Returns a sentence about what is left."""
        self.stop()
        until = time.monotonic() + FINISH_SECONDS
        store = self._store
        try:
            while store.can_ask() and store.shares and time.monotonic() < until and self._send():
                pass
        except TeamAway:  # what is left is said
            pass
        left = dict(store.waiting())
        answers = left.get(outbox.ENTRY, 0) + left.get(outbox.OVERTAKEN, 0)
        if not left or not (store.trouble or answers):
            return ""
        number, noun = (answers, "answer") if answers else (sum(left.values()), "record")
        verb = "waits" if number == 1 else "wait"
        return (
            f"{counted(number, noun)} {verb} in {store.where} to be sent to {store.address.place}. "
            f"They are sent when the cache is on there again: %gptcache on {store.address.typed}"
        )

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="gptcache-team", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending: the next kernel sends
                    self._thread = None

    def _run(self) -> None:
        while not self._closed:
            self._awake.clear()
            self._awake.wait(AGAIN_SECONDS if self._work() else None)

    def _work(self) -> bool:
        """Send and fetch what there is. Returns whether to try again soon."""
        store = self._store
        try:
            if store.refused:
                return False
            if store.database.away or not store.database.identity:  # nothing is sent to a database that was not met
                store.connect_again()
            store.database.leases.keep()
            while not self._closed and self._contexts and store.fetch(*self._contexts[0]):
                pass
            if self._contexts:
                self._contexts.popleft()
            while not self._closed and store.shares and self._send():
                pass
            if self._used and store.shares:
                used, self._used = self._used, {}
                store.database.embeddings.use(used)
            again = self._contexts or store.database.leases.any or (store.shares and store.waiting())
            return bool(again)
        except TeamAway:
            return True
        except StoreError as error:  # such as a locked file
            if not store.database.away:
                self._say(str(error))
            return True
        except Exception as error:  # the thread goes on
            self._say(f"{type(error).__name__} while answers were sent to {store.address.place}")
            return True

    def _send(self) -> bool:
        """Send the oldest part of the queue. Returns whether anything was sent."""
        with self._sending:
            return self._send_next()

    def _send_next(self) -> bool:
        store = self._store

        def begin(db: sqlite3.Connection) -> list[Queued]:
            team = store.team(db).id
            rows = outbox.next_to_send(db, team, BATCH)
            return rows if rows and outbox.lease(db, team, self._holder) else []

        if store.readonly or not store.waiting():
            return False
        rows = store._write(begin, patient=False)
        if not rows:
            return False
        try:
            self._give(rows)
        except TeamAway:
            raise
        except Exception:  # one of them is wrong, and must not keep the others back
            for row in rows:
                self._give_one(row)

        def end(db: sqlite3.Connection) -> set[str]:
            ids = outbox.overtaken(db, rows)
            outbox.sent(db, rows)
            db.executemany("DELETE FROM entry WHERE id=?", [(id,) for id in ids])
            db.executemany("INSERT INTO dropped (id, why) VALUES (?, 'replaced')", [(id,) for id in ids])
            outbox.release(db, store.team(db).id, self._holder)
            return {id_text(id) for id in ids}

        gone = store._write(end, patient=False)
        if gone:
            store._recent.forget(gone)
        return True

    def _give_one(self, row: Queued) -> None:
        """Send one thing. If the team refuses it, it stays here only."""
        try:
            self._give([row])
        except TeamAway:
            raise
        except Exception as error:
            why = str(error) if isinstance(error, StoreError) else type(error).__name__
            self._say(f"Not shared with the team, 1 {NOUNS[row.kind]}: {why}")

    def _give(self, rows: Sequence[Queued]) -> None:
        """Send things of every kind: entries first, for the others are about them."""
        store, database = self._store, self._store.database
        of = {kind: [row.id for row in rows if row.kind == kind] for kind in NOUNS}
        ids = [id_text(id) for id in (*of[outbox.ENTRY], *of[outbox.OVERTAKEN])]
        entries = [row.entry for row in store.entries(Selection(ids=ids))] if ids else []
        numbers, vectors = of[outbox.LOOKUP_KIND], of[outbox.VECTOR]
        lookups = store._connections.read(lambda db: outbox.lookup_rows(db, store._damage, numbers)) if numbers else []
        keys = {*(each.configuration for each in entries), *(each.configuration for each in lookups)}
        known = {each.key for each in self._configurations}
        new = [each for each in store.configurations() if each.key in keys] if keys - known else []
        configurations = [each for each in {*new, *self._configurations} if each.key in keys]
        if entries:
            database.put(entries, configurations)
        if vectors:
            found = store._connections.read(lambda db: outbox.stored_vectors(db, store._damage, vectors))
            for embedder in {each.embedder for each in found}:
                of_it = [(each.key, each.context, each.vector) for each in found if each.embedder == embedder]
                database.put_vectors(embedder, of_it)
        if lookups:
            database.record(lookups, configurations)
        if of[outbox.LABEL]:
            asked = {*of[outbox.LABEL]}
            database.put_labels([each for each in store.labels() if id_number(each.asked) in asked])
        if of[outbox.EMBEDDING]:
            embeddings = store._embeddings_under(of[outbox.EMBEDDING])
            models = {each.model for each in embeddings}
            database.embeddings.put(embeddings, [each for each in store.embedding_models() if each.key in models])
        self._configurations.update(new)

    def _say(self, message: str) -> None:
        if message not in self.refused:
            self.refused = [*self.refused[-9:], message]
