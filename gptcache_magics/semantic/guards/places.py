"""Compare the places of the words that two questions share: they tell who did what to whom.

The shared words are cut into the shortest runs that hold the same words on both sides. A run must be in the same order
or be two phrases of which one moved in a way that English allows. Otherwise its words have changed places.

The place of a word is told by its *tie*: the prepositions and conjunctions between it and the shared word before. A
phrase that moves takes its tie along: *in Python, how do I sort* / *how do I sort in Python*. A phrase that plays
another part does not: *who reports to Ann* / *who does Ann report to*.

Some sentences turn around as a whole and mean the same: the passive (*cats chase dogs* / *dogs are chased by cats*),
means and purpose (*sort it using pandas* / *use pandas to sort it*), *popular songs* / *songs are popular*. The passive
in the same order (*cats are chased by dogs*) means something else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from gptcache_magics.semantic.guards.text import Text
from gptcache_magics.semantic.guards.vocabulary import (
    BEING,
    CLAUSES,
    COMPOUNDING,
    COORDINATING,
    DOING,
    FLOATING,
    HAVING,
    HOLDING,
    NO_ADVERBS,
    OPENING_TIES,
    PRONOUNS,
    PURPOSE,
    TIMES,
    TYING,
)

__all__ = ["changed_places"]

_SHARED_PER_OTHER: Final = 3
"""Fewest shared words for each other one: who rewords more builds another sentence, where places tell nothing."""
_LONGEST: Final = 60
"""Most words of a run that one phrase may have moved in."""

_TWO_SENTENCES: Final = re.compile(r"([^.!?:\n]++[.!:]) ++([^.!?:\n]++\?)\s*+")
"""A sentence before a question."""

_Tie = tuple[str, ...]


class _Placed(NamedTuple):
    """A shared word with its tie and all words between it and the shared word before; the end is the empty word."""

    stem: str
    tie: _Tie
    word: str
    gap: _Tie

    @property
    def joint(self) -> bool:
        """Whether an *and* or the like stands before the word."""
        return not COORDINATING.isdisjoint(self.tie[:1]) and "then" not in self.tie

    @property
    def is_means(self) -> bool:
        """Whether the word begins what something is done with: *using pandas*, *by calling Ann*."""
        return self.tie[:1] == ("using",) or (
            self.tie[:1] == ("by",) and any(each.endswith("ing") for each in (*self.gap, self.word))
        )

    @property
    def is_purpose(self) -> bool:
        """Whether the word begins what something is done for."""
        return len(self.tie) == 1 and self.tie[0] in PURPOSE


class _Run(NamedTuple):
    """The same words in two orders, with what stands around them."""

    before: list[_Placed]
    one: list[_Placed]
    other: list[_Placed]
    after: list[_Placed]
    after_other: list[_Placed]


def changed_places(a: Text, b: Text) -> tuple[list[str], list[str]]:
    """Return the first words that changed places, in both orders and with the words that tie them, or empty lists."""
    changed = _changed(a, b)
    if changed[0]:
        first = [_TWO_SENTENCES.sub(r"\2 \1", each.written.strip()) for each in (a, b)]
        if first != [a.written.strip(), b.written.strip()]:
            return _changed(*map(Text, first))
    return changed


def _changed(a: Text, b: Text) -> tuple[list[str], list[str]]:
    shared = {stem for stem, number in a.places.items() if b.places[stem] == number}
    if len((a.subject ^ b.subject) - {""}) * _SHARED_PER_OTHER > len(shared) + 1:
        return [], []
    one, other = _placed(a, shared), _placed(b, shared)
    turned: set[str] = set()
    for run in _runs(one, other):
        if _turned_around(run):
            turned.update(_stems(run.one))
        elif not (_same(run) or (_in_list(run.one, run.after, a) and _in_list(run.other, run.after_other, b))):
            return _shown(run.one), _shown(run.other)
    if not (_acting_and_suffering(one, other) | _acting_and_suffering(other, one)) <= turned:
        return _shown(one), _shown(other)
    tied, tied_other = ({each[:2] for each in placed if each.tie and not each.joint} for placed in (one, other))
    exchanged = tied - tied_other, tied_other - tied
    stems, ties = ([sorted(each[part] for each in some) for some in exchanged] for part in (0, 1))
    return (_shown(one), _shown(other)) if stems[0] and stems[0] == stems[1] and ties[0] == ties[1] else ([], [])


def _placed(text: Text, shared: Container[str]) -> list[_Placed]:
    placed: list[_Placed] = []
    tie: list[str] = []
    gap: list[str] = []
    for word, stem in text.words_and_places:
        if word in TYING:
            tie.append(word)
        elif stem in shared:
            placed.append(_Placed(stem, tuple(tie), word, tuple(gap)))
            tie, gap = [], []
            continue
        elif word in PRONOUNS:
            while tie and tie[-1] not in CLAUSES:
                tie.pop()
        gap.append(word)
    return [*placed, _Placed("", tuple(tie), "", tuple(gap))]


def _stems(placed: list[_Placed]) -> list[str]:
    return [each.stem for each in placed]


def _shown(placed: list[_Placed]) -> list[str]:
    """Return the words with the ties between them."""
    return [word for each in placed for word in (*each.tie, each.stem) if word][len(placed[0].tie) :]


def _runs(one: list[_Placed], other: list[_Placed]) -> Iterator[_Run]:
    """Yield the shortest runs that hold the same words in another order."""
    start = 0
    missing: Counter[str] = Counter()
    for end, (x, y) in enumerate(zip(one, other, strict=True), 1):
        if not missing and x.stem == y.stem:
            start = end
            continue
        missing[x.stem] += 1
        missing[y.stem] -= 1
        if not any(missing.values()):
            yield _Run(one[:start], one[start:end], other[start:end], one[end:], other[end:])
            start, missing = end, Counter()


def _same(run: _Run) -> bool:
    """Return whether a run means the same in both orders."""
    if len(run.one) > _LONGEST:
        return False
    stems, turned = _stems(run.one), _stems(run.other)
    cuts = [cut for cut in range(1, len(stems)) if stems[cut:] + stems[:cut] == turned]
    return any(_may_move(run, cut) for cut in cuts) or _listed_apart(run, stems, turned)


def _may_move(run: _Run, cut: int) -> bool:
    """Return whether the words before and after ``cut`` may change places."""
    x, y, y_sooner, x_later = run.one[0], run.one[cut], run.other[0], run.other[-cut]
    if len(run.one) == 2 and x.stem[-1].isdecimal() != y.stem[-1].isdecimal():
        return True  # a number and what it counts
    if (_floats(run.one[:cut]) and x.tie == x_later.tie) or (_floats(run.one[cut:]) and y.tie == y_sooner.tie):
        return True
    if (_floats(run.one[:cut]) or _floats(run.one[cut:])) and (x.tie, y.tie) == (y_sooner.tie, x_later.tie):
        return True
    if (y.is_means and x_later.is_purpose) or (y.is_purpose and x_later.is_means):
        return True
    if _copula(x, y, y_sooner, x_later, run.after[0]) or _copula(y_sooner, x_later, x, y, run.after_other[0]):
        return True
    if _as(run.one, cut, x_later) or _as(run.other, len(run.one) - cut, y):
        return True
    if _had(y, x_later, run.after[0]) or _had(x_later, y, run.after_other[0]):
        return True
    if y.joint and x_later.joint:
        # "tea or milk", "by car or by train"
        return (x_later.tie[1:], y_sooner.tie) in ((x.tie, y.tie[1:]), (y.tie[1:], x.tie))
    ends = run.after[0].tie, run.after_other[0].tie
    if _compound(x, y, y_sooner, x_later, *ends) or _compound(y_sooner, x_later, x, y, *reversed(ends)):
        return True
    moving = _moves(x, x_later), _moves(y, y_sooner)
    if run.before:
        return all(moving) and x.tie != y.tie
    staying = _opens(y, y_sooner), _opens(x, x_later)
    return any(moves and stays for moves, stays in zip(moving, staying, strict=True))


def _floats(phrase: list[_Placed]) -> bool:
    """Return whether the phrase may stand anywhere: *usually*, *yesterday*, *last week*."""
    first, *rest = _stems(phrase)
    if rest:
        return first in ("last", "next", "every", "each") and len(rest) == 1 and rest[0] in TIMES
    return first in FLOATING or (len(first) > 4 and first.endswith("ly") and first not in NO_ADVERBS)


def _opens(here: _Placed, there: _Placed) -> bool:
    """Return whether a phrase stays in its part while the phrase beside it moves to the front."""
    return here.tie == there.tie or OPENING_TIES.issuperset(here.tie + there.tie)


def _moves(here: _Placed, there: _Placed) -> bool:
    """Return whether a phrase takes its tie along; *how large is it* also becomes *is it large*."""
    if {here.tie, there.tie} == {("how",), ()}:
        return True
    return here.tie == there.tie != () and here.tie[0] not in HOLDING


def _compound(
    head: _Placed, tied: _Placed, tied_sooner: _Placed, head_later: _Placed, end: _Tie, end_too: _Tie
) -> bool:
    """Return whether *rates of flow* became *flow rates*. In *works for Ann* / *Ann works for* the *for* stays."""
    if len(tied.tie) != 1 or tied.tie[0] not in COMPOUNDING or head_later.tie:
        return False
    return head.tie == tied_sooner.tie and (tied.tie[0] not in end_too or tied.tie[0] in end)


def _copula(noun: _Placed, being: _Placed, quality: _Placed, noun_later: _Placed, after: _Placed) -> bool:
    """Return whether *songs are popular* became *popular songs*."""
    said = not BEING.isdisjoint(being.gap) and not being.tie and not noun_later.gap
    return said and bool(after.tie or not after.stem) and _opens(noun, quality) and BEING.isdisjoint(quality.gap[-1:])


def _as(words: list[_Placed], cut: int, first_later: _Placed) -> bool:
    """Return whether *the limit of x is 3* became *x has 3 as its limit*."""
    said = any(not BEING.isdisjoint(each.gap) for each in words[cut + 1 :])
    return said and len(words[cut].tie) == 1 and first_later.tie == ("as",)


def _had(owner: _Placed, owned_later: _Placed, after: _Placed) -> bool:
    """Return whether *which wheels does a car have* became *car wheels*."""
    said = not DOING.isdisjoint(owner.gap) and not HAVING.isdisjoint(after.gap[:1])
    return said and not owner.tie and not owned_later.gap


def _turned_around(run: _Run) -> bool:
    """Return whether one side is the passive of the other."""
    return _passive(run.one, run.other, run.after_other[0]) or _passive(run.other, run.one, run.after[0])


def _passive(active: list[_Placed], passive: list[_Placed], after: _Placed) -> bool:
    """Return whether *cats chase dogs* became *dogs are chased by cats*, or *chase dogs* became *dogs are chased*."""
    for at, verb in enumerate(passive):
        object_, agent = passive[:at], passive[at + 1 :]
        if [*_stems(agent), verb.stem, *_stems(object_)] != _stems(active) or not OPENING_TIES.issuperset(verb.tie):
            continue
        acting, *rest = active[len(agent) :]
        if any(each.tie for each in rest[:1]) or not _may_suffer(passive, at):
            continue
        by = agent[0].tie[:1] in (("by",), ("using",)) if agent else verb.word.endswith(("ed", "en", "wn"))
        if not agent and not after.stem and after.tie not in ((), ("by",)) and after.gap[-1] in after.tie:
            continue  # "whom is Ann trusted with"
        if by and OPENING_TIES.issuperset(acting.tie) and not _may_suffer(active, len(agent)):
            return True
        if agent and agent[0].is_means and acting.tie == ("to",):
            return True
    return False


def _may_suffer(words: list[_Placed], at: int) -> bool:
    """Return whether a form of *be* precedes the word: *is Ann trusted*, *Ann is trusted*."""
    around = words[at].gap + (words[at - 1].gap if at and not words[at].tie else ())
    return not BEING.isdisjoint(around) and not words[at].word.endswith("ing")


def _acting_and_suffering(acting: list[_Placed], suffering: list[_Placed]) -> set[str]:
    """Return the verbs whose subject does in one text what is done to it in the other: *Ann was called by Bob*."""
    (act, suffer), (act_too, suffer_too) = map(_voices, (acting, suffering))
    return (act - act_too) & (suffer_too - suffer)


def _voices(words: list[_Placed]) -> tuple[set[str], set[str]]:
    """Return the words that no *be* goes before, without a *by* after them, and the verbs with both."""
    act, suffer = set(), set()
    for at, (word, after) in enumerate(pairwise(words)):
        done_by, suffers = after.tie[:1] == ("by",), _may_suffer(words, at)
        if done_by and suffers and not after.is_means:
            suffer.add(word.stem)
        elif not done_by and not suffers:
            act.add(word.stem)
    return act, suffer


def _in_list(words: list[_Placed], after: list[_Placed], text: Text) -> bool:
    """Return whether each word is an item of a list: *red, green and blue*."""
    followed = zip(words, [*words[1:], *after[:1]], strict=True)
    return all(word.joint or (then.stem and then.joint) or word.stem in text.before_commas for word, then in followed)


def _listed_apart(run: _Run, stems: list[str], turned: list[str]) -> bool:
    """Return whether two parts are joined that have other words in common: *north coast and south coast*.

    The run begins and ends with what the parts differ in; the words between stand again around it.
    """
    joints, joints_other = ([at for at, each in enumerate(words) if each.joint] for words in (run.one, run.other))
    if len(joints) != 1:
        return False
    before, after, joint = _stems(run.before), _stems(run.after), joints[0]
    return any(
        stems[last:] + stems[first:last] + stems[:first] == turned
        and joints_other == [len(stems) - last + joint - first]
        and after[: joint - first] == stems[first:joint]
        and before[len(before) - (last - joint) :] == stems[joint:last]
        for first in range(1, joint + 1)
        for last in range(joint, len(stems))
    )
