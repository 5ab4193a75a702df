"""Replay or record the model calls of tests with one bundle: the work of the pytest plugin."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from gptcache_magics import bundle, commands
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.lookup.options import State
from gptcache_magics.replay.kernel import Journal, reason_of
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Selection, Store
from gptcache_magics.text.amounts import counted, seconds_of
from gptcache_magics.text.word_diff import shown

if TYPE_CHECKING:
    from gptcache_magics.testing.plugin import Wanted

__all__ = ["Recordings", "drop", "unused"]

LOCK_SECONDS: Final = 120
AGES: Final = "max_age is a time such as 30d or 12h"


class Recordings:
    """The bundle of tests that run, while the cache is on with it.

    The bundle is read into memory. What a test records is added to the file when the test ends, whatever becomes of the
    others; ``drop`` takes away at the end what none has used.
    """

    def __init__(self, path: Path, mode: Literal["replay", "update"]) -> None:
        self.path, self.mode = path, mode
        if path.suffix != ".jsonl" or path.exists():
            bundle.read(path)  # says what is wrong with it
        self._journal = Journal()
        self._at = self._test_at = 0
        self._max_age: float | None = None
        self._recorded = 0
        self._new: dict[str, None] = {}
        self._notices: list[str] = []
        self._aside: list[Entry] = []
        """Entries that are too old for the test that runs."""
        self._turn_on()

    @property
    def of_test(self) -> Sequence[Lookup]:
        """The lookups of the test that runs."""
        return self._journal[self._test_at :]

    def begin(self, wanted: Wanted) -> None:
        """Begin a test: with the cache on, in this mode, with the options of this test only."""
        self._max_age = seconds_of(wanted.max_age, AGES) if wanted.max_age else None
        if controller.turned_on is not self._cache:  # an earlier test turned it off, or another one on
            controller.off()
            self._turn_on()
        controller.on()
        self._state.restore(self._cache)
        controller.set_mode("replay" if self.mode == "replay" else "auto")
        if wanted.options:
            commands.function("on")(**wanted.options)
        if self.mode == "update":
            self._set_old_aside()
        self._test_at = self._at = len(self._journal)

    def _set_old_aside(self) -> None:
        """Keep the entries that are too old for this test from it, so that they are asked again."""
        self._store.put_all(self._aside, self._store.configurations(), replace=False)
        self._aside = []
        if self._max_age is not None:
            old = self._store.entries(Selection(older_than=time.time() - self._max_age))
            self._aside = [each.entry for each in old]
        if self._aside:
            self._store.remove(Selection(ids=[each.key for each in self._aside]))

    def told(self) -> dict[str, Any]:
        """Return what the lookups since the last call used, and their problems in words."""
        self._read_children()
        lookups = self._journal[self._at :]
        self._at += len(lookups)
        replays = self.mode == "replay"
        problems = dict.fromkeys(reason_of(each) for each in lookups if replays and each.outcome != "hit")
        if replays:
            problems |= dict.fromkeys(self._too_old(lookups))
        used = [each.key for each in lookups if each.key is not None and each.outcome == "hit"]
        recorded, self._recorded = self._recorded, 0
        notices, self._notices = self._notices, []
        return {
            "problems": list(problems),
            "used": [*used, *(self._new if not replays else ())],
            "recorded": recorded,
            "notices": [*notices, *controller.news()],
        }

    def _too_old(self, lookups: Sequence[Lookup]) -> Iterator[str]:
        for each in lookups if self._max_age is not None else ():
            found = self._store.get(each.key) if each.outcome == "hit" and each.key else None
            if found is not None and time.time() - found.created > (self._max_age or 0):
                day = time.strftime("%Y-%m-%d", time.gmtime(found.created))
                yield f"the recording of “{shown(each.question)}” is of {day}, and older than max_age allows."

    def keep(self) -> None:
        """Add to the file what the test that ends has recorded."""
        if self.mode == "replay":
            return
        self._read_children()
        asked = {each.key for each in self.of_test if each.key is not None and each.outcome != "hit"}
        new = [key for key in sorted(asked) if key not in self._new and self._store.get(key) is not None]
        if new:
            try:
                masked = _add(self.path, self._store, new)
            except (StoreError, CommandError, OSError) as error:
                self._notices.append(f"not recorded: {error}")
                return
            self._new.update(dict.fromkeys(new))
            self._recorded += len(new)
            if masked:
                held = counted(masked, "prompt holds", "prompts hold")
                self._notices.append(f"{held} what looks like a key: masked in the file, and will not match.")

    def close(self) -> None:
        """Turn the cache off."""
        if controller.turned_on is self._cache:
            controller.off()

    def _turn_on(self) -> None:
        place = str(self.path) if self.path.exists() else ":memory:"
        commands.function("on")(place, mode="replay" if self.mode == "replay" else "auto", match="exact")
        assert controller.turned_on is not None
        self._cache = controller.turned_on
        self._store: Store = self._cache.store
        self._cache.ledger.journal = self._journal
        self._aside = []
        self._state = State.of(self._cache)

    def _read_children(self) -> None:
        if hasattr(os, "fork"):
            self._journal.read_children()


def unused(path: Path, used: Collection[str]) -> list[str]:
    """Return the recordings that are not among the used ones, in words."""
    if not path.exists():
        return []
    contents = bundle.read(path)
    models = {each.key: each.model for each in contents.configurations}
    left = [each for each in contents.entries if each.key not in used]
    return [f"“{shown(each.question)}” ({models.get(each.configuration, 'unknown model')})" for each in left]


def drop(path: Path, used: Collection[str]) -> int:
    """Take the recordings out of a file that are not among the used ones. Returns their number."""
    with _alone(path), closing(bundle.opened(path)) as store:
        keys = [each.entry.key for each in store.entries(Selection())]
        left = [*filter(used.__contains__, keys)]
        if left:
            bundle.save(store, Selection(ids=left), path)
        else:
            path.unlink()
    return len(keys) - len(left)


def _add(path: Path, store: Store, keys: Sequence[str]) -> int:
    """Add entries of a store to a file. Returns the number of prompts that were masked among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may have added to the file since it was read.
    with _alone(path), closing(bundle.opened(path) if path.exists() else open_store(":memory:")) as whole:
        entries = [each.entry for each in store.entries(Selection(ids=keys))]
        before = whole.count(Selection(tag=bundle.MASKED_PROMPT))[0]
        whole.put_all(entries, _configurations_of(entries, store), replace=True)
        saved = bundle.save(whole, Selection(), path)
    return saved.masked_prompts - before


def _configurations_of(entries: Sequence[Entry], store: Store) -> list[Configuration]:
    keys = {each.configuration for each in entries}
    return [each for each in store.configurations() if each.key in keys]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from writing a file meanwhile. A lock of SQLite's ends with its process, everywhere."""
    name = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=12).hexdigest()
    lock = os.path.join(tempfile.gettempdir(), f"gptcache-{name}.lock")
    try:
        connection = sqlite3.connect(lock, timeout=LOCK_SECONDS, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        raise StoreError(f"{path} is being written by another process: {error}.") from error
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        connection.close()
