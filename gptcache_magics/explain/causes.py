"""Explain one lookup: its cause, in one of a few words, and the closest recorded entry.

The lookup's own reason holds what was known at the time. The rest follows from the store: earlier lookups of the same
key, and the entries that were stored before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from gptcache_magics.explain.closest import Closest, Question, compared_with, configurations, find_closest
from gptcache_magics.semantic.comparison import TEMPLATE
from gptcache_magics.semantic.guards import GUARDS
from gptcache_magics.store.protocol import (
    Configuration,
    EntryCatalog,
    EntryRow,
    LookupRow,
    Near,
    Period,
    Selection,
    Store,
    Usage,
)
from gptcache_magics.store.reasons import Kind, ObjectionKind, Reason, sentence
from gptcache_magics.text.amounts import cosine, percent
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import CHARACTERS, cut, printable, shown

__all__ = ["Explanation", "explain", "not_asked"]

Cause = Literal[
    "hit",
    "first time",
    "another model",
    "another base URL",
    "other tools",
    "another parameter",
    "other words",
    "guard",
    "below threshold",
    "called wrong",
    "shadow mode",
    "another context",
    "another sample",
    "expired",
    "removed",
    "evicted",
    "damaged",
    "mode",
    "cache=False",
    "not cached",
    "model unknown",
    "not stored",
    "no answer yet",
    "retry",
    "budget reached",
    "error",
    "not asked",
]
"""Every cause."""

OF_CHANGE: Final[Mapping[str, Cause]] = {
    "model": "another model",
    "base URL": "another base URL",
    "tools": "other tools",
    "parameter": "another parameter",
}
OF_KIND: Final[Mapping[Kind, tuple[Cause, str]]] = {
    Kind.EXPIRED: ("expired", "The answer was stored, but it had expired."),
    Kind.REMOVED: ("removed", "The answer was stored, but had been removed."),
    Kind.EVICTED: ("evicted", "The answer was stored, but had been evicted to make room (--max-size)."),
    Kind.DAMAGED: ("damaged", "The answer was stored, but its entry was damaged and not served."),
    Kind.RETRY: ("retry", "The answer would not do: an attempt or a parser failed on it, so the model is asked again."),
    Kind.UNPARSED: ("retry", "The stored answer could not be parsed by the schema of this call."),
    Kind.CACHE_FALSE: ("cache=False", "The model has cache=False: LangChain does not ask a cache for it."),
    Kind.OWN_STREAM: ("not cached", "The model streams in a way of its own, which no cache sees."),
    Kind.OWN_METHOD: ("not cached", "The call used a method of the model that asks no cache."),
    Kind.NO_STREAMS: ("not cached", "Streams are not cached here: %config GPTCacheMagics.stream, --wrap and --init."),
    Kind.EVENTS: ("not cached", 'Events of version="v3" are not cached; those of version="v2" are.'),
    Kind.UNREADABLE: (
        "not cached",
        "The model or the call holds an object that cannot be read to its data, so it cannot be told which stored "
        "answer fits.",
    ),
    Kind.BUDGET: ("budget reached", "Nothing was stored for it, and the budget of this run was spent."),
}
MODES: Final = {
    "refresh": "Mode refresh: every call asks the model, and its answer replaces the stored one.",
    "bypass": "Mode bypass: every call asks the model; nothing is looked up, nothing is stored.",
}
PAST: Final = (Kind.OWN_STREAM, Kind.OWN_METHOD, Kind.EVENTS, Kind.NO_STREAMS, Kind.OWN_CACHE, Kind.REPLACED)
"""Kinds of calls that go past the cache, whatever their model."""
UNKNOWN: Final = "LangChain did not say which model asked, so only calls that look exactly the same to LangChain hit."


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one lookup. Its texts are masked."""

    cause: Cause
    sentence: str
    question: str
    number: int | None = None
    """Number of the lookup; None if no lookup asked the question."""
    outcome: str = ""
    configuration: Configuration | None = None
    nearest: Closest | None = None
    entry: str = ""
    """The id of the entry that was hit."""
    saved: tuple[float | None, Usage] | None = None
    """Seconds and tokens that a hit saved."""
    notes: tuple[str, ...] = ()
    """Further facts about this lookup."""


def explain(store: Store, lookup: LookupRow) -> Explanation:
    """Explain a lookup: why it hit or missed."""
    configuration = configurations(store).get(lookup.configuration or "")
    entry = _entry(store, lookup)
    asked = _asked(lookup, configuration, entry)
    near = _near(store, asked, lookup.near)
    cause: Cause
    closest = None
    if lookup.outcome == "hit":
        cause, sentence = "hit", _hit(lookup, entry)
        closest = near[2] if near is not None and lookup.match == "semantic" else None
    else:
        known = _noted(lookup) or _earlier(store, lookup)
        if known is None and lookup.reason_kind == Kind.MODEL_UNKNOWN:
            known = "model unknown", UNKNOWN
        searched = known is None or known[0] in ("model unknown", "budget reached")
        closest = find_closest(store, asked) if searched else None
        # An entry that differs only in a parameter says more than a similar one.
        if known is None and near is not None and not (closest is not None and closest.same_prompt):
            known, closest = near[:2], near[2] or closest
        cause, sentence = known or _cause(asked, closest)
    return Explanation(
        cause=cause,
        sentence=sentence,
        question=cut(masked(asked.question)),
        number=lookup.number,
        outcome=lookup.outcome,
        configuration=configuration,
        nearest=closest,
        entry=asked.key[:8] if cause == "hit" else "",
        saved=(lookup.seconds, lookup.usage) if cause == "hit" else None,
        notes=_notes(lookup),
    )


def not_asked(store: Store, text: str) -> Explanation:
    """Explain a question that no lookup asked, by the closest recorded one."""
    closest = find_closest(store, Question(question=text))
    if closest is None:
        message = "nothing like it is recorded."
    elif closest.similarity == 1.0:
        message = "an answer is recorded all the same."
    else:
        message = f"the closest recorded question is {_share(closest.similarity)} the same."
    return Explanation("not asked", f"No recent lookup asked that: {message}", cut(masked(text)), nearest=closest)


def _entry(store: EntryCatalog, lookup: LookupRow) -> EntryRow | None:
    """Return the present entry under the key of a lookup: of a miss, the entry that the miss stored."""
    if lookup.entry is None:
        return None
    return next(iter(store.entries(Selection(ids=[lookup.entry]), limit=1)), None)


def _asked(lookup: LookupRow, configuration: Configuration | None, entry: EntryRow | None) -> Question:
    if lookup.asked is not None:  # by meaning: the entry is that of another question
        return Question(lookup.question or "", configuration, lookup.asked)
    return Question(
        question=entry.question if entry else lookup.question or "",
        configuration=configuration,
        key=lookup.entry or "",
        prompt_digest=lookup.prompt_digest or "",
        at=lookup.at,
        prompt=entry.prompt if entry else None,
        replayed=lookup.mode == "replay",
    )


def _near(store: Store, asked: Question, near: Near | None) -> tuple[Cause, str, Closest | None] | None:
    """Return the cause and the sentence of a match by meaning, and its entry if that is still stored."""
    if near is None:
        return None
    closest = compared_with(store, asked, near.key, near.similarity)
    is_near, objection = f"A stored question is {cosine(near.similarity)} similar", near.objection
    if objection is None:
        return "hit", f"{is_near}, and its answer was served.", closest
    match objection.kind:
        case ObjectionKind.BELOW:
            return "below threshold", f"{is_near}, below the threshold {objection.detail}.", closest
        case ObjectionKind.JUDGED_WRONG:
            message = f"{is_near}, but an answer served by meaning was called wrong for this question."
            return "called wrong", message, closest
        case ObjectionKind.SHADOW:
            message = "in shadow mode the model is asked all the same, so that both answers can be compared."
            return "shadow mode", f"{is_near}, but {message}", closest
        case ObjectionKind.GUARD if objection.guard == TEMPLATE:
            message = f"{is_near}, but both are of one template, and what differs is not the same: {objection.detail}."
            return "guard", message, closest
        case ObjectionKind.GUARD:
            message = f"{is_near}, but blocked by the guard “{objection.guard}”: {objection.detail}."
            return "guard", message, closest


def _noted(lookup: LookupRow) -> tuple[Cause, str] | None:
    """Return the cause that the lookup itself recorded."""
    if lookup.outcome == "error":
        then = "was not called (mode replay)" if lookup.mode == "replay" else "was asked"
        return "error", f"The cache failed, and the model {then}: {_shown(lookup.reason_detail)}"
    reason = lookup.reason
    if reason is not None and reason.kind is Kind.MODE:
        return "mode", MODES.get(reason.detail, f"Mode {_shown(reason.detail)}.")
    known = OF_KIND.get(reason.kind) if reason is not None else None
    if known is None and lookup.outcome == "bypass":
        return "not cached", f"The call went past the cache: {_shown(sentence(reason))}."
    return known


def _earlier(store: Store, lookup: LookupRow) -> tuple[Cause, str] | None:
    """Return the cause that the previous lookup of the same call shows; None if there was none."""
    if lookup.entry is None:
        return None
    last = next(iter(store.lookups(Period(asked=lookup.entry, below=lookup.number), 1)), None)
    # A question that was answered by its meaning has no entry of its own that could be gone.
    return _last_time(store, last, lookup) if last is not None and last.match != "semantic" else None


def _last_time(store: EntryCatalog, last: LookupRow, lookup: LookupRow) -> tuple[Cause, str]:
    before, detail = f"Lookup {last.number} asked the same", _shown(last.reason_detail)
    match last.reason.kind if last.reason is not None else None:
        case Kind.NOT_STORED:
            return "not stored", f"{before}, but its answer was not stored: {detail}."
        case Kind.ERROR:
            return "error", f"{before}, and the cache failed: {detail}"
        case Kind.BUDGET:
            return "budget reached", f"{before}, but the budget of its run was spent: the model was not asked."
        case Kind.CACHE_FALSE:
            return "cache=False", f"{before} of a model with cache=False, so its answer was not stored."
        case kind if kind in PAST:
            return "not cached", f"{before}, and went past the cache: {_shown(sentence(last.reason))}."
    if last.outcome != "hit" and last.mode in ("replay", "readonly", "bypass"):
        return "mode", f"{before} in mode {last.mode}, which stores nothing."
    if last.outcome != "hit" and last.seconds is None:
        return "no answer yet", f"{before} and got no answer: that call failed, was interrupted, or is still under way."
    if last.outcome != "hit" and last.seconds is not None and last.at + last.seconds > lookup.at:
        return "no answer yet", f"{before} at the same time, and its answer had not come yet."
    gone = store.gone(lookup.entry) if lookup.entry is not None else None
    return OF_KIND.get(gone.kind if gone is not None else Kind.REMOVED, OF_KIND[Kind.REMOVED])


def _cause(asked: Question, closest: Closest | None) -> tuple[Cause, str]:
    """Return the cause that the closest entry shows."""
    if closest is None:
        return "first time", "Asked for the first time: nothing like it was stored."
    same_configuration = asked.configuration is None or closest.configuration.key == asked.configuration.key
    same_question = closest.similarity == 1.0 and (closest.where or not closest.words)
    if closest.same_prompt or (same_question and not closest.where and not same_configuration):
        if same_configuration:
            return "another sample", "The same call has an answer, but with samples each identical call gets its own."
        return _of_changes("prompt" if closest.same_prompt else "question", closest)
    more = "" if same_configuration else " Its model or parameters differ too."
    if same_question:
        where = closest.where or "something else in the prompt"
        return "another context", f"The same question was stored, but {where} differs.{more}"
    shared = _share(closest.similarity)
    return "other words", f"Asked in other words: the closest question is {shared} the same.{more}"


def _of_changes(what: str, closest: Closest) -> tuple[Cause, str]:
    changes = ", ".join(printable(change.text) for change in closest.changes)
    if not closest.changes:
        changes = "the model's class, or a parameter that is not written down"
    cause = OF_CHANGE[closest.changes[0].kind] if closest.changes else "another parameter"
    return cause, f"The same {what} was stored, but under {cause}: {changes}."


def _hit(lookup: LookupRow, entry: EntryRow | None) -> str:
    semantic = lookup.match == "semantic" and lookup.similarity is not None
    how = f" by meaning ({cosine(lookup.similarity or 0.0)} similar)" if semantic else ""
    if entry is None:
        return f"A hit{how}. Its entry is not in this store."
    stored = datetime.fromtimestamp(entry.created).strftime("%Y-%m-%d %H:%M:%S")
    replaced = " and replaced since" if entry.created > lookup.at else ""
    return f"A hit{how}: the answer was stored {stored}{replaced}."


def _notes(lookup: LookupRow) -> tuple[str, ...]:
    """Return further facts: the fate of a miss's answer, and notes on matching by meaning."""
    reason, notes = lookup.reason, []
    if lookup.outcome == "miss" and reason is not None and reason.kind in (Kind.NOT_STORED, Kind.ERROR):
        notes.append(f"Its answer was not stored, so the next call misses as well: {_shown(reason.detail)}")
    if lookup.outcome == "miss" and lookup.mode in ("replay", "readonly"):
        done = "the model was not called" if lookup.mode == "replay" else "its answer was not stored"
        notes.append(f"Mode {lookup.mode}: {done}.")
    if lookup.match == "semantic" and reason is not None and reason.detail:
        notes.append(f"Both are of one template, so what differs was compared: {_shown(reason.detail)}")
    if lookup.match == "semantic":
        notes.append(f"All {len(GUARDS)} guards passed. Not the same? %gptcache label {lookup.number} wrong")
    elif reason is not None and reason.kind is Kind.EXACT_ONLY:
        notes.append(_shown(f"Not matched by meaning: {reason.detail}"))
    elif reason is not None and reason.kind is Kind.MATCHING_ERROR:
        notes.append(_shown(f"Not matched by meaning: {sentence(Reason(Kind.ERROR, reason.detail))}"))
    return tuple(notes)


def _share(similarity: float) -> str:
    return percent(min(similarity, 0.999))  # another question is never the same in all its words


def _shown(text: str) -> str:
    return shown(text, CHARACTERS)
