"""Explain one lookup: its cause, in one of a few words, and the closest recorded entry.

The lookup's own reason holds what was known at the time. The rest follows from the store: earlier lookups of the same
key, and the entries that were stored before.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gptcache_magics import fork
from gptcache_magics.explain.closest import (
    QUESTIONS,
    SAMPLE,
    Closest,
    Question,
    compared_with,
    configurations,
    find_closest,
)
from gptcache_magics.explain.earlier import Cause, WordedCause, known_causes, reason_text
from gptcache_magics.explain.follows import Followed, followed
from gptcache_magics.explain.parameters import is_of_sdk, not_shown
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.semantic.comparison import TEMPLATE
from gptcache_magics.semantic.guards import GUARDS
from gptcache_magics.store.protocol import (
    Configuration,
    EntryCatalog,
    EntryRow,
    LookupRow,
    Near,
    Selection,
    Store,
    Usage,
)
from gptcache_magics.store.reasons import INCOMPLETE, Kind, ObjectionKind, Reason, sentence, without_word
from gptcache_magics.store.records import parameters_of
from gptcache_magics.text.amounts import cosine, percent
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import as_text, cut
from gptcache_magics.unprintable import printable

__all__ = ["Explanation", "cause_of", "explain", "explain_now", "not_asked"]

OF_CHANGE: Final[Mapping[str, Cause]] = {
    "model": "another model",
    "base URL": "another base URL",
    "tools": "other tools",
    "parameter": "another parameter",
}
KIND_OF: Final[Mapping[Cause, Kind]] = {
    "first time": Kind.FIRST,
    "not stored": Kind.UNSTORED,
    "mode": Kind.MODE_BEFORE,
    "another sample": Kind.SAMPLE,
    "another model": Kind.ANOTHER_MODEL,
    "another base URL": Kind.ANOTHER_ADDRESS,
    "another parameter": Kind.ANOTHER_PARAMETER,
    "other tools": Kind.OTHER_TOOLS,
    "follows": Kind.FOLLOWS,
    "volatile": Kind.VOLATILE,
    "another context": Kind.CONTEXT,
    "other words": Kind.WORDS,
    "expired": Kind.EXPIRED,
    "removed": Kind.REMOVED,
    "evicted": Kind.EVICTED,
    "damaged": Kind.DAMAGED,
}
"""The causes of misses that a lookup keeps as its reason; any other is an earlier call that left no answer."""
SAME_BUT_FOR_WORDS: Final = 0.9
"""Similarity from which other words are a smaller difference than a parameter."""
CHAIN: Final = 5
"""Most misses of a cascade whose causes are found for the sake of one."""
FOUND: Final = 2_000
"""Number of misses whose causes are remembered until they are written."""
_found: Final = RecentlyUsed[Kind](FOUND)
_lock = threading.RLock()
UNSTORED: Final = "Its answer was not stored, so the next call misses as well"
CALL_ID: Final = re.compile(r"(?:additional_kwargs\.)?tool_calls\.\d+\.id |tool_call_id ")
ID_COUNTS: Final = (
    "An id of a tool call counts if it also stands elsewhere in the prompt, as a short one nearly always does, if not "
    "exactly one call has it, or if a server keeps what it names."
)
CONTINUES: Final = "previous_response_id"
UNKNOWN_RESPONSE: Final = (
    f"It continues a response by {CONTINUES}, which counts. Where that response came from the cache, the provider may "
    "not know it any more: ask it again in a cell under %%gptcache refresh, or send the whole conversation."
)
UNKNOWN: Final = "LangChain did not say which model asked, so only calls that look exactly the same to LangChain hit."


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


fork.in_child(_renew)


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
    detail: str = ""
    """The cause's own words, as a table shows them."""
    also: tuple[str, ...] = ()
    """Further causes, the weightiest first."""


def explain(store: Store, lookup: LookupRow, most: int = QUESTIONS) -> Explanation:
    """Explain a lookup: why it hit or missed, the first cause and the others in the order of their weight.

    Parameters
    ----------
    most
        Most questions of the newest entries to compare.
    """
    configuration = configurations(store).get(lookup.configuration or "")
    entry = _entry(store, lookup)
    asked = _asked(lookup, configuration, entry)
    near = _near(store, asked, lookup.near)
    if lookup.outcome == "hit":
        found = [WordedCause("hit", _hit(store, lookup, entry))]
        closest = near[1] if near is not None and lookup.match == "semantic" else None
    else:
        found, closest = _of_miss(store, lookup, asked, near, most)
        if lookup.outcome == "miss" and lookup.reason_kind == Kind.NOT_STORED and found[0].cause != "not stored":
            detail = lookup.reason_detail
            found.insert(0, WordedCause("not stored", f"{UNSTORED}: {reason_text(detail)}.", detail))
    first, *others = found
    return Explanation(
        cause=first.cause,
        sentence=first.sentence,
        question=cut(masked(asked.question)),
        number=lookup.number,
        outcome=lookup.outcome,
        configuration=configuration,
        nearest=closest,
        entry=entry.key[:8] if first.cause == "hit" and entry is not None else "",
        saved=(lookup.seconds, lookup.usage) if first.cause == "hit" else None,
        notes=_notes(lookup, first, closest, configuration),
        detail=first.detail,
        also=tuple(each.short or each.sentence.removesuffix(".") for each in others),
    )


def _of_miss(
    store: Store,
    lookup: LookupRow,
    asked: Question,
    near: tuple[WordedCause, Closest | None] | None,
    most: int,
    chain: int = CHAIN,
) -> tuple[list[WordedCause], Closest | None]:
    """Return the causes of a lookup that found nothing, the weightiest first, and the closest entry."""
    found = known_causes(store, lookup)
    if not found and lookup.reason_kind == Kind.MODEL_UNKNOWN:
        found = [WordedCause("model unknown", UNKNOWN)]
    searched = not found or found[0].cause in ("model unknown", "budget reached")
    closest = find_closest(store, asked, most=most) if searched else None
    # An entry that differs only in a parameter says more than a similar one.
    if not found and near is not None and not (closest is not None and closest.same_prompt):
        found, closest = [near[0]], near[1] or closest
    if not found:
        follows = None
        if closest is None or not (closest.same_prompt or closest.volatile):
            follows = followed(store, lookup, asked, closest, lambda row: _cause_before(store, row, chain))
        closest = closest if follows is None else follows.closest
        found = [*_causes(asked, closest, follows)]
    return found, closest


def cause_of(store: Store, lookup: LookupRow, chain: int = CHAIN, *, asked: Question | None = None) -> Reason:
    """Return the cause of a miss as its reason, found in a few milliseconds: few questions are compared.

    Parameters
    ----------
    asked
        The question of a lookup that is not recorded yet.
    """
    if asked is None:
        asked = _asked(lookup, configurations(store).get(lookup.configuration or ""), _entry(store, lookup))
    (first, *_), _ = _of_miss(store, lookup, asked, _near(store, asked, lookup.near), SAMPLE, chain)
    kind = KIND_OF.get(first.cause, Kind.EARLIER)
    with _lock:
        _found[f"{lookup.run} {lookup.number_in_run}"] = kind
    return Reason(kind, first.detail or (first.cause if kind is Kind.EARLIER else ""))


def _cause_before(store: Store, lookup: LookupRow, chain: int) -> Kind:
    """Return the kind of the cause of a miss in a cascade; it may be found already and not be written yet."""
    with _lock:
        found = _found.get(f"{lookup.run} {lookup.number_in_run}")
    if found is not None:
        return found
    return cause_of(store, lookup, chain - 1).kind if chain else Kind.NEW


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


def explain_now(store: Store, asked: Question, most: int = QUESTIONS) -> Explanation:
    """Explain a question by what is recorded now, whether or not a lookup asked it."""
    closest = find_closest(store, asked, most=most)
    first = next(_causes(asked, closest, None))
    question = cut(masked(asked.question))
    return Explanation(
        first.cause, first.sentence, question, nearest=closest, configuration=asked.configuration, detail=first.detail
    )


def _entry(store: EntryCatalog, lookup: LookupRow) -> EntryRow | None:
    """Return the present entry under the key of a lookup: of a miss, the entry that the miss stored."""
    if lookup.entry is None:
        return None
    return next(iter(store.entries(Selection(ids=[lookup.entry]), limit=1)), None)


def _asked(lookup: LookupRow, configuration: Configuration | None, entry: EntryRow | None) -> Question:
    if lookup.asked is not None:  # the entry is that of another prompt
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


def _near(store: Store, asked: Question, near: Near | None) -> tuple[WordedCause, Closest | None] | None:
    """Return the cause and the sentence of a match by meaning, and its entry if that is still stored."""
    if near is None:
        return None
    closest = compared_with(store, asked, near.key, near.similarity)
    is_near, objection = f"A stored question is {cosine(near.similarity)} similar", near.objection
    if objection is None:
        return WordedCause("hit", f"{is_near}, and its answer was served."), closest
    match objection.kind:
        case ObjectionKind.BELOW:
            found = WordedCause("below threshold", f"{is_near}, below the threshold {objection.detail}.")
        case ObjectionKind.JUDGED_WRONG:
            message = f"{is_near}, but an answer served by meaning was called wrong for this question."
            found = WordedCause("called wrong", message)
        case ObjectionKind.SHADOW:
            message = "in shadow mode the model is asked all the same, so that both answers can be compared."
            found = WordedCause("shadow mode", f"{is_near}, but {message}")
        case ObjectionKind.GUARD if objection.guard == TEMPLATE:
            message = f"{is_near}, but both are of one template, and what differs is not the same: {objection.detail}."
            found = WordedCause("guard", message)
        case ObjectionKind.GUARD:
            message = f"{is_near}, but blocked by the guard “{objection.guard}”: {objection.detail}."
            found = WordedCause("guard", message)
    return found, closest


def _causes(asked: Question, closest: Closest | None, follows: Followed | None) -> Iterator[WordedCause]:
    """Yield the causes that the closest entry shows, the weightiest first."""
    if closest is None:
        message = "Asked for the first time: nothing like it was stored."
        first = WordedCause("first time", message, short="asked for the first time")
        yield first if follows is None else _of_followed(follows)
        return
    same_configuration = asked.configuration is None or closest.configuration.key == asked.configuration.key
    same_question = closest.similarity == 1.0 and bool(closest.where or not closest.words)
    same_prompt = closest.same_prompt or (same_question and not closest.where and not same_configuration)
    if same_prompt and same_configuration:
        message = "The same call has an answer, but with samples each identical call gets its own."
        yield WordedCause("another sample", message)
        return
    share = _share(closest.similarity)
    in_words = not (same_prompt or same_question or closest.volatile or closest.reordered)
    more = " Its model or parameters differ too." if in_words and not same_configuration else ""
    short = f"other words: the closest question is {share} the same"
    words = WordedCause("other words", f"Asked in {short}.{more}", share, short)
    before_changes = closest.similarity < SAME_BUT_FOR_WORDS and follows is None
    if in_words and before_changes:
        yield words
    if same_prompt or closest.changes:
        what = "The same prompt" if closest.same_prompt else "The same question"
        similar = (
            f"The same but for {closest.volatile}" if closest.volatile else f"A similar question ({share} the same)"
        )
        what = what if same_prompt or same_question else similar
        yield _of_changes(what, closest)
    if same_prompt:
        return
    if follows is not None:
        yield _of_followed(follows)
    if closest.volatile:
        message = f"The same but for {closest.volatile}"
        yield WordedCause("volatile", f"{message}.", closest.volatile, f"the same but for {closest.volatile}")
    elif closest.reordered:
        where = "the order of the words"
        yield WordedCause("another context", "The same words were stored, in another order.", where, f"{where} differs")
    elif same_question:
        where = closest.where or "something else in the prompt"
        detail = where if closest.how == "differs" else f"{where} {closest.how}"
        was = "" if closest.how == "differs" else "was "
        message = f"The same question was stored, but {where} {was}{closest.how}."
        yield WordedCause("another context", message, detail, sentence(Reason(Kind.CONTEXT, detail)))
    elif not before_changes and not (follows and follows.only):
        yield words


def _of_followed(follows: Followed) -> WordedCause:
    message = f"It follows from lookup {follows.number}: the prompt holds the new answer of that one."
    return WordedCause("follows", message, str(follows.number), f"it follows from lookup {follows.number}")


def _of_changes(what: str, closest: Closest) -> WordedCause:
    changes = ", ".join(printable(change.text) for change in closest.changes)
    if not closest.changes:
        names = ", ".join(map(printable, not_shown(closest.configuration)))
        hidden = f"a value that is not shown ({names})" if names else "a parameter that is not written down"
        changes = hidden if is_of_sdk(closest.configuration) else f"the model's class, or {hidden}"
    cause = OF_CHANGE[closest.changes[0].kind] if closest.changes else "another parameter"
    message = f"{what} was stored, but under {cause}: {changes}."
    return WordedCause(cause, message, changes, f"{cause}: {changes}")


def _hit(store: EntryCatalog, lookup: LookupRow, entry: EntryRow | None) -> str:
    semantic = lookup.match == "semantic" and lookup.similarity is not None
    how = f" by meaning ({cosine(lookup.similarity or 0.0)} similar)" if semantic else ""
    if lookup.reason_kind == Kind.IGNORED:
        differing, _, newest = lookup.reason_detail.partition("; ")
        how = f" of a prompt that is the same but for {reason_text(differing)} (--ignore)"
        how += f", {reason_text(newest)}" if newest else ""
    if lookup.reason_kind == Kind.TEAM:
        how = f" {reason_text(sentence(lookup.reason))}"
    if entry is None:
        return f"A hit{how}. Its entry is not in this store."
    stored = datetime.fromtimestamp(entry.created).strftime("%Y-%m-%d %H:%M:%S")
    since = entry.created > lookup.at or any(each.replaced > lookup.at for each in store.history(entry.key))
    then = " and replaced since" if since else " and edited" if entry.edited else ""
    return f"A hit{how}: the answer was stored {stored}{then}."


def _notes(
    lookup: LookupRow, first: WordedCause, closest: Closest | None, configuration: Configuration | None
) -> tuple[str, ...]:
    """Return further facts: the fate of a miss's answer, and notes on matching by meaning."""
    reason, notes = lookup.reason, []
    if lookup.outcome == "miss" and configuration is not None and CONTINUES in parameters_of(configuration.parameters):
        notes.append(UNKNOWN_RESPONSE)
    if closest is not None and closest.where and CALL_ID.match(as_text(closest.words)):
        notes.append(ID_COUNTS)
    if lookup.outcome == "miss" and reason is not None:
        if reason.kind is Kind.ERROR or (reason.kind is Kind.NOT_STORED and not first.sentence.startswith(UNSTORED)):
            notes.append(f"{UNSTORED}: {reason_text(reason.detail)}")
        if reason.kind is Kind.NOT_STORED and without_word(reason.detail) in INCOMPLETE:
            notes.append("Keep such answers: %gptcache on --keep-cut-off")
    if lookup.outcome == "miss" and lookup.mode in ("replay", "readonly"):
        done = "the model was not called" if lookup.mode == "replay" else "its answer was not stored"
        notes.append(f"Mode {lookup.mode}: {done}.")
    if lookup.match == "semantic" and reason is not None and reason.detail:
        notes.append(f"Both are of one template, so what differs was compared: {reason_text(reason.detail)}")
    if lookup.match == "semantic":
        notes.append(f"All {len(GUARDS)} guards passed. Not the same? %gptcache label {lookup.number} wrong")
    elif reason is not None and reason.kind is Kind.EXACT_ONLY:
        notes.append(reason_text(f"Not matched by meaning: {reason.detail}"))
    elif reason is not None and reason.kind is Kind.MATCHING_ERROR:
        notes.append(reason_text(f"Not matched by meaning: {sentence(Reason(Kind.ERROR, reason.detail))}"))
    return tuple(notes)


def _share(similarity: float) -> str:
    return percent(min(similarity, 0.999))  # another question is never the same in all its words
