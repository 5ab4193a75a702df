"""The SQLite store beside a dict: whatever is done, by either of two kernels, both hold the same."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite import recent, sweeper
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, GPT, key, make_entry

NAMES = "abcdef"
names, kernels = st.sampled_from(NAMES), st.integers(0, 1)
answers = st.binary(min_size=1, max_size=30)


@dataclass(frozen=True)
class Kept:
    """One entry as the dict has it."""

    answer: bytes
    created: float
    pinned: bool = False
    damaged: bool = False


class StoreBesideADict(RuleBasedStateMachine):
    """Two kernels on one file, and a dict of what they should find."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.stores = [SQLiteStore(self.folder.name), SQLiteStore(self.folder.name)]
        self.kept: dict[str, Kept] = {}
        self.removed: dict[str, Kept] = {}
        self.earlier: list[tuple[str, bytes]] = []
        self.now = 0.0

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    def _put(self, name: str, answer: bytes) -> None:
        self.now += 1
        old = self.kept.get(name)
        if old is not None and not old.damaged and old.answer != answer:
            self.earlier.append((name, old.answer))
        self.kept[name] = Kept(answer, self.now, pinned=old is not None and old.pinned and not old.damaged)
        self.removed.pop(name, None)

    @rule(kernel=kernels, name=names, answer=answers)
    def put(self, kernel: int, name: str, answer: bytes) -> None:
        self._put(name, answer)
        self.stores[kernel].put(make_entry(name, answer, created=self.now), GPT)

    @rule(kernel=kernels, several=st.dictionaries(names, answers, max_size=4), replaces=st.booleans())
    def put_all(self, kernel: int, several: dict[str, bytes], replaces: bool) -> None:
        changed, entries = 0, []
        for name, answer in several.items():
            old = self.kept.get(name)
            if old is None or old.damaged or (replaces and old.answer != answer):
                self._put(name, answer)
                changed += 1
            entries.append(make_entry(name, answer, created=self.now))
        assert self.stores[kernel].put_all(entries, [GPT], replace=replaces) == changed

    def _finish(self) -> None:
        """Make the last removal final: the earlier answers of its entries go, too."""
        self.earlier = [each for each in self.earlier if each[0] not in self.removed or each[0] in self.kept]
        self.removed = {}

    @rule(kernel=kernels, chosen=st.sets(names))
    def remove(self, kernel: int, chosen: set[str]) -> None:
        self._finish()
        self.removed = {name: self.kept.pop(name) for name in chosen & self.kept.keys()}
        selection = Selection(ids=[key(name) for name in sorted(chosen)])
        assert self.stores[kernel].remove(selection) == len(self.removed)

    @rule(kernel=kernels)
    def clear(self, kernel: int) -> None:
        self._finish()
        self.removed, self.kept = self.kept, {}
        assert self.stores[kernel].clear() == len(self.removed)

    @rule(kernel=kernels)
    def undo(self, kernel: int) -> None:
        back = {name: entry for name, entry in self.removed.items() if name not in self.kept}
        self.kept |= back
        self.removed = {}
        assert self.stores[kernel].undo() == len(back)

    @rule(kernel=kernels)
    def forget_removed(self, kernel: int) -> None:
        self._finish()
        self.stores[kernel].forget_removed()

    @rule(kernel=kernels, name=names, pinned=st.booleans())
    def pin(self, kernel: int, name: str, pinned: bool) -> None:
        changed = self.stores[kernel].change(Selection(ids=[key(name)]), pinned=pinned)
        assert changed == (name in self.kept)
        if name in self.kept:
            self.kept[name] = replace(self.kept[name], pinned=pinned)

    @rule(kernel=kernels, limit=st.integers(0, 100))
    def evict(self, kernel: int, limit: int) -> None:
        sizes = [len(entry.answer) for entry in [*self.kept.values(), *self.removed.values()]]
        over = sum(sizes) + sum(len(answer) for _, answer in self.earlier) - limit
        while over > 0 and self.earlier:
            over -= len(self.earlier.pop(0)[1])
        if over > 0:
            self._finish()
        taken, gone = 0, []
        order = sorted(self.kept, key=lambda name: (-self.kept[name].pinned, -self.kept[name].created))
        for name in order:
            taken += len(self.kept[name].answer)
            if taken > limit and not self.kept[name].pinned:
                gone.append(name)
        assert self.stores[kernel].evict(limit) == len(gone)
        for name in gone:
            del self.kept[name]
        self.earlier = [each for each in self.earlier if each[0] not in gone]

    @rule(kernel=kernels)
    def close(self, kernel: int) -> None:
        self.stores[kernel].close()

    @rule(name=names)
    def damage(self, name: str) -> None:
        if name not in self.kept or self.kept[name].damaged:
            return
        self.kept[name] = replace(self.kept[name], damaged=True)
        with closing(sqlite3.connect(Path(self.folder.name) / "cache.db")) as db:
            flipped = "CAST(substr(answer, 1, length(answer) - 1) || x'00' AS BLOB)"
            flipped = f"CASE WHEN substr(answer, -1)=x'00' THEN zeroblob(length(answer)+1) ELSE {flipped} END"
            db.execute(f"UPDATE entry SET answer={flipped} WHERE id=?", (id_number(key(name)),))
            db.commit()

    @invariant()
    def both_kernels_find_what_the_dict_holds(self) -> None:
        for store in getattr(self, "stores", ()):
            for name in NAMES:
                kept = self.kept.get(name)
                right = None if kept is None or kept.damaged else kept.answer
                recalled = store.recall(key(name))
                found = store.get(key(name))
                assert (None if found is None else found.answer) == right
                assert recalled is None or (kept is not None and recalled.answer == kept.answer)

    @invariant()
    def tables_list_what_the_dict_holds(self) -> None:
        for store in getattr(self, "stores", ()):
            rows = {row.key: (row.answer, bool(row.pinned)) for row in store.entries(EVERYTHING)}
            assert rows == {
                key(name): (entry.answer, entry.pinned) for name, entry in self.kept.items() if not entry.damaged
            }
            assert store.count()[0] == len(self.kept)
            assert store.removed() == len(self.removed)


@pytest.fixture(autouse=True)
def follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a kernel look at every use whether another has written, and delete at once what nothing brings back."""
    monkeypatch.setattr(recent, "CHECK_SECONDS", -1.0)
    monkeypatch.setattr(sweeper.Sweeper, "start", sweeper.Sweeper._sweep)


@pytest.mark.slow
def test_a_store_holds_what_a_dict_would() -> None:
    bounds = settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(StoreBesideADict, settings=bounds)
