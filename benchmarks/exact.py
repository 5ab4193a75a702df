"""Exact lookups: the cost of a hit, a miss and an update, by the number of entries.

A miss is the lookup before an update, and the update comes from the same call, as in LangChain. Our ledger writes
lookups once a second from a thread of its own; here it writes between the rounds, and ``tables`` says what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from filling import fill, settle
from measure import Bar, Options, Samples, median, microseconds, ratio, rounds, seconds_each, table
from payloads import answer, llm_string, prompt
from peers import BARE, DISKCACHE, FAISS, FLOOR, MAP, OURS, SQLITE, available, make

__all__ = ["run"]

SIZES: Final = (1_000, 10_000, 100_000)
MILLION: Final = 1_000_000
LARGEST: Final = {FAISS: 10_000, BARE: 10_000, OURS: MILLION}
"""Most entries with which a cache is measured; other caches go up to the largest of ``SIZES``."""
FASTER: Final = {SQLITE: 6, DISKCACHE: 2, MAP: 2, FAISS: 300}
"""How many times as fast as each of these caches a hit must be."""
FROM_FILE: Final = f"{OURS}, read from its file"
CALLS: Final = 100
TURN_SECONDS: Final = 0.04


def run(options: Options) -> list[Bar]:
    """Print a table for each number of entries; the bars are about ours."""
    sizes = SIZES[:1] if options.quick else (*SIZES, MILLION) if options.million else SIZES
    caches = {name: make(name, options.folder / f"exact {number}") for number, name in enumerate(available())}
    bars: list[Bar] = []
    hits: list[float] = []
    filled = 0
    for size in sizes:
        for name in list(caches):
            if size > LARGEST.get(name, SIZES[-1]) or not fill(caches[name], name, filled, size):
                del caches[name]
        filled = size
        figures = _measure(caches, size, options)
        print(f"### {size:,} entries: µs per call, and how many times {FLOOR}\n")
        table(("cache", *(column for figure in figures for column in (figure, "×"))), _rows(figures))
        hits.append(median(figures["hit"][OURS]))
        options.results.setdefault("exact", {})[str(size)] = {
            figure: {name: median(seconds) for name, seconds in samples.items()} for figure, samples in figures.items()
        }
        bars += _bars(figures, size)
    if len(hits) > 1:
        grown = hits[-1] / hits[0]
        bars.append(Bar(f"hit, {sizes[0]:,} → {sizes[-1]:,} entries: grows by < 2 ×", f"{grown:.2f} ×", grown < 2))
    return bars


def _measure(caches: dict[str, Any], size: int, options: Options) -> dict[str, Samples]:
    stored = [(prompt(number), llm_string()) for number in range(0, size, size // CALLS)]
    calls: dict[str, int] = {}

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        if name == FROM_FILE:
            cache = caches[OURS]
            cache.cache.store.close()  # forgets what it remembers; the next use opens it again
            cache.lookup(*stored[0])
            return {"hit": seconds_each(options.clock, cache.lookup, stored[1:])}
        cache = caches[name]
        if name not in calls:  # what takes long is called less often
            once = seconds_each(time.perf_counter, cache.lookup, stored[:5])
            calls[name] = min(CALLS, max(5, int(TURN_SECONDS / once)))
        asked = stored[: calls[name]]
        first = 10**9 + (size + number_of_round) * CALLS
        new = [(prompt(first + number), llm_string()) for number in range(calls[name])]
        assert all(cache.lookup(*each) for each in asked), f"{name} has lost an answer"
        found = {
            "hit": seconds_each(options.clock, cache.lookup, asked),
            "miss": seconds_each(options.clock, cache.lookup, new),
            "update": seconds_each(options.clock, cache.update, [(*each, answer(1)) for each in new]),
        }
        settle(cache)
        return found

    return rounds([*caches, FROM_FILE], 7 if options.quick else 21, turn)


def _rows(figures: dict[str, Samples]) -> Iterator[list[str]]:
    names = sorted(figures["hit"], key=lambda name: median(figures["hit"][name]))
    for name in names:
        row = [name]
        for samples in figures.values():
            measured = name in samples
            row.append(microseconds(median(samples[name])) if measured else "")
            row.append(f"{ratio(samples, name, FLOOR):,.1f}" if measured and FLOOR in samples else "")
        yield row


def _bars(figures: dict[str, Samples], size: int) -> list[Bar]:
    hit, update = figures["hit"], figures["update"]
    bars: list[Bar] = []
    for peer, times in FASTER.items():
        if peer in hit and (peer != FAISS or size == LARGEST[FAISS]):
            faster = ratio(hit, peer, OURS)
            bars.append(
                Bar(f"hit, {size:,} entries: ≥ {times} × faster than {peer}", f"{faster:.1f} ×", faster >= times)
            )
    if DISKCACHE in update:
        slower = ratio(update, OURS, DISKCACHE)
        bars.append(Bar(f"update, {size:,} entries: ≤ 1.5 × {DISKCACHE}", f"{slower:.2f} ×", slower <= 1.5))
    return bars
