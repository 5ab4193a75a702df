"""The LangChain cache: ``lookup``, ``update``, ``clear`` and their async twins.

An error in here never reaches the user's model call: it is counted, shown in ``%gptcache status``, and looks to
LangChain like a miss.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.outputs import Generation
from langchain_core.runnables import run_in_executor

from gptcache_magics import generations
from gptcache_magics.engines import safe_import as upstream
from gptcache_magics.errors import CacheMiss, NotStorable
from gptcache_magics.identity.call import CALL
from gptcache_magics.langchain import hooks as langchain_hooks
from gptcache_magics.langchain.bypass import BypassWatch
from gptcache_magics.lookup.answers import Answers
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.pending import PendingLookup, identify, identity_of_answer
from gptcache_magics.lookup.refusal import refusal
from gptcache_magics.lookup.single_flight import Flight, SingleFlight, runs_event_loop
from gptcache_magics.settings import Scope, Settings, strictest
from gptcache_magics.store import open_store, reasons
from gptcache_magics.store.protocol import Found, Lookup, Outcome, Store, Usage

if TYPE_CHECKING:
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["GPTCache"]


class GPTCache(BaseCache):
    """A LangChain cache with GPTCache as its backend, one gptcache for each configuration of a model.

    Parameters
    ----------
    init_func
        Sets up the ``gptcache.Cache`` it is given, as for ``langchain_community.cache.GPTCache``; a second parameter
        receives LangChain's ``llm_string``. Without it the answers are kept in ``store``.
    store
        A folder, ``:memory:``, or an object with the methods of ``gptcache_magics.store.protocol.Store``. Lookups are
        recorded there in any case.
    wrapped
        Another LangChain cache, which keeps the answers; this one adds the rest.

    Raises
    ------
    StoreError
        If ``store`` names something that cannot be a store. A store that fails later never breaks a model call.
    """

    def __init__(
        self,
        init_func: Callable[[Any, str], None] | Callable[[Any], None] | None = None,
        *,
        store: str | Path | Store = ".gptcache",
        wrapped: BaseCache | None = None,
    ) -> None:
        self.store = open_store(store)
        self.ledger = Ledger(self.store, Settings())
        self.init_func = init_func
        self._answers = Answers(self.store, init_func, wrapped)
        self._flights = SingleFlight()
        self.watch = BypassWatch(self, self.ledger.settings, self.ledger, self._flights)
        langchain_hooks.install()
        stop = langchain_hooks.watch(self.watch)
        owned = self.store if self.store is not store else None
        self._finalizer = weakref.finalize(self, _close, self.ledger, self._answers, owned, stop)
        upstream.on_import("langchain_community.cache", _register)

    @property
    def settings(self) -> Settings:
        """What was configured."""
        return self.ledger.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.ledger.settings = self.watch.settings = settings

    @property
    def similar(self) -> SemanticSearch | None:
        """What finds a question asked in other words, while that is on."""
        return self._answers.similar

    @similar.setter
    def similar(self, similar: SemanticSearch | None) -> None:
        if self._answers.similar is not None:
            self._answers.similar.close()
        self._answers.similar = similar

    @property
    def wraps(self) -> bool:
        """Whether another LangChain cache keeps the answers."""
        return self._answers.wrapped is not None

    @property
    def external_cache(self) -> str:
        """What keeps the answers, where that is no store of ours; empty if it is one."""
        if self._answers.wrapped is not None:
            return type(self._answers.wrapped).__name__
        return "" if self._answers.ours else "the gptcache of --init"

    @property
    def caches_streams(self) -> bool:
        """Whether ``stream`` and ``astream`` ask this cache."""
        return self._answers.ours and (self.settings.config.stream or self.scope.mode == "replay")

    @property
    def scope(self) -> Scope:
        """What holds for a lookup here and now. Nothing can be stored in a read-only store."""
        scope = self.settings.now()
        return Scope(strictest("readonly", scope.mode), scope.tag, scope.samples) if self.store.readonly else scope

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Look up an answer: a fresh list of generations, or None.

        Raises
        ------
        CacheMiss
            In mode ``replay``, for whatever would reach the model.
        BudgetReached
            If the model would have to be asked and the money for this run is spent.
        """
        asked = self._ask(prompt, llm_string)
        while asked is not None:
            hit = self._answer(asked)
            if hit is not None:
                return hit
            flight = self._join(asked)
            if flight is None or not flight.wait():
                self._leave_to_the_model(asked)
                return None
        return None

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """As ``lookup``; an answer in memory costs no thread, anything else never blocks the event loop."""
        asked = self._ask(prompt, llm_string)
        while asked is not None:
            if self._answers.in_memory(asked):
                hit = self._answer(asked)
            else:
                hit = await run_in_executor(None, self._answer, asked)
            if hit is not None:
                return hit
            flight = self._join(asked, waits=True)
            if flight is None or not await flight.wait_async():
                self._leave_to_the_model(asked)
                return None
        return None

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store an answer, unless it is one that no later call should be given."""
        call = CALL.get()
        lookup = seconds = who = None
        reason, used = "", Usage()
        try:
            who = identity_of_answer(call, prompt, llm_string, self.settings)
            lookup = call.misses.pop(who.key, None) if call else None
            scope = self.scope
            seconds = time.time() - lookup.at if lookup else None
            used = generations.usage(return_val)  # paid, whether it is stored or not
            if self.ledger.budget is not None:
                self.ledger.budget.paid(who.configuration, used)
            if (lookup.mode if lookup else scope.mode) in ("auto", "refresh"):
                ttl = self.settings.options.ttl
                expires = time.time() + ttl if ttl is not None else None
                asked = PendingLookup(call, who, prompt, llm_string, scope)
                self._answers.save(asked, return_val, seconds, used, expires)
                self.ledger.stored = True
                if asked.trouble is not None:
                    self.ledger.failed(asked.trouble, "making an answer searchable")
            elif self.store.readonly:
                reason = f"{reasons.NOT_STORED}the store is read-only"
        except NotStorable as refusal:
            reason = str(refusal)
        except Exception as error:
            reason = self.ledger.failed(error, "storing an answer")
        finally:
            if who is not None and call is not None:
                self._flights.land(who.key, call)
        if lookup is not None:
            self.ledger.paid(lookup, seconds or 0.0, used, reason)

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """As ``update``, without blocking the event loop."""
        await run_in_executor(None, self.update, prompt, llm_string, return_val)

    def clear(self, **kwargs: Any) -> None:
        """Remove every answer: the next lookup misses. Errors are raised: who clears wants to know."""
        self.empty()

    def empty(self) -> str:
        """As ``clear``; what is to be said of a user's gptcache manager that cannot delete."""
        return self._answers.clear()

    async def aclear(self, **kwargs: Any) -> None:
        """As ``clear``, without blocking the event loop."""
        await run_in_executor(None, self.clear)

    def close(self) -> None:
        """Write what is pending, close the store and take LangChain's wraps away if no other cache needs them."""
        self._finalizer()

    # One lookup, step by step

    def _ask(self, prompt: str, llm_string: str) -> PendingLookup | None:
        """The lookup to make; None if the model is to be asked without one."""
        call, scope = CALL.get(), self.scope
        try:
            asked = PendingLookup(
                call, identify(call, prompt, llm_string, scope, self.settings), prompt, llm_string, scope
            )
        except Exception as error:
            self.ledger.note("error", reason := self.ledger.failed(error, "reading a model"), 0.0, scope=scope)
            if scope.mode == "replay":
                raise CacheMiss(f"The model was not called (mode replay): {reason}") from error
            return None
        if scope.mode in ("refresh", "bypass"):
            asked.reason = reasons.MODE + scope.mode
            self._leave_to_the_model(asked)
            return None
        return asked

    def _answer(self, asked: PendingLookup) -> list[Generation] | None:
        """A fresh answer, noted as a hit; None for a miss, and for an error, which is noted."""
        who = asked.identity
        started, asked.looked = time.perf_counter(), self._flights.landings
        asked.near, asked.trouble, asked.reason = None, None, ""  # it may be the second look, after a flight
        try:
            found = self._answers.find(asked)
            if found is not None and found.expires is not None and found.expires <= time.time():
                found, asked.reason = None, reasons.EXPIRED
            answer = generations.decode(found.answer, mark=self._mark(found)) if found is not None else None
            if asked.trouble is not None:
                asked.reason = reasons.EXACT_ONLY + self.ledger.failed(asked.trouble, "matching by meaning")
            elif answer is None and asked.reason != reasons.EXPIRED:
                asked.reason = self.store.gone(who.key) or asked.reason
        except Exception as error:
            asked.reason, asked.failed = self.ledger.failed(error, "looking up an answer"), True
            return None
        finally:
            asked.seconds = time.perf_counter() - started
        if found is not None:
            self._note("hit", asked, who.reason if found.similarity is None else asked.reason, found)
        return answer

    def _join(self, asked: PendingLookup, *, waits: bool = False) -> Flight | None:
        """The identical call under way to wait for, or None if this lookup is to call the model itself."""
        if asked.call is None or asked.failed or asked.scope.mode == "replay" or not self.settings.config.single_flight:
            return None
        # A sync lookup on a thread that runs an event loop (a notebook's main thread) must not block that loop.
        flight = self._flights.join(asked.identity.key, asked.call, asked.looked)
        return flight if waits or not runs_event_loop() else None

    def _leave_to_the_model(self, asked: PendingLookup) -> None:
        """Note that the model is to answer, or refuse that."""
        who, call = asked.identity, asked.call
        refused = refusal(asked, self.store, self.ledger)
        outcome: Outcome = "error" if asked.failed else "bypass" if asked.reason.startswith(reasons.MODE) else "miss"
        lookup = self._note(outcome, asked, asked.reason or who.reason or reasons.NEW)
        if refused is not None:
            lookup.refusal = str(refused)
            self.ledger.paid(lookup, 0.0, Usage(0, 0), "")
            if call is not None:
                self._flights.land(who.key, call)
            raise refused
        if call is not None:
            call.misses[who.key] = lookup

    def _note(self, outcome: Outcome, asked: PendingLookup, reason: str, found: Found | None = None) -> Lookup:
        who = asked.identity
        return self.ledger.note(
            outcome,
            reason,
            asked.seconds,
            scope=asked.scope,
            key=found.key if found is not None else who.key,
            question=who.question,
            configuration=who.configuration,
            found=found,
            prompt_digest=who.prompt_digest if found is None or found.similarity is not None else "",
            asked=who.key,
            near=asked.near,
        )

    def _mark(self, found: Found) -> dict[str, Any] | None:
        if not self.settings.config.mark_hits:
            return None
        similarity = 1.0 if found.similarity is None else round(found.similarity, 4)
        return {"entry": str(found), "match": found.match, "similarity": similarity, "stored_at": found.created}


def _close(ledger: Ledger, answers: Answers, store: Store | None, stop: Callable[[], None]) -> None:
    answers.close()
    ledger.close()
    if store is not None:
        store.close()
    stop()
    langchain_hooks.release()


def _register(module: Any) -> None:
    """Let ``isinstance(cache, langchain_community.cache.GPTCache)`` hold for ours, without importing that class."""
    module.GPTCache.register(GPTCache)
