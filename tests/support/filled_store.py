"""A store that tests fill by hand, entry by entry and lookup by lookup."""

from pathlib import Path

import pandas as pd
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from gptcache_magics import generations
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Match, Outcome, Usage
from gptcache_magics.store.reasons import Reason
from gptcache_magics.store.sqlite.store import SQLiteStore

NOON = 1_767_268_800.0
"""Noon of the first of January 2026, UTC."""


def configuration(provider: str, model: str, temperature: float | None = None) -> Configuration:
    label = model if temperature is None else f"{model} · T {temperature:g}"
    return Configuration(f"{provider}{label}".encode().hex(), provider, model, label, temperature, "{}")


MINI = configuration("openai", "gpt-4o-mini", 0.0)
MINI_HOT = configuration("openai", "gpt-4o-mini", 0.7)
CLAUDE = configuration("anthropic", "claude-sonnet-4-0")
LLAMA = configuration("ollama", "llama3")
USAGE = Usage(1_000, 500, 400, 0)


class FilledStore(SQLiteStore):
    """A store that is filled by hand."""

    def __init__(self, where: str | Path = ":memory:") -> None:
        super().__init__(where)
        self._number = 0

    def look(
        self,
        outcome: Outcome = "miss",
        of: Configuration | None = MINI,
        *,
        usage: Usage = Usage(),
        seconds: float | None = None,
        at: float = NOON,
        run: str = "run",
        reason: Reason | None = None,
        match: Match | None = None,
        key: str = "6b" * 16,
        cell: int | None = None,
        line: str = "",
        notebook: str = "",
        lookup_seconds: float = 0.001,
    ) -> None:
        """Record one lookup."""
        self._number += 1
        lookup = Lookup(
            *(at, run, self._number, outcome, reason),
            match=match or ("exact" if outcome == "hit" else None),
            configuration=of.key if of else None,
            key=key,
            question="question",
            lookup_seconds=lookup_seconds,
            seconds=seconds,
            usage=usage,
            notebook=notebook,
            cell_line=line,
            execution_count=cell,
        )
        self.record([lookup], [of] if of else [], keep=1_000)

    def keep(
        self, of: Configuration = MINI, *, key: str = "6b" * 16, created: float = NOON, usage: Usage = USAGE
    ) -> None:
        """Store one entry."""
        answer = generations.encode([ChatGeneration(message=AIMessage("the answer"))])
        self.put(Entry(key, of.key, "prompt", "question", answer, created, 1.5, usage, "stop"), of)


def dtypes_of(df: pd.DataFrame) -> str:
    names = {"datetime64[us, UTC]": "time"}
    return " ".join(f"{column}={names.get(str(dtype), str(dtype))}" for column, dtype in df.dtypes.items())


def week_of_lookups(lookups: int) -> SQLiteStore:
    """Return a store with lookups of three models over a week."""
    store = SQLiteStore(":memory:")
    models = (MINI, CLAUDE, LLAMA)
    store.record((_looked_up(n, models[n % 3]) for n in range(lookups)), models, lookups)
    return store


def _looked_up(n: int, of: Configuration) -> Lookup:
    hit = n % 10 < 7
    return Lookup(
        *(NOON + 6 * n, "run", n, "hit" if hit else "miss"),
        match="exact" if hit else None,
        configuration=of.key,
        key="6b" * 16,
        question="question",
        lookup_seconds=1e-4 * (1 + n % 7) ** 2,
        seconds=1.0,
        usage=USAGE,
        execution_count=n % 50,
    )
