"""A template that the user gave: a text with ``{gaps}``, such as ``Is this review positive? Review: {x}``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Final

from gptcache_magics.errors import CommandError

__all__ = ["Template", "template_text"]

_WANTED: Final = '--template needs a text with a {gap}, as in "Review: {x}".'


@dataclass(frozen=True, slots=True)
class Template:
    """The fixed parts of a template, with single spaces."""

    pieces: tuple[str, ...]
    """Before the first gap, between two gaps, after the last gap."""

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, text: str) -> Template:
        """Return the template of a text. A brace of the text itself is written twice, as for ``str.format``.

        Raises
        ------
        CommandError
            If the text has no gap, only gaps, or a single brace.
        """
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            raise CommandError(f"{_WANTED} Got '{text}': {error}. Write a brace of the text twice: {{{{") from None
        pieces = [""]
        for literal, field, *_ in parsed:
            pieces[-1] += literal
            if field is not None:
                pieces.append("")
        if len(pieces) == 1 or not "".join(pieces).strip():
            raise CommandError(f"{_WANTED} Got '{text}'.")
        return cls(tuple(" ".join(each.split()) for each in pieces))

    def gaps(self, prompt: str) -> list[str] | None:
        """Return the text in each gap, or None if the prompt is not of this template."""
        text = " ".join(prompt.split())
        before, *between, after = self.pieces
        if not (text.startswith(before) and text.endswith(after)) or len(text) < len(before) + len(after):
            return None
        text = text[len(before) : len(text) - len(after)]
        found = []
        for piece in between:
            gap, here, text = text.partition(piece or " ")
            if not here:
                return None
            found.append(gap.strip())
        return [*found, text.strip()]


def template_text(given: object) -> str:
    """Return the text of a template that the user gave: a text, or LangChain's object with such a text.

    Raises
    ------
    CommandError
        If there is no such text.
    """
    messages = getattr(given, "messages", None)
    last = messages[-1] if isinstance(messages, list) and messages else given
    text = getattr(getattr(last, "prompt", last), "template", last)
    if not isinstance(text, str):
        raise CommandError(f"{_WANTED} Got an object of the type {type(given).__name__}.")
    return text
