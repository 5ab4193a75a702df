"""The guards: each a small rule of what two questions with one answer do not differ in.

Each takes two questions and returns their difference in words, or an empty text. None cares which question came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gptcache_magics.guards.text import Text
from gptcache_magics.guards.vocabulary import COORDINATING, LIMITING, OPPOSITES, PREFIXES, UN

__all__ = ["GUARDS", "Guard"]

Guard = Callable[[Text, Text], str]


def number(a: Text, b: Text) -> str:
    """Return the numbers that differ: *top 5* / *top ten*. A 1 is also what the other side writes as *one*."""
    one, other = _apart(a.numbers, b.numbers)
    ones = "one" in a.words or "one" in b.words
    return "" if ones and {*one, *other} == {"1"} else _both(one, other)


def date(a: Text, b: Text) -> str:
    """Return the months and days that differ: *in March* / *in May*."""
    return _differing(a.dates, b.dates)


def negation(a: Text, b: Text) -> str:
    """Return what negates one question more often than the other: *with* / *without*."""
    return _differing(a.negations, b.negations) if len(a.negations) != len(b.negations) else ""


def opposite(a: Text, b: Text) -> str:
    """Return two words that are opposites, by a list or by how they begin: *upper* / *lower*, *import* / *export*."""
    only_a, only_b = sorted(a.stems - b.stems), b.stems - a.stems
    listed = ((one, other) for one in only_a for other in sorted(OPPOSITES.get(one, frozenset()) & only_b))
    begun_a, begun_b = _beginnings(only_a), _beginnings(sorted(only_b))
    begun = ((begun_a[end] + end, begun_b[end] + end) for end in begun_a if _turn(begun_a[end], begun_b.get(end)))
    for one, other in (*listed, *begun):
        return _both(a.spelled([one]), b.spelled([other]))
    return ""


def limit(a: Text, b: Text) -> str:
    """Return where one takes all and the other the first, or one takes *only* what the other does not limit to."""
    only_a, only_b = a.limits - b.limits, b.limits - a.limits
    if (only_a and only_b) or (only_a | only_b) & LIMITING:
        return _both(sorted(only_a), sorted(only_b))
    return ""


def answer_format(a: Text, b: Text) -> str:
    """Return the form of answer that one asks for: *as JSON*, *in a table*, *step by step*."""
    one, other = ([each for each in this.formats if each not in that.stems] for this, that in ((a, b), (b, a)))
    return _both(a.spelled(one), b.spelled(other))


def language(a: Text, b: Text) -> str:
    """Return the languages that differ; one that only one side names counts if it is asked for: *in French*."""
    only_a, only_b = a.languages - b.languages, b.languages - a.languages
    asked_for = (only_a & a.attached) | (only_b & b.attached)
    return _both(sorted(only_a), sorted(only_b)) if asked_for or (only_a and only_b) else ""


def quoted_text(a: Text, b: Text) -> str:
    """Return the quotations that differ; one without quotation marks on the other side is the same."""
    one, other = _apart(a.quotations, b.quotations)
    if (one and other) or not all(map(b.mentions, one)) or not all(map(a.mentions, other)):
        return _both(one, other)
    return ""


def code(a: Text, b: Text) -> str:
    """Return identifiers that the other side does not mention, or operations that differ: *a - b* / *a * b*."""
    one, other = ([each for each in this.code if not that.mentions(each)] for this, that in ((a, b), (b, a)))
    if not (one or other) and a.operations and b.operations:
        return _differing(a.operations, b.operations)
    return _both(one, other)


def name(a: Text, b: Text) -> str:
    """Return names that differ.

    One that only one side has counts after a preposition, *in Peru*, and between two others: *George W. Bush*.
    """
    one, other = ([each for each in this.names if not that.knows(each)] for this, that in ((a, b), (b, a)))
    middle = a.middle_names.difference(b.words), b.middle_names.difference(a.words)
    one, other = ([*some, *sorted(more.difference(some))] for some, more in zip((one, other), middle, strict=True))
    limited = a.attached.intersection(one) or b.attached.intersection(other) or any(middle)
    return _both(a.as_written(one), b.as_written(other)) if limited or (one and other) else ""


def listed(a: Text, b: Text) -> str:
    """Return an item that only one side lists beside others: *pros* / *pros and cons*."""
    one, other = _apart(a.content, b.content)
    if (one and other) or len(a.listed) == len(b.listed):
        return ""
    return _both(a.spelled(one), b.spelled(other)) if {*a.listed, *b.listed}.issuperset(one + other) else ""


def order(a: Text, b: Text) -> str:
    """Return what changed places around other words: *miles to feet* / *feet to miles*, but not *tea or milk*."""
    one, other = _middle(a.relations, b.relations)
    if len(one) > _LONGEST or sorted(one) != sorted(other):
        return ""
    for first in range(1, len(one) - 1):
        for last in range(1, len(one) - first):
            between = one[first:-last]
            turned = one[-last:] + between + one[:first]
            if turned == other and not COORDINATING.intersection(between):
                return _both([" ".join(a.spelled(one))], [" ".join(b.spelled(other))])
    return ""


def question_word(a: Text, b: Text) -> str:
    """Return the question words that differ; *what* may stand for any, with a noun: *how many* / *what number of*."""
    one, other = a.asks, b.asks
    if not one or not other or one == other or ("what" in (one, other) and a.content != b.content):
        return ""
    return f"{one} / {other}"


def one_word(a: Text, b: Text) -> str:
    """Return the only word of content that differs, inflections aside: *list of rows* / *list of columns*."""
    one, other = _apart(a.content, b.content)
    return _both(a.spelled(one), b.spelled(other)) if len(one) == len(other) == 1 else ""


GUARDS: Final[Mapping[str, Guard]] = {
    "number": number,
    "date": date,
    "negation": negation,
    "opposite": opposite,
    "limit": limit,
    "format": answer_format,
    "language": language,
    "quoted text": quoted_text,
    "code": code,
    "name": name,
    "list": listed,
    "order": order,
    "question word": question_word,
    "one word": one_word,
}

_LONGEST: Final = 30
"""Words between the first and the last that differ; more have other reasons than a swap."""
_LONGEST_PREFIX: Final = max(map(len, PREFIXES))


def _beginnings(words: Iterable[str]) -> dict[str, str]:
    """For each ending that a word may have, the prefix that is left."""
    splits = ((word[:at], word[at:]) for word in words for at in range(min(_LONGEST_PREFIX + 1, len(word) - 2)))
    return {ending: prefix for prefix, ending in splits if not prefix or prefix in PREFIXES}


def _turn(one: str, other: str | None) -> bool:
    """Whether two prefixes make opposites."""
    return other is not None and one != other and (bool(one and other) or (one or other) in UN)


def _apart(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """What each has that the other lacks."""
    if one == other:
        return [], []
    a, b = Counter(one), Counter(other)
    return list((a - b).elements()), list((b - a).elements())


def _middle(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Both without what they have in common at the start and at the end."""
    start = next((at for at, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one.pop(), other.pop()
    return one, other


def _differing(one: list[str], other: list[str]) -> str:
    return _both(*_apart(one, other))


def _both(one: Iterable[str], other: Iterable[str]) -> str:
    """Both sides of a difference, or an empty text if there is none."""
    shown = [", ".join(each) or "–" for each in (one, other)]
    return " / ".join(shown) if shown != ["–", "–"] else ""
