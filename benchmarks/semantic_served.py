"""Answers that caches serve by meaning: a pair at a time, from a large store, and across conversations."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from measure import table
from semantic_caches import CacheByMeaning, Conversation, question, text_of
from semantic_pairs import Pair, percent, share

__all__ = ["across_conversations", "from_full_store", "pair_by_pair", "sample"]

WORDINGS: Final = 5
"""Most wordings of one question that are stored."""
ROUNDS: Final = 3
"""Number of rounds; in each, another wording of each question is asked."""
MOST_GROUPS: Final = 80
TRAPS: Final = 50
Caches = Mapping[str, CacheByMeaning]
Rates = dict[str, tuple[float, float]]
"""Two shares, by cache."""


class Asked(NamedTuple):
    """A question that is asked of a store."""

    text: str
    group: int
    """The questions with the same answer, or those that it is a trap for."""
    same: bool


def sample(pairs: Sequence[Pair], number: int) -> list[Pair]:
    """Return this many of the pairs, always the same; leave out those that ask what is stored already."""
    some = [pair for pair in pairs if pair.stored.strip() != pair.asked.strip()]
    return some if len(some) <= number else random.Random(0).sample(some, number)


def pair_by_pair(pairs: Sequence[Pair], caches: Caches, number: int) -> Rates:
    """Store one answer and ask one question, each cache in turn. Return hit and false rates."""
    some = sample(pairs, number)
    served: dict[str, list[bool]] = {name: [] for name in caches}
    for pair in some:
        for name, cache in caches.items():
            cache.fresh()
            cache.store([question(pair.stored)])
            served[name].append(cache.ask(question(pair.asked)) is not None)
    rates: Rates = {}
    for name, each in served.items():
        both = list(zip(each, some, strict=True))
        rates[name] = (share([s for s, pair in both if pair.same]), share([s for s, pair in both if not pair.same]))
    traps = sum(not pair.same for pair in some)
    print(f"Pair by pair, one answer stored and one question asked: {len(some) - traps:,} pairs, {traps:,} traps.\n")
    table(("cache", "hit", "false"), ((name, *map(percent, each)) for name, each in rates.items()))
    return rates


def from_full_store(pairs: Sequence[Pair], caches: Caches, number: int) -> None:
    """Store up to five wordings of each question, or one where a file has no more, and ask others."""
    groups = _Groups(pairs)
    several = 2 * len(groups.wordings) <= len(pairs)
    if not several:
        groups = _Groups(sample(pairs, number))
        print("This file has too few wordings of each question, so one of each is stored.\n")
    turns = list(groups.turns(MOST_GROUPS) if several else [groups.pairs()])
    asked = [each for _, some in turns for each in some]
    rows = []
    for name, cache in caches.items():
        found: list[str | None] = []
        for stored, some in turns:
            cache.fresh()
            cache.store(map(question, stored))
            found += [cache.ask(question(each.text)) for each in some]
        rows.append((name, *map(percent, groups.rates(asked, found))))
    largest = max(len(stored) for stored, _ in turns)
    traps = sum(not each.same for each in asked)
    print(f"From a store of {largest:,} answers: {len(asked) - traps:,} other wordings asked, and {traps:,} traps.\n")
    table(("cache", "hit", "traps served", "answered from another question, of all"), rows)
    print("An answer from another question is wrong.\n" if several else "Such an answer may be right: no label says.\n")


class _Groups:
    """Questions by their answer: pairs with the same answer connect the questions of a group."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._parents: dict[str, str] = {}
        for pair in pairs:
            root, other = self._root(pair.stored), pair.same and self._root(pair.asked)
            if other:
                self._parents[other] = root
        self._wordings: dict[str, list[str]] = {}
        for text in self._parents:
            self._wordings.setdefault(self._root(text), []).append(text)
        self._numbers = {root: number for number, root in enumerate(self._wordings)}
        self.wordings = list(self._wordings.values())

    def _root(self, text: str) -> str:
        while self._parents.setdefault(text, text) != text:
            text = self._parents[text]
        return text

    def group(self, text: str) -> int:
        """Return the number of the group of a question."""
        return self._numbers[self._root(text)]

    def pairs(self) -> tuple[list[str], list[Asked]]:
        """Return what is stored and what is asked, where each question has only one wording."""
        stored = dict.fromkeys(pair.stored for pair in self._pairs)
        some = [pair for pair in self._pairs if pair.asked not in stored]
        return list(stored), [Asked(pair.asked, self.group(pair.stored), pair.same) for pair in some]

    def turns(self, most: int) -> Iterator[tuple[list[str], list[Asked]]]:
        """Return what is stored, then asked: another wording of each group in each turn, the traps in the last."""
        some = [(number, words) for number, words in enumerate(self.wordings) if len(words) > 1][:most]
        for turn in range(ROUNDS):
            held = {number: words[turn] for number, words in some if turn < len(words)}
            rest = ([word for word in words if word != held.get(number)][:WORDINGS] for number, words in some)
            yield [word for words in rest for word in words], [Asked(held[n], n, True) for n in held]
        numbers = {number for number, _ in some}
        traps = {
            Asked(pair.asked, self.group(pair.stored), False): None
            for pair in self._pairs
            if not pair.same and pair.asked not in self._parents and self.group(pair.stored) in numbers
        }
        yield [word for _, words in some for word in words[:WORDINGS]], list(traps)

    def rates(self, asked: Sequence[Asked], found: Sequence[str | None]) -> tuple[float, float, float]:
        """Return hits, traps served with the answer that they are a trap for, and answers from elsewhere."""
        own = [text is not None and self.group(text) == each.group for each, text in zip(asked, found, strict=True)]
        elsewhere = [text is not None and not mine for mine, text in zip(own, found, strict=True)]
        hits = [mine for mine, each in zip(own, asked, strict=True) if each.same]
        traps = [mine for mine, each in zip(own, asked, strict=True) if not each.same]
        return share(hits), share(traps), share(elsewhere)


def across_conversations(served: Sequence[Pair], questions: Sequence[str], caches: Caches) -> Rates:
    """Ask the same last message in another conversation: each answer is wrong. Return their share, and that of hits.

    A hit, for comparison, is the other wording of the last message in the same conversation.

    Parameters
    ----------
    served
        Pairs that ours serves.
    questions
        Beginnings of conversations.
    """
    draw = random.Random(0)
    some: list[tuple[Pair, str, str, bool]] = []
    for number in range(TRAPS if served and len(questions) > 1 else 0):
        one, other = draw.sample(questions, 2)
        some.append((served[number % len(served)], one, other, number % 2 == 0))
    rates: Rates = {}
    for name, cache in caches.items():
        cache.fresh()
        cache.store(_conversation(one, pair.stored, system) for pair, one, _, system in some)
        traps = [cache.ask(_conversation(other, pair.stored, system)) for pair, _, other, system in some]
        hits = [
            cache.ask(_conversation(one, pair.asked, system)) == text_of(_conversation(one, pair.stored, system))
            for pair, one, _, system in some
        ]
        rates[name] = share([text is not None for text in traps]), share(hits)
    print(f"{len(some)} conversations with another system prompt or another earlier turn, and the same last message.\n")
    columns = ("cache", "another conversation: wrongly served", "the same, last message in other words: hit")
    table(columns, ((name, *map(percent, each)) for name, each in rates.items()))
    return rates


def _conversation(first: str, last: str, system: bool) -> Conversation:
    if system:
        return [SystemMessage(f"The conversation is about this: {first}"), HumanMessage(last)]
    return [HumanMessage(first), AIMessage("I will keep that in mind."), HumanMessage(last)]
