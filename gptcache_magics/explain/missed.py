"""List what was asked in vain: who missed which question, and the recorded question that is nearest to it now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pandas as pd

from gptcache_magics.bundle.files import Contents
from gptcache_magics.bundle.misses import Miss
from gptcache_magics.explain.causes import explain_now
from gptcache_magics.explain.closest import Question, configurations
from gptcache_magics.explain.headline import headline
from gptcache_magics.store.protocol import Configuration, Entry, LookupRow, Period, Selection, Store
from gptcache_magics.tables import frames
from gptcache_magics.tables.columns import MISSED, typed
from gptcache_magics.tables.mark import marked
from gptcache_magics.tables.model_names import UNKNOWN

__all__ = ["Asked", "asked_in", "missed", "unanswered"]

QUESTIONS: Final = 5_000
"""Most questions of the newest entries that each is compared with."""


class Asked(NamedTuple):
    """A question that somebody asked in vain."""

    who: str
    model: str
    miss: Miss


def unanswered(store: Store, period: Period = Period(), model: Collection[str] | None = None) -> list[Asked]:
    """Return the questions of a period that missed and were not answered afterwards, the newest first.

    Parameters
    ----------
    model
        Names of models, or labels of configurations, as ``frames.lookups`` takes them.
    """
    told = frames.lookups(store, period=period, model=model)
    models, causes = (dict(zip(told.index, told[name], strict=True)) for name in ("model", "cause"))
    found: dict[tuple[str, str, str], Miss] = {}
    for row in reversed(store.lookups(period)):
        if row.number not in causes:
            continue
        name = models[row.number]
        group = (
            row.author or row.notebook or frames.UNATTRIBUTED,
            UNKNOWN if pd.isna(name) else name,
            row.question or "",
        )
        if row.outcome == "hit":
            found.pop(group, None)
        elif row.outcome == "miss":
            before = found.pop(group, None)
            found[group] = _miss(row, causes[row.number], before.times if before is not None else 0)
    return [Asked(who, name, miss) for (who, name, _), miss in reversed(found.items())]


def _miss(row: LookupRow, cause: Any, before: int) -> Miss:
    return Miss(
        question=row.question or "",
        configuration=row.configuration or "",
        at=row.at,
        times=before + 1,
        cause="" if pd.isna(cause) else str(cause),
        prompt_digest=row.prompt_digest or "",
        key=row.asked or row.entry or "",
        replayed=row.mode == "replay",
    )


def asked_in(store: Store, contents: Contents, who: str, after: float, chosen: Collection[str] | None) -> list[Asked]:
    """Return what a bundle's author asked that a store has no answer to, the newest first.

    These are the entries of the bundle that the store lacks, and the misses that were saved with it.

    Parameters
    ----------
    after
        The moment from which on it was asked.
    chosen
        Keys of the configurations that are meant; None for all of them.
    """
    theirs, ours = {each.key: each for each in contents.configurations}, configurations(store)
    misses = [each for each in contents.misses if not _has(store, ours, theirs, each.configuration, each.prompt_digest)]
    noted = {(each.configuration, each.prompt_digest) for each in misses}  # in mode auto, a miss stores an entry
    others = [_of_entry(each) for each in contents.entries if not _has(store, ours, theirs, *_of(each), each.sample)]
    asked = [*misses, *(each for each in others if (each.configuration, each.prompt_digest) not in noted)]
    found: dict[tuple[str, str], Miss] = {}
    for miss in sorted(asked, key=lambda each: each.at):
        if miss.at < after or (chosen is not None and miss.configuration not in chosen):
            continue
        known = theirs.get(miss.configuration)
        group = known.model if known is not None else UNKNOWN, miss.question
        before = found.pop(group, None)
        found[group] = replace(miss, times=miss.times + (before.times if before is not None else 0))
    return [Asked(who, model, miss) for (model, _), miss in reversed(found.items())]


def _of(entry: Entry) -> tuple[str, str]:
    return entry.configuration, entry.prompt_digest


def _of_entry(entry: Entry) -> Miss:
    return Miss(
        question=entry.question,
        configuration=entry.configuration,
        at=entry.created,
        prompt_digest=entry.prompt_digest,
        prompt=entry.prompt,
    )


def _has(
    store: Store,
    ours: Mapping[str, Configuration],
    theirs: Mapping[str, Configuration],
    configuration: str,
    prompt_digest: str,
    sample: int = 0,
) -> bool:
    """Return whether a store answers a call that was made elsewhere, as ``replay`` looks for it."""
    portable = theirs[configuration].portable if configuration in theirs else ""
    rows = store.entries(Selection(prompt_digest=prompt_digest)) if prompt_digest else ()
    return any(
        row.sample == sample
        and (
            row.configuration == configuration
            or (portable and row.configuration in ours and ours[row.configuration].portable == portable)
        )
        for row in rows
    )


def missed(store: Store, asked: Iterable[Asked], others: Iterable[Configuration] = ()) -> pd.DataFrame:
    """Return the table of questions that were asked in vain, each beside the nearest one that is recorded now.

    Parameters
    ----------
    others
        Configurations that the store need not know.
    """
    known = {**configurations(store), **{each.key: each for each in others}}
    df = pd.DataFrame([_row(store, each, known) for each in asked], columns=list(MISSED), dtype="object")
    return marked(typed(df, MISSED))


def _row(store: Store, asked: Asked, known: Mapping[str, Configuration]) -> tuple[object, ...]:
    miss = asked.miss
    question = Question(
        question=miss.question,
        configuration=known.get(miss.configuration),
        key=miss.key,
        prompt_digest=miss.prompt_digest,
        prompt=miss.prompt,
        replayed=miss.replayed,
    )
    found = explain_now(store, question, QUESTIONS)
    nearest = found.nearest
    return (
        *(asked.who, asked.model, miss.question, miss.times, miss.at, miss.cause or found.cause),
        *((None, None) if nearest is None else (nearest.question, nearest.id)),
        headline(found),
    )
