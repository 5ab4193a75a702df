"""A question taken apart once, for all guards: words, numbers, names, quotations, code.

Words are compared by their stem, and those that carry no subject matter (articles, auxiliaries, politeness) are no
content: "Can you please list the colours?" has the content of "List colors". All patterns take time in proportion to
the text, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from gptcache_magics.guards.numbers import NUMBER_WORDS, ROMAN, with_digits
from gptcache_magics.guards.stems import stem
from gptcache_magics.guards.vocabulary import (
    ATTACHING,
    COORDINATING,
    DATES,
    DIRECTING,
    FORMATS,
    FRAME_WORDS,
    FUNCTION_WORDS,
    LANGUAGES,
    LIMITS,
    NEGATIONS,
    REQUESTS,
    SHAPES,
)

__all__ = ["Text"]

_PLAIN: Final = str.maketrans("‘’“”´–—−", "''\"\"'---")
_NOT = re.compile(
    r"\b(ca|wo|do|does|did|is|are|was|were|would|could|should|has|have|had|must|need)n'?t\b|\bcannot\b", re.IGNORECASE
)
_CUT_SHORT: Final = {"": "can", "ca": "can", "wo": "will"}
_CLITIC = re.compile(r"(?<=\w)'(?:s|re|ve|ll|d|m)\b", re.IGNORECASE)
_STATES = re.compile(r"\bU\.S\.(?:A\.)?|\bUSA?\b")  # "the US" would be the pronoun
_EITHER_WAY = re.compile(r"\byes(?: or |/)no\b|\bor not\b", re.IGNORECASE)
_INITIAL = re.compile(r"(?<=\b[A-Z])\.(?=\s)")  # ends no sentence
_NUMBER_OF = re.compile(r"\bwhat (?:is |are |was )?the number of\b", re.IGNORECASE)
_TOKEN = re.compile(r"\d++(?:,\d{3}(?!\d))++|\d++(?:\.\d++)*+|[^\W\d_]++(?:\+\+|#)?|[.!?:;]++(?=\s)|\n++")
_QUOTED = re.compile(r'"([^"\n]+)"|`([^`\n]+)`|(?<!\w)\'((?:[^\'\n]|(?<=\w)\'(?=\w))+)\'(?!\w)')
_WRITTEN_AS_ONE = re.compile(
    r"(?<![\w.])[^\W\d][\w.]*+(?:\((?!s\)))?|(?<!\S)--?[A-Za-z][\w-]*+|(?<!\S)[~.]*+/[\w.-]++/[\w./-]*+"
)
# snake_case, camelCase, dotted.name, call(, -flag and /a/path
_CODE = re.compile(r"[^\W_]_[^\W_]|[a-z][A-Z]|\w\w\.[a-z]\w|\($|^[-/~.]")
_OPERATION = re.compile(
    r"(?<!\w)(\w++)[)\]'\"]?\s*+(===?|!=|<=|>=|[-+*/%]=|\*\*|&&|\|\||[<>=*%^]|(?<=\s)[-+/](?=\s))\s*+(?=[(\['\"]?(\w++))"
)
_QUOTES = re.compile("[\"'`]")
_PIECE = re.compile(r"[^\W_]++")

_NO_NAMES: Final = FUNCTION_WORDS | NUMBER_WORDS


class _Token(NamedTuple):
    written: str
    lower: str
    first: bool
    """Whether it begins a sentence, where a capital says nothing."""
    after: str
    """The word before, in small letters."""

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital where none is due."""
        return self.written[0].isupper() and not self.first

    @property
    def date(self) -> str:
        """The day or month that it names, if any; one of other meanings (may, sun) only where written as a date."""
        if self.lower not in DATES:
            return ""
        ambiguous = len(self.lower) == 3 or self.lower == "march"
        clear = not ambiguous or self.capital or self.after in ("in", "since", "until")
        return DATES[self.lower] if clear else ""

    @property
    def is_name(self) -> bool:
        """Whether it is written as a name or an acronym is."""
        if self.written == self.lower or len(self.lower) == 1 or self.lower in _NO_NAMES:
            return False
        if self.date or self.written in ROMAN:
            return False
        return self.capital or self.written[1:] != self.lower[1:]


class Text:
    """A question, prepared for the guards; each part is made when it is first asked for."""

    def __init__(self, written: str) -> None:
        if not written.isascii():
            written = unicodedata.normalize("NFKC", written).translate(_PLAIN)
            # Marks of direction and the like, which nobody sees.
            written = "".join(each for each in written if unicodedata.category(each) != "Cf")
        self.written: Final = written

    @cached_property
    def _tokens(self) -> list[_Token]:
        spelled = _NOT.sub(_spelled_out, _INITIAL.sub("", _STATES.sub("USA", self.written)))
        tokens, first, before = [], True, ""
        plain = _NUMBER_OF.sub("how many", _CLITIC.sub("", _EITHER_WAY.sub("", spelled)))
        for token in _TOKEN.findall(plain):
            if token[0].isalnum():
                tokens.append(_Token(token, token.lower(), first, before))
            first, before = not token[0].isalnum(), token.lower()
        return tokens

    @cached_property
    def words(self) -> list[str]:
        """All words in small letters, and numbers in digits."""
        return list(with_digits(each.date or ROMAN.get(each.written) or each.lower for each in self._tokens))

    @cached_property
    def stems(self) -> frozenset[str]:
        """All words without their inflections."""
        return frozenset(map(stem, self.words))

    def spelled(self, stems: Iterable[str]) -> list[str]:
        """The words as they stand in the text, for those who read them."""
        words = dict(zip(map(stem, self.words), self.words, strict=True))
        return self.as_written([words.get(each, each) for each in stems])

    def as_written(self, words: Iterable[str]) -> list[str]:
        """The words with the capitals that they have as names."""
        written = {each.lower: each.written for each in self._tokens if each.capital}
        return [written.get(each, each) for each in words]

    @cached_property
    def content(self) -> list[str]:
        """The stems of the words that carry the subject matter, in order."""
        content = list(filter(None, map(_content, self.words)))
        return [*(REQUESTS.get(each, each) for each in content[:1]), *content[1:]]

    @cached_property
    def relations(self) -> list[str]:
        """The content, with the words between that say what is related to what."""
        kept = COORDINATING | DIRECTING
        return [each if each in kept else _content(each) for each in self.words if each in kept or _content(each)]

    @cached_property
    def listed(self) -> list[str]:
        """The stems that stand next to an *and* or an *or*."""
        around = zip(["", *self.words], self.words, [*self.words[1:], ""], strict=False)
        return [stem(word) for before, word, after in around if {before, after} & COORDINATING]

    @cached_property
    def numbers(self) -> list[str]:
        """Values: of ``1,000``, ``1000`` and ``1k`` the same."""
        return [each for each in self.words if each[0].isdecimal()]

    @cached_property
    def dates(self) -> list[str]:
        """Months, weekdays, today and the like, in full."""
        return [date for each in self._tokens if (date := each.date)]

    @cached_property
    def negations(self) -> list[str]:
        """Words that say *not*."""
        return [each for each in self.words if each in NEGATIONS]

    @cached_property
    def limits(self) -> frozenset[str]:
        """How much is asked for: all, only, the first."""
        return frozenset(LIMITS[each] for each in self.words if each in LIMITS)

    @cached_property
    def attached(self) -> frozenset[str]:
        """Words after a preposition: what the question is limited to."""
        words = [each for each in self.words if each not in ("a", "an", "the")]
        return frozenset(after for before, after in pairwise(words) if before in ATTACHING)

    @cached_property
    def formats(self) -> list[str]:
        """Forms of an answer, where one is asked for."""
        words = self.words
        return [
            word
            for at, word in enumerate(map(stem, words))
            if word in FORMATS or (word in SHAPES and ATTACHING.intersection(words[max(at - 3, 0) : at]))
        ]

    @cached_property
    def languages(self) -> frozenset[str]:
        """Languages, of people and of programs."""
        return LANGUAGES.intersection(self.words)

    @cached_property
    def names(self) -> list[str]:
        """Words with a capital where none is due; none in a Title Like This One."""
        names = [each.lower for each in self._tokens if each.is_name]
        return names if 2 * len(names) <= len(self._tokens) else []

    @cached_property
    def middle_names(self) -> frozenset[str]:
        """What stands between two names, and is written as they are: an initial, too."""
        around = zip(self._tokens, self._tokens[1:], self._tokens[2:], strict=False)
        return frozenset(
            middle.lower
            for first, middle, last in around
            if last.is_name and middle.capital and (first.is_name or first.capital) and middle.lower not in _NO_NAMES
        )

    @cached_property
    def _written_apart(self) -> frozenset[str]:
        words = self.words
        initials = "".join(each[0] for each in words)
        pairs = (one + other for one, other in pairwise(words))
        return frozenset(pairs).union(initials[at : at + n] for n in (2, 3, 4, 5) for at in range(len(words)))

    def knows(self, name: str) -> bool:
        """Whether a name occurs: in small letters, in two words, or as ML does in *machine learning*."""
        return stem(name) in self.stems or name in self._written_apart

    @cached_property
    def asks(self) -> str:
        """The word that it asks with, if any: *what* for *which*, *how* for *what … way*."""
        for word, after in pairwise([*self.words, ""]):
            if word in ("what", "which"):
                return "how" if "way" in self.stems else "what"
            if word == "how" and after in ("many", "much", "long", "often", "far", "old"):
                return f"how {after}"
            if word in ("who", "whom", "whose", "how", "when", "where", "why"):
                return "who" if word.startswith("who") else word
        return ""

    @cached_property
    def quotations(self) -> list[str]:
        """What stands between quotation marks or backticks."""
        return [" ".join(_QUOTES.sub("", each[0]).split()) for each in _QUOTED.finditer(self.written)]

    @cached_property
    def code(self) -> list[str]:
        """Identifiers, calls, dotted names, flags and paths."""
        return [each for each in _WRITTEN_AS_ONE.findall(self.written) if _CODE.search(each)]

    @cached_property
    def operations(self) -> list[str]:
        """Operators with their operands."""
        return [" ".join(each) for each in _OPERATION.findall(self.written)]

    @cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(_PIECE.findall(self.written.lower()))

    def mentions(self, literal: str) -> bool:
        """Whether all words of a piece of code or of a quotation stand in the text."""
        return self._pieces.issuperset(_PIECE.findall(literal.lower()))


def _content(word: str) -> str:
    """The stem of a word of content, or an empty text."""
    return "" if word in FUNCTION_WORDS or stem(word) in FRAME_WORDS else stem(word)


def _spelled_out(match: re.Match[str]) -> str:
    verb = (match[1] or "").lower()
    return f"{_CUT_SHORT.get(verb, verb)} not"
