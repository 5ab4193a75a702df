"""The LangChain cache: ``lookup``, ``update``, ``clear`` and their async twins.

An error in here never reaches the user's model call: it is counted, shown in ``%gptcache status``, and looks to
LangChain like a miss.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.outputs import Generation
from langchain_core.runnables import run_in_executor

from gptcache_magics import generations, identity, langchain_hooks, upstream
from gptcache_magics.configuration import model_name
from gptcache_magics.errors import NotStorable
from gptcache_magics.identity import Identity
from gptcache_magics.ledger import Ledger
from gptcache_magics.settings import CALL, Call, Settings
from gptcache_magics.single_flight import Flight, SingleFlight, runs_event_loop
from gptcache_magics.stores import open_store
from gptcache_magics.stores.base import Entry, Found, Store, Usage

if TYPE_CHECKING:
    from gptcache_magics.engine import Engine
    from gptcache_magics.user_engine import UserEngine

__all__ = ["GPTCache"]

NEW: Final = "nothing stored for it"


class GPTCache(BaseCache):
    """A LangChain cache with GPTCache as its backend, one gptcache for each configuration of a model.

    Parameters
    ----------
    init_func
        Sets up the ``gptcache.Cache`` it is given, as for ``langchain_community.cache.GPTCache``; a second parameter
        receives LangChain's ``llm_string``. Without it the answers are kept in ``store``.
    store
        A folder, ``:memory:``, or an object with the methods of ``gptcache_magics.stores.base.Store``. Lookups are
        recorded there in any case.

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
    ) -> None:
        self.settings = Settings()
        self.store = open_store(store)
        self.ledger = Ledger(self.store, self.settings)
        self.init_func = init_func
        self._engines: list[Engine | UserEngine] = []
        """The one engine, once it is opened: importing gptcache waits for the first lookup."""
        self._flights = SingleFlight()
        self._by_llm_string: dict[str, bytes] = {}
        langchain_hooks.install()
        stop = langchain_hooks.on_call_end(self._flights.land_all)
        owned = self.store if self.store is not store else None
        self._finalizer = weakref.finalize(self, _close, self.ledger, self._engines, owned, stop)
        upstream.on_import("langchain_community.cache", _register)

    @property
    def caches_streams(self) -> bool:
        """Whether ``stream`` and ``astream`` use this cache: not with a user's ``init_func``, as stock never does."""
        return self.settings.stream and self.init_func is None

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Look up an answer: a fresh list of generations, or None."""
        asked = self._ask(prompt, llm_string)
        while asked is not None:
            hit = self._answer(asked)
            if hit is not None or asked.failed:
                return hit
            flight = self._join(asked)
            if flight is None or not flight.wait():
                self._missed(asked)
                return None
        return None

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """As ``lookup``; an answer in memory costs no thread, anything else never blocks the event loop."""
        asked = self._ask(prompt, llm_string)
        while asked is not None:
            if self._engines and self.init_func is None and self.store.remembered(asked.identity.key):
                hit = self._answer(asked)
            else:
                hit = await run_in_executor(None, self._answer, asked)
            if hit is not None or asked.failed:
                return hit
            flight = self._join(asked, waits=True)
            if flight is None or not await flight.wait_async():
                self._missed(asked)
                return None
        return None

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store an answer, unless it is one that no later call should be given."""
        call = CALL.get()
        lookup = seconds = None
        reason, used = "", Usage()
        who: Identity | None = None
        try:
            who = self._identity(call, prompt, llm_string)
            lookup = call.misses.pop(who.key, None) if call else None
            seconds = time.time() - lookup.at if lookup else None
            used = generations.usage(return_val)  # paid, whether it is stored or not
            generations.check_storable(return_val)
            entry = Entry(
                key=who.key,
                configuration=who.configuration.key,
                prompt=who.prompt,
                question=who.question,
                answer=generations.encode(return_val),
                created=time.time(),
                seconds=seconds,
                usage=used,
                finish_reason=generations.finish_reason(return_val[0]),
            )
            if self.store.readonly:
                raise NotStorable("not stored: the store is read-only")
            self._engine.save(entry, who, llm_string)
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
        return self._engine.clear()

    async def aclear(self, **kwargs: Any) -> None:
        """As ``clear``, without blocking the event loop."""
        await run_in_executor(None, self.clear)

    def close(self) -> None:
        """Write what is pending, close the store and take LangChain's wraps away if no other cache needs them."""
        self._finalizer()

    # One lookup, step by step

    def _ask(self, prompt: str, llm_string: str) -> _Asked | None:
        call = CALL.get()
        try:
            return _Asked(call, self._identity(call, prompt, llm_string), prompt, llm_string)
        except Exception as error:
            self.ledger.note("error", self.ledger.failed(error, "reading the model's parameters"), 0.0)
            return None

    def _identity(self, call: Call | None, prompt: str, llm_string: str) -> Identity:
        if call is None:
            return identity.identify_by_llm_string(prompt, llm_string)
        who = call.identities.get((prompt, llm_string))
        if who is None:
            who = call.identities[prompt, llm_string] = identity.identify(call, prompt)
        return who

    def _answer(self, asked: _Asked) -> list[Generation] | None:
        """A fresh answer from the store, noted as a hit; None for a miss, and for an error, which is noted."""
        who = asked.identity
        started = time.perf_counter()
        try:
            found = self._engine.find(who, asked.llm_string) or self._find_by_llm_string(asked)
            if found is None:
                asked.seconds = time.perf_counter() - started
                return None
            answer = generations.decode(found.answer, mark=self._mark(found))
        except Exception as error:
            asked.failed = True
            reason = self.ledger.failed(error, "looking up an answer")
            seconds = time.perf_counter() - started
            self.ledger.note(
                "error", reason, seconds, key=who.key, question=who.question, configuration=who.configuration
            )
            return None
        self.ledger.note(
            "hit",
            who.reason,
            time.perf_counter() - started,
            key=found.key,
            question=who.question,
            configuration=who.configuration,
            found=found,
        )
        return answer

    def _find_by_llm_string(self, asked: _Asked) -> Found | None:
        """An answer that was stored without a model at hand, if ``llm_string`` surely means the model that asks."""
        call, llm_string = asked.call, asked.llm_string
        if call is None or not llm_string or self.init_func is not None:
            return None
        who = asked.identity
        # After a model changed its parameters its llm_string is still the old one: then it means nothing.
        if self._by_llm_string.setdefault(llm_string, who.configuration.key) != who.configuration.key:
            return None
        name = model_name(call.model, call.kwargs)
        plain = identity.identify_by_llm_string(asked.prompt, llm_string)
        if name and plain.configuration.model != name:
            return None
        return self._engine.find(plain, llm_string)

    def _join(self, asked: _Asked, *, waits: bool = False) -> Flight | None:
        """The identical call under way to wait for, or None if this lookup is to call the model itself."""
        if asked.call is None or not self.settings.single_flight:
            return None
        # A sync lookup on a thread that runs an event loop (a notebook's main thread) must not block that loop.
        flight = self._flights.join(asked.identity.key, asked.call)
        return flight if waits or not runs_event_loop() else None

    def _missed(self, asked: _Asked) -> None:
        who = asked.identity
        lookup = self.ledger.note(
            "miss",
            who.reason or NEW,
            asked.seconds,
            key=who.key,
            question=who.question,
            configuration=who.configuration,
        )
        if asked.call is not None:
            asked.call.misses[who.key] = lookup

    def _mark(self, found: Found) -> dict[str, Any] | None:
        if not self.settings.mark_hits:
            return None
        return {"entry": str(found), "match": "exact", "similarity": 1.0, "stored_at": found.created}

    @property
    def _engine(self) -> Engine | UserEngine:
        if not self._engines:
            self._engines.append(_open_engine(self.store, self.init_func))
        return self._engines[0]


@dataclass(slots=True, eq=False)
class _Asked:
    """One lookup on its way."""

    call: Call | None
    identity: Identity
    prompt: str
    llm_string: str
    seconds: float = 0.0
    failed: bool = False


_opening = threading.Lock()


def _open_engine(store: Store, init_func: Callable[..., None] | None) -> Engine | UserEngine:
    with _opening:
        if init_func is not None:
            from gptcache_magics.user_engine import UserEngine

            return UserEngine(store, init_func)
        from gptcache_magics.engine import Engine

        return Engine(store)


def _close(ledger: Ledger, engines: list[Engine | UserEngine], store: Store | None, stop: Callable[[], None]) -> None:
    for engine in engines:
        engine.close()
    ledger.close()
    if store is not None:
        store.close()
    stop()
    langchain_hooks.release()


def _register(module: Any) -> None:
    """Let ``isinstance(cache, langchain_community.cache.GPTCache)`` hold for ours, without importing that class."""
    module.GPTCache.register(GPTCache)
