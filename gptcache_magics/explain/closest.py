"""The recorded entry closest to what was asked, and in what it differs.

First the same prompt under another configuration, then the most similar question of the same configuration, then of
any. Only what was stored before the lookup counts: a miss stores an entry of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from gptcache_magics.explain.parameters import Change, changes
from gptcache_magics.store.protocol import Configuration, EntryRow, Selection, Store
from gptcache_magics.text.masking import masked
from gptcache_magics.text.messages import conversation, first_difference
from gptcache_magics.text.word_diff import Words, as_text, cut, printable, word_diff

__all__ = ["SIMILAR", "Closest", "Question", "compared_with", "configurations", "find_closest"]

SIMILAR: Final = 0.6
"""From here on a person would call two questions similar: of unrelated sentences one pair in 1,000 reaches 0.5."""

QUESTION_CHARACTERS: Final = 2_000
"""As many of each question the store can list."""
QUESTIONS: Final = 25_000
"""Of the newest entries, to be compared: as many as are read and compared in 0.1 s."""
CHARACTERS: Final = 5_000_000
"""Of all these questions together."""
COMPARISONS: Final = 4_000_000_000
"""Pairs of characters, which is what comparing long questions takes time for."""
SAMPLE: Final = 1_000
"""Questions that are read first, to know how long they are."""
CANDIDATES: Final = 200
"""Questions, the most similar first, among which one is older than the lookup."""
SAME_QUESTION: Final = 20
SAME_PROMPT: Final = 50


@dataclass(frozen=True, slots=True)
class Question:
    """What was looked up."""

    question: str
    configuration: Configuration | None = None
    key: str = ""
    prompt_digest: str = ""
    at: float = inf
    """Only what was stored before is compared."""
    prompt: str | None = None
    """The whole prompt, if it is known."""


@dataclass(frozen=True, slots=True)
class Closest:
    """The recorded entry closest to what was asked. Its texts are masked."""

    id: str
    configuration: Configuration
    question: str
    similarity: float
    """Of the questions, from 0 to 1: twice the characters they share in order, over all characters of both.

    Of one that was found by meaning the cosine.
    """
    same_prompt: bool
    changes: tuple[Change, ...]
    """From its parameters to those that were asked with."""
    where: str
    """The message in which the prompts of one question differ; empty if the question differs, or nothing is known."""
    words: Words
    """From its words to those that were asked."""

    def __str__(self) -> str:
        """What was recorded and what differs, in a line: ``a41f09cc (gpt-4o-mini · T 0.2): the [-2023-]{+2024+} …``."""
        shown = as_text(self.words) or printable(cut(self.question, 200))
        where = f" in {self.where}" if self.where else ""
        differences = printable("".join(f"; {change.text}" for change in self.changes))
        return f"{self.id} ({printable(self.configuration.label)}){where}: {shown}{differences}"


def find_closest(store: Store, asked: Question, at_least: float = SIMILAR) -> Closest | None:
    """The closest entry that was recorded before; None if not even its question is similar.

    Parameters
    ----------
    at_least
        The smallest similarity of the questions, 0 to 1; at 0 the closest is found however little it has in common.
    """
    known = configurations(store)
    if asked.prompt_digest:
        found = _same_prompt(store, asked, known)
        if found is not None:
            return found
    best: Closest | None = None
    own = [asked.configuration.key] if asked.configuration and len(known) > 1 else []
    for configuration in [*own, None]:
        found = _most_similar(store, asked, known, configuration, at_least)
        if found is not None and found.similarity >= SIMILAR:
            return found
        if found is not None and (best is None or found.similarity > best.similarity):
            best = found
    return best


def compared_with(store: Store, asked: Question, key: str, similarity: float) -> Closest | None:
    """A named entry beside what was asked; None if it is not there any more."""
    row = next(iter(store.entries(Selection(ids=[key]), limit=1)), None)
    return _compared(asked, row, configurations(store), similarity) if row is not None else None


def configurations(store: Store) -> dict[str, Configuration]:
    """All configurations of a store by their keys."""
    return {each.key: each for each in store.configurations()}


def _same_prompt(store: Store, asked: Question, known: Mapping[str, Configuration]) -> Closest | None:
    """The same canonical prompt, under the configuration that takes the fewest changes."""
    rows = store.entries(Selection(prompt_digest=asked.prompt_digest), limit=SAME_PROMPT)
    there = [row for row in rows if _was_there(store, asked, row)]
    return _compared(asked, _least_changed(asked, there, known), known, 1.0) if there else None


def _most_similar(
    store: Store, asked: Question, known: Mapping[str, Configuration], configuration: str | None, at_least: float
) -> Closest | None:
    """The entry whose question is most similar; of several with one question, the one that differs least."""
    there: list[EntryRow] = []
    best = 0.0
    for id, similarity in _ranked(store, asked.question[:QUESTION_CHARACTERS], configuration, at_least):
        if there and (similarity < best or len(there) == SAME_QUESTION):
            break
        row = next(iter(store.entries(Selection(ids=[id]), limit=1)), None)
        if row is not None and _was_there(store, asked, row):
            there.append(row)
            best = similarity
    return _compared(asked, _least_changed(asked, there, known), known, best) if there else None


def _ranked(store: Store, question: str, configuration: str | None, at_least: float) -> list[tuple[str, float]]:
    """Ids of the entries with the most similar questions, the most similar first."""
    from rapidfuzz import fuzz, process

    rows = store.questions(configuration, SAMPLE)
    if len(rows) == SAMPLE:
        length = max(1, sum(len(each.question) for each in rows) // SAMPLE)
        limit = min(QUESTIONS, CHARACTERS // length, COMPARISONS // (length * max(1, len(question))))
        rows = store.questions(configuration, limit) if limit > SAMPLE else rows[: max(limit, 1)]
    found = process.extract(
        question,
        [each.question for each in rows],
        scorer=fuzz.ratio,
        limit=CANDIDATES,
        score_cutoff=100 * at_least,
    )
    return [(rows[at].id, score / 100) for _, score, at in found]


def _was_there(store: Store, asked: Question, row: EntryRow) -> bool:
    """Whether an entry, or an earlier answer in its place, was stored before; never the entry of the lookup itself."""
    if asked.key and row.key[:16] == asked.key[:16]:
        return False
    return row.created < asked.at or any(each.replaced <= asked.at for each in store.history(row.key))


def _least_changed(asked: Question, rows: Sequence[EntryRow], known: Mapping[str, Configuration]) -> EntryRow:
    """The entry with the fewest changed parameters and the prompt that is nearest in length."""
    length = len(asked.prompt or "")

    def changed(row: EntryRow) -> tuple[int, int]:
        return len(_changes(asked, _configuration(row, known))), abs(len(row.prompt) - length)

    return min(rows, key=changed)


def _compared(asked: Question, row: EntryRow, known: Mapping[str, Configuration], similarity: float) -> Closest:
    configuration = _configuration(row, known)
    same_prompt = bool(asked.prompt_digest) and row.prompt_digest == asked.prompt_digest
    where, old, new = ("", "", "") if same_prompt else _differing(asked, row)
    return Closest(
        id=row.key[:8],
        configuration=configuration,
        question=cut(masked(row.question)),
        similarity=similarity,
        same_prompt=same_prompt,
        changes=_changes(asked, configuration),
        where=where,
        words=word_diff(masked(old), masked(new)),
    )


def _differing(asked: Question, row: EntryRow) -> tuple[str, str, str]:
    """Which message differs, and its texts; no message where it is the question itself."""
    old, new = row.question, asked.question
    if old != new and not (len(new) == QUESTION_CHARACTERS and old.startswith(new)):
        return "", old, new
    if asked.prompt is None:
        return "", "", ""
    return first_difference(conversation(row.prompt), conversation(asked.prompt)) or ("", "", "")


def _configuration(row: EntryRow, known: Mapping[str, Configuration]) -> Configuration:
    return known.get(row.configuration) or Configuration(row.configuration, "", "?", "?", None, "{}")


def _changes(asked: Question, configuration: Configuration) -> tuple[Change, ...]:
    return changes(configuration, asked.configuration) if asked.configuration else ()
