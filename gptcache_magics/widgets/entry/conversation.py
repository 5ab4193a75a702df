"""One entry as HTML: the conversation as a chat, then the answer, what it cost, and the answers before it.

Everything a person or a model wrote is foreign text: whatever looks like a key is masked, control characters and those
that change the direction of writing are shown as escapes, and all of it is escaped. Nothing is fetched.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any, Final, Literal

import pandas as pd

from gptcache_magics.identity.label import provider_shown
from gptcache_magics.tables.answers import said_in_answer
from gptcache_magics.text.amounts import counted, duration
from gptcache_magics.text.masking import masked
from gptcache_magics.text.said import Call, Image, Part, Said, Text, in_words, said_in_prompt
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.entry.stored import StoredEntry, marks_of
from gptcache_magics.widgets.formats import BLANK, one_line, shown, tokens_of
from gptcache_magics.widgets.links import cell_link, link
from gptcache_magics.widgets.redaction import hidden

__all__ = ["chat_html", "facts_html", "images_of", "text_of", "ways_html"]

CHARACTERS: Final = 20_000
"""Most characters of one text; the rest is counted."""
ALL_CHARACTERS: Final = 200_000
"""Most characters of all texts of one entry, divided among them."""
FIRST, LAST = 20, 80
"""Numbers of messages shown of a longer conversation, from its beginning and its end."""
CELLS: Final = 8
"""Most cells that are named of those that asked for an entry."""
_MARGIN: Final = 1_000
"""Characters to read beyond the cut, so that a key across it is recognised."""

_ROLES: Final = {"human": "Human", "user": "Human", "ai": "AI", "assistant": "AI", "system": "System", "tool": "Tool"}


def facts_html(stored: StoredEntry, *, redact: bool = False) -> str:
    """Return the heading of an entry with its marks, and its facts in short."""
    row, asked = stored.row, stored.asked
    facts = [
        ("Configuration", " · ".join(filter(None, (provider_shown(asked), asked.label)))),
        ("Cost", shown("money", row["paid_usd"])),
        ("Took", "" if pd.isna(row["paid_seconds"]) else duration(row["paid_seconds"])),
        ("Tokens", tokens_of(row)),
        ("Finished", _text(row["finish_reason"])),
        ("Hits", shown("count", row["hits"])),
        ("Stored", _moment(row["created"])),
        ("Last used", _moment(row["accessed"])),
        ("Expires", _moment(row["expires"])),
    ]
    shown_facts = "".join(f"<div><dt>{name}</dt><dd>{_safe(text)}</dd></div>" for name, text in facts if text)
    if stored.asked_in:
        shown_facts += f"<div><dt>Asked</dt><dd>{_asked(stored, redact=redact)}</dd></div>"
    marks = "".join(f' <span class="gptcache-mark">{_safe(mark)}</span>' for mark in marks_of(row))
    return f"<h4>Entry {_safe(stored.id)}{marks}</h4><dl>{shown_facts}</dl>"


def chat_html(stored: StoredEntry, *, redact: bool = False) -> str:
    """Return the conversation, the answer and the earlier answers; with `redact` the lengths of the texts only."""
    asked, answered = said_in_prompt(stored.entry.prompt), said_in_answer(stored.entry.answer)
    left_out = max(0, len(asked) - FIRST - LAST)
    first, last = (asked[:FIRST], asked[-LAST:]) if left_out else (asked, [])
    texts = sum(len(each.parts) for each in (*first, *last, *answered)) + len(stored.history)
    write = _Writer(min(CHARACTERS, max(500, ALL_CHARACTERS // max(texts, 1))), redact)
    gap = f'<li class="gptcache-gap">… {counted(left_out, "more message")} …</li>' if left_out else ""
    said = [*map(write.message, first), gap, *map(write.message, last)]
    head = "Answer, edited" if stored.row["edited"] else "Answer"
    for number, each in enumerate(answered, 1):
        said.append(write.message(each, head if len(answered) == 1 else f"{head} {number}", "is-answer"))
    return f'<ol class="gptcache-chat">{"".join(said)}</ol>{_history(stored, write)}'


def ways_html(stored: StoredEntry) -> str:
    """Return the buttons that lead on from an entry: to its lookups, and to the answers to compare with."""
    key, times = stored.entry.key[:16], sum(each.times for each in stored.asked_in)
    ways = [_way("lookups", key, "Its lookup" if times == 1 else f"Its {times:,} lookups")] if times else []
    if stored.history:
        ways.append(_way("compare", key, "Compare with the answer before"))
    ways += [
        _way("compare", f"{key} {other[:16]}", f"Compare with {one_line(masked(name), 60)}")
        for other, name in stored.others
    ]
    return "".join(ways)


def _way(to: str, key: str, text: str) -> str:
    return link(to, key, text, style="gptcache-button")


def text_of(stored: StoredEntry, part: Literal["question", "answer"]) -> str:
    """Return the whole question or answer of an entry as text, without keys, to be copied."""
    if part == "answer":
        return masked("\n".join(map(in_words, said_in_answer(stored.entry.answer))))
    return masked(stored.entry.question)


def images_of(stored: StoredEntry) -> list[Image]:
    """Return the images of an entry in the order of their numbers in the chat."""
    asked, answered = said_in_prompt(stored.entry.prompt), said_in_answer(stored.entry.answer)
    if len(asked) > FIRST + LAST:
        asked = asked[:FIRST] + asked[-LAST:]
    said = [*asked, *answered, *(each for _, answer in stored.history for each in said_in_answer(answer))]
    return [part for each in said for part in each.parts if isinstance(part, Image)]


class _Writer:
    """Writes messages and numbers their images."""

    def __init__(self, characters: int, redact: bool) -> None:
        self._characters, self._redact, self._images = characters, redact, 0

    def message(self, said: Said, head: str = "", kind: str = "") -> str:
        role = _ROLES.get(said.role, said.role.capitalize())
        head = _safe(head or " ".join(filter(None, (role, said.name))))
        body = "".join(map(self.part, said.parts)) or _soft(BLANK)
        name = role.lower() if role in _ROLES.values() else "other"
        return f'<li class="gptcache-said {kind}" data-role="{name}"><h5>{head}</h5><div>{body}</div></li>'

    def part(self, part: Part) -> str:
        match part:
            case Text(text, kind):
                written = self._written(text) if text.strip() else _soft(BLANK)
                return f'{_soft(kind)}<div class="gptcache-text" dir="auto">{written}</div>'
            case Call(name, arguments):
                return f"<pre><code>{_safe(name)}({self._written(arguments)})</code></pre>"
            case Image():
                return self._image(part.label)
            case _:
                return _soft(f"[{self._written(part.label)}]")

    def _image(self, label: str) -> str:
        number, self._images = self._images, self._images + 1
        label = f"[{label}]"
        button = (
            f'<button type="button" class="gptcache-button" data-image="{number}" aria-expanded="false">Show</button>'
        )
        return f'<div class="gptcache-image">{_soft(label)}{"" if self._redact else button}</div>'

    def _written(self, text: str) -> str:
        if self._redact:
            return _soft(hidden(text))
        beginning = masked(text[: self._characters + _MARGIN])[: self._characters]
        more = len(text) - self._characters
        return escape(_printable(beginning)) + _soft(f"… {counted(more, 'more character')}" if more > 0 else "")


def _history(stored: StoredEntry, write: _Writer) -> str:
    if not stored.history:
        return ""
    folded = "".join(
        f"<details><summary>until {_moment(replaced)}</summary>"
        f'<ol class="gptcache-chat">{"".join(map(write.message, said_in_answer(answer)))}</ol></details>'
        for replaced, answer in stored.history
    )
    return f'<div class="gptcache-history"><h5>Earlier answers</h5>{folded}</div>'


def _asked(stored: StoredEntry, *, redact: bool) -> str:
    """Return how often an entry was asked and by which cells, with the ways to them; a line may hold a prompt."""
    known = [each for each in stored.asked_in if each.notebook or each.execution_count is not None]
    cells = [
        cell_link(each.notebook, each.execution_count, "" if redact else each.line)
        + (f" {counted(each.times, 'time')}" if each.times > 1 and len(stored.asked_in) > 1 else "")
        + (", which paid" if each.paid and len(stored.asked_in) > 1 else "")
        for each in known[:CELLS]
    ]
    more = [f"{counted(len(known) - CELLS, 'more cell')}"] if len(known) > CELLS else []
    times = counted(sum(each.times for each in stored.asked_in), "time")
    return f"{times}{' in ' if cells else ''}{'; '.join([*cells, *more])}"


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _moment(moment: Any) -> str:
    """Return a moment to the second in local time; it comes from a table or in seconds since the epoch."""
    if pd.isna(moment):
        return ""
    local = (
        datetime.fromtimestamp(moment) if isinstance(moment, float | int) else moment.tz_convert(None).to_pydatetime()
    )
    return f"{local:%Y-%m-%d %H:%M:%S}"


def _soft(html: str) -> str:
    return f'<span class="gptcache-soft">{html}</span>' if html else ""


def _safe(text: str) -> str:
    return escape(_printable(masked(text[:1_000])))


def _printable(text: str) -> str:
    return printable(text.replace("\r\n", "\n"))
