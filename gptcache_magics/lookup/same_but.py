"""Find the answer to a prompt that is the same but for what rules leave out: ids, dates and the like.

Entries of one configuration are looked up by their shape, a digest of the prompt without all of that, and then compared
under the chosen rules. The answer is given the ids and dates of the prompt that asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

from gptcache_magics import fork, generations
from gptcache_magics.identity.key import Identity
from gptcache_magics.identity.renaming import Renaming
from gptcache_magics.identity.volatile import compared, masked, named, shape_of
from gptcache_magics.store.protocol import EntryRow, Found, Selection, Store
from gptcache_magics.store.reasons import Kind, Reason

__all__ = ["SameBut"]

SAME_SHAPE: Final = 5_000
"""The largest number of entries of one shape that are compared."""
DIGESTS: Final = 50_000
"""The largest number of prompts whose digest is kept in memory."""
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
        self._digests: dict[tuple[str, frozenset[str]], bytes] = {}
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def find(
        self,
        identity: Identity,
        rules: Collection[str],
        configurations: Sequence[str],
        usable: Callable[[Found], bool],
        *,
        as_recorded: bool,
    ) -> Found | Reason | None:
        """Return the newest answer to a prompt that is the same but for what rules leave out.

        Parameters
        ----------
        configurations
            Keys of the configurations that the answer may have: the model's own, and in a replay those elsewhere.
        usable
            Tells whether an answer can be served.
        as_recorded
            Whether the rules under which an answer was recorded hold for it, too.

        Returns
        -------
        An answer that is not usable only if there is no other one; and instead of none, why there is none.
        """
        wanted = Selection(configurations=configurations, shape=shape_of(identity.prompt))
        found: tuple[Found, EntryRow] | None = None
        held_back: Found | None = None
        doubt: Reason | None = None
        equal = 0
        for row in self._store.entries(wanted, SAME_SHAPE):
            if row.sample or (row.expires is not None and row.expires <= time.time()):
                continue
            own = frozenset({*rules, *(row.ignored.split() if as_recorded else ())})
            if not own or self._digest(row.key, row.prompt, own) != self._digest(identity.key, identity.prompt, own):
                continue
            match = _match(row, identity, own)
            if isinstance(match, Reason):
                doubt = doubt or match
            elif match is None:
                continue
            elif not usable(match):
                held_back = held_back or match
            elif found is None:
                found = match, row
            elif _said(match.answer) == _said(found[0].answer):
                equal += 1
                if equal == OTHERS:
                    break
            elif row.configuration != found[1].configuration and identity.configuration.key not in (
                row.configuration,
                found[1].configuration,
            ):
                return Reason(Kind.DOUBT, f"{named(found[0].ignored)}; recorded answers differ")
            else:
                return replace(found[0], several=True)
        return (found[0] if found is not None else None) or held_back or doubt

    def prepare(self, seconds: float = 0.0) -> None:
        """Give earlier entries their shapes, for ``seconds`` here and then in the background."""
        end = time.monotonic() + seconds
        while not self._store.readonly and (self._thread is None or not self._thread.is_alive()) and self._batch():
            if time.monotonic() >= end:
                self._start()

    def close(self) -> None:
        """End the thread."""
        self._closed = True

    def _digest(self, key: str, prompt: str, rules: frozenset[str]) -> bytes:
        """Return a digest of a prompt that the rules have masked: there may be thousands of one shape."""
        found = self._digests.get((key, rules))
        if found is None:
            if len(self._digests) >= DIGESTS:
                self._digests.clear()
            found = self._digests[key, rules] = blake2b(masked(prompt, rules).text, digest_size=16).digest()
        return found

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


def _match(row: EntryRow, identity: Identity, rules: Collection[str]) -> Found | Reason | None:
    """Return the answer of an entry as the answer to a prompt, or why it may not be; None if other words differ."""
    compared_prompts = compared(row.prompt, identity.prompt, rules)
    if compared_prompts is None or not compared_prompts.differing:
        return None
    ignored = tuple(dict.fromkeys(each.rule for each in compared_prompts.differing))
    renamed = Renaming(compared_prompts.names)
    try:
        answer = generations.reworded(row.answer, renamed)
    except Exception:  # whatever the bytes are: a damaged answer is not one
        answer = row.answer
    objection = compared_prompts.objection
    if not objection and renamed.outlasting:
        objection = f"; the answer names the old {renamed.outlasting} in another form"
    if objection:
        return Reason(Kind.DOUBT, f"{named(ignored)}{objection}")
    return replace(Found.of(row.entry), answer=answer, ignored=ignored)


def _said(answer: bytes) -> Any:
    """Return the texts of an answer and the tools that it calls; None if it cannot be decoded."""
    try:
        found = generations.decode(answer)
    except Exception:  # whatever the bytes make a class of LangChain raise
        return None
    calls = [getattr(getattr(each, "message", None), "tool_calls", ()) for each in found]
    return [each.text for each in found], [[(call["name"], call["args"]) for call in each] for each in calls]
