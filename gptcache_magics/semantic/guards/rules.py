"""The guards: each is a small rule about a difference that two questions with one answer do not have.

A guard takes two questions and returns their difference in words, or an empty text. Their order does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gptcache_magics.semantic.guards.judgement import blame, praise
from gptcache_magics.semantic.guards.places import changed_places
from gptcache_magics.semantic.guards.text import Text
from gptcache_magics.semantic.guards.vocabulary import (
    CONTRASTS,
    GENERIC,
    IN_ONE_WORD,
    IN_OTHER_WORDS,
    LIMITING,
    MARKS,
    OBJECTS,
    OPPOSITES,
    PREFIXES,
    UN,
)

__all__ = ["GUARDS", "Guard"]

Guard = Callable[[Text, Text], str]


def number(a: Text, b: Text) -> str:
    """Return the numbers that differ, or what they count: *top 5* / *top ten*, *9 am* / *9 pm*.

    A 1 equals a *one* of the other side, and a unit may be left out.
    """
    one, other = _apart(a.numbers, b.numbers)
    if not (one or other):
        one, other = _apart(a.quantities, b.quantities)
        shown = [[" ".join(this.spelled(each.split())) for each in some] for this, some in ((a, one), (b, other))]
        return _both(*shown) if one and other else ""
    ones = "one" in a.words or "one" in b.words
    return "" if ones and {*one, *other} == {"1"} else _both(one, other)


def date(a: Text, b: Text) -> str:
    """Return the months and days that differ: *in March* / *in May*."""
    return _differing(a.dates, b.dates)


def negation(a: Text, b: Text) -> str:
    """Return negations that only one question has, *with* / *without*, or that negate different parts.

    *active and not archived* / *not active and archived*; but *isn't the sky green* is *is the sky not green*.
    """
    if len(a.negations) != len(b.negations):
        return _differing(a.negations, b.negations)
    if not a.negations:
        return ""
    for (one, joined), (other, other_joined) in zip(a.negated, b.negated, strict=False):
        if one != other and (joined or other_joined) and one in b.stems and other in a.stems:
            return _both(["not", *a.spelled([one])], ["not", *b.spelled([other])])
    return ""


def opposite(a: Text, b: Text) -> str:
    """Return two words that are opposites: *upper* / *lower*, *import* / *export*, *my* / *your*.

    Opposites are known by a list, by their prefixes, as words of praise and of blame, or as function words of one kind
    in the same place.
    """
    only_a, only_b = sorted(a.stems - b.stems), b.stems - a.stems
    listed = ((one, other) for one in only_a for other in sorted(OPPOSITES.get(one, frozenset()) & only_b))
    begun_a, begun_b = _beginnings(only_a), _beginnings(sorted(only_b))
    begun = ((begun_a[end] + end, begun_b[end] + end) for end in begun_a if _turn(begun_a[end], begun_b.get(end)))
    for one, other in (*listed, *begun):
        return _both(a.spelled([one]), b.spelled([other]))
    (praised, blamed), (praised_too, blamed_too) = ((praise(some), blame(some)) for some in (only_a, sorted(only_b)))
    if _sign(praised, blamed) * _sign(praised_too, blamed_too) < 0:
        return _both(a.spelled(praised + blamed), b.spelled(praised_too + blamed_too))
    return _both(*_contrasting(a, b))


def limit(a: Text, b: Text) -> str:
    """Return limits that differ: one question takes all and the other the first, or only one says *only*.

    *GDP* / *GDP per capita*, *every row* / *every other row*.
    """
    only_a, only_b = a.limits - b.limits, b.limits - a.limits
    if (only_a and only_b) or (only_a | only_b) & LIMITING:
        return _both(sorted(only_a), sorted(only_b))
    if a.per == b.per:
        return ""
    one, other = (this.spelled(sorted(this.per - that.stems)) for this, that in ((a, b), (b, a)))
    return _both([f"per {each}" for each in one], [f"per {each}" for each in other])


def answer_format(a: Text, b: Text) -> str:
    """Return forms of answer that only one question asks for: *as JSON*, *in a table*, *step by step*."""
    one, other = (
        [each for each in this.formats if each not in that.stems and IN_ONE_WORD.get(each) not in that.stems]
        for this, that in ((a, b), (b, a))
    )
    return _both(a.spelled(one), b.spelled(other))


def language(a: Text, b: Text) -> str:
    """Return the languages that differ. A language that only one side names counts if it is asked for: *in French*."""
    only_a, only_b = a.languages - b.languages, b.languages - a.languages
    asked_for = (only_a & a.attached) | (only_b & b.attached)
    return _both(sorted(only_a), sorted(only_b)) if asked_for or (only_a and only_b) else ""


def quoted_text(a: Text, b: Text) -> str:
    """Return the quotations that differ; the other side may leave the quotation marks out."""
    one, other = _apart(a.quotations, b.quotations)
    if (one and other) or not all(map(b.mentions, one)) or not all(map(a.mentions, other)):
        return _both(one, other)
    return ""


def code(a: Text, b: Text) -> str:
    """Return identifiers that the other side does not mention, or operations that differ: *a - b* / *a * b*.

    Text in square brackets is compared to the letter: *x[1:]* / *x[:1]*, *[0-9]* / *[^0-9]*.
    """
    one, other = ([each for each in this.code if not _mentions(that, each)] for this, that in ((a, b), (b, a)))
    if one or other:
        return _both(one, other)
    if a.operations and b.operations and a.operations != b.operations:
        return _differing(a.operations, b.operations)
    one, other = _apart(a.brackets, b.brackets)
    return _both(one, other) if one and other else ""


def name(a: Text, b: Text) -> str:
    """Return names that differ.

    A name that only one side has counts after a preposition, *in Peru*, between two others, *George W. Bush*, and in
    capitals beside capitals: *UNION* / *UNION ALL*.
    """
    one, other = ([each for each in this.names if not that.knows(each)] for this, that in ((a, b), (b, a)))
    middle = a.parts_of_names.difference(b.words), b.parts_of_names.difference(a.words)
    one, other = ([*some, *sorted(more.difference(some))] for some, more in zip((one, other), middle, strict=True))
    if not any((one, other, *middle)):
        return ""
    limited = a.attached.intersection(one) or b.attached.intersection(other) or any(middle)
    return _both(a.as_written(one), b.as_written(other)) if limited or (one and other) else ""


def listed(a: Text, b: Text) -> str:
    """Return an item that only one side lists beside others: *pros* / *pros and cons*."""
    if len(a.listed) == len(b.listed):
        return ""
    one, other = _apart(a.content, b.content)
    if one and other:
        return ""
    return _both(a.spelled(one), b.spelled(other)) if {*a.listed, *b.listed}.issuperset(one + other) else ""


def order(a: Text, b: Text) -> str:
    """Return words that changed places: *miles to feet* / *feet to miles*, *report to Ann* / *Ann reports to*.

    A phrase that moved as a whole leaves the question the same, *in Iceland, how many* / *how many in Iceland*, and so
    does the order of a list: *tea or milk*.
    """
    one, other = changed_places(a, b)
    if not one and a.places == b.places and _regrouped(a, b):
        one, other = a.content, b.content
    return _both([" ".join(a.spelled(one))], [" ".join(b.spelled(other))]) if one else ""


def question_word(a: Text, b: Text) -> str:
    """Return the question words that differ. *What* with a noun may stand for any: *how many* / *what number of*.

    A question that is answered by yes or no has none: *Is it slow?* / *Why is it slow?*
    """
    one, other = a.asks, b.asks
    if (a.asks_whether and b.asks_for_more) or (b.asks_whether and a.asks_for_more):
        return f"{one or 'yes or no'} / {other or 'yes or no'}" if a.content == b.content else ""
    if not one or not other or one == other or ("what" in (one, other) and a.content != b.content):
        return ""
    return f"{one} / {other}"


def one_word(a: Text, b: Text) -> str:
    """Return the only word of content that differs, without inflections: *list of rows* / *list of columns*.

    A capital A beside another word may be the article of a Title Like This.
    """
    one, other = ([each for each in words if each != "A"] or words for words in _apart(a.content, b.content))
    return _both(a.spelled(one), b.spelled(other)) if len(one) == len(other) == 1 else ""


def modal(a: Text, b: Text) -> str:
    """Return modal verbs of statements that differ: *I will pay* / *I may pay*, *hit* / *may have hit*.

    *It can be read* is *it is possible to read it* and *you can read it*.
    """
    one, other = _apart(a.modals, b.modals)
    one, other = (
        [each for each in some if not (IN_OTHER_WORDS.get(each, frozenset()) & that.stems or that.says_how(each))]
        for some, that in ((one, b), (other, a))
    )
    return _both(one, other)


def person(a: Text, b: Text) -> str:
    """Return persons or genders that differ, whatever else does: *I will* / *you will*, *he gave her* / *she gave him*.

    *How do I* is *how do you*: only what begins a statement counts.
    """
    if a.subjects and b.subjects and a.subjects != b.subjects:
        return _both(*_apart(a.subjects, b.subjects))
    one, other = a.genders, b.genders
    if (
        not (one and other)
        or one == other
        or ({*one} == {*other} and len(one) != len(other))
        or any(_contrasting(a, b))
    ):
        return ""
    return _both(one, other)


def inflection(a: Text, b: Text) -> str:
    """Return forms that differ where a text is to be given in another form: *translate: the cat* / *the cats*."""
    if not (a.reworks_text and b.reworks_text):
        return ""
    if a.inflections != b.inflections:
        return _differing([*a.inflections.elements()], [*b.inflections.elements()])
    one, other = a.forms, b.forms
    for each in one.keys() & other.keys():
        if one[each] != other[each]:
            return _both(sorted(one[each]), sorted(other[each]))
    return ""


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
    "modal verb": modal,
    "person": person,
    "inflection": inflection,
}

_LONGEST_PREFIX: Final = max(map(len, PREFIXES))


def _beginnings(words: Iterable[str]) -> dict[str, str]:
    """Return prefixes by the rest of their words."""
    splits = ((word[:at], word[at:]) for word in words for at in range(min(_LONGEST_PREFIX + 1, len(word) - 2)))
    return {ending: prefix for prefix, ending in splits if not prefix or prefix in PREFIXES}


def _turn(one: str, other: str | None) -> bool:
    """Return whether two prefixes make opposites."""
    return other is not None and one != other and (bool(one and other) or (one or other) in UN)


def _regrouped(a: Text, b: Text) -> bool:
    """Return whether a part around an *and* has words of two parts of the other text.

    *opens at nine and closes at noon* / *opens at noon and closes at nine*
    """
    other = _parts(b)
    return any(
        sum(not part.isdisjoint(each) for each in other) > 1 and not any(part <= each or each <= part for each in other)
        for part in _parts(a)
    )


def _parts(text: Text) -> list[frozenset[str]]:
    """Return the stems of each part of a text between *and*, commas and ends of sentences; leave out single words."""
    parts = [frozenset[str]()]
    for word, stem in text.placed:
        if word == "and" or word in MARKS:
            parts.append(frozenset())
        elif stem:
            parts[-1] |= {stem}
    return [each for each in parts if len(each) > 1]


def _sign(praising: list[str], blaming: list[str]) -> int:
    """Return 1 if a text praises more than it blames, -1 if it blames more, else 0."""
    return (len(praising) > len(blaming)) - (len(praising) < len(blaming))


def _contrasting(a: Text, b: Text) -> tuple[list[str], list[str]]:
    """Return function words of one kind in the same place: *to* / *from*, *and* / *or*, *he* / *she*.

    All other words must be the same. A general *you* and *your* may stand for *me* and *my*.
    """
    if not (a.subject ^ b.subject <= CONTRASTS.keys()) or len(a.contrasting) != len(b.contrasting):
        return [], []
    differing = [(one, other) for one, other in zip(a.contrasting, b.contrasting, strict=True) if one != other]
    specific = [pair for pair in differing if not GENERIC.issuperset(pair)]
    kinds = {_contrast(*pair) for pair in specific}
    if "" in kinds or ("person" in kinds and len(specific) < len(differing)):
        return [], []
    return [one for one, _ in specific], [other for _, other in specific]


def _contrast(one: str, other: str) -> str:
    """Return the kind of two function words if they share it and mean different things, else an empty text."""
    (kind, pole), (kind_too, pole_too) = CONTRASTS.get(one, ("", "")), CONTRASTS.get(other, ("", ""))
    return kind if kind == kind_too and pole != pole_too else ""


def _mentions(text: Text, code: str) -> bool:
    """Return whether a text mentions an identifier, or only its method if the object is any object."""
    owner, _, method = code.partition(".")
    return text.mentions(code) or (owner in OBJECTS and text.mentions(method))


def _apart(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Return the items that each list has and the other lacks."""
    if one == other:
        return [], []
    a, b = Counter(one), Counter(other)
    return list((a - b).elements()), list((b - a).elements())


def _differing(one: list[str], other: list[str]) -> str:
    return _both(*_apart(one, other))


def _both(one: Iterable[str], other: Iterable[str]) -> str:
    """Return both sides of a difference, or an empty text if there is none."""
    shown = [", ".join(each) or "–" for each in (one, other)]
    return " / ".join(shown) if shown != ["–", "–"] else ""
