"""The difference that made a lookup miss, in one short line: ``Another temperature: 0.2 → 0.7``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gptcache_magics.explain.closest import Closest
from gptcache_magics.explain.earlier import Cause, reason_text
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.word_diff import Words
from gptcache_magics.unprintable import printable

if TYPE_CHECKING:
    from gptcache_magics.explain.causes import Explanation

__all__ = ["headline"]

PLACES: Final = 2
"""Most places with other words that are named; the rest are counted."""
CHARACTERS: Final = 60
"""Most characters of the words at one place."""
PLAIN: Final[Mapping[Cause, str]] = {
    "first time": "First time",
    "another sample": "Another sample of the same call",
}


def headline(explanation: Explanation, *, words: bool = True) -> str:
    """Return what differs from the closest entry, or the cause, in one short line.

    Parameters
    ----------
    words
        Whether the line may quote the words of prompts.
    """
    cause, closest, detail = explanation.cause, explanation.nearest, explanation.detail
    if cause in PLAIN:
        return PLAIN[cause]
    if cause == "not stored" and detail:
        return f"Not stored: {reason_text(detail)}"
    if cause == "follows":
        return f"Follows from lookup {detail}, whose answer is new"
    line = _of_closest(cause, closest, words=words) if closest is not None else ""
    return line or explanation.sentence.removesuffix(".")


def _of_closest(cause: Cause, closest: Closest, *, words: bool) -> str:
    if cause in ("another model", "another base URL", "another parameter", "other tools") and closest.changes:
        return _of_changes(cause, [printable(each.text) for each in closest.changes])
    if cause == "volatile" and closest.volatile:
        return f"Differs only in {closest.volatile}"
    if cause == "other words":
        return f"Other words{_quoted(closest.words) if words else ''}"
    if cause != "another context":
        return ""
    if closest.reordered:
        return "Another order of the same words"
    where = closest.where or "the prompt"
    if closest.how != "differs":
        return f"Another conversation: {where} was {closest.how}"
    return f"Other words in {where}{_quoted(closest.words) if words else ''}"


def _of_changes(cause: Cause, changes: list[str]) -> str:
    first, *more = changes
    name, space, values = first.partition(" ")
    if cause == "another base URL":
        line = f"Another base URL: {first.removeprefix('base URL ')}"
    elif cause == "other tools":
        line = f"Other {first}"
    elif space and "→" in values:
        line = f"Another {name}: {values}"
    else:  # such as "stop added: …", "what LangChain's llm_string says of the model"
        line = f"Another parameter: {first}"
    return f"{line} (and {counted(len(more), 'more difference')})" if more else line


def _quoted(words: Words) -> str:
    """Return the words at the first places that differ: ``: 2023 → 2024, and 3 more places``."""
    places: list[list[str]] = []
    after_same = True
    for kind, text in words:
        if kind == "same":
            after_same = True
            continue
        if after_same:
            places.append(["", ""])
        after_same = False
        places[-1][kind == "added"] = text
    if not places:
        return ""
    shown = ", ".join(_place(*map(_short, place)) for place in places[:PLACES])
    more = len(places) - PLACES
    return f": {shown} (and {counted(more, 'more place')})" if more > 0 else f": {shown}"


def _place(removed: str, added: str) -> str:
    if removed and added:
        return f"{removed} → {added}"
    return f"without “{removed}”" if removed else f"with “{added}”"


def _short(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= CHARACTERS else f"{line[: CHARACTERS - 1]}…"
