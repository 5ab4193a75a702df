"""Find the recorded entry that is closest to a question, and the differences.

The search begins with the same prompt under another configuration. Next comes a prompt that differs in ids, dates and
the like only, or in the order of its words; then the most similar question of the same configuration, then that of any.
Only entries that were stored before the lookup count, because a miss stores one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Final, Literal, NamedTuple

from gptcache_magics.explain.frame import fits, frame
from gptcache_magics.explain.parameters import Change, changes
from gptcache_magics.explain.volatile import alike_but_for_numbers, ignoring, volatile_difference, volatile_texts
from gptcache_magics.identity.volatile import difference
from gptcache_magics.store.protocol import (
    Configuration,
    EntryCatalog,
    EntryRow,
    LookupLog,
    Selection,
    Store,
    StoredQuestion,
)
from gptcache_magics.text.masking import masked
from gptcache_magics.text.messages import Difference, conversation, first_difference
from gptcache_magics.text.word_diff import Words, as_text, cut, word_diff
from gptcache_magics.unprintable import printable

__all__ = ["Closest", "Question", "compared_with", "configurations", "find_closest", "framed"]

SIMILAR: Final = 0.6
"""Least similarity that a person would call similar: of unrelated sentences one pair in 1,000 reaches 0.5."""

QUESTION_CHARACTERS: Final = 2_000
"""Most characters of a question that the store lists."""
QUESTIONS: Final = 25_000
"""Most questions of the newest entries to compare: reading and comparing them takes 0.1 s."""
CHARACTERS: Final = 5_000_000
"""Most characters of all these questions."""
COMPARISONS: Final = 4_000_000_000
"""Most pairs of characters: they take the time when long questions are compared."""
SAMPLE: Final = 1_000
"""Number of questions to read first, to know how long they are."""
CANDIDATES: Final = 200
"""Number of most similar questions; one of them must be older than the lookup."""
SAME_QUESTION: Final = 20
SAME_PROMPT: Final = 50


@dataclass(frozen=True, slots=True)
class Question:
    """The question of a lookup."""

    question: str
    configuration: Configuration | None = None
    key: str = ""
    prompt_digest: str = ""
    at: float = inf
    """Moment of the lookup: only entries that were stored before are compared."""
    prompt: str | None = None
    """The whole prompt, if it is known."""
    replayed: bool = False
    """Whether it was asked in mode ``replay``, which ignores addresses."""


@dataclass(frozen=True, slots=True)
class Closest:
    """The recorded entry that is closest to a question. Its texts are masked."""

    id: str
    key: str
    configuration: Configuration
    question: str
    similarity: float
    """Similarity of the questions, from 0 to 1: twice the characters they share in order, over all characters of both.

    The cosine if the entry was found by meaning.
    """
    same_prompt: bool
    changes: tuple[Change, ...]
    """Changes from the parameters of the entry to those of the question."""
    where: str
    """The message in which the prompts of one question differ; empty if the question differs, or nothing is known."""
    how: Literal["differs", "added", "removed"]
    """Whether that message differs, or which of the prompts lacks it."""
    volatile: str
    """The difference if it is one of ids, dates and the like only: ``an id in message 2``; else empty."""
    rules: tuple[str, ...]
    """The rules of ``--ignore`` that leave it out."""
    reordered: bool
    """Whether both questions have the same words, in another order."""
    words: Words
    """Differences from the words of the entry to those of the question."""

    def __str__(self) -> str:
        return self.line()

    def line(self, ignored: Iterable[str] = ()) -> str:
        """Return entry and differences in a line: ``a41f09cc (gpt-4o-mini · T 0.2): the [-2023-]{+2024+} …``.

        Parameters
        ----------
        ignored
            The rules that are on: the command in the line keeps them.
        """
        shown = as_text(self.words) or printable(cut(self.question, 200))
        where = f" in {self.where}" if self.where else ""
        differences = printable("".join(f"; {change.text}" for change in self.changes))
        entry = f"{self.id} ({printable(self.configuration.label)})"
        if self.volatile:
            typed = ignoring(self.rules, ignored)
            return f"{entry}, the same but for {self.volatile}{differences}. Record it with {typed}"
        return f"{entry}{where}: {shown}{differences}"


class _Ranked(NamedTuple):
    """A stored question, and how similar it is to the one that was asked."""

    id: str
    question: str
    similarity: float


def find_closest(store: Store, asked: Question, at_least: float = SIMILAR, most: int = QUESTIONS) -> Closest | None:
    """Return the closest entry that was recorded before; None if none has a similar question.

    Parameters
    ----------
    at_least
        The smallest similarity of the questions, 0 to 1; at 0 an entry is found however little it has in common.
    most
        Most questions of the newest entries to compare.
    """
    known = configurations(store)
    if asked.prompt_digest:
        found = _same_prompt(store, asked, known)
        if found is not None:
            return found
    best: Closest | None = None
    own = [asked.configuration.key] if asked.configuration and len(known) > 1 else []
    for configuration in [*own, None]:
        similar = best is not None and best.similarity >= SIMILAR
        # A question of the same configuration is closer, and only the same prompt but for an id is closer than that.
        question = asked.question[:QUESTION_CHARACTERS]
        rows = _questions(store, question, configuration, SAMPLE if similar else most)
        ranked = _ranked(rows, question, at_least)
        found = _same_but(store, asked, known, [*_of_frame(rows, question), *ranked])
        if found is not None:
            return found
        found = None if similar else _most_similar(store, asked, known, ranked)
        if found is not None and (best is None or found.similarity > best.similarity):
            best = found
    return best


def compared_with(store: Store, asked: Question, key: str, similarity: float) -> Closest | None:
    """Return a named entry beside a question; None if the entry is gone."""
    row = next(iter(store.entries(Selection(ids=[key]), limit=1)), None)
    return _compared(asked, row, configurations(store), similarity) if row is not None else None


def configurations(store: LookupLog) -> dict[str, Configuration]:
    """Return all configurations of a store by their keys."""
    return {each.key: each for each in store.configurations()}


def _same_prompt(store: EntryCatalog, asked: Question, known: Mapping[str, Configuration]) -> Closest | None:
    """Return an entry of the same canonical prompt, under the configuration with the fewest changes."""
    rows = store.entries(Selection(prompt_digest=asked.prompt_digest), limit=SAME_PROMPT)
    there = [row for row in rows if _was_there(store, asked, row)]
    return _compared(asked, _least_changed(asked, there, known), known, 1.0) if there else None


def _same_but(
    store: EntryCatalog, asked: Question, known: Mapping[str, Configuration], ranked: Sequence[_Ranked]
) -> Closest | None:
    """Return an entry whose prompt differs in ids, dates and the like only, or in the order of its words."""
    reordered: Closest | None = None
    for at in alike_but_for_numbers(asked.question[:QUESTION_CHARACTERS], [each.question for each in ranked]):
        row = next(iter(store.entries(Selection(ids=[ranked[at].id]), limit=1)), None)
        if row is None or not _was_there(store, asked, row):
            continue
        if volatile_difference(*_prompts(asked, row))[1]:
            return _compared(asked, row, known, ranked[at].similarity)
        if reordered is None and _reordered(row.question, asked.question):
            reordered = _compared(asked, row, known, ranked[at].similarity)
    return reordered


def _most_similar(
    store: EntryCatalog, asked: Question, known: Mapping[str, Configuration], ranked: Sequence[_Ranked]
) -> Closest | None:
    """Return the entry with the most similar question; of several with that question, the one that differs least."""
    there: list[EntryRow] = []
    best = 0.0
    for id, _, similarity in ranked:
        if there and (similarity < best or len(there) == SAME_QUESTION):
            break
        row = next(iter(store.entries(Selection(ids=[id]), limit=1)), None)
        if row is not None and _was_there(store, asked, row):
            there.append(row)
            best = similarity
    return _compared(asked, _least_changed(asked, there, known), known, best) if there else None


def _questions(store: EntryCatalog, question: str, configuration: str | None, most: int) -> Sequence[StoredQuestion]:
    """Return the questions of the newest entries, as many as can be compared in a moment."""
    rows = store.questions(configuration, SAMPLE)
    if len(rows) == SAMPLE < most:
        length = max(1, sum(len(each.question) for each in rows) // SAMPLE)
        limit = min(most, CHARACTERS // length, COMPARISONS // (length * max(1, len(question))))
        rows = store.questions(configuration, limit) if limit > SAMPLE else rows[: max(limit, 1)]
    return rows


def _ranked(rows: Sequence[StoredQuestion], question: str, at_least: float) -> list[_Ranked]:
    """Return the most similar questions, the most similar first."""
    from rapidfuzz import fuzz, process

    found = process.extract(
        question,
        [each.question for each in rows],
        scorer=fuzz.ratio,
        limit=CANDIDATES,
        score_cutoff=100 * at_least,
    )
    return [_Ranked(*rows[at], score / 100) for _, score, at in found]


def _of_frame(rows: Sequence[StoredQuestion], question: str) -> list[_Ranked]:
    """Return questions that differ in ids, dates and the like only, however short they are without them."""
    parts = volatile_texts(question)
    if not parts or len(question) == QUESTION_CHARACTERS:
        return []
    around = frame(question, parts)
    found = (row for row in rows if fits(row.question, around) and row.question != question)
    return _by_likeness(question, [row for row in islice(found, CANDIDATES) if difference(row.question, question)])


def _by_likeness(question: str, rows: Iterable[StoredQuestion]) -> list[_Ranked]:
    from rapidfuzz import fuzz

    ranked = (_Ranked(row.id, row.question, fuzz.ratio(question, row.question) / 100) for row in rows)
    return sorted(ranked, key=lambda each: -each.similarity)


def framed(store: Store, asked: Question, around: Sequence[str], without: Sequence[str]) -> Closest | None:
    """Return the closest older entry whose question has a frame, but none of some; best of the same configuration."""
    known = configurations(store)
    question = asked.question[:QUESTION_CHARACTERS]
    own = [asked.configuration.key] if asked.configuration and len(known) > 1 else []
    for configuration in [*own, None]:
        rows = _questions(store, question, configuration, SAMPLE)
        fitting = (row for row in rows if fits(row.question, around) and row.id not in {*without})
        found = _most_similar(store, asked, known, _by_likeness(question, fitting))
        if found is not None:
            return found
    return None


def _was_there(store: EntryCatalog, asked: Question, row: EntryRow) -> bool:
    """Return whether an entry, or an earlier answer in its place, is older than the lookup and not its own."""
    if asked.key and row.key[:16] == asked.key[:16]:
        return False
    return row.created < asked.at or any(each.replaced <= asked.at for each in store.history(row.key))


def _least_changed(asked: Question, rows: Sequence[EntryRow], known: Mapping[str, Configuration]) -> EntryRow:
    """Return the entry with the fewest changed parameters and the prompt that is nearest in length."""
    length = len(asked.prompt or "")

    def changed(row: EntryRow) -> tuple[int, int]:
        return len(_changes(asked, _configuration(row, known))), abs(len(row.prompt) - length)

    return min(rows, key=changed)


def _compared(asked: Question, row: EntryRow, known: Mapping[str, Configuration], similarity: float) -> Closest:
    configuration = _configuration(row, known)
    same_prompt = bool(asked.prompt_digest) and row.prompt_digest == asked.prompt_digest
    differing = Difference("", "", "") if same_prompt else _differing(asked, row)
    volatile, rules = ("", ()) if same_prompt else volatile_difference(*_prompts(asked, row))
    return Closest(
        id=row.key[:8],
        key=row.key,
        configuration=configuration,
        question=cut(masked(row.question)),
        similarity=similarity,
        same_prompt=same_prompt,
        changes=_changes(asked, configuration),
        where=differing.where,
        how=differing.how,
        volatile=volatile,
        rules=rules,
        reordered=not volatile and _reordered(row.question, asked.question),
        words=word_diff(masked(differing.old), masked(differing.new)),
    )


def _prompts(asked: Question, row: EntryRow) -> tuple[str, str]:
    """Return both prompts, or both questions where the prompt of the lookup is not known."""
    return (row.question, asked.question) if asked.prompt is None else (row.prompt, asked.prompt)


def _reordered(old: str, new: str) -> bool:
    return old != new and sorted(old.split()) == sorted(new.split())


def _differing(asked: Question, row: EntryRow) -> Difference:
    """Return the message that differs and its two texts; without a name if that is the question itself."""
    old, new = row.question, asked.question
    if old != new and not (len(new) == QUESTION_CHARACTERS and old.startswith(new)):
        return Difference("", old, new)
    if asked.prompt is None:
        return Difference("", "", "")
    return first_difference(conversation(row.prompt), conversation(asked.prompt)) or Difference("", "", "")


def _configuration(row: EntryRow, known: Mapping[str, Configuration]) -> Configuration:
    return known.get(row.configuration) or Configuration(row.configuration, "", "?", "?", None, "{}")


def _changes(asked: Question, configuration: Configuration) -> tuple[Change, ...]:
    return changes(configuration, asked.configuration, portable=asked.replayed) if asked.configuration else ()
