"""The words in which two texts differ, short enough to read however long the texts are.

Control characters and what turns the direction of writing are shown as escapes: a prompt is not trusted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

from gptcache_magics.text.masking import masked
from gptcache_magics.unprintable import printable

__all__ = ["Words", "as_ansi", "as_html", "as_text", "beginning", "cut", "for_terminal", "shown", "word_diff"]

Kind = Literal["same", "removed", "added"]
Words = tuple[tuple[Kind, str], ...]

COMPARED: Final = 400
"""Number of words of each text that are compared, from the first that differs."""
AROUND: Final = 8
"""Number of words shown on either side of a difference."""
DIFFERENCES: Final = 20
CHARACTERS: Final = 600
"""Characters shown of one piece; longer ones lose their middle."""

# A word with the space after it; of scripts without spaces each character is one.
_WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]\s*|[^\W\u2e80-\u9fff\uac00-\ud7af]+\s*|[^\w\s]\s*|\s+")
_SPACES: Final = str.maketrans({" ": "·", "\t": "→", "\n": "⏎\n"})
_DEL: Final = "background:rgba(248,81,73,.25);color:inherit;text-decoration:line-through;margin-right:.15em"
_INS: Final = "background:rgba(46,160,67,.25);color:inherit;text-decoration:underline"


def word_diff(old: str, new: str) -> Words:
    """Return the words of ``old`` and ``new`` that are the same, removed or added, around each difference.

    Time grows with the length of the texts, never with its square.
    """
    a, b = _WORD.findall(old), _WORD.findall(new)
    start = _common(a, b)
    end = _common(a[start:][::-1], b[start:][::-1])
    pieces = _compared(a[start : len(a) - end], b[start : len(b) - end])
    return tuple(_readable(_Difference(a[:start]), [*pieces, ("same", a[len(a) - end :])])) if pieces else ()


def as_text(words: Words) -> str:
    """Return differences as git shows them: ``the [-2023-]{+2024+} report``."""
    return _joined(words, lambda text: f"[-{text}-]", lambda text: f"{{+{text}+}}", str)


def as_ansi(words: Words) -> str:
    """Return differences for a terminal: in red and green, and also marked as in plain text."""
    return _joined(words, lambda t: f"\033[31m[-{t}-]\033[0m", lambda t: f"\033[32m{{+{t}+}}\033[0m", str)


def for_terminal() -> Callable[[Words], str]:
    """Return ``as_ansi`` where a terminal shows what is printed, unless ``NO_COLOR`` is set; else ``as_text``."""
    return as_ansi if sys.stdout.isatty() and "NO_COLOR" not in os.environ else as_text


def as_html(words: Words) -> str:
    """Return differences as ``<del>`` and ``<ins>``, readable on light and dark; all text is escaped."""
    return _joined(
        words,
        lambda text: f'<del style="{_DEL}">{text}</del>',
        lambda text: f'<ins style="{_INS}">{text}</ins>',
        escape,
    )


def shown(text: str, characters: int = 120) -> str:
    """Return a text for a message: printable, short, and without whatever looks like a key."""
    return printable(cut(masked(text), characters))


def cut(text: str, characters: int = CHARACTERS) -> str:
    """Return a text, or the words at its beginning and at its end."""
    if len(text) <= characters:
        return text
    return f"{_head(text, characters * 2 // 3)} … {_head(text[::-1], characters // 3)[::-1]}"


def beginning(text: str, characters: int) -> str:
    """Return a text, or the words at its beginning with ``…`` after them."""
    return text if len(text) <= characters else f"{_head(text, characters - 2)} …"


def _head(text: str, characters: int) -> str:
    """Return the whole words among the first characters; a word that takes most of them is cut."""
    words = re.sub(r"\S+\Z", "", text[: characters + 1]).rstrip()
    return words if len(words) > characters // 3 else text[:characters]


@dataclass(slots=True)
class _Difference:
    """The words before a difference, those removed and those added."""

    same: list[str]
    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)


def _common(a: list[str], b: list[str]) -> int:
    """Return how many words two lists have in common from the start."""
    shorter = min(len(a), len(b))
    return next((at for at in range(shorter) if a[at] != b[at]), shorter)


def _compared(a: list[str], b: list[str]) -> list[tuple[Kind, list[str]]]:
    from rapidfuzz.distance import Indel

    pieces: list[tuple[Kind, list[str]]] = []
    for step in Indel.opcodes(a[:COMPARED], b[:COMPARED]):
        old, new = a[step.src_start : step.src_end], b[step.dest_start : step.dest_end]
        pieces += [("same", old)] if step.tag == "equal" else [("removed", old), ("added", new)]
    if max(len(a), len(b)) > COMPARED:
        # Words that differ at the end may only be out of step.
        while pieces[-1][0] != "same" and any(kind == "same" for kind, _ in pieces):
            pieces.pop()
        pieces.append(("same", ["… "]))
    return pieces


def _readable(first: _Difference, pieces: Iterable[tuple[Kind, list[str]]]) -> Iterator[tuple[Kind, str]]:
    """Return one removed and one added text for each difference, with the words next to them."""
    differences = [first]
    for kind, words in pieces:
        if kind != "same":
            (differences[-1].removed if kind == "removed" else differences[-1].added).extend(words)
        elif differences[-1]:
            differences.append(_Difference(list(words)))
        else:
            differences[-1].same.extend(words)
    space = ""
    for each in differences[:DIFFERENCES]:
        same = space + _around(each.same, first=each is first, last=not each)
        if same:
            yield "same", cut(same)
        removed, added, space = _apart("".join(each.removed), "".join(each.added))
        if removed:
            yield "removed", cut(removed)
        if added:
            yield "added", cut(added)
    if len(differences) > DIFFERENCES:
        yield "same", " …"


def _around(words: list[str], *, first: bool, last: bool) -> str:
    """Return the words next to the differences on either side."""
    if len(words) <= 2 * AROUND:
        return "".join(words)
    left = "" if first else "".join(words[:AROUND])
    right = "" if last else "".join(words[-AROUND:])
    return f"{left}… {right}"


def _apart(removed: str, added: str) -> tuple[str, str, str]:
    """Return both texts without their common final space, and that space; show spaces if nothing else differs."""
    if removed.split() == added.split():
        return removed.translate(_SPACES), added.translate(_SPACES), ""
    ends = [text[len(text.rstrip()) :] for text in (removed, added)]
    if not removed or not added or ends[0] != ends[1]:
        return removed, added, ""
    return removed.rstrip(), added.rstrip(), ends[0]


def _joined(
    words: Words, removed: Callable[[str], str], added: Callable[[str], str], escaped: Callable[[str], str]
) -> str:
    marks: dict[Kind, Callable[[str], str]] = {"same": str, "removed": removed, "added": added}
    return "".join(marks[kind](escaped(printable(text))) for kind, text in words)
