"""Samples that the contracts store: two configurations, and makers of keys, entries and lookups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from gptcache_magics.store.protocol import (
    AnswerStore,
    Configuration,
    Entry,
    EntryRow,
    Lookup,
    Outcome,
    Selection,
    Store,
)
from gptcache_magics.store.reasons import Kind, Reason

__all__ = [
    *("CLAUDE", "D", "EVERYTHING", "EVICTED", "GPT", "NOON", "ODD_TEXTS", "OF_CLAUDE", "OF_GPT", "REMOVED"),
    *("answer", "column", "eventually", "fill", "key", "keys", "lookup", "make_entry", "put_many", "text"),
]

GPT = Configuration("67" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini · T 0.2", 0.2, '{"temperature":0.2}')
CLAUDE = Configuration("63" * 16, "anthropic", "claude-haiku-4-5", "claude-haiku-4-5", None, "{}")
NOON = 1_767_225_600.0
EVERYTHING = Selection()
EVICTED, REMOVED = Reason(Kind.EVICTED), Reason(Kind.REMOVED)
D = b"\x80digest!".hex()
"""The digest of a prompt, with the first bit set: SQLite's integers have a sign."""
OF_GPT = Selection(configurations=[GPT.key])
OF_CLAUDE = Selection(configurations=[CLAUDE.key])
ODD_TEXTS = {
    "empty": "",
    "NUL": "before\0after",
    "emoji": "👩‍💻 naïve Ω",
    "right to left": "‮שלום",
    "lone surrogates": "half \ud83d of a pair \udc00",
    "quotes": "'; DROP TABLE entry; --\n\"%_\\",
    "5 MB": "ü" * 2_500_000,
}


def key(name: object) -> str:
    """Return a 128-bit key."""
    return blake2b(str(name).encode(), digest_size=16).hexdigest()


def make_entry(name: object, answer: bytes = b"answer", configuration: Configuration = GPT, **fields: Any) -> Entry:
    """Return an entry under ``key(name)``."""
    given = {"key": key(name), "prompt": f"prompt {name}", "question": f"question {name}", "created": NOON, **fields}
    return Entry(configuration=configuration.key, answer=answer, **given)


def lookup(number: int, outcome: Outcome = "hit", name: object = "a", **fields: Any) -> Lookup:
    """Return the lookup with this number in a run, of the entry ``key(name)``."""
    given = {"at": NOON + number, "run": "run", "key": key(name), "question": f"question {name}", **fields}
    return Lookup(number_in_run=number, outcome=outcome, configuration=GPT.key, **given)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes true soon: a store may follow another kernel a moment later."""
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def column(found: Iterable[Any], name: str) -> list[Any]:
    """Return the values of one column."""
    return [getattr(row, name) for row in found]


def keys(found: Iterable[EntryRow]) -> set[str]:
    """Return the keys of the entries that were found."""
    return set(column(found, "key"))


def text(value: str | bytes) -> str:
    """Return the text of a column, which holds bytes if the text is not valid Unicode."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def fill(store: Store) -> None:
    """Put four entries of two models, of which one is pinned and one has tags."""
    store.put(make_entry("a", b"1" * 10, created=NOON), GPT)
    store.put(make_entry("b", b"2" * 20, created=NOON + 10, question="Wo liegt Zürich?"), GPT)
    store.put(make_entry("c", b"3" * 30, CLAUDE, created=NOON + 20, prompt="a System prompt"), CLAUDE)
    store.put(make_entry("d", b"4" * 40, CLAUDE, created=NOON + 30), CLAUDE)
    store.change(Selection(ids=[key("a")]), pinned=True)
    store.change(Selection(ids=[key("b")]), tag="lesson-1")
    store.change(Selection(ids=[key("b")]), tag="draft")


def put_many(store: Store, said: bytes) -> int:
    """Put twenty entries more; how many there are then."""
    for n in range(20):
        store.put(make_entry(f"many {n}", said, question=f"many {n}"), GPT)
    return store.count()[0]


def answer(store: AnswerStore, name: object = "a") -> bytes | None:
    """Return the stored answer, or None."""
    found = store.get(key(name))
    return None if found is None else found.answer
