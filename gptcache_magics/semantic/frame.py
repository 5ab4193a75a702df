"""Find the parts in which two prompts of one template differ.

Prompts of one template look alike because of what they share: *Is this review positive? Review: …* has a cosine of
0.95 with itself whatever the reviews say. So the shared part, the *frame*, is taken away, and each *gap* is compared.
The frame of two prompts is learnt: the sentences, lines and quotations that they begin with are a part of it, and so
are words in a row that other prompts of the context, which say something else, share with both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from gptcache_magics.semantic.guards.stems import stem
from gptcache_magics.semantic.guards.vocabulary import FRAME_WORDS, FUNCTION_WORDS
from gptcache_magics.semantic.template import Template
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import cut

__all__ = ["Gap", "differing_gaps"]

_FEWEST_WORDS: Final = 4
"""Fewest words of a frame, and of a shared run of words within a text."""
_WITHOUT_BORDER: Final = 8
"""Fewest words of a frame in the middle of a sentence: shorter ones are idioms, such as *what is it like to be*."""
_SUPPORT: Final = 2
"""Number of other prompts that make shared words a part of the frame."""
_OTHER_WORDS: Final = 2
"""Number of words of content that a prompt must have for itself to be another one, and not a rewording."""
_SHARE: Final = 0.5
"""Share of a prompt's words in a frame that is known only by other prompts."""
_REACH: Final = 3
"""Most words between the border of a frame and words that several gaps happen to begin or end with."""
_SHORT: Final = 3
"""Gaps with fewer words say too little to be compared by meaning: *good*, *not bad*."""
_SHOWN: Final = 100
"""Most characters of each side that are shown."""
_TOKEN: Final = re.compile(r"\w+(?:['’.-]\w+|,\d+)*|\n+|[^\w\s]")
_CODE: Final = re.compile(
    r"[={}\[\]\\;]|\w\(|\w[-+*/^%<>]+\w+[-+*/^%<>)]|\b\w[-+*/^%<>]\w\b|\b(?:def|return|import|lambda|SELECT|WHERE)\b"
)
_QUOTES: Final = frozenset("\"'“”«»„`")
_INTRODUCING: Final = frozenset(":\n")
_BORDERS: Final = frozenset(":;.?!>\n") | _QUOTES
"""Marks at which a sentence, a line or a quotation begins or ends."""


class Gap(NamedTuple):
    """The words of two prompts in one gap of their frame."""

    stored: str
    asked: str
    quoted: bool = False
    """Whether quotation marks around the gap belong to the frame, so that the text between them may be reworded."""

    @property
    def is_short(self) -> bool:
        """Whether one side has too few words to be compared by meaning."""
        return min(len(self.stored.split()), len(self.asked.split())) < _SHORT

    @property
    def changes_code(self) -> bool:
        """Whether there is code that is not the same in both: each sign of it counts, and spaces do not."""
        is_code = bool(_CODE.search(self.stored) or _CODE.search(self.asked))
        return is_code and "".join(self.stored.split()) != "".join(self.asked.split())

    @property
    def is_same(self) -> bool:
        """Whether both sides have the same words of content. The guards compare their order."""
        return _content(self.stored) == _content(self.asked)

    def __str__(self) -> str:
        return " / ".join(f"“{cut(masked(text), _SHOWN)}”" if text else "–" for text in (self.stored, self.asked))


def differing_gaps(
    stored: str, asked: str, others: Sequence[str] = (), template: Template | None = None
) -> list[Gap] | None:
    """Return the gaps in which two prompts differ, or None if they have no frame in common.

    Parameters
    ----------
    others
        Other prompts of the context, to learn from.
    template
        The template that the user gave; it holds for prompts that have all of its parts.
    """
    if template is not None:
        here, there = template.gaps(stored), template.gaps(asked)
        if here is not None and there is not None:
            quoted = [_are_quotes(before[-1:], after[:1]) for before, after in pairwise(template.pieces)]
            return _differing(map(Gap, here, there, quoted))
    one, other = _tokens(stored), _tokens(asked)
    runs = _frame(one, other, [_tokens(each) for each in others])
    fewest = _FEWEST_WORDS if any(one.has_border(run.start, run.end) for run in runs) else _WITHOUT_BORDER
    if sum(one.count_words(run.start, run.end) for run in runs) < fewest:
        return None
    ends = [_Run(0, 0, 0), *runs, _Run(len(one.tokens), len(one.tokens), len(other.tokens))]
    gaps = _differing(
        Gap(
            one.written(left.end, right.start),
            other.written(left.there + left.end - left.start, right.there),
            left.learnt and right.learnt and _are_quotes(*one.around(left.end, right.start)),
        )
        for left, right in pairwise(ends)
    )
    added = any(not (gap.stored and gap.asked) for gap in gaps)
    return None if added and not any(run.learnt or one.introduces(run.start, run.end) for run in runs) else gaps


class _Run(NamedTuple):
    """Tokens that two prompts share."""

    start: int
    end: int
    there: int
    """Where they begin in the other prompt."""
    learnt: bool = False
    """Whether other prompts share them."""


class _Tokens:
    """A prompt as words, marks and line breaks."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        found = list(_TOKEN.finditer(self._text))
        self.tokens: Final = ["\n" if each[0][0] == "\n" else each[0].lower() for each in found]
        self._spans = [each.span() for each in found]
        self._capital = [each[0][0].isupper() for each in found]

    def sentence(self, start: int, end: int) -> int:
        """Return where a sentence may begin among tokens: at a border or a capital; else their end."""
        return next((at for at in range(start, end) if self._capital[at] or self.tokens[at] in _BORDERS), end)

    def has_border(self, start: int, end: int) -> bool:
        """Return whether a sentence, a line or a quotation ends or begins among tokens that are not all of the text."""
        return (start > 0 and self._capital[start]) or bool(self.borders(start, min(end, len(self.tokens) - 1)))

    def borders(self, start: int, end: int) -> list[int]:
        return [at for at in range(start, end) if self.tokens[at] in _BORDERS]

    def introduces(self, start: int, end: int) -> bool:
        """Return whether there is a colon or a line break among tokens."""
        return not _INTRODUCING.isdisjoint(self.tokens[start:end])

    def count_words(self, start: int, end: int) -> int:
        return sum(each[0].isalnum() for each in self.tokens[start:end])

    def around(self, start: int, end: int) -> tuple[str, str]:
        """Return the tokens before and after some, or empty texts."""
        return "".join(self.tokens[max(start - 1, 0) : start]), "".join(self.tokens[end : end + 1])

    def written(self, start: int, end: int) -> str:
        """Return tokens as the prompt has them, with single spaces."""
        return " ".join(self._text[self._spans[start][0] : self._spans[end - 1][1]].split()) if start < end else ""

    @cached_property
    def content(self) -> frozenset[str]:
        return frozenset(each for each in self.tokens if each[0].isalnum()) - FUNCTION_WORDS

    @cached_property
    def grams(self) -> list[tuple[str, ...]]:
        """All tokens in a row of ``_FEWEST_WORDS``; before and after the text are empty ones."""
        outside = [""] * (_FEWEST_WORDS - 1)
        padded = [*outside, *self.tokens, *outside]
        return list(zip(*(padded[at:] for at in range(_FEWEST_WORDS)), strict=False))

    @cached_property
    def known_grams(self) -> frozenset[tuple[str, ...]]:
        return frozenset(self.grams)


# A prompt is compared with several others, and is one of the others later.
_tokens = lru_cache(maxsize=256)(_Tokens)


def _frame(one: _Tokens, other: _Tokens, others: Sequence[_Tokens]) -> list[_Run]:
    """Return the shared runs of tokens that are the frame of two prompts, in order.

    Unless the prompts begin with the same sentence, their shared sentences may be a text that two wordings of one task
    are about.
    """
    learnt = _learnt(one, other, others)
    blocks = SequenceMatcher(None, one.tokens, other.tokens, autojunk=False).get_matching_blocks()[:-1]
    borders = one.borders(0, blocks[0].size) if blocks and blocks[0][:2] == (0, 0) else []
    begins = borders[-1] + 1 if borders else 0
    begun = one.introduces(0, begins) or one.count_words(0, begins) >= _FEWEST_WORDS
    runs = []
    for start, there, size in blocks:
        first, last = start == there == 0, start + size == len(one.tokens) and there + size == len(other.tokens)
        whole = _whole_sentences(one, start, start + size, begun=begun, first=first, last=last)
        for here, end in _stretches([at in whole or learnt[at] for at in range(start, start + size)], start):
            here, end = _to_borders(one, here, end, first=first and here == start, last=last and end == start + size)
            at_an_end = (first and here == start) or (last and end == start + size)
            if at_an_end or one.count_words(here, end) >= _FEWEST_WORDS:
                runs.append(_Run(here, end, there + here - start, all(learnt[here:end])))
    if begun or not all(run.learnt for run in runs):
        return runs
    # Texts about one subject share phrases, too. A template begins or ends all its prompts, and is much of them.
    ends = [run for run in (*runs[:1], *runs[-1:]) if run.start == 0 or run.end == len(one.tokens)]
    words = sum(one.count_words(run.start, run.end) for run in runs)
    anchored = any(one.count_words(run.start, run.end) >= _FEWEST_WORDS for run in ends)
    is_much = words >= _SHARE * min(each.count_words(0, len(each.tokens)) for each in (one, other))
    return runs if anchored and is_much else []


def _whole_sentences(text: _Tokens, start: int, end: int, *, begun: bool, first: bool, last: bool) -> range:
    """Return the tokens of whole sentences, lines and quotations among shared ones.

    Parameters
    ----------
    begun
        Whether both prompts begin with the same sentence.
    first, last
        Whether the shared tokens begin or end both prompts.
    """
    if begun and last:
        return range(start if first else text.sentence(start, end), end)
    if begun:
        borders = text.borders(start, end) or [start - 1]
        return range(start if first else borders[0] + 1, borders[-1] + 1)
    # A task that stands below a text, unless the line above introduces what is below.
    below = last and start > 0 and text.tokens[start] == "\n" and text.tokens[start - 1] != ":"
    return range(start, end) if below else range(0)


def _to_borders(text: _Tokens, start: int, end: int, *, first: bool, last: bool) -> tuple[int, int]:
    """Shorten a run to a border that is near: *Review: The* to *Review:*."""
    if not last:
        near = text.borders(max(start, end - 1 - _REACH), end)
        end = near[-1] + 1 if near else end
    if not first:
        near = [at for at in text.borders(start, min(end, start + 1 + _REACH)) if text.tokens[at] != ":"]
        start = near[0] if near else start
    return start, end


def _stretches(marks: Sequence[bool], offset: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each row of true marks."""
    for is_true, group in groupby(marks):
        size = len(list(group))
        if is_true:
            yield offset, offset + size
        offset += size


def _learnt(one: _Tokens, other: _Tokens, others: Sequence[_Tokens]) -> list[bool]:
    """Return of each token of a prompt whether enough other prompts have it in the same row of tokens."""
    content = one.content | other.content
    strangers = [each.known_grams for each in others if len(each.content - content) >= _OTHER_WORDS]
    found = [False] * len(one.tokens)
    if len(strangers) < _SUPPORT:
        return found
    for at, gram in enumerate(one.grams, 1 - _FEWEST_WORDS):
        if sum(gram in each for each in strangers) >= _SUPPORT:
            for token in range(max(at, 0), min(at + _FEWEST_WORDS, len(found))):
                found[token] = True
    return found


def _differing(gaps: Iterator[Gap]) -> list[Gap]:
    return [gap for gap in gaps if gap.stored.lower() != gap.asked.lower()]


def _are_quotes(before: str, after: str) -> bool:
    return before in _QUOTES and after in _QUOTES


def _content(text: str) -> list[str]:
    words = [each.lower() for each in _TOKEN.findall(text) if each[0].isalnum()]
    return sorted(found for each in words if each not in FUNCTION_WORDS and (found := stem(each)) not in FRAME_WORDS)
