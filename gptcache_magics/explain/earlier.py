"""The causes that a lookup itself recorded, or an earlier lookup of the same call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from gptcache_magics.store.protocol import EntryCatalog, LookupRow, Period, Store
from gptcache_magics.store.reasons import Kind, Reason, sentence
from gptcache_magics.text.word_diff import CHARACTERS, shown

__all__ = ["Cause", "WordedCause", "known_causes", "reason_text"]

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
    "follows",
    "volatile",
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
    "team away",
    "team asks",
]
"""Every cause."""


class WordedCause(NamedTuple):
    """A cause, in its own words."""

    cause: Cause
    sentence: str
    detail: str = ""
    """The words of the cause that a table shows."""
    short: str = ""
    """The cause in a few words, where it is not the first."""


OF_KIND: Final[Mapping[Kind, tuple[Cause, str]]] = {
    Kind.EXPIRED: ("expired", "The answer was stored, but it had expired."),
    Kind.REMOVED: ("removed", "The answer was stored, but had been removed."),
    Kind.EVICTED: ("evicted", "The answer was stored, but had been evicted to make room (--max-size)."),
    Kind.DAMAGED: ("damaged", "The answer was stored, but its entry was damaged and not served."),
    Kind.RETRY: ("retry", "The answer would not do: an attempt or a parser failed on it, so the model is asked again."),
    Kind.UNPARSED: ("retry", "The stored answer could not be parsed by the schema of this call."),
    Kind.NO_USAGE: (
        "not stored",
        "The stored answer came as a stream that told no usage, for which this call asks: the new answer serves both.",
    ),
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
REFUSED: Final = 20
"""Most earlier lookups of the same call that are read: mode replay may have refused it several times."""
GONE: Final = ("expired", "removed", "evicted", "damaged")


def known_causes(store: Store, lookup: LookupRow) -> list[WordedCause]:
    """Return the causes that the lookup recorded, or an earlier lookup of the same call."""
    noted = _noted(lookup)
    if noted is not None and noted.cause not in GONE:
        return [noted]
    earlier = _earlier(store, lookup)
    if noted is None:
        return [earlier] if earlier is not None else []
    # It is gone, and the latest answer to it was not kept either, which weighs more.
    return [earlier, noted] if earlier is not None and earlier.cause in ("not stored", "mode") else [noted]


def _noted(lookup: LookupRow) -> WordedCause | None:
    """Return the cause that the lookup itself recorded."""
    if lookup.outcome == "error":
        then = "was not called (mode replay)" if lookup.mode == "replay" else "was asked"
        return WordedCause("error", f"The cache failed, and the model {then}: {reason_text(lookup.reason_detail)}")
    reason = lookup.reason
    if reason is not None and reason.kind is Kind.MODE:
        return WordedCause("mode", MODES.get(reason.detail, f"Mode {reason_text(reason.detail)}."))
    if reason is not None and reason.kind is Kind.DOUBT:
        differing, _, why = reason_text(reason.detail).partition("; ")
        return WordedCause("volatile", f"The same but for {differing}, but {why}.", reason.detail)
    known = _of_kind(reason)
    if reason is not None and reason.kind is Kind.CACHE_AWAY:
        return WordedCause(
            "error", f"{reason_text(reason.detail)}, so the answer could not be looked up.", reason.detail
        )
    if reason is not None and reason.kind is Kind.TEAM_AWAY:
        detail = reason_text(reason.detail)
        return WordedCause("team away", f"Nothing was stored here, and the team's store was away: {detail}.", detail)
    if reason is not None and reason.kind is Kind.TEAM_ASKS:
        detail = reason_text(reason.detail)
        told = "A colleague asked the model the same at that time, which was not waited for"
        return WordedCause("team asks", f"{told}: {detail}.", detail)
    if reason is not None and reason.kind is Kind.UNPROVED:
        return WordedCause("not cached", f"{reason_text(reason.detail)}, so it was not served.", reason.detail)
    if known is None and lookup.outcome == "bypass":
        return WordedCause("not cached", f"The call went past the cache: {reason_text(sentence(reason))}.")
    return known


def _of_kind(reason: Reason | None) -> WordedCause | None:
    """Return the cause that a kind of reason names without more words."""
    known = OF_KIND.get(reason.kind) if reason is not None else None
    return WordedCause(*known, short=f"it was {known[0]}") if known is not None else None


def _earlier(store: Store, lookup: LookupRow) -> WordedCause | None:
    """Return the cause that the previous lookup of the same call shows; None if there was none."""
    if lookup.entry is None:
        return None
    rows = store.lookups(Period(asked=lookup.entry, below=lookup.number), REFUSED)
    # That mode replay refused the same before does not say why it does so now.
    last = next((row for row in rows if row.outcome == "hit" or not row.mode == lookup.mode == "replay"), None)
    # A call that got the answer of another prompt has no entry of its own that could be gone.
    return _last_time(store, last, lookup) if last is not None and last.asked is None else None


def _last_time(store: EntryCatalog, last: LookupRow, lookup: LookupRow) -> WordedCause:
    before, detail = f"Lookup {last.number} asked the same", reason_text(last.reason_detail)
    match last.reason.kind if last.reason is not None else None:
        case Kind.NOT_STORED:
            return WordedCause("not stored", f"{before}, but its answer was not stored: {detail}.", last.reason_detail)
        case Kind.ERROR:
            return WordedCause("error", f"{before}, and the cache failed: {detail}", "the cache failed")
        case Kind.BUDGET:
            message = f"{before}, but the budget of its run was spent: the model was not asked."
            return WordedCause("budget reached", message, "the budget was spent")
        case Kind.CACHE_FALSE:
            return WordedCause("cache=False", f"{before} of a model with cache=False, so its answer was not stored.")
        case kind if kind in PAST:
            message = f"{before}, and went past the cache: {reason_text(sentence(last.reason))}."
            return WordedCause("not cached", message)
    if last.outcome != "hit" and last.mode in ("replay", "readonly", "bypass"):
        return WordedCause("mode", f"{before} in mode {last.mode}, which stores nothing.", last.mode)
    if last.outcome != "hit" and last.seconds is None:
        message = f"{before} and got no answer: that call failed, was interrupted, or is still under way."
        return WordedCause("no answer yet", message)
    if last.outcome != "hit" and last.seconds is not None and last.at + last.seconds > lookup.at:
        return WordedCause("no answer yet", f"{before} at the same time, and its answer had not come yet.")
    gone = store.gone(lookup.entry) if lookup.entry is not None else None
    return _of_kind(gone) or WordedCause(*OF_KIND[Kind.REMOVED])


def reason_text(text: str) -> str:
    """Return a stored detail as a sentence may show it."""
    return shown(text, CHARACTERS)
