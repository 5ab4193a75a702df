"""Refuse to ask the model when a lookup finds nothing: in mode ``replay``, and when the run's money is spent."""

from __future__ import annotations

import re
import time
from typing import Final

from gptcache_magics.errors import BudgetReached, CacheMiss, EmbeddingMiss
from gptcache_magics.explain.closest import Closest, Question, find_closest
from gptcache_magics.identity.key import Identity
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.request import Request, Search
from gptcache_magics.store.protocol import Lookup, Period, Store
from gptcache_magics.store.reasons import Kind, Reason, sentence
from gptcache_magics.store.unwritten import with_unwritten
from gptcache_magics.text.word_diff import shown

__all__ = ["EXTENSION", "FED_BACK", "refusal", "refusal_in"]

FED_BACK: Final = "the prompt quotes the refusal of an earlier call, and mode replay does not call a model."
"""The message of a miss that follows from another: the notebook has caught that one, and shows it to the model."""
EXTENSION: Final = "gptcache_magics"
"""Name among the extensions of an HTTP response for the refusal that it says."""
_KINDS: Final[dict[str, type[CacheMiss | BudgetReached]]] = {
    each.__name__: each for each in (CacheMiss, EmbeddingMiss, BudgetReached)
}
_SAID: Final = re.compile(
    rf"\b({'|'.join(_KINDS)}): (.+?)"
    r"(?:['\"], ?['\"](?:code|gptcache|id|status|type)['\"]: .+|['\"]?[\]}]+)?$",
    re.DOTALL,
)
"""A refusal within the text of an SDK's error, which may end with the other fields and the brackets of a body."""
_OURS: Final = re.compile(r"mode replay (does not call a model|serves recorded answers only)|the call was not sent")
"""Words of every sentence of a refusal: other libraries may have exceptions of these names."""
_RESPONSES: Final = ("response", "raw_response")
"""Names under which errors of SDKs keep the response."""
NEXT: Final = 2**62
"""Number in its run of a lookup that is not noted yet."""
_REFUSED: Final = re.compile(
    r"nothing is recorded for (?:“|\\u201c)|and mode replay does not call a model", re.IGNORECASE
)


def refusal(request: Request, search: Search, store: Store, ledger: Ledger) -> CacheMiss | BudgetReached | None:
    """Return the error to raise in place of asking the model; None if the model may be asked."""
    if request.scope.mode == "replay":
        return _cache_miss(request.identity, search, store, ledger)
    if ledger.budget is not None:
        try:
            ledger.budget.check(request.call, request.identity.configuration, request.identity.question)
        except BudgetReached as reached:
            return reached
    return None


def refusal_in(error: BaseException) -> CacheMiss | BudgetReached | None:
    """Return the refusal that an error of an SDK says; None if it says something else.

    An SDK keeps the response on its error or on the cause of that, or has only its text. The context of an error is
    asked only where the error says a refusal: otherwise it was caught, and another error came after it.
    """
    said = _SAID.search(_text(error))
    each: BaseException | None = error
    passed: set[int] = set()
    while each is not None and id(each) not in passed:
        passed.add(id(each))
        found = _held(each)
        if found is not None:
            return found
        each = each.__cause__ or (each.__context__ if said is not None else None)
    if said is None or not _OURS.search(said[2]):
        return None
    return _KINDS[said[1]](said[2])


def _text(error: BaseException) -> str:
    """Return the provider's message within an error, or else all of its text; empty if the error has none to give."""
    try:
        body = getattr(error, "body", None)
        message = body.get("message") if isinstance(body, dict) else None
        return message if isinstance(message, str) else str(error)
    except Exception:  # any code of the user's
        return ""


def _held(error: BaseException) -> CacheMiss | BudgetReached | None:
    """Return the refusal that the response of an error is."""
    for name in _RESPONSES:
        try:
            extensions = getattr(getattr(error, name, None), "extensions", None)
        except Exception:  # a property of the user's
            continue
        found = extensions.get(EXTENSION) if isinstance(extensions, dict) else None
        if isinstance(found, CacheMiss | BudgetReached):
            return found
    return None


def _cache_miss(identity: Identity, search: Search, store: Store, ledger: Ledger) -> CacheMiss:
    """Return the error that names the question and the closest recorded prompt."""
    known = search.reason or identity.reason
    reason = sentence(known or Reason(Kind.NEW), search.near)

    def miss(told: str, closest: Closest | None = None) -> CacheMiss:
        return CacheMiss(
            told,
            prompt=identity.question,
            model=identity.configuration.model,
            closest=closest.id if closest is not None else None,
            reason=reason,
        )

    if _REFUSED.search(identity.prompt):
        return miss(FED_BACK)
    message = f"nothing is recorded for “{shown(identity.question)}” ({shown(identity.configuration.label)}), "
    message += "and mode replay does not call a model."
    away = (Kind.LOCKED, Kind.CACHE_AWAY, Kind.TEAM_AWAY)
    if search.failed or (search.reason is not None and search.reason.kind in away):
        return miss(f"{message} {reason}")
    question = Question(
        question=identity.question,
        configuration=identity.configuration,
        key=identity.key,
        prompt_digest=identity.prompt_digest,
        prompt=identity.prompt,
        replayed=True,
    )
    try:
        closest = find_closest(store, question, at_least=0)
        if known is None:
            reason = sentence(_cause(question, store, ledger.run))
    except Exception as error:
        return miss(f"{message} {sentence(ledger.failed(error, 'searching the closest'))}")
    where = f"Closest is {closest.line(ledger.settings.ignored)}" if closest else "Nothing at all is recorded."
    return miss(f"{message} {where}", closest)


def _cause(asked: Question, store: Store, run: str) -> Reason:
    """Return the cause of the miss that the lookup of a question is going to be."""
    from gptcache_magics.explain.causes import cause_of  # imports numpy

    assert asked.configuration is not None
    lookup = Lookup(
        at=time.time(),
        run=run,
        number_in_run=NEXT,
        outcome="miss",
        reason=Reason(Kind.NEW),
        mode="replay",
        configuration=asked.configuration.key,
        key=asked.key,
        question=asked.question,
        prompt_digest=asked.prompt_digest,
    )
    store = with_unwritten(store, [lookup], [asked.configuration])
    return cause_of(store, store.lookups(Period(), 1)[0], asked=asked)
