"""Say where two prompts differ in nothing but what a rule of ``--ignore`` leaves out."""

from __future__ import annotations

from collections import defaultdict

from gptcache_magics.identity.volatile import difference, named
from gptcache_magics.text.messages import conversation

__all__ = ["volatile_difference"]


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
