"""``%gptcache show``: show one stored conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Unpack

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Ids, Space
from gptcache_magics.commands._selectors import ALL, NAMES, Selectors, any_of, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import EntryRow, Selection, Store
from gptcache_magics.text.amounts import counted, duration, money, tokens
from gptcache_magics.text.said import in_words, said_in_prompt
from gptcache_magics.unprintable import printable

EXAMPLE = "%gptcache show a41f"
MOST: Final = 5
"""Most entries that are shown at once."""


@dataclass(frozen=True)
class Shown:
    """Entries as text."""

    text: str

    def __repr__(self) -> str:
        return self.text


@checked
def show(
    *ids: Ids,
    raw: Annotated[bool, Option(help="the stored JSON, unchanged")] = False,
    at: At = None,
    space: Space = None,
    **selectors: Unpack[Selectors],
) -> Shown:
    """Show entries: the conversation, the answer, what it cost, its history.

    Of several that fit, the newest are shown one under another.
    """
    source = controller.source(at, space).settled()
    if not ids and not any_of(selectors):
        raise CommandError(f"show: say which entry: {NAMES}. {ALL} Example: {EXAMPLE}")
    selection = selected(source, ids, **selectors)
    rows = source.store.entries(selection, limit=MOST)
    if not rows:
        raise CommandError("show: no entry fits. All entries: %gptcache entries")
    texts = [_raw(row) if raw else "\n".join(_lines(source.store, row)).replace("\r\n", "\n") for row in rows]
    more = source.store.count(selection)[0] - len(rows) if len(rows) == MOST else 0
    if more > 0:
        fit = counted(more, "more entry fits", "more entries fit")
        texts.append(f"{fit}. As a table: %gptcache entries with the same options, then show one by its id.")
    return Shown(printable("\n\n".join(texts)))


def _raw(entry: EntryRow) -> str:
    from gptcache_magics import generations

    answer = generations.without_chunks(entry.answer)[1:].decode("utf-8", "replace")
    return f"{entry.prompt}\n{answer}"


def _lines(store: Store, entry: EntryRow) -> Iterator[str]:
    yield from _facts(store, entry.key, entry)
    yield ""
    for each in said_in_prompt(entry.prompt):
        yield f"{' '.join(filter(None, (each.role, each.name)))}: {in_words(each)}"
    yield from _answers(store, entry.key, entry)


def _facts(store: Store, key: str, entry: EntryRow) -> list[str]:
    from gptcache_magics.tables import frames

    found = frames.entries(store, Selection(ids=[key]))
    if found.empty:
        raise CommandError(f"The answer of {key[:8]} is damaged. Its stored bytes: %gptcache show {key[:8]} --raw")
    row = found.iloc[0]
    cost = "" if row["paid_usd"] != row["paid_usd"] else f", {money(row['paid_usd'])}"
    used = "tokens unknown"
    if entry.input_tokens is not None and entry.output_tokens is not None:
        used = tokens(entry.input_tokens, entry.output_tokens)
    took = "" if entry.seconds is None else f", {duration(entry.seconds)}"
    author = f" by {entry.author}" if entry.author else ""
    marks = [word for word in ("pinned", "edited") if getattr(entry, word)] + [f"#{tag}" for tag in entry.tags.split()]
    return [
        f"{key[:8]}  {row['configuration']}" + (f"  ({', '.join(marks)})" if marks else ""),
        f"stored {_time(entry.created)}{author}, {counted(entry.hits, 'hit')}; paid: {used}{cost}{took}",
    ]


def _answers(store: Store, key: str, entry: EntryRow) -> list[str]:
    from gptcache_magics import generations
    from gptcache_magics.tables.answers import said_in_answer

    said = [*map(in_words, said_in_answer(entry.answer))]
    numbers = [""] if len(said) == 1 else [f" {number}" for number in range(1, len(said) + 1)]
    lines = [f"answer{number}: {text}" for number, text in zip(numbers, said, strict=True)]
    for earlier in store.history(key):
        text = generations.text_if_readable(earlier.answer)
        lines.append(f"before {_time(earlier.replaced)}: {'(damaged)' if text is None else text}")
    return lines


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
