"""Time of the tables over 100,000 kept lookups and 10,000 entries, and the cost of recording a lookup."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from measure import Bar, Options, median, microseconds, rounds, table
from payloads import answer, prompt

from gptcache_magics import generations
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.settings import Settings
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Configuration, Entry, Found, Lookup, Period, Store, Usage
from gptcache_magics.tables import frames

__all__ = ["run"]

ENTRIES: Final = 10_000
LOOKUPS: Final = 100_000
RUN: Final = "benchmark"
FLUSHED: Final = 200
MODELS: Final = (("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("anthropic", "claude-haiku-4-5"))
USAGE: Final = Usage(180, 120)


def run(options: Options) -> list[Bar]:
    """Print seconds by table; the bar is about ``stats``."""
    lookups = LOOKUPS // 10 if options.quick else LOOKUPS
    entries = ENTRIES // 10 if options.quick else ENTRIES
    store = open_store(options.folder / "tables")
    _fill(store, entries, lookups)
    reads: dict[str, Callable[[], Any]] = {
        "stats": lambda: frames.stats(store),
        "stats of one run": lambda: frames.stats(store, period=Period(run=RUN)),
        "stats, wide": lambda: frames.stats(store, wide=True),
        "stats by cell": lambda: frames.stats(store, "cell"),
        "models": lambda: frames.models(store),
        "entries, newest 50": lambda: frames.entries(store, limit=50),
        "entries": lambda: frames.entries(store),
        "lookups, newest 50": lambda: frames.lookups(store, limit=50),
        "lookups": lambda: frames.lookups(store),
    }

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        started = options.clock()
        read = reads[name]()
        assert name != "entries" or len(read) == entries
        return {"read": options.clock() - started}

    started = options.clock()
    frames.stats(store)
    first = options.clock() - started
    samples = rounds(reads, 3 if options.quick else 7, turn)["read"]
    print(f"### Tables over {lookups:,} lookups and {entries:,} entries\n")
    rows = [("stats, the first (imports the price list)", f"{first:.3f}")]
    table(("table", "s"), [*rows, *((name, f"{median(samples[name]):.3f}") for name in reads)])
    noted, written = _recording(store, options)
    print("### Recording one lookup\n")
    table(("", "µs"), (("in the lookup", microseconds(noted)), ("in the background", microseconds(written))))
    store.close()
    seconds = median(samples["stats"])
    return [Bar(f"stats over {lookups:,} lookups: ≤ 0.5 s", f"{seconds:.2f} s", seconds <= 0.5)]


def _fill(store: Store, entries: int, lookups: int) -> None:
    configurations = [
        Configuration(f"{number:02x}" * 16, provider, model, model, 0.0, "{}")
        for number, (provider, model) in enumerate(MODELS)
    ]
    encoded = generations.encode(answer(1))
    now = time.time()
    for number in range(entries):
        chosen = configurations[number % len(configurations)]
        question = f"Question {number}"
        store.put(Entry(_key(number), chosen.key, prompt(number), question, encoded, now, 1.5, USAGE, "stop"), chosen)
    for start in range(0, lookups, 10_000):
        batch = [
            Lookup(
                at=now - lookups + number,
                run=RUN,
                number_in_run=number,
                outcome="hit" if number % 4 else "miss",
                match="exact" if number % 4 else None,
                configuration=configurations[number % len(configurations)].key,
                key=_key(number % entries),
                question=f"Question {number % entries}",
                lookup_seconds=50e-6 + number % 100 * 1e-6,
                seconds=1.5,
                usage=USAGE,
                notebook="benchmark.ipynb",
                cell_id=f"cell-{number % 50}",
                cell_line="chain.invoke(question)",
                execution_count=number % 50,
            )
            for number in range(start, start + 10_000)
        ]
        store.record(batch, (), 10 * lookups)


def _key(number: int) -> str:
    return f"{number:016x}" * 2


def _recording(store: Store, options: Options) -> tuple[float, float]:
    """Return the seconds for one hit: to note it in the lookup, and to write it later with its neighbours."""
    ledger = Ledger(store, Settings())
    configuration = Configuration("0" * 32, *MODELS[0], "gpt-4o-mini", 0.0, "{}")
    found = [Found(_key(number), b"", 0.0, 1.5, USAGE) for number in range(FLUSHED)]

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        started = options.clock()
        for each in found:
            ledger.note("hit", None, 50e-6, key=each.key, question="Question", configuration=configuration, found=each)
        noted = options.clock()
        ledger.flush()
        return {"note": (noted - started) / FLUSHED, "flush": (options.clock() - noted) / FLUSHED}

    figures = rounds(["ledger"], 5 if options.quick else 21, turn)
    ledger.close()
    return median(figures["note"]["ledger"]), median(figures["flush"]["ledger"])
