"""The LangChain cache: ``lookup``, ``update``, ``clear`` and their async twins.

An error in here never reaches the user's model call: it is counted, shown in ``%gptcache status``, and looks to
LangChain like a miss.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.runnables import run_in_executor

from gptcache_magics import chunks, generations, pieces
from gptcache_magics.engines import safe_import
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.identity.key import identify, identify_by_llm_string
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.langchain import hooks, retries
from gptcache_magics.langchain.bypass import BypassWatch
from gptcache_magics.langchain.call import ModelCall, running_call
from gptcache_magics.langchain.request import ModelRequest
from gptcache_magics.lookup import placeholder_keys
from gptcache_magics.lookup.answers import Answers
from gptcache_magics.lookup.cache import RequestCache
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.options import (
    check_init_func,
    default_store,
    in_environment,
    place_of,
    read_for_python,
    store_at,
)
from gptcache_magics.lookup.pace import pause
from gptcache_magics.lookup.request import AnswerCodec, Hit, Pending, Refused, Result
from gptcache_magics.semantic.options import Match
from gptcache_magics.settings import Mode, Options, Scope, Settings, names_bundle, strictest
from gptcache_magics.store.protocol import AnswerStore, Store, team_behind
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables.source import By, Source, shared_place
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.choices import check_choice
from gptcache_magics.text.web_address import is_web_address

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.langchain.stock import Taken
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["GPTCache"]


EARLIER_SECONDS: Final = 2.0
"""Longest time for which ``on --ignore`` reads earlier prompts before the rest is read in the background."""
FRAMES: Final = 6
"""Most frames between a lookup and the model that makes it."""


class GPTCache(BaseCache):
    """A LangChain cache with GPTCache as its backend, one gptcache for each configuration of a model.

    Parameters
    ----------
    init_func
        Sets up the ``gptcache.Cache`` it is given, as for ``langchain_community.cache.GPTCache``; a second parameter
        receives LangChain's ``llm_string``. Without it the answers are kept in ``store``.
    store
        A folder, ``:memory:``, a bundle to replay, a team's ``postgresql://…`` address, or an object with
        the three methods of ``gptcache_magics.store.protocol.AnswerStore``. Lookups are recorded there too if it is a
        whole ``Store``, else in memory. By default the place that ``gptcache_magics.on`` has by default.
    wrapped
        Another LangChain cache, which keeps the answers; this class adds the rest.
    mode, match, threshold, embedder, any_temperature, template, ttl, max_size, samples, budget
        Options of ``gptcache_magics.on``, with the same values, as are ``keep_cut_off``, ``ignore``, ``space``
        and ``pooled``.
    mark_hits
        Whether a hit says so in ``response_metadata["gptcache"]``; by default as ``%config`` says.

    Raises
    ------
    StoreError
        If ``store`` names something that cannot be a store. A store that fails later never breaks a model call.
    CommandError
        If an option does not take its value, or ``init_func`` is not a function that can be given a cache.
    """

    def __init__(
        self,
        init_func: Callable[[Any, str], None] | Callable[[Any], None] | None = None,
        *,
        store: str | Path | AnswerStore | None = None,
        wrapped: BaseCache | None = None,
        mode: Mode | None = None,
        match: Match | None = None,
        threshold: float | str | None = None,
        embedder: Any = None,
        any_temperature: bool = False,
        template: Any = None,
        ttl: str | None = None,
        max_size: str | None = None,
        samples: int | None = None,
        budget: str | None = None,
        mark_hits: bool | None = None,
        keep_cut_off: bool | None = None,
        ignore: str | Sequence[str] | None = None,
        space: str | None = None,
        pooled: bool = False,
    ) -> None:
        check_init_func(init_func)
        external = init_func is not None or wrapped is not None
        assumed = in_environment(store, external=external)
        given = read_for_python(
            mark_hits=mark_hits,
            external=external,
            mode=mode or assumed.get("mode"),
            match=match or assumed.get("match"),
            threshold=threshold,
            embedder=embedder,
            any_temperature=any_temperature,
            template=template,
            ttl=ttl,
            max_size=max_size,
            samples=samples,
            budget=budget,
            keep_cut_off=keep_cut_off,
            ignore=ignore,
        )
        if wrapped is not None and not isinstance(wrapped, BaseCache):
            raise CommandError(f"GPTCache: wrapped is another LangChain cache. Got {wrapped!r}.")
        place = default_store() if store is None or store == "" else store
        named = place_of(place, space, pooled) if isinstance(place, str) else place
        self.store = store_at(place if named is None else named)
        if external and team_behind(self.store) is not None:
            raise CommandError("GPTCache: init_func and wrapped keep the answers elsewhere, where no team finds them.")
        replays = mode is None and names_bundle(self.store.where)
        kernel = Scope("replay") if replays else Scope()
        self.ledger = Ledger(self.store, Settings(Options(kernel, mark_hits=mark_hits)))
        self.replaced: list[BaseCache | None] = []
        """LangChain's global caches that ``with`` puts back, the outermost first."""
        self.placed: list[str] = []
        """Environment variables that hold a placeholder while the mode is replay."""
        self.init_func = init_func
        self._answers = Answers(self.store, init_func, wrapped, self.ledger.failed)
        self._failed_answers = retries.FailedAnswers(self.ledger, self.store)
        self._requests = RequestCache(self.store, self._answers, self.ledger)
        self.watch = BypassWatch(self, self.ledger, self._requests.call_ended)
        owned = self.store if self.store is not store else None
        user, stops = object(), list[Callable[[], None]]()
        self._hooked = weakref.finalize(self, _unhook, user, stops)
        try:
            hooks.install(user)
            stops.append(hooks.watch(self.watch, self.watch))
            self._finalizer = weakref.finalize(self, _close, self.ledger, self._answers, owned, self.placed)
            given.set(self)
            if self.settings.options.kernel.mode == "replay":
                self.place_keys(needed=True)
        except BaseException:  # an interrupt, too
            self.unhook()
            raise
        safe_import.on_import("langchain_community.cache", _register)

    def __repr__(self) -> str:
        content = f"answers in {self.external_cache}" if self.external_cache else _entries(self.store)
        parts = [repr(shared_place(self.store)), content, f"mode {Source(self.store, self.ledger).mode}"]
        return f"{type(self).__name__}({', '.join(filter(None, parts))})"

    def __enter__(self) -> Self:
        """Make this cache LangChain's global cache until the block ends; the store stays open."""
        self.replaced.append(get_llm_cache())
        set_llm_cache(self)
        self.place_keys(needed=self.settings.options.kernel.mode == "replay")
        return self

    def __exit__(self, *error: object) -> None:
        replaced = self.replaced.pop()
        if get_llm_cache() is self:  # else somebody has set another one, or turned this one off
            set_llm_cache(replaced)
        if get_llm_cache() is not self:
            self.place_keys(needed=False)

    def __copy__(self) -> Self:
        """Return the cache itself: a copy of a model asks the same cache."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the cache itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place, ``init_func`` and options. Raises ``TypeError`` if another process cannot reach it."""
        unreachable = self.store.where == ":memory:" or (is_web_address(self.store.where) and "?" in self.store.where)
        reason = "another process cannot reach its answers" if unreachable else ""
        if self.wraps or not isinstance(self.store, SQLiteStore):
            reason = f"{self.external_cache if self.wraps else type(self.store).__name__} keeps its answers"
        if reason:
            raise TypeError(f"{self!r} cannot be pickled: {reason}. Give it a folder: GPTCache(store='.gptcache')")
        similar, budget = self.similar, self.ledger.budget
        given = {
            **self._place(),
            "match": "exact" if similar is None else "semantic",
            "embedder": None if similar is None else similar.maker.given,
            "budget": None if budget is None else f"{budget.limit:.9f}usd",
        }
        return _again, (type(self), self.init_func, given, self.settings.options)

    def _place(self) -> dict[str, Any]:
        """Return the arguments that name the store; a team's address without its password."""
        team = team_behind(self.store)
        if team is None:
            return {"store": self.store.where}
        address = team.database.address
        return {"store": address.shown, "space": address.space, "pooled": address.pooled}

    def stats(
        self, by: By = "model", *, model: str | None = None, since: str = "run", wide: bool = False
    ) -> pd.DataFrame:
        """Show hits, misses, money and time of this cache, as ``gptcache_magics.stats`` does for the one that is on."""
        from gptcache_magics.tables import frames, model_names

        check_choice("by", by, get_args(By))
        source = Source(self.store, self.ledger, "run")
        source.flush()
        names = model_names.fitting(frames.configurations(self.store), model) if model is not None else None
        return frames.stats(self.store, by, period=source.period(since), model=names, wide=wide)

    def place_keys(self, *, needed: bool) -> None:
        """Set placeholders for the keys that the recorded models need to be built, or take them away."""
        placeholder_keys.take_away(self.placed)
        self.placed.clear()
        if needed and _exists(self.store):
            with suppress(StoreError):  # a lookup will say it
                self.placed += placeholder_keys.put(self.store)

    def read_earlier(self) -> None:
        """Read the prompts of earlier answers, so that they are found without what is ignored."""
        if self._answers.ours:
            with suppress(StoreError):  # not every store can list its entries
                self._answers.same_but.prepare(EARLIER_SECONDS)

    @property
    def settings(self) -> Settings:
        """The settings that hold for this cache."""
        return self.ledger.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.ledger.settings = settings

    @property
    def similar(self) -> SemanticSearch | None:
        """The search for questions in other words, while that is on."""
        return self._answers.similar

    @similar.setter
    def similar(self, similar: SemanticSearch | None) -> None:
        if self._answers.similar is not None:
            self._answers.similar.close()
        self._answers.similar = similar

    def failed(self, error: Exception, doing: str) -> object:
        """Count an error that no call notices, as ``%gptcache`` shows it."""
        return self.ledger.failed(error, doing)

    @property
    def requests(self) -> RequestCache:
        """The cache that answers requests from our store, also where another place keeps LangChain's answers."""
        if self._answers.ours:
            return self._requests
        return RequestCache(self.store, Answers(self.store, None, None, self.ledger.failed), self.ledger)

    @property
    def wraps(self) -> bool:
        """Whether another LangChain cache keeps the answers."""
        return self._answers.wrapped is not None

    @property
    def external_cache(self) -> str:
        """Name of the place of the answers if that is not our store; empty otherwise."""
        if self._answers.wrapped is not None:
            return type(self._answers.wrapped).__name__
        if self._answers.ours:
            return ""
        return f"the gptcache of init_func {getattr(self.init_func, '__name__', type(self.init_func).__name__)}"

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user about the store and the place of the answers."""
        return [*self.store.notices, *self._answers.notices]

    @property
    def closed(self) -> bool:
        """Whether the cache hears of no calls any more."""
        return not self._hooked.alive

    @property
    def caches_streams(self) -> bool:
        """Whether ``stream`` and ``astream`` ask this cache."""
        return self._answers.ours and (self.settings.config.stream or self.scope.mode == "replay")

    @property
    def scope(self) -> Scope:
        """The scope of a lookup that is made now. A read-only store takes no answers."""
        scope = self.ledger.settings.now()
        return Scope(strictest("readonly", scope.mode), scope.tag, scope.samples) if self.store.readonly else scope

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Look up an answer: a fresh list of generations, or None.

        Raises
        ------
        CacheMiss
            In mode ``replay``, for every request that would reach the model.
        BudgetReached
            If the model would be asked and the money for this run is spent.
        """
        call = running_call()
        if _is_seen(call):
            return _served(call, self._lookup(call, prompt, llm_string, generations))
        self.watch.unseen(prompt, self.scope)
        return None

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Look up without blocking the event loop; an answer in memory needs no thread."""
        call = running_call()
        if _is_seen(call):
            return _served(call, await self._alookup(call, prompt, llm_string, generations))
        self.watch.unseen(prompt, self.scope)
        return None

    def lookup_chunks(self, prompt: str) -> RETURN_VAL_TYPE | None:
        """Look up the answer to a stream: its chunks, or None. Raises the errors of ``lookup``."""
        return self._lookup(running_call(), prompt, "", chunks)

    async def alookup_chunks(self, prompt: str) -> RETURN_VAL_TYPE | None:
        """Look up the answer to a stream without blocking the event loop."""
        return await self._alookup(running_call(), prompt, "", chunks)

    def lookup_pieces(self, prompt: str) -> tuple[list[Any], list[Any]]:
        """Look up an answer as its chunks and as a whole; both are empty if there is none."""
        call = running_call()
        return _served_pieces(call, self._lookup(call, prompt, "", pieces))

    async def alookup_pieces(self, prompt: str) -> tuple[list[Any], list[Any]]:
        """Look up an answer as its chunks and as a whole without blocking the event loop."""
        call = running_call()
        return _served_pieces(call, await self._alookup(call, prompt, "", pieces))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store an answer, unless it is one that no later call should be given."""
        if _is_seen(running_call()):
            self._update(prompt, llm_string, return_val, generations)

    def update_chunks(self, prompt: str, answer: chunks.Streamed) -> None:
        """Store a streamed answer, or note why it is not stored."""
        self._update(prompt, "", answer, chunks)

    async def aupdate_chunks(self, prompt: str, answer: chunks.Streamed) -> None:
        """Store a streamed answer without blocking the event loop."""
        await run_in_executor(None, self.update_chunks, prompt, answer)

    def _update(self, prompt: str, llm_string: str, answer: Any, codec: AnswerCodec) -> None:
        call = running_call()
        waiting = call.pending.get((prompt, llm_string)) if call is not None else None
        if call is not None and not waiting:  # a bypass, or a lookup that failed: the model may be another since
            return
        try:
            pending = waiting.pop(0) if waiting else Pending(self._read(None, prompt, llm_string, self.scope))
        except Exception as error:
            self.ledger.failed(error, "storing an answer")
            return
        self._failed_answers.replaced(pending.request.identity.key)
        self._requests.update(pending, answer, codec)

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store an answer without blocking the event loop."""
        if _is_seen(running_call()):  # asked here: a thread does not show who asks
            with self._in_loop():
                await run_in_executor(None, self._update, prompt, llm_string, return_val, generations)

    def clear(self, **kwargs: Any) -> None:
        """Remove every answer: the next lookup misses. Raises the error of a failure."""
        self.empty()

    def empty(self) -> str:
        """Remove every answer. Returns a sentence about gptcache managers that cannot delete, or an empty text."""
        return self._answers.clear()

    async def aclear(self, **kwargs: Any) -> None:
        """Remove every answer without blocking the event loop."""
        await run_in_executor(None, self.clear)

    def take_over(self, init_func: Callable[..., None], model: Any, *, replace: bool = False) -> Taken:
        """Store what LangChain's own GPTCache stored with an ``init_func`` as the answers of ``model``."""
        from gptcache_magics.langchain.stock import take_over  # imports gptcache

        check_init_func(init_func)
        return take_over(self._answers, self.store, init_func, model, replace=replace)

    def unhook(self) -> None:
        """Take LangChain's wraps away if no other cache needs them, whatever the store does."""
        self._hooked()

    def close(self) -> None:
        """Take LangChain's wraps away, write pending lookups and close the store."""
        self.unhook()
        self._finalizer()

    def _lookup(
        self, call: ModelCall | None, prompt: str, llm_string: str, codec: AnswerCodec
    ) -> RETURN_VAL_TYPE | None:
        request = self._request(call, prompt, llm_string)
        if request is None:
            return None
        result = self._requests.lookup(request, codec)
        if wait := _wait(request, result, codec):
            time.sleep(wait)
        return self._answer(request, result)

    async def _alookup(
        self, call: ModelCall | None, prompt: str, llm_string: str, codec: AnswerCodec
    ) -> RETURN_VAL_TYPE | None:
        request = self._request(call, prompt, llm_string)
        if request is None:
            return None
        with self._in_loop():
            result = await self._requests.alookup(request, codec)
        if wait := _wait(request, result, codec):
            await pause(wait)
        return self._answer(request, result)

    def _in_loop(self) -> AbstractContextManager[None]:
        """Return the context in which a wrapped cache may use its coroutines."""
        if not self.wraps:
            return nullcontext()
        from gptcache_magics.engines.wrapped import in_loop

        return in_loop()

    def _request(self, call: ModelCall | None, prompt: str, llm_string: str) -> ModelRequest | None:
        """Return the request that LangChain makes; None if the model is asked without a lookup."""
        scope = self.scope
        try:
            request = self._read(call, prompt, llm_string, scope)
            several, key = scope.samples if scope.several else None, request.identity.key
            number, again = retries.ask(key, (lambda: self.settings.sample(key, several)) if several else int)
            if several:
                request = replace(request, identity=request.identity.sample(number))
            again = self._failed_answers.asked(request.identity.key, prompt) or again
            # In replay, the recorded answer is the one that the retry got.
            return replace(request, retry=True) if again and scope.mode != "replay" else request
        except Unreadable as error:
            if call is not None:
                self.watch.unreadable(call, prompt, error, scope)
            return None
        except Exception as error:
            refused = self._requests.unreadable(error, scope)
            if refused is not None:
                raise refused.error from error
            return None

    def _read(self, call: ModelCall | None, prompt: str, llm_string: str, scope: Scope) -> ModelRequest:
        if call is None:
            return ModelRequest(identify_by_llm_string(prompt, llm_string), scope, None, prompt, llm_string)
        call.counts_bookkeeping = self.ledger.settings.config.count_bookkeeping
        return ModelRequest(identify(call, prompt), scope, call, prompt, llm_string)

    def _answer(self, request: ModelRequest, result: Result) -> RETURN_VAL_TYPE | None:
        """Return LangChain's answer to a result: generations for a hit, None to ask the model."""
        if isinstance(result, Hit):
            answer: RETURN_VAL_TYPE = result.answer
            return answer
        if isinstance(result, Refused):
            raise result.error
        if isinstance(request.call, ModelCall):
            request.call.pending.setdefault((request.prompt, request.llm_string), []).append(result.pending)
        return None


def _is_seen(call: ModelCall | None) -> bool:
    """Return whether the running call is that of the model of LangChain's which asks, or another program asks.

    The ``llm_string`` of a model that no hook saw may fit another model, or what that model was.
    """
    asked = False
    frame: FrameType | None = sys._getframe(2)
    for _ in range(FRAMES):
        if frame is None:
            break
        if str(frame.f_globals.get("__name__", "")).startswith("langchain_core.language_models."):
            asked = True
            values = frame.f_locals
            if "self" in values:
                return call is not None and values["self"] is call.model
        frame = frame.f_back
    return call is not None or not asked


def _wait(request: ModelRequest, result: Result, codec: AnswerCodec) -> float:
    """Return the seconds to let pass before an answer; those of one in pieces pass between them."""
    if not isinstance(result, Hit) or not result.wait:
        return 0.0
    if codec is generations or not isinstance(request.call, ModelCall):
        return result.wait
    request.call.waits[request.prompt] = result.wait
    return 0.0


def _served(call: ModelCall | None, answer: RETURN_VAL_TYPE | None) -> RETURN_VAL_TYPE | None:
    """Return an answer after noting its usage, unless that tells a cost: LangChain writes a cost of 0 into it."""
    if call is not None and answer:
        for each in answer:
            fields = vars(each).get("message", each).__dict__
            if "usage_metadata" in fields and "total_cost" not in (fields["usage_metadata"] or ()):
                call.served.append((each, fields["usage_metadata"]))
    return answer


def _served_pieces(call: ModelCall | None, answer: Any) -> tuple[list[Any], list[Any]]:
    """Return chunks and whole of an answer after noting its usage."""
    chunks_of_it, whole = answer or ([], [])
    _served(call, whole)
    return chunks_of_it, whole


def _exists(store: Store) -> bool:
    """Return whether a store is there: reading one that is not would make its file."""
    return not os.path.isabs(store.where) or os.path.exists(store.where)


def _entries(store: Store) -> str:
    """Return the number of entries of a store; empty if there is no such file, or it fails."""
    if not _exists(store):
        return ""
    try:
        return counted(store.count()[0], "entry")
    except Exception:
        return ""


def _again(kind: type[GPTCache], init_func: Any, given: dict[str, Any], options: Options) -> GPTCache:
    """Return a cache like the one that was pickled."""
    cache = kind(init_func, mode="auto", **given)
    cache.settings.options = options
    cache.place_keys(needed=options.kernel.mode == "replay")
    return cache


def _unhook(user: object, stops: Sequence[Callable[[], None]]) -> None:
    for stop in stops:
        stop()
    hooks.release(user)


def _close(ledger: Ledger, answers: Answers, store: Store | None, placed: Sequence[str]) -> None:
    placeholder_keys.take_away(placed)
    try:
        answers.close()
    finally:
        ledger.close()
        if store is not None:
            try:
                store.close()
            except StoreError as error:
                warnings.warn(str(error), stacklevel=2)


def _register(module: Any) -> None:
    """Let ``isinstance(cache, langchain_community.cache.GPTCache)`` hold for ours, without importing that class."""
    module.GPTCache.register(GPTCache)
