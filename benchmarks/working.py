"""Cost of a notebook on top of a hit: cell, mode and single-flight; streams, bundles, ``why``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from filling import settle
from langchain_core.globals import set_llm_cache
from measure import Bar, Options, median, microseconds, rounds, seconds_each, table
from payloads import answer, messages, model, prompt, words

import gptcache_magics as gm
from gptcache_magics import bundle
from gptcache_magics.identity.key import identify
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.lookup.running import within
from gptcache_magics.settings import CELL, Cell, Config, Scope
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Period, Selection

__all__ = ["run"]

CALLS: Final = 100
ENTRIES: Final = 5_000
QUESTIONS: Final = 100_000
BARE, WORKING = "bare", "in a cell with a mode, in a block"


def run(options: Options) -> list[Bar]:
    """Print three tables."""
    return [*_hits(options), *_streams(options), *_bundles(options), *_why(options)]


def _hits(options: Options) -> list[Bar]:
    """Time a hit of a bare cache, and a hit with everything on that a notebook adds."""
    cache = gm.GPTCache(store=str(options.folder / "working"))
    chat = model()
    asked = [prompt(number) for number in range(CALLS)]

    def look(text: str) -> None:
        call = ModelCall(chat, {}, True)
        with call.running, within(call):
            assert cache.lookup(text, "")

    for text in asked:
        call = ModelCall(chat, {}, True)
        with call.running, within(call):
            cache.lookup(text, "")
            cache.update(text, "", answer(1))

    @contextmanager
    def at_work() -> Iterator[None]:
        scope = Scope("auto", "draft")
        cell = CELL.set(Cell("benchmark.ipynb", "a", 12, "llm.invoke(question)", scope))
        with gm.using(mode="readonly", tag="lesson"):
            yield
        CELL.reset(cell)

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        cache.settings.config = Config(mark_hits=False, single_flight=name == WORKING)
        with at_work() if name == WORKING else contextlib.nullcontext():
            seconds = seconds_each(options.clock, look, [(text,) for text in asked])
        settle(cache)
        return {"hit": seconds}

    samples = rounds((BARE, WORKING), 15 if options.quick else 61, turn)["hit"]
    cache.close()
    print("### A hit, by what is in use\n")
    table(("in use", "µs"), [(name, microseconds(median(samples[name]))) for name in samples])
    added = median([one - other for one, other in zip(samples[WORKING], samples[BARE], strict=True)])
    return [Bar("mode, cell and single-flight on a hit: ≤ 15 µs", f"{added * 1e6:.1f} µs", added <= 15e-6)]


def _streams(options: Options) -> list[Bar]:
    """Time the first piece of a stream that hits, with all of LangChain's work."""
    cache = gm.GPTCache(store=str(options.folder / "streams"))
    set_llm_cache(cache)
    chat = model()
    questions = [messages(f"Question {number}: {words(number, 300)}") for number in range(CALLS)]
    for question in questions:
        call = ModelCall(chat, {}, True)
        from gptcache_magics.identity.prompt import prompt_of

        with call.running, within(call):
            cache.lookup(prompt_of(question), "")
            cache.update(prompt_of(question), "", answer(1))

    def first_piece(question: Any) -> None:
        stream = chat.stream(question)
        next(stream)
        stream.close()

    ways: dict[str, Callable[[Any], object]] = {"first piece of a stream": first_piece, "invoke": chat.invoke}

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        return {"s": seconds_each(options.clock, ways[name], [(question,) for question in questions])}

    try:
        samples = rounds(ways, 7 if options.quick else 31, turn)["s"]
    finally:
        set_llm_cache(None)
        cache.close()
    print("### ChatOpenAI on a hit\n")
    table(("call", "µs"), [(name, microseconds(median(samples[name]))) for name in ways])
    seconds = median(samples["first piece of a stream"])
    return [Bar("first piece of a streamed hit: ≤ 1 ms", f"{seconds * 1e3:.2f} ms", seconds <= 1e-3)]


def _filled(folder: Any, number: int) -> Any:
    """Return a store with entries of one configuration, and a lookup of each."""
    cache = gm.GPTCache(store=str(folder))
    chat = model()
    data = answer(1)
    from gptcache_magics import generations
    from gptcache_magics.store.protocol import Entry, Lookup, Usage
    from gptcache_magics.store.reasons import Kind, Reason

    encoded = generations.encode(data)
    call = ModelCall(chat, {}, True)
    whos = (identify(call, prompt(each)) for each in range(number))
    entries, lookups = [], []
    for each, who in enumerate(whos):
        entries.append(
            Entry(
                who.key,
                who.configuration.key,
                who.prompt,
                who.question,
                encoded,
                1.0 + each,
                1.0,
                Usage(180, 120),
                prompt_digest=who.prompt_digest,
            )
        )
        lookups.append(
            Lookup(
                1.0 + each,
                "run",
                each + 1,
                "miss",
                Reason(Kind.NEW),
                configuration=who.configuration.key,
                key=who.key,
                question=who.question,
                prompt_digest=who.prompt_digest,
            )
        )
    cache.store.put_all(entries, [who.configuration], replace=False)
    cache.store.record(lookups, [], number * 2)
    return cache


def _bundles(options: Options) -> list[Bar]:
    """Measure entries per second, written to a bundle and read from it into an empty store."""
    cache = _filled(options.folder / "bundles", ENTRIES)
    file = options.folder / "lesson.jsonl"

    def save(number_of_round: int) -> None:
        bundle.save(cache.store, Selection(), file)

    def load(number_of_round: int) -> None:
        store = open_store(options.folder / f"loaded {number_of_round} {time.monotonic_ns()}")
        contents = bundle.read(file)
        store.put_all(contents.entries, contents.configurations, replace=False)
        assert store.count()[0] == ENTRIES
        store.close()

    ways = {"save": save, "load": load}

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        return {"s": seconds_each(options.clock, ways[name], [(number_of_round,)])}

    samples = rounds(ways, 2 if options.quick else 5, turn)["s"]
    cache.close()
    print(f"### Bundles of {ENTRIES:,} entries\n")
    speeds = {name: ENTRIES / median(samples[name]) for name in ways}
    table(("", "entries a second"), [(name, f"{speed:,.0f}") for name, speed in speeds.items()])
    return [Bar(f"{name}: ≥ 5,000 entries a second", f"{speed:,.0f}", speed >= 5_000) for name, speed in speeds.items()]


def _why(options: Options) -> list[Bar]:
    """Measure explaining a miss and finding the closest question among many."""
    from gptcache_magics.explain.causes import explain

    number = QUESTIONS // 10 if options.quick else QUESTIONS
    cache = _filled(options.folder / "why", number)
    rows = cache.store.lookups(Period(), 30)

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        row = rows[number_of_round]
        return {"s": seconds_each(options.clock, lambda: explain(cache.store, row), [()])}

    samples = rounds(["why"], 5 if options.quick else 15, turn)["s"]
    cache.close()
    seconds = median(samples["why"])
    print(f"### Why, among {number:,} entries\n")
    table(("", "ms"), [("explain a miss", f"{seconds * 1e3:.0f}")])
    return [Bar(f"why, among {number:,} entries: ≤ 200 ms", f"{seconds * 1e3:.0f} ms", seconds <= 0.2)]
