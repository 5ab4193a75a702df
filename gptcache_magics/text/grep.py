"""Search texts for the regular expressions that people type, ignoring case.

A pattern can take for ever on a text of thirty letters: ``(a+)+$`` tries every way to cut it. Python's ``re`` cannot be
stopped after a time, :mod:`regex` can.
"""

from __future__ import annotations

import re
import time
from typing import Final

from gptcache_magics.errors import CommandError
from gptcache_magics.text.messages import chat_messages, content_text

__all__ = ["Grep"]

SECONDS: Final = 2.0
"""Time that the texts which take long may take together."""
QUICK_SECONDS: Final = 0.02
"""Processor time that is not counted for a text, and for each million of its characters a second more."""
LEAST, MOST = 3, 200
"""Length of the text that is looked for first."""
_AS_TYPED: Final = frozenset(map(chr, range(32, 127))) - {*'iksIKS"\\%_'}
"""Characters of which a text in JSON holds nothing but themselves. A regular expression takes other characters, too,
for i, k and s: the Turkish ones, the Kelvin sign and the long s."""
CHOICES: Final = 50
"""Most choices that are looked for: SQLite refuses an expression of a thousand."""
_ALONE: Final = frozenset("wWdDsSbBAZtnrfv")
_CLOSING: Final = re.compile(r"(?:\\.|[^\]\\])*\]", re.DOTALL)


class Grep:
    """One regular expression.

    Parameters
    ----------
    name
        What the user typed it for, such as ``--grep``.

    Raises
    ------
    CommandError
        If it is not one.
    """

    def __init__(self, pattern: str, name: str = "--grep") -> None:
        import regex

        self.pattern, self._name = pattern, name
        try:
            self._search = regex.compile(pattern, regex.IGNORECASE | regex.VERSION0).search
        except (regex.error, RecursionError, OverflowError) as error:
            raise CommandError(f"{name} takes a regular expression. Got {pattern!r}: {error}.") from None
        self.likes = _likes(pattern)
        """Patterns of SQL's ``LIKE``, one of which every text fits in which this is found; empty if none are known."""
        self._left = SECONDS

    def matches(self, question: str, prompt: str | bytes) -> bool:
        """Return whether it is found in a question or its prompt."""
        text = _searched(prompt)
        return self.found_in(text) or (question != text and self.found_in(question))

    def found_in(self, text: str) -> bool:
        """Return whether it is found in a text. Raises ``CommandError`` if that takes too long."""
        began = time.thread_time()
        try:
            found = self._search(text, timeout=self._left) is not None
        except TimeoutError:
            self._left = 0.0
        else:
            taken = time.thread_time() - began
            if taken > QUICK_SECONDS + len(text) * 1e-6:
                self._left -= taken
            if self._left > 0:
                return found
        raise CommandError(
            f"{self._name} {self.pattern!r} takes too long: it can be found in too many ways. "
            "Write it without a repetition in a repetition, such as a+ in place of (a+)+."
        )


def _searched(prompt: str | bytes) -> str:
    """Return what a search looks through: of a chat the texts of its messages, not the JSON around them."""
    if isinstance(prompt, bytes):
        prompt = prompt.decode("utf-8", "surrogatepass")
    messages = chat_messages(prompt)
    if messages is None:
        return prompt
    try:
        return "\n".join(content_text(message["kwargs"].get("content"), names=False) for message in messages)
    except (AttributeError, TypeError):
        return prompt


def _likes(pattern: str) -> list[str]:
    longest = [max(runs, key=len)[:MOST] for runs in _runs(pattern)]
    short = any(sum(letter in _AS_TYPED for letter in each) < LEAST for each in longest)
    if short or len(longest) > CHOICES:
        return []
    return ["%" + "".join(each if each in _AS_TYPED else "%" for each in letters) + "%" for letters in longest]


def _runs(pattern: str) -> list[list[str]]:
    """Return, for each choice of a pattern, texts that stand in everything in which it is found."""
    choices, run, at, depth = [[""]], "", 0, 0
    if "(?" in pattern:
        return choices
    while at < len(pattern):
        letter, at = pattern[at], at + 1
        if letter == "[":
            # A bracket at the beginning of a set is one of its members.
            start = at + (pattern[at : at + 1] == "^")
            end = _CLOSING.match(pattern, start + (pattern[start : start + 1] == "]"))
            at = end.end() if end is not None else len(pattern)
        elif letter == "\\":
            letter, at = pattern[at : at + 1], at + 1
            if letter.isalnum() and letter not in _ALONE:  # what follows may belong to it
                return [[""]]
            if depth == 0 and not letter.isalnum():
                run += letter
                continue
        elif letter in "*?{":  # what comes before may be missing
            run = run[:-1]
            if letter == "{":
                at = max(pattern.find("}", at) + 1, at)
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter not in ".^$+|" and depth == 0:
            run += letter
            continue
        choices[-1].append(run)
        run = ""
        if letter == "|" and depth == 0:
            choices.append([""])
    choices[-1].append(run)
    return choices
