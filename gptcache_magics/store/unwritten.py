"""A store as it will be when it is free again: what is not written yet is read from memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import Any, Final, cast

from gptcache_magics.store.protocol import (
    Configuration,
    Entry,
    EntryRow,
    Lookup,
    LookupRow,
    Outcomes,
    Period,
    Selection,
    Store,
)
from gptcache_magics.store.sqlite.statements import facts_of, lookup_values
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.store.sums import Additions, Facts, Sum, combined, sum_of, sums_of

__all__ = ["with_dropped", "with_unwritten"]

KEEP: Final = 10**9


def with_dropped(sums: Iterable[Sum], lookups: Iterable[Lookup]) -> list[Sum]:
    """Return ``sums`` with those of lookups that are not kept, by cell and by day."""
    found = Additions()
    for each in sums:
        found.add(each)
    for lookup in lookups:
        for each in sums_of(facts_of(lookup_values(lookup), 0)):
            found.add(each)
        for each in sums_of(lookup.counted) if lookup.counted is not None else ():  # written in an earlier form
            found.add(each, times=-1)
    return [*found]


def with_unwritten(
    store: Store, lookups: Sequence[Lookup], configurations: Iterable[Configuration], dropped: Iterable[Sum] = ()
) -> Store:
    """Return a store that reads ``lookups`` and the late answers of ``store`` beside what is in ``store``.

    Of the lookups that were ``dropped`` there are sums only.
    """
    late: Sequence[tuple[Entry, Configuration]] = getattr(store, "late", ())
    memory = SQLiteStore(":memory:")
    memory.put_all((entry for entry, _ in late), (each for _, each in late), replace=True)
    copies = [replace(each, counted=None) for each in lookups]  # what memory counts is not yet in the store
    memory.record(copies, configurations, KEEP, dropped)
    return cast(Store, _Unwritten(store, memory))


class _Unwritten:
    """Reads two stores; everything else is left to the first."""

    def __init__(self, store: Store, memory: SQLiteStore) -> None:
        self._store, self._memory = store, memory
        written: dict[tuple[str, int], int] = {}
        rows = memory.lookups(Period())
        for run in {row.run for row in rows}:
            written |= {(row.run, row.number_in_run): row.number for row in store.lookups(Period(run=run))}
        self._newest = next((row.number for row in store.lookups(Period(), 1)), 0)
        places = {row.number: (row.run, row.number_in_run) for row in rows}
        self._numbers = {number: written.get(place, self._newest + number) for number, place in places.items()}
        """Numbers of the lookups in memory, which may be in the store in an earlier form."""
        self._late = {row.key[:16] for row in memory.entries(Selection())}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def lookups(self, period: Period, limit: int | None = None) -> Sequence[LookupRow]:
        """Return lookups, newest first."""
        mine = [
            row._replace(number=number)
            for row in self._memory.lookups(_numberless(period))
            if _fits(number := self._numbers[row.number], period)
        ]
        again = set(self._numbers.values())
        theirs = self._store.lookups(period, None if limit is None else limit + len(again))
        rows = sorted([*mine, *(row for row in theirs if row.number not in again)], key=lambda row: -row.number)
        return rows[:limit]

    def sums(self, period: Period, *, cells: bool) -> Sequence[Sum]:
        """Return the sums of all lookups of a period. Those that are written in an earlier form count once."""
        again = {number for number in self._numbers.values() if number <= self._newest}
        earlier = [_sum_of(row, cells=cells) for row in self._written(period) if row.number in again]
        more = self._newest
        mine = (each._replace(newest=each.newest + more) for each in self._memory.sums(period, cells=cells))
        return combined([*self._store.sums(period, cells=cells), *mine], earlier)

    def _written(self, period: Period) -> Iterator[LookupRow]:
        """Yield the lookups of the runs in memory that the store has."""
        runs = {row.run for row in self._memory.lookups(Period())} if period.run is None else {period.run}
        for run in runs:
            yield from self._store.lookups(replace(period, run=run))

    def outcomes(self, period: Period, limit: int | None = None) -> Outcomes:
        """Return the columns that figures are made of, newest lookup first."""
        mine, theirs = self._memory.outcomes(_numberless(period)), self._store.outcomes(period, limit)
        numbers = [*(self._numbers[number] for number in mine.number), *theirs.number]
        ours, again = len(mine.number), set(self._numbers.values())
        kept = [at for at in range(ours) if _fits(numbers[at], period)]
        kept += [at for at in range(ours, len(numbers)) if numbers[at] not in again]
        kept = sorted(kept, key=lambda at: -numbers[at])[:limit]
        columns = {each.name: [*getattr(mine, each.name), *getattr(theirs, each.name)] for each in fields(Outcomes)}
        columns["number"] = numbers
        return Outcomes(**{name: [column[at] for at in kept] for name, column in columns.items()})

    def configurations(self) -> Sequence[Configuration]:
        """Return all configurations."""
        both = {each.key: each for each in chain(self._memory.configurations(), self._store.configurations())}
        return sorted(both.values(), key=lambda each: (each.provider, each.model, each.label))

    def entries(self, selection: Selection, limit: int | None = None) -> Sequence[EntryRow]:
        """Return entries, newest first."""
        theirs = self._store.entries(selection, None if limit is None else limit + len(self._late))
        rows = [*self._memory.entries(selection), *(row for row in theirs if row.key[:16] not in self._late)]
        return sorted(rows, key=lambda row: -row.created)[:limit]

    def each_entry(self, selection: Selection) -> Iterator[EntryRow | None]:
        """Yield entries in no order, and None for each damaged one."""
        yield from self._memory.each_entry(selection)
        for row in self._store.each_entry(selection):
            if row is None or row.key[:16] not in self._late:
                yield row

    def count(self, selection: Selection = Selection()) -> tuple[int, int]:
        """Return the number of entries and the bytes of their answers."""
        beginnings = ("",) if selection.ids is None else tuple(selection.ids)
        replaced = self._store.count(replace(selection, ids=[id for id in self._late if id.startswith(beginnings)]))
        (number, size), (more, bytes) = self._store.count(selection), self._memory.count(selection)
        return number + more - replaced[0], size + bytes - replaced[1]


def _sum_of(row: LookupRow, *, cells: bool) -> Sum:
    values = row._asdict() | {"configuration": bytes.fromhex(row.configuration) if row.configuration else None}
    return sum_of(Facts._make(values[name] for name in Facts._fields), cells=cells)


def _numberless(period: Period) -> Period:
    return replace(period, number=None, below=None)


def _fits(number: int, period: Period) -> bool:
    return period.number in (None, number) and (period.below is None or number < period.below)
