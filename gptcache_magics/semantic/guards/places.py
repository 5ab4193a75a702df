"""Compare the places of the words that two questions share: they tell who did what to whom.

Both texts are cut into the phrases that they have in common. The place of a phrase is its tie, such as the preposition
before it, and its number among the phrases with that tie. Phrases changed places if each took the place of the next, in
a circle: *Inn* and *into the Danube*. A phrase that moved with its tie kept its place: *in Python, how do I sort* /
*how do I sort in Python*. A sentence that was turned around has other ties, so that the circle is open: of *cats chase
dogs* / *dogs are chased by cats*, nothing took the place after *by*.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from gptcache_magics.semantic.guards.text import Text
from gptcache_magics.semantic.guards.ties import TiedWord, tied_words

__all__ = ["changed_places"]

_MOST_OTHERS: Final = 3
"""Most words that only one text has. Who changes more built another sentence, where places tell nothing."""
_SHARED_PER_OTHER: Final = 3
"""Shared words that allow one more of the others: a long sentence may change more and still be the same."""
_MOST_PHRASES: Final = 60
"""Most phrases that are compared. More are refused."""
_MOST_TWINS: Final = 10
"""Most places of one word that are compared. More are paired in order."""

_CONTRARY: Final = ({"have", "of"}, {"from", "to"})
"""Ties of opposite parts: *who had Plato as a teacher* / *who was the teacher of Plato*."""

_Place = tuple[str, int]
_START: Final = TiedWord("<")


class _Phrase(NamedTuple):
    """Words that follow each other in both texts."""

    here: range
    there: range
    ties: tuple[str, str]
    places: tuple[_Place, _Place]
    joined: bool

    @property
    def kept(self) -> bool:
        """Whether the phrase has the same place in both texts, and not in a list."""
        return self.places[0] == self.places[1] and not self.joined


def changed_places(a: Text, b: Text) -> tuple[list[str], list[str]]:
    """Return the words that changed places, in both orders and with the words that tie them, or empty lists."""
    shared = {stem for stem, number in a.places.items() if b.places[stem] == number}
    if len((a.subject ^ b.subject) - {""}) > max(_MOST_OTHERS, len(shared) / _SHARED_PER_OTHER):
        return [], []
    one, other = tied_words(a, shared), tied_words(b, shared)
    if [each[:2] for each in one] == [each[:2] for each in other]:
        return [], []
    phrases = _phrases(one, other)
    if len(phrases) > _MOST_PHRASES or _same_subject(one, other) or _same_subject(other, one):
        return _shown(one), _shown(other)
    changed = _circle(phrases) or _attached_elsewhere(phrases)
    here = sorted(at for each in changed for at in each.here)
    there = sorted(at for each in changed for at in each.there)
    return (_shown(one[here[0] : here[-1] + 1]), _shown(other[there[0] : there[-1] + 1])) if changed else ([], [])


def _shown(words: list[TiedWord]) -> list[str]:
    """Return the words with the ties between them."""
    return [word for each in words if each.stem for word in (*each.before, each.stem)][len(words[0].before) :]


def _phrases(one: list[TiedWord], other: list[TiedWord]) -> list[_Phrase]:
    """Return the longest phrases that have the same words in the same order, with the same ties within."""
    where = _pairs(one, other)
    ties = [(word.tie, other[to].tie) for word, to in zip(one, where, strict=True)]
    starts = [0] + [at for at in range(1, len(one)) if where[at] != where[at - 1] + 1 or _differ(*ties[at])]
    there = sorted(where[at] for at in starts)
    places = _places([one[at] for at in starts])
    places_there = dict(zip(there, _places([other[at] for at in there]), strict=True))
    return [
        _Phrase(
            range(at, end),
            range(where[at], where[at] + end - at),
            ties[at],
            (place, places_there[where[at]]),
            one[at].joined or other[where[at]].joined,
        )
        for (at, end), place in zip(pairwise([*starts, len(one)]), places, strict=True)
    ]


def _differ(tie: str, tie_there: str) -> bool:
    """Return whether two ties differ. A *be* may be left out."""
    return tie != tie_there and "be" not in (tie, tie_there)


def _pairs(one: list[TiedWord], other: list[TiedWord]) -> list[int]:
    """Return where each word of one text is in the other. Of twins, those beside the same words are pairs."""
    found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for part, words in enumerate((one, other)):
        for at, word in enumerate(words):
            found[word.stem][part].append(at)
    where = [0] * len(one)
    for here, there in found.values():
        pairs = list(zip(here, there, strict=True))
        if 1 < len(pairs) <= _MOST_TWINS:
            both = [(x, y) for x in here for y in there]
            both.sort(key=lambda pair: (-_likeness(one, other, *pair), sum(pair)))
            pairs = []
            for x, y in both:
                if x not in (taken for taken, _ in pairs) and y not in (taken for _, taken in pairs):
                    pairs.append((x, y))
        for x, y in pairs:
            where[x] = y
    return where


def _likeness(one: list[TiedWord], other: list[TiedWord], x: int, y: int) -> int:
    """Return how much stands beside both words; the word after it tells more: *column a* and *column b*."""
    before = x > 0 < y and one[x - 1].stem == other[y - 1].stem
    return before + 2 * (one[x + 1].stem == other[y + 1].stem != "")


def _places(firsts: Iterable[TiedWord]) -> list[_Place]:
    """Return the places of phrases by their first words. The items of a list have one place."""
    places: list[_Place] = []
    number: Counter[str] = Counter()
    for word in firsts:
        if word.joined and places and word.tie in ("", places[-1][0]):
            places.append(places[-1])
        else:
            number[word.tie] += 1
            places.append((word.tie, number[word.tie]))
    return places


def _circle(phrases: list[_Phrase]) -> list[_Phrase]:
    """Return the phrases that took each other's places."""
    changed = [each for each in phrases if each.places[0] != each.places[1]]
    while True:
        left, taken = ({each.places[part] for each in changed} for part in (0, 1))
        rest = [each for each in changed if each.places[0] in taken and each.places[1] in left]
        if len(rest) == len(changed):
            return changed
        changed = rest


def _attached_elsewhere(phrases: list[_Phrase]) -> list[_Phrase]:
    """Return phrases that belong to other words: *the man with a dog saw Ann* / *the man saw Ann with a dog*.

    A phrase at the beginning of a text belongs to all of it.
    """
    moved = [each for each in phrases if each.places[0] != each.places[1]]
    if len(moved) > 1 and any({*each.ties} in _CONTRARY for each in moved):
        return moved
    for one, other in combinations([each for each in phrases if each.kept], 2):
        tied = one if one.ties[0] else other
        if one.there[0] > other.there[0] and not (one.ties[0] and other.ties[0]) and tied.here[0] and tied.there[0]:
            return [one, other]
    return []


def _same_subject(passive: list[TiedWord], active: list[TiedWord]) -> bool:
    """Return whether a passive and an active voice have one order: *Ann was seen by Bob* / *Ann saw Bob*."""
    if any(word.tie == "by" for word in active):
        return False
    untied = {word.stem for word in active if not word.tie}
    followed = {(word.stem, after.stem) for word, after in pairwise([_START, *active])}
    return any(
        (verb.tie, agent.tie) == ("be", "by") and agent.stem in untied and (subject.stem, verb.stem) in followed
        for subject, verb, agent in zip([_START, *passive], passive, passive[1:], strict=False)
    )
