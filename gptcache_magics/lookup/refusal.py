"""Keep a lookup that found nothing from the model: in mode ``replay``, and when the money for this run is spent."""

from __future__ import annotations

from gptcache_magics.errors import BudgetReached, CacheMiss
from gptcache_magics.explain.closest import Question as Recorded
from gptcache_magics.explain.closest import find_closest
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.pending import PendingLookup
from gptcache_magics.store import reasons
from gptcache_magics.store.protocol import Store
from gptcache_magics.text.word_diff import shown

__all__ = ["refusal"]


def refusal(asked: PendingLookup, store: Store, ledger: Ledger) -> CacheMiss | BudgetReached | None:
    """The error to raise instead of asking the model; None if it may be asked."""
    if asked.scope.mode == "replay":
        return _cache_miss(asked, store, ledger)
    if ledger.budget is not None:
        try:
            ledger.budget.check(asked.call, asked.identity.configuration)
        except BudgetReached as reached:
            asked.reason = reasons.BUDGET
            return reached
    return None


def _cache_miss(asked: PendingLookup, store: Store, ledger: Ledger) -> CacheMiss:
    """What was asked, and the closest that is recorded."""
    who = asked.identity
    told = f"nothing is recorded for “{shown(who.question)}” ({shown(who.configuration.label)}), and mode replay calls "
    told += "no model."
    if asked.failed:
        return CacheMiss(f"{told} {asked.reason}")
    wanted = Recorded(who.question, who.configuration, who.key, who.prompt_digest, prompt=who.prompt)
    try:
        nearest = find_closest(store, wanted, at_least=0)
    except Exception as error:
        return CacheMiss(f"{told} {ledger.failed(error, 'searching the closest')}")
    return CacheMiss(f"{told} " + (f"Closest is {nearest}" if nearest else "Nothing at all is recorded."))
