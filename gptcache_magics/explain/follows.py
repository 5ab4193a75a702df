"""Find the earlier lookup of the same run whose new answer a prompt holds: in a cascade, one miss follows another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from gptcache_magics import generations
from gptcache_magics.explain.closest import Closest, Question, framed
from gptcache_magics.explain.frame import frame
from gptcache_magics.explain.volatile import volatile_texts
from gptcache_magics.store.protocol import LookupRow, Period, Selection, Store
from gptcache_magics.store.reasons import Kind
from gptcache_magics.text.messages import conversation

__all__ = ["Followed", "followed"]

QUOTED: Final = 40
"""Characters of an answer by which a prompt is known to hold a part of it."""
WHOLE: Final = 20
"""Characters of a whole answer, or of a line or value in it, by which a prompt is known to hold that."""
WORD: Final = 3
"""Characters of a whole answer that is known only where nothing but that differs from an older question."""
LINES: Final = 50
"""Most lines and values of an answer that are looked for."""
SEPARATORS: Final = re.compile(r'[\r\n"]+')
"""Between the lines of an answer, and the values of one that is JSON."""
BULLETS: Final = "0123456789.)-*•# \t"
QUOTING: Final = 300
"""Number of earlier lookups whose answers a prompt may hold."""
FRAME: Final = 8
"""Characters around a quoted answer by which a question of an earlier run is known to be the same but for it."""
ASKED_BEFORE: Final = frozenset(
    {
        *(Kind.VOLATILE, Kind.FOLLOWS, Kind.EXPIRED, Kind.REMOVED, Kind.EVICTED, Kind.DAMAGED, Kind.UNSTORED),
        *(Kind.MODE, Kind.MODE_BEFORE, Kind.EARLIER, Kind.RETRY, Kind.UNPARSED, Kind.NO_USAGE, Kind.ANOTHER_MODEL),
        *(Kind.ANOTHER_ADDRESS, Kind.ANOTHER_PARAMETER, Kind.OTHER_TOOLS, Kind.CONTEXT),
    }
)
"""Causes of a miss that is not the first of its kind: a prompt that holds its answer is not either."""


class Followed(NamedTuple):
    """The lookup that another follows from."""

    number: int
    closest: Closest | None
    """The entry that an earlier run stored in the same place; None if none is known."""
    only: bool
    """Whether nothing but the answer differs from that entry."""


def followed(
    store: Store, lookup: LookupRow, asked: Question, closest: Closest | None, cause: Callable[[LookupRow], Kind]
) -> Followed | None:
    """Return the latest miss of the same run whose answer is in the prompt; None if there is none.

    Parameters
    ----------
    closest
        The closest entry by its words. Where that is of the same run, too, nothing like the prompt may have been there
        before: then the question must fit the frame of an older entry, or the followed miss must be one asked before.
    cause
        Finds the kind of the cause of a miss that is not recorded yet.
    """
    said = "\n".join(message.text for message in conversation(asked.prompt)) if asked.prompt else asked.question
    if len(said) < FRAME:
        return None
    rows = store.lookups(Period(run=lookup.run, below=lookup.number), QUOTING)
    misses = {row.entry: row for row in rows if row.entry is not None and _stored_anew(row)}
    if len(rows) == lookup.number - 1 and sum(each.entries for each in store.contents()) <= len(misses) + 1:
        return None  # the first run
    entries = store.entries(Selection(ids=[*misses])) if misses else ()
    quoted, words = dict[LookupRow, list[str]](), dict[LookupRow, list[str]]()
    for entry in entries:
        row, whole = misses[entry.key[:16]], _parts(entry.answer)[0]
        if parts := [*_quoted(said, entry.answer)]:
            quoted[row] = parts
        elif WORD <= len(whole) < WHOLE and re.search(rf"(?<!\w){re.escape(whole)}(?!\w)", asked.question):
            words[row] = [whole]
    for found in (quoted | words, quoted) if words else (quoted,):
        inside = [part for parts in found.values() for part in parts if part in asked.question]
        around = frame(asked.question, [*inside, *volatile_texts(asked.question)])
        known = framed(store, asked, around, [*misses]) if inside and len("".join(around).strip()) >= FRAME else None
        if known is not None:
            return Followed(max(row.number for row in found), known, only=True)
    if not quoted:
        return None
    last = max(quoted, key=lambda row: row.number)
    if closest is not None and not any(entry.startswith(closest.id) for entry in misses):
        return Followed(last.number, closest, only=False)
    kind = last.reason_kind if last.reason_kind != Kind.NEW else cause(last)
    return Followed(last.number, None, only=False) if kind in ASKED_BEFORE else None


def _stored_anew(row: LookupRow) -> bool:
    """Return whether a lookup led to a new answer that was stored."""
    return row.outcome == "miss" or (row.outcome == "bypass" and row.mode == "refresh")


def _quoted(said: str, answer: bytes) -> Iterator[str]:
    """Yield the parts of an answer that a prompt holds: the whole, a good part, or lines and values."""
    text, lines = _parts(answer)
    if len(text) >= WHOLE and text in said:
        yield text
        return
    for begin in (0, max(0, len(text) - QUOTED) // 2, max(0, len(text) - QUOTED)):
        there = said.find(part := text[begin : begin + QUOTED])
        if len(part) == QUOTED and there >= 0:
            before = _common(text[:begin][::-1], said[max(0, there - begin) : there][::-1])
            yield said[there - before : there + _common(text[begin:], said[there:])]
            return
    yield from (line for line in lines if line in said)


@lru_cache(maxsize=2 * QUOTING)  # a chain of calls reads the same answers for each of them
def _parts(answer: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of an answer, and the lines and values in it that are long enough to be known by."""
    text = (generations.text_if_readable(answer) or "").strip()
    lines = (line.strip(BULLETS) for line in SEPARATORS.split(text))
    return text, tuple(line for line in islice(lines, LINES) if len(line) >= WHOLE)


def _common(one: str, other: str) -> int:
    """Return the number of characters with which both texts begin."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
