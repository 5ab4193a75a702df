"""Say where two prompts differ in nothing but what a rule of ``--ignore`` leaves out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from gptcache_magics.identity.volatile import RULES, difference, masked, named
from gptcache_magics.text.messages import conversation

__all__ = ["alike_but_for_numbers", "ignoring", "volatile_difference", "volatile_texts"]

ALIKE: Final = 70
"""Least similarity in percent, once words with digits are left out: a month or a weekday may differ in a short text."""
LIKELY: Final = 10
"""Most questions that are compared in full."""
_NUMBERS: Final = re.compile(r"(?<![\w-])(?=[\w-]*\d)[\w-]+")
"""A word with a digit; a word may be a whole text, as in Chinese, so it is looked at from its beginning only."""


def alike_but_for_numbers(question: str, questions: Sequence[str]) -> list[int]:
    """Return the places of the questions that have the same words in any order, but for words with digits.

    The questions of one template differ less in their words than the same question in its ids and its order.
    """
    from rapidfuzz import fuzz, process

    found = process.extract(
        question,
        questions,
        scorer=fuzz.token_sort_ratio,
        processor=lambda text: _NUMBERS.sub("", text),
        limit=LIKELY,
        score_cutoff=ALIKE,
    )
    return [at for _, _, at in found]


def volatile_texts(question: str) -> list[str]:
    """Return the ids, addresses, dates and times of a question."""
    return [each.text for each in masked(question, RULES.keys() - {"order"}).found]


def volatile_difference(old: str, new: str) -> tuple[str, tuple[str, ...]]:
    """Return what differs between two prompts, and the rules that leave it out; nothing if words differ, or nothing.

    Returns
    -------
    ``an id and a date in message 2`` and ``("id", "date")``.
    """
    places: dict[int, list[str]] = defaultdict(list)
    for each in difference(old, new) or ():
        places[each.at].append(each.rule)
    roles = [message.role for message in conversation(new)]
    named_roles = {"system": "the system message", "prompt": "the prompt"}
    where = [named_roles.get(role, f"message {at}") for at, role in enumerate(roles, 1)]
    texts = [f"{named(rules)} in {where[at]}" for at, rules in sorted(places.items())]
    return ", ".join(texts), tuple(dict.fromkeys(rule for rules in places.values() for rule in rules))


def ignoring(rules: Iterable[str], ignored: Iterable[str] = ()) -> str:
    """Return the command that ignores by these rules, and by those that are on."""
    both = {*rules, *ignored}
    return f"%gptcache on --ignore {','.join(rule for rule in RULES if rule in both)}"
