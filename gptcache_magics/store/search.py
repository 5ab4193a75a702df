"""Search entries for a regular expression: their questions, their prompts, and the texts of their answers.

A store keeps answers as bytes that it cannot read. Whoever selects entries says how: see ``AnswerText``.
"""

from __future__ import annotations

from gptcache_magics.store.records import Selection
from gptcache_magics.text.grep import Grep

__all__ = ["Search"]


class Search:
    """The search of one selection.

    Raises
    ------
    CommandError
        If its ``grep`` is not a regular expression.
    """

    def __init__(self, selection: Selection) -> None:
        self.grep = Grep(selection.grep or "")
        self.answers = selection.answers
        """Reads the answers; None if they are not searched."""
        self.questions = not selection.only_answers
        """Whether question and prompt are searched."""

    def finds(self, question: str, prompt: str | bytes, answer: bytes) -> bool:
        """Return whether the expression is found in an entry."""
        if self.questions and self.grep.matches(question, prompt):
            return True
        text = self.answers.read(answer) if self.answers is not None else None
        return text is not None and self.grep.found_in(text)
