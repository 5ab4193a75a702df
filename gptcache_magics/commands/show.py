"""``%gptcache show``: show one stored conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Id, Space, named_keys
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import EntryRow, Selection, Store
from gptcache_magics.text.amounts import counted, duration, money, tokens
from gptcache_magics.text.said import in_words, said_in_prompt
from gptcache_magics.unprintable import printable

EXAMPLE = "%gptcache show a41f"


@dataclass(frozen=True)
class Shown:
    """One entry as text."""

    text: str

    def __repr__(self) -> str:
        return self.text


@checked
def show(
    id: Id,
    *,
    raw: Annotated[bool, Option(help="the stored JSON, unchanged")] = False,
    at: At = None,
    space: Space = None,
) -> Shown:
    """Show one entry: the conversation, the answer, what it cost, its history."""
    source = controller.source(at, space).settled()
    (key,) = named_keys(source.store, [str(id)])
    (entry,) = source.store.entries(Selection(ids=[key]), limit=1)
    if raw:
        from gptcache_magics import generations

        answer = generations.without_chunks(entry.answer)[1:].decode("utf-8", "replace")
        return Shown(printable(f"{entry.prompt}\n{answer}"))
    lines = [
        *_facts(source.store, key, entry),
        "",
        *(
            f"{' '.join(filter(None, (each.role, each.name)))}: {in_words(each)}"
            for each in said_in_prompt(entry.prompt)
        ),
        *_answers(source.store, key, entry),
    ]
    return Shown(printable("\n".join(lines).replace("\r\n", "\n")))


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
