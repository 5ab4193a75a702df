"""Find the answer to a prompt that is the same but for what rules leave out: ids, dates and the like.

Entries of one configuration are looked up by their shape, a digest of the prompt without all of that, and then compared
under the chosen rules. The answer is given the ids and dates of the prompt that asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from gptcache_magics import fork, generations
from gptcache_magics.identity.key import Identity
from gptcache_magics.identity.volatile import difference, renaming, shape_of
from gptcache_magics.store.protocol import Found, Selection, Store

__all__ = ["SameBut"]

SAME_SHAPE: Final = 200
"""The largest number of entries of one shape that are compared."""
OTHERS: Final = 5
"""The largest number of further answers that are compared with the newest."""
BATCH: Final = 50
"""Number of entries that get their shapes at once."""
PAUSE_SECONDS: Final = 0.02
"""Pause between two batches, so that a cell that computes is not slowed much."""


class SameBut:
    """The search for prompts that differ in nothing but what rules leave out.

    Parameters
    ----------
    failed
        Counts an error of the thread that gives shapes to earlier entries.
    """

    def __init__(self, store: Store, failed: Callable[[Exception, str], object]) -> None:
        self._store, self._failed = store, failed
        self._closed = False
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def find(
        self, identity: Identity, rules: Collection[str], configurations: Sequence[str], *, as_recorded: bool
    ) -> Found | None:
        """Return the newest answer to a prompt that is the same but for what rules leave out.

        Parameters
        ----------
        configurations
            Keys of the configurations that the answer may have.
        as_recorded
            Whether the rules under which an answer was recorded hold for it, too.
        """
        wanted = Selection(configurations=configurations, shape=shape_of(identity.prompt))
        found: Found | None = None
        compared = 0
        for row in self._store.entries(wanted, SAME_SHAPE):
            if row.sample or (row.expires is not None and row.expires <= time.time()):
                continue
            own = {*rules, *(row.ignored.split() if as_recorded else ())}
            differing = difference(row.prompt, identity.prompt, own) if own else None
            if not differing:
                continue
            answer = generations.reworded(row.answer, renaming(row.prompt, identity.prompt, own))
            if found is not None:
                if _said(answer) != _said(found.answer):
                    return replace(found, several=True)
                compared += 1
                if compared == OTHERS:
                    break
                continue
            ignored = tuple(dict.fromkeys(each.rule for each in differing))
            found = replace(Found.of(row.entry), answer=answer, ignored=ignored)
        return found

    def prepare(self, seconds: float = 0.0) -> None:
        """Give earlier entries their shapes, for ``seconds`` here and then in the background."""
        end = time.monotonic() + seconds
        while not self._store.readonly and (self._thread is None or not self._thread.is_alive()) and self._batch():
            if time.monotonic() >= end:
                self._start()

    def close(self) -> None:
        """End the thread."""
        self._closed = True

    def _start(self) -> None:
        with self._lock:
            if (self._thread is None or not self._thread.is_alive()) and not self._closed:
                self._thread = threading.Thread(target=self._run, name="gptcache-shapes", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while not self._closed and self._batch():
                time.sleep(PAUSE_SECONDS)
        except Exception as error:
            self._failed(error, "reading earlier prompts")

    def _batch(self) -> bool:
        """Give some entries their shapes. Return whether there may be more."""
        rows = self._store.unshaped(BATCH)
        if rows:
            self._store.put_shapes({row.key: shape_of(row.prompt) for row in rows})
        return len(rows) == BATCH and self._store.unshaped(1) != rows[:1]


def _said(answer: bytes) -> Any:
    """Return the texts of an answer and the tools that it calls; None if it cannot be decoded."""
    try:
        found = generations.decode(answer)
    except Exception:  # whatever the bytes make a class of LangChain raise
        return None
    calls = [getattr(getattr(each, "message", None), "tool_calls", ()) for each in found]
    return [each.text for each in found], [[(call["name"], call["args"]) for call in each] for each in calls]
