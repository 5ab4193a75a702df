"""Let one kernel of a team at a time ask a model the same.

A kernel that is about to ask takes a lease of the key, and renews it while the model is awaited. The transaction that
brings the answer ends it. Nothing renews the lease of a kernel that was killed: it ends by itself.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from gptcache_magics import fork
from gptcache_magics.store.sqlite.statements import id_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gptcache_magics.store.postgres.connections import Connections
    from gptcache_magics.store.postgres.line import Line

__all__ = ["Leases"]

SECONDS: Final = 20.0
"""Time after which a lease that nobody renews ends."""
_NOW: Final = "extract(epoch FROM clock_timestamp())::float8"
_TAKE: Final = f"""INSERT INTO gptcache.lease AS l (space, id, holder, until) VALUES (%s, %s, %s, {_NOW} + {SECONDS})
    ON CONFLICT (space, id) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE l.until < {_NOW} OR l.holder = excluded.holder"""
_RENEW: Final = f"""UPDATE gptcache.lease SET until = {_NOW} + {SECONDS}
    WHERE space = %s AND id = ANY(%s) AND holder = %s"""
_END: Final = "DELETE FROM gptcache.lease WHERE space = %s AND id = ANY(%s) AND holder = %s"


class Leases:
    """The leases that one kernel holds in one space. Every method may be called from any thread."""

    def __init__(self, connections: Connections, space: str, holder: str) -> None:
        self._connections, self._space, self._holder = connections, space, holder
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin without a lease: at first, and in a forked child, whose parent renews its own."""
        self._lock = threading.Lock()
        self._held = frozenset[int]()
        self._done = frozenset[int]()

    @property
    def any(self) -> bool:
        """Whether there is something to renew or to end."""
        return bool(self._held)

    def take(self, key: str) -> bool:
        """Return whether this kernel holds the lease of a key now; another may. Raises ``TeamAway``."""
        id = id_number(key)
        values = (self._space, id, self._holder)
        taken: bool = self._connections.ask(lambda line: line.execute(_TAKE, values).rowcount > 0)
        if taken:
            with self._lock:
                self._held |= {id}
                self._done -= {id}
        return taken

    def give_back(self, key: str) -> None:
        """Note that a lease is not needed any more. The next ``keep`` ends it."""
        with self._lock:
            self._done |= {id_number(key)} & self._held

    def keep(self) -> None:
        """Renew the leases that are needed, and end the others."""
        held, done = self._held, self._done
        if done:
            self._connections.ask(partial(self.end, ids=done))
        if held - done:
            values = (self._space, sorted(held - done), self._holder)
            self._connections.ask(lambda line: line.execute(_RENEW, values))

    def end(self, line: Line, ids: Iterable[int]) -> None:
        """End the leases of entries, in the transaction of ``line`` that brings their answers."""
        ended = self._held.intersection(ids)
        if ended:
            line.execute(_END, (self._space, sorted(ended), self._holder))
            with self._lock:
                self._held -= ended
                self._done -= ended
