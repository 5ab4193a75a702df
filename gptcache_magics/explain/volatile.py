"""Tell whether two prompts differ in nothing but ids, addresses, dates and times."""

from __future__ import annotations

import re
from typing import Final

from gptcache_magics.text.messages import conversation

__all__ = ["volatile_difference"]

_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_RULES: Final = {
    "id": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b"
    r"|\b(?:lc_run-|run-|call_|toolu_|chatcmpl-|msg_|resp_)[0-9A-Za-z-]{8,}",
    "address": r"\bat 0x[0-9a-f]+|/tmp/tmp\w{8}\b",
    "date": rf"\b\d{{4}}-\d\d-\d\d|\b\d{{1,2}} {_MONTH} \d{{4}}\b|\b{_MONTH} \d{{1,2}}, \d{{4}}\b",
    "time": r"T?\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?",
}
_VOLATILE: Final = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES.items()))


def volatile_difference(old: str, new: str) -> str:
    """Return what differs between two prompts: ``an id and a date in message 2``; empty if words differ, or nothing.

    A text that comes twice must do so in both prompts.
    """
    before, after = _Masked(old), _Masked(new)
    if len(before.texts) != len(after.texts) or before.masked != after.masked:
        return ""
    places = []
    for at, found in enumerate(after.found):
        rules = dict.fromkeys(rule for rule, text in found if (rule, text) not in before.found[at])
        if rules:
            names = " and ".join(f"{'an' if rule[0] in 'ai' else 'a'} {rule}" for rule in rules)
            role = after.roles[at]
            where = {"system": "the system message", "prompt": "the prompt"}.get(role, f"message {at + 1}")
            places.append(f"{names} in {where}")
    return ", ".join(places)


class _Masked:
    """A prompt with numbers in place of what is volatile."""

    def __init__(self, prompt: str) -> None:
        numbers: dict[tuple[str, str], int] = {}
        messages = conversation(prompt)
        self.roles = [each.role for each in messages]
        # Where a line of JSON text ends there is a letter, which would belong to the word that follows.
        self.texts = [each.seen.replace(r"\n", "\n").replace(r"\t", "\t") for each in messages]
        self.found: list[list[tuple[str, str]]] = []
        self.masked: list[str] = []
        for text in self.texts:
            found: list[tuple[str, str]] = []

            def numbered(match: re.Match[str], found: list[tuple[str, str]] = found) -> str:
                place = str(match.lastgroup), match[0]
                found.append(place)
                return f"‹{match.lastgroup} {numbers.setdefault(place, len(numbers) + 1)}›"

            self.masked.append(_VOLATILE.sub(numbered, text))
            self.found.append(found)
