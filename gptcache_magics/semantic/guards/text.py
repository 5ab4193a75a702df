"""Take a question apart once for all guards: words, numbers, names, quotations, code.

Words are compared by their stem. Articles, auxiliaries and politeness do not count as content: "Can you please list the
colours?" has the content of "List colors". All patterns take time in proportion to the text, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from itertools import pairwise
from typing import Final, NamedTuple

from gptcache_magics import fork
from gptcache_magics.semantic.guards.numbers import NUMBER_WORDS, ROMAN, with_digits
from gptcache_magics.semantic.guards.stems import stem
from gptcache_magics.semantic.guards.vocabulary import (
    ACTING,
    ASKING,
    ATTACHING,
    CONTRASTS,
    COORDINATING,
    DATES,
    FLOATING,
    FORMATS,
    FRAME_WORDS,
    FUNCTION_WORDS,
    GENDERS,
    GENERIC,
    INFLECTED,
    LANGUAGES,
    LIMITS,
    LIMITS_OF_TWO,
    MARKS,
    MODALS,
    NEGATIONS,
    NEGATIONS_ABROAD,
    NO_ADVERBS,
    OPENING,
    REQUESTS,
    ROMANCE,
    SHAPES,
    SUBJECTS,
    TEXT_TASKS,
    TIES,
    UNIT_STEMS,
    UNITS,
    UNITS_AFTER_NUMBERS,
)

__all__ = ["Text"]

_PLAIN: Final = str.maketrans("‘’“”´–—−", "''\"\"'---")
_CUT_SHORT: Final = {"ca": "can", "wo": "will"}
_CURRENCIES: Final = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees"}
_AMOUNT: Final = r"(\d++(?:[.,]\d++)*+(?:\s?(?:k|thousand|[mb]illion|bn)\b)?)"
_NEGATED: Final = r"\b({}do|does|did|is|are|was|were|would|could|should|has|have|had|must|need)n{}t\b"


def _in_full(match: re.Match[str]) -> str:
    return f"{_CUT_SHORT.get(match[1].lower(), match[1])} not"


_SPELLINGS: Final[list[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]]]] = [
    ("u", re.compile(r"\bU\.S\.(?:A\.)?|\bUSA?\b"), "USA"),  # "the us" would be the pronoun
    ("united s", re.compile(r"\bUnited States(?: of America)?\b", re.IGNORECASE), "USA"),
    (".", re.compile(r"(?<=\b[A-Z])\.(?=\s)"), ""),  # ends no sentence
    (".m", re.compile(r"\b([ap])\.m\b\.?", re.IGNORECASE), r"\1m"),
    ("n't", re.compile(_NEGATED.format("ca|wo|", "'"), re.IGNORECASE), _in_full),
    ("nt", re.compile(_NEGATED.format("", ""), re.IGNORECASE), _in_full),
    ("cannot", re.compile(r"\bcannot\b", re.IGNORECASE), "can not"),
    ("or no", re.compile(r"\byes or no\b|\bor not\b", re.IGNORECASE), ""),
    ("yes/no", re.compile(r"\byes/no\b", re.IGNORECASE), ""),
    ("'", re.compile(r"(?<=\w)'(?:s|re|ve|ll|d|m)\b", re.IGNORECASE), ""),
    ("number of", re.compile(r"\bwhat (?:is |are |was )?the number of\b", re.IGNORECASE), "how many"),
    *(
        (sign, re.compile(rf"\{sign}\s?{_AMOUNT}|(?<=\d)\s?\{sign}(?!\w)"), rf"\1 {currency}")
        for sign, currency in _CURRENCIES.items()
    ),
]
"""Spellings to unify, each with a lower-case part that every match contains."""
_TOKEN = re.compile(
    r"(?:(?<![\w)\]])(?<!\d )-)?\d++(?:(?:,\d{3}(?!\d))++|(?:\.\d++)*+)|[^\W\d_]++(?:\+\+|#)?|[.!?:;]++(?=\s)|\n++"
    r"|,(?=\s)"
)
_END: Final = frozenset(".!?:;\n")
_QUOTED = re.compile(r'"([^"\n]+)"|`([^`\n]+)`|(?<!\w)\'((?:[^\'\n]|(?<=\w)\'(?=\w))+)\'(?!\w)')
_WRITTEN_AS_ONE = re.compile(
    r"(?<![\w.])[^\W\d][\w.]*+(?:\((?!s\)))?|(?<!\S)--?[A-Za-z][\w-]*+|(?<!\S)[~.]*+/[\w.-]++/[\w./-]*+"
)
# snake_case, camelCase, dotted.name, call(, -flag and /a/path
_CODE_SIGNS: Final = frozenset("_.(-/~")
_CAMEL = re.compile(r"[a-z][A-Z]")
_CODE = re.compile(r"[^\W_]_[^\W_]|[a-z][A-Z]|\w\w\.[a-z]\w|\($|^[-/~.]")
_OPERATION = re.compile(
    r"(?<!\w)(\w++)[)\]'\"]?\s*+(===?|!=|<=|>=|[-+*/%]=|\*\*|//|&&|\|\||[<>=*%^&|]|(?<=\s)[-+/](?=\s))\s*+(?=[(\['\"]?(\w++))"
)
_OPERATORS: Final = frozenset("<>=*%^&|!+-/")
_BRACKETED = re.compile(r"\[([^\[\]\n]++)\]")
_QUOTES = re.compile("[\"'`]")
_PIECE = re.compile(r"[^\W_]++")

_NO_NAMES: Final = FUNCTION_WORDS | NUMBER_WORDS
_UNPLACED_STEMS: Final = FRAME_WORDS - ACTING
_UNPLACED_WORDS: Final = FUNCTION_WORDS | COORDINATING | NEGATIONS | TIES.keys() | {"am", "pm"} | MARKS
"""Words whose places say nothing, or are compared by the guards of negation and of numbers."""
_NOT_AFTER_ARTICLES: Final = TIES.keys() | COORDINATING | MARKS
"""Words that no article precedes: *list a and list b*."""
_ASKING: Final = ASKING - {"when"}
_CONTRASTING: Final = GENERIC.union(CONTRASTS)
_BEFORE_MONTHS: Final = frozenset(["in", "since", "until", "of", "by", "on", "last", "next", "this"])
_BEFORE_TASKS: Final = frozenset(["", "please", "you", "to", "and"])
_DIGIT = re.compile(r"\d")
_MAY_BE_SHORT: Final = frozenset([*DATES, *UNITS, *UNITS_AFTER_NUMBERS, *map(str.lower, ROMAN)])
_ALL_FORMATS: Final = FORMATS | SHAPES


class _Token(NamedTuple):
    written: str
    lower: str
    first: bool
    """Whether the word begins a sentence, where a capital says nothing."""
    before: str
    """The word before, in lower case."""

    @property
    def capital(self) -> bool:
        """Whether the word begins with a capital that is not due to its place."""
        return self.written[0].isupper() and not self.first

    @property
    def date(self) -> str:
        """The day or month that the word names, or an empty text; *may* and *sun* only where written as a date."""
        if self.lower not in DATES:
            return ""
        ambiguous = len(self.lower) == 3 or self.lower == "march"
        clear = not ambiguous or self.capital or self.before in ("in", "since", "until")
        return DATES[self.lower] if clear else ""

    @property
    def unit(self) -> str:
        """The common name of a unit of measure, or an empty text: the same for *km* and *kilometres*."""
        if self.lower in UNITS_AFTER_NUMBERS and self.before[-1:].isdecimal():
            return UNITS_AFTER_NUMBERS[self.lower]
        return UNITS.get(self.lower, "")

    @property
    def is_name(self) -> bool:
        """Whether the word is written like a name or an acronym."""
        if self.written == self.lower or len(self.lower) == 1 or self.lower in _NO_NAMES:
            return False
        if self.date or self.unit or self.written in ROMAN:
            return False
        return self.capital or self.written[1:] != self.lower[1:]

    @property
    def plain(self) -> str:
        """The word in lower case, or in full."""
        return self.date or self.unit or ROMAN.get(self.written) or self.lower


class Text:
    """A question, prepared for the guards; each part is made at its first use."""

    def __init__(self, written: str) -> None:
        if not written.isascii():
            written = unicodedata.normalize("NFKC", written).translate(_PLAIN)
            # Invisible characters, such as marks of direction.
            written = "".join(each for each in written if unicodedata.category(each) != "Cf")
        self.written: Final = written

    @cached_property
    def _marked_tokens(self) -> list[_Token]:
        written, small = self.written, self.written.lower()
        for mark, pattern, spelling in _SPELLINGS:
            if mark in small:
                written = pattern.sub(spelling, written)
        tokens, first, before = [], True, ""
        for token in _TOKEN.findall(written):
            mark = "." if token[0] in _END else "," if token == "," else ""
            # A capital A within a sentence is a name and not the article.
            lower = token if token == "A" and not first else token.lower()
            tokens.append(_Token(mark or token, mark or lower, first, before))
            if mark != ",":
                first, before = mark == ".", lower
        return tokens

    @cached_property
    def _tokens(self) -> list[_Token]:
        return [each for each in self._marked_tokens if each.lower not in MARKS]

    @cached_property
    def marked_words(self) -> list[str]:
        """All words in lower case, numbers in digits, with the commas and the ends of sentences."""
        words = [each.lower if each.lower not in _MAY_BE_SHORT else each.plain for each in self._marked_tokens]
        return words if NUMBER_WORDS.isdisjoint(words) and not _DIGIT.search(self.written) else list(with_digits(words))

    @cached_property
    def words(self) -> list[str]:
        """All words in lower case, and numbers in digits; a capital A is a name."""
        return [each for each in self.marked_words if each not in MARKS]

    @cached_property
    def _stems(self) -> list[str]:
        return list(map(stem, self.words))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words."""
        return frozenset(self._stems)

    def spelled(self, stems: Iterable[str]) -> list[str]:
        """Return the words of these stems as the text has them."""
        words = dict(zip(self._stems, self.words, strict=True))
        return self.as_written([words.get(each, each) for each in stems])

    def as_written(self, words: Iterable[str]) -> list[str]:
        """Return the words with the capitals that they have as names."""
        written = {each.lower: each.written for each in self._tokens if each.capital}
        return [written.get(each, each) for each in words]

    @cached_property
    def subject(self) -> frozenset[str]:
        """The content without order, and an empty text."""
        return frozenset(self._contents)

    @cached_property
    def content(self) -> list[str]:
        """The stems of the words that carry the subject matter, in order."""
        content = list(filter(None, self._contents))
        return [*(REQUESTS.get(each, each) for each in content[:1]), *content[1:]]

    @cached_property
    def _contents(self) -> list[str]:
        """The stem of each word of content, and an empty text for each other word."""
        return [
            "" if word in FUNCTION_WORDS or each in FRAME_WORDS else each
            for word, each in zip(self.words, self._stems, strict=True)
        ]

    @cached_property
    def placed(self) -> list[tuple[str, str]]:
        """Each word and mark, with its stem if its place tells what is asked; days follow their month."""
        words = self.marked_words
        pairs = [
            (word, _placed_stem(word) if word != "a" or after not in _NOT_AFTER_ARTICLES else word)
            for word, after in pairwise([*words, "."])
        ]
        if self.dates:
            for at, (word, after) in enumerate(pairwise(words)):
                if word[-1].isdecimal() and after in DATES:
                    pairs[at : at + 2] = pairs[at + 1], pairs[at]
        return pairs

    @cached_property
    def places(self) -> Counter[str]:
        """How often each stem occurs whose places tell what is asked."""
        return Counter(stem for _, stem in self.placed if stem)

    @cached_property
    def contrasting(self) -> list[str]:
        """The content, with the function words that would ask something else if another took their place."""
        both = (word if word in _CONTRASTING else each for word, each in zip(self.words, self._contents, strict=True))
        return [each for each in both if each]

    @cached_property
    def listed(self) -> list[str]:
        """The stems next to an *and* or an *or*."""
        words = self.words
        if COORDINATING.isdisjoint(words):
            return []
        around = zip(["", *words], self._stems, [*words[1:], ""], strict=False)
        return [each for before, each, after in around if before in COORDINATING or after in COORDINATING]

    @cached_property
    def numbers(self) -> list[str]:
        """The values of numbers: the same for ``1,000``, ``1000`` and ``1k``."""
        return [each for each in self.words if each[-1].isdecimal()]

    @cached_property
    def quantities(self) -> list[str]:
        """Numbers with the stem of what they count or measure: *5 km*, *10 am*."""
        if not self.numbers:
            return []
        around = pairwise(self._stems)
        return [f"{number} {unit}" for number, unit in around if unit in UNIT_STEMS and number[-1].isdecimal()]

    @cached_property
    def dates(self) -> list[str]:
        """Months, weekdays, today and the like, in full."""
        if DATES.keys().isdisjoint(self.words):
            return []
        return [date for each in self._tokens if (date := each.date)]

    @cached_property
    def negations(self) -> list[str]:
        """Words that say *not*."""
        if NEGATIONS.isdisjoint(self.words) and NEGATIONS_ABROAD.isdisjoint(self.words):
            return []
        abroad = NEGATIONS_ABROAD.intersection(self.words) and ROMANCE.intersection(self.words)
        return [each for each in self.words if each in NEGATIONS or (abroad and each in NEGATIONS_ABROAD)]

    @cached_property
    def negated(self) -> list[tuple[str, bool]]:
        """For each word that says *not*: the next word of content, and whether *and* or *but* precedes it."""
        found, after = [], ""
        around = zip(["", *self.words], self.words, self._contents, strict=False)
        for before, word, content in reversed(list(around)):
            if word in NEGATIONS:
                found.append((after, before in COORDINATING or before == "but"))
            elif content:
                after = content
        return found[::-1]

    @cached_property
    def limits(self) -> frozenset[str]:
        """Words for how much is asked for: all, only, the first, every other."""
        single = [LIMITS[each] for each in self.words if each in LIMITS]
        if LIMITS_OF_TWO.keys().isdisjoint(self.words):
            return frozenset(single)
        double = [f"{one} {two}" for one, two in pairwise(self.words) if one in LIMITS_OF_TWO.get(two, ())]
        return frozenset(single + double)

    @cached_property
    def per(self) -> frozenset[str]:
        """The stems after *per*: *GDP per capita*."""
        if "per" not in self.words:
            return frozenset()
        return frozenset(after for word, after in pairwise(self._stems) if word == "per" and after != "cent")

    @cached_property
    def attached(self) -> frozenset[str]:
        """Words after a preposition, which the question is limited to."""
        words = [each for each in self.words if each not in ("a", "an", "the")]
        return frozenset(after for before, after in pairwise(words) if before in ATTACHING)

    @cached_property
    def formats(self) -> list[str]:
        """Forms of an answer that the question asks for."""
        if self.stems.isdisjoint(_ALL_FORMATS):
            return []
        words = self.words
        return [
            word
            for at, word in enumerate(self._stems)
            if word in FORMATS or (word in SHAPES and ATTACHING.intersection(words[max(at - 3, 0) : at]))
        ]

    @cached_property
    def languages(self) -> frozenset[str]:
        """Languages, of people and of programs."""
        return LANGUAGES.intersection(self.words)

    @cached_property
    def names(self) -> list[str]:
        """Words with a capital that is not due to their place; empty in a Title Like This One."""
        return self._written_as_names if 2 * len(self._written_as_names) <= len(self._tokens) else []

    @cached_property
    def _written_as_names(self) -> list[str]:
        return [each.lower for each in self._tokens if each.written != each.lower and each.is_name]

    @cached_property
    def parts_of_names(self) -> frozenset[str]:
        """Words between two names, or in capitals beside capitals: an initial, or the ALL of UNION ALL."""
        if not self._written_as_names:
            return frozenset()
        tokens, names, parts = self._tokens, frozenset(self._written_as_names), []
        for at, last in enumerate(tokens[1:], 1):
            if last.lower in names:
                first, middle = tokens[max(at - 2, 0)], tokens[at - 1]
                if middle.capital and (first.capital or first.lower in names):
                    parts.append(middle.lower)
                if self.names and _loud(middle) and _loud(last):
                    parts += [middle.lower, last.lower]
        return frozenset(parts) - _NO_NAMES - {"A"}

    @cached_property
    def _written_apart(self) -> frozenset[str]:
        words = self.words
        initials = "".join(each[0] for each in words)
        pairs = (one + other for one, other in pairwise(words))
        return frozenset(pairs).union(initials[at : at + n] for n in (2, 3, 4, 5) for at in range(len(words)))

    def knows(self, name: str) -> bool:
        """Return whether a name occurs in lower case, in two words, or as initials: ML in *machine learning*."""
        return stem(name) in self.stems or name in self._written_apart

    @cached_property
    def asks(self) -> str:
        """The question word, or an empty text: *what* for *which*, *how* for *what … way*."""
        words = self.words
        if words[:1] == ["when"]:  # "when it rains, where do bees go"
            after_comma = [
                at for at, word in enumerate(self.marked_words) if word in _ASKING and self.marked_words[at - 1] == ","
            ]
            words = self.marked_words[after_comma[0] :] if after_comma else words
        for word, after in pairwise([*words, ""]):
            if word in ("what", "which"):
                return "how" if "way" in self.stems else "what"
            if word == "how" and after in ("many", "much", "long", "often", "far", "old"):
                return f"how {after}"
            if word in ("who", "whom", "whose", "how", "when", "where", "why"):
                return "who" if word.startswith("who") else word
        return ""

    @property
    def asks_whether(self) -> bool:
        """Whether the question asks for a yes or a no."""
        return not (self.asks or OPENING.isdisjoint(self.words[:1]))

    @property
    def asks_for_more(self) -> bool:
        """Whether the question takes the yes for granted: *Why is it slow?* An answer to *how* may say yes or no."""
        return self.words[:1] == [self.asks] and self.asks in ("why", "when", "where")

    @cached_property
    def _sentences(self) -> list[list[str]]:
        sentences: list[list[str]] = [[]]
        for word in self.marked_words:
            if word == ".":
                sentences.append([])
            elif word != ",":
                sentences[-1].append(word)
        return [each for each in sentences if each]

    @cached_property
    def _statements(self) -> list[list[str]]:
        """The sentences that ask nothing."""
        return [
            each
            for each in self._sentences
            if not (each[0] in MODALS or each[0] in OPENING or not ASKING.isdisjoint(each))
            and not any(one in MODALS and after in SUBJECTS for one, after in pairwise(each))
        ]

    @cached_property
    def modals(self) -> list[str]:
        """The modal verbs of statements, with one name for those that say the same; *you can* says how to do it."""
        if MODALS.keys().isdisjoint(self.words):
            return []
        return [
            MODALS[word]
            for each in self._statements
            for before, word in pairwise(each)
            if word in MODALS
            and not (word == "may" and before in _BEFORE_MONTHS)
            and not (MODALS[word] == "can" and before == "you")
        ]

    def says_how(self, modal: str) -> bool:
        """Return whether the text tells anybody how to do something with a modal verb: *you can*."""
        return ("you", modal) in pairwise(self.words)

    @cached_property
    def subjects(self) -> list[str]:
        """The pronouns that statements begin with, and could mean anybody in a question: *I will pay*."""
        return [each[0] for each in self._statements if each[0] in GENERIC]

    @cached_property
    def genders(self) -> list[str]:
        """The gender of each *he* and *she*, in any case."""
        return [GENDERS[each] for each in self.words if each in GENDERS]

    @cached_property
    def reworks_text(self) -> bool:
        """Whether the question asks for a text in another form, which then keeps person, number and tense."""
        if TEXT_TASKS.isdisjoint(self.words):
            return False
        return any(
            word in TEXT_TASKS and before in _BEFORE_TASKS
            for each in self._sentences
            for before, word in pairwise(["", *each])
        )

    @cached_property
    def inflections(self) -> Counter[str]:
        """The function words that say who, when and how many."""
        words = self.words
        asked = [at for at, (modal, after) in enumerate(pairwise(words)) if modal in MODALS and after == "you"]
        polite = {*asked, *(at + 1 for at in asked)}  # can you translate
        return Counter(each for at, each in enumerate(words) if each in INFLECTED and at not in polite)

    @cached_property
    def forms(self) -> dict[str, frozenset[str]]:
        """The forms in which each stem of content occurs."""
        found: dict[str, set[str]] = {}
        for word, content in zip(self.words, self._contents, strict=True):
            if content:
                found.setdefault(content, set()).add(word)
        return {each: frozenset(forms) for each, forms in found.items()}

    @cached_property
    def quotations(self) -> list[str]:
        """Texts between quotation marks or backticks."""
        if not _QUOTES.search(self.written):
            return []
        return [" ".join(_QUOTES.sub("", each[0]).split()) for each in _QUOTED.finditer(self.written)]

    @cached_property
    def code(self) -> list[str]:
        """Identifiers, calls, dotted names, flags and paths."""
        if _CODE_SIGNS.isdisjoint(self.written) and not _CAMEL.search(self.written):
            return []
        return [each for each in _WRITTEN_AS_ONE.findall(self.written) if _CODE.search(each)]

    @cached_property
    def operations(self) -> list[str]:
        """Operators with their operands."""
        if _OPERATORS.isdisjoint(self.written):
            return []
        return [" ".join(each) for each in _OPERATION.findall(self.written)]

    @cached_property
    def brackets(self) -> list[str]:
        """Texts in square brackets, without spaces and quotation marks."""
        if "[" not in self.written:
            return []
        return ["".join(_QUOTES.sub("", each).split()) for each in _BRACKETED.findall(self.written)]

    @cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(_PIECE.findall(self.written.lower()))

    def mentions(self, literal: str) -> bool:
        """Return whether the text has all words of a piece of code or of a quotation."""
        return self._pieces.issuperset(_PIECE.findall(literal.lower()))


fork.in_child(partial(fork.free_cached, Text))


def _loud(token: _Token) -> bool:
    """Return whether the word is all in capitals."""
    return len(token.written) > 1 and token.written.isupper() and token.written not in ROMAN


def _placed_stem(word: str) -> str:
    """Return the stem of a word whose place tells what is asked, or an empty text."""
    if word in _UNPLACED_WORDS:
        return ""
    found = stem(word)
    floats = word in FLOATING or (word.endswith("ly") and len(word) > 4 and found not in NO_ADVERBS)
    return "" if floats or found in _UNPLACED_STEMS else found
