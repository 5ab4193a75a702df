"""Record the calls that go past the cache, and refuse them in mode ``replay``.

A model with ``cache=False`` or with a cache of its own, a class that overrides ``stream``, and events of version 3 do
not ask LangChain's global cache. In ``replay`` every answer must be a recorded one, so these calls must not reach the
model. Events of a class that sends with httpx are looked up where they are sent, unless SDKs are left alone.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final, NoReturn
from weakref import ref

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.messages import BaseMessage, HumanMessage

from gptcache_magics import generations
from gptcache_magics.errors import BudgetReached, CacheMiss, EmbeddingMiss
from gptcache_magics.identity.configuration import configuration_of, unreadable_configuration
from gptcache_magics.identity.key import Identity, identify
from gptcache_magics.identity.prompt import prompt_of, question_of
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.captured import declines, sends_with_httpx
from gptcache_magics.langchain.failure import NOTHING, charged
from gptcache_magics.lookup.embedding_uses import serves_embeddings
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.semantic.own_embedding import EMBEDDING
from gptcache_magics.settings import Scope
from gptcache_magics.store.protocol import Configuration, Usage
from gptcache_magics.store.reasons import Kind, Reason, sentence

__all__ = ["BypassWatch"]

LOCAL_EMBEDDINGS: Final = frozenset(
    {
        *("FakeEmbeddings", "DeterministicFakeEmbedding", "CacheBackedEmbeddings", "HypotheticalDocumentEmbedder"),
        *("HuggingFaceEmbeddings", "HuggingFaceBgeEmbeddings", "HuggingFaceInstructEmbeddings", "FastEmbedEmbeddings"),
        *(
            "GPT4AllEmbeddings",
            "LlamaCppEmbeddings",
            "SpacyEmbeddings",
            "TensorflowHubEmbeddings",
            "Model2vecEmbeddings",
        ),
    }
)
"""LangChain's embedders that compute on this machine, or leave the work to one that is asked itself."""
HTTP_EMBEDDINGS: Final = ("langchain_cohere.", "langchain_google_genai.", "langchain_ollama.", "langchain_openai.")
"""Modules of LangChain's embedders that ask through an SDK whose requests are seen."""
PARSE_ERRORS: Final = frozenset({"ValidationError", "JSONDecodeError", "OutputParserException"})
FINISH_ERRORS: Final = frozenset({"LengthFinishReasonError", "ContentFilterFinishReasonError"})
"""Errors of the OpenAI SDK: the answer to parse was not whole."""
EVENT_METHODS: Final = (
    *("_generate", "_agenerate", "_stream", "_astream"),
    *("_stream_chat_model_events", "_astream_chat_model_events"),
)
"""Methods that events of version 3 come from."""
BASES: Final = ("BaseChatModel", "BaseLLM")
"""LangChain's own two classes, whose ``_stream`` only raises."""


class BypassWatch:
    """The watcher of one cache: it hears of each model call."""

    def __init__(self, cache: BaseCache, ledger: Ledger, release: Callable[[ModelCall], None]) -> None:
        self._cache = ref(cache)  # the hooks hold this watch, which must not keep the cache alive
        self._ledger, self._release = ledger, release
        self.in_charge = False
        """Whether every call must go through this cache, even if another cache was installed over it."""

    def call_begins(self, call: ModelCall) -> None:
        """Record a call that goes past the cache; refuse it in ``replay`` or when the budget is spent."""
        cache, installed = self._cache(), get_llm_cache()
        if not self.in_charge and installed is not cache:
            return
        reason = _goes_past(call, cache, installed)
        if reason is not None and reason.kind is Kind.EVENTS and self._is_captured(call, *EVENT_METHODS):
            reason = None
        if reason is None:
            return
        scope = self._ledger.settings.now()
        if scope.mode == "replay":
            self._refuse(call, reason, scope)
        self._spend(call, scope)
        self._note(call, reason, scope)

    def method_begins(self, method: str, call: Callable[[], ModelCall]) -> None:
        """Refuse in ``replay`` what asks no cache. In another mode the method may call one that does."""
        scope = self._ledger.settings.now()
        if scope.mode == "replay" and self._in_charge() and not self._is_captured(call(), method):
            own_stream = method in ("stream", "astream")
            reason = Reason(Kind.OWN_STREAM) if own_stream else Reason(Kind.OWN_METHOD, method)
            self._refuse(call(), reason, scope)

    def embedding_begins(self, embeddings: Any, method: str) -> None:
        """Refuse to embed in ``replay``, unless the class sends requests that the SDKs' face answers or refuses."""
        if self._ledger.settings.now().mode != "replay" or not self._in_charge():
            return
        if self._sends_to_us(embeddings):
            return
        local = any(each.__name__ in LOCAL_EMBEDDINGS for each in type(embeddings).__mro__)
        if not local and not EMBEDDING.get():
            raise EmbeddingMiss(
                f"{type(embeddings).__name__}.{method}: not called, because embeddings are not recorded, and mode "
                "replay calls no model. LangChain's CacheBackedEmbeddings keeps them in files.",
                model=type(embeddings).__name__,
                reason="embeddings are not recorded",
            )

    def _is_captured(self, call: ModelCall, *methods: str) -> bool:
        """Return whether what these methods send is looked up where it is sent."""
        looks_up = self._ledger.settings.sdks and not declines(call.model, self._cache())
        return looks_up and sends_with_httpx(call.model, *methods)

    def _sends_to_us(self, embeddings: Any) -> bool:
        """Return whether the requests of an embedder are answered, or refused, text by text."""
        store, settings = getattr(self._cache(), "store", None), self._ledger.settings
        known = any(each.__module__.startswith(HTTP_EMBEDDINGS) for each in type(embeddings).__mro__)
        if not known or store is None or not self.in_charge or not settings.sdks:
            return False
        return serves_embeddings(store, settings.options, "replay")

    def _in_charge(self) -> bool:
        return self.in_charge or get_llm_cache() is self._cache()

    def _refuse(self, call: ModelCall, reason: Reason, scope: Scope) -> NoReturn:
        miss = _refusal(call, reason)
        self._note(call, reason, scope, miss)
        raise miss

    def unreadable(self, call: ModelCall, prompt: str, error: Unreadable, scope: Scope) -> None:
        """Record a prompt of a model that cannot be read, as :meth:`call_begins` records other calls."""
        reason = Reason(Kind.UNREADABLE, str(error))
        configuration, question = unreadable_configuration(call), question_of(prompt)
        note = self._ledger.note("bypass", reason, 0.0, scope=scope, question=question, configuration=configuration)
        call.past.append(note)
        if scope.mode == "replay":
            miss = _refusal(call, reason)
            miss.prompt, miss.model, note.refusal = question, configuration.model, str(miss)
            raise miss
        if self._ledger.budget is not None:
            call.priced_as = configuration
            self._ledger.budget.check(call, configuration, question)

    def unseen(self, prompt: str, scope: Scope) -> None:
        """Record a prompt of a model that no hook saw: it cannot be told which one asks."""
        reason = Reason(Kind.MODEL_UNKNOWN)
        note = self._ledger.note("bypass", reason, 0.0, scope=scope, question=question_of(prompt))
        if scope.mode == "replay":
            miss = CacheMiss(
                f"A model was not called: {sentence(reason)}, and mode replay serves recorded answers only.",
                prompt=note.question,
                reason=sentence(reason),
            )
            note.refusal = str(miss)
            raise miss

    def call_ended(self, call: ModelCall, result: Any) -> None:
        """Record the cost of a bypassing or failed call and release its waiters."""
        budget = self._ledger.budget
        if call.failure is not None:
            try:
                self._failed(call, call.failure)
            except Exception as error:
                self._ledger.failed(error, "reading what a failed call cost")
        for lookup, answer in zip(call.past, getattr(result, "generations", ()), strict=False):
            used = generations.usage(answer)
            self._ledger.paid(lookup, time.time() - lookup.at, used, lookup.reason)
            if budget is not None and call.priced_as is not None:
                budget.paid(call.priced_as, used)
        if budget is not None:
            budget.ended(call)
        self._release(call)

    def _failed(self, call: ModelCall, error: BaseException) -> None:
        """Record what a failed call cost, and of its answer that it could not be parsed, if that is so.

        The first of several requests is that which the error is about.
        """
        lookups = [pending.lookup for pending in chain.from_iterable(call.pending.values())] + call.past
        used = charged(error)
        unparsed = Reason(Kind.NOT_STORED, f"could not be parsed ({type(error).__name__})")
        for lookup in lookups:
            if lookup is None or lookup.refusal or lookup.run != self._ledger.run:
                continue
            if _of_parsing(error) and used != NOTHING:
                self._ledger.paid(
                    lookup, time.time() - lookup.at, used, lookup.reason if lookup in call.past else unparsed
                )
            else:
                self._ledger.charged(lookup, used)
            if used != NOTHING:
                configuration = self._ledger.configuration_of(lookup)
                if self._ledger.budget is not None and configuration is not None:
                    self._ledger.budget.paid(configuration, used)
                used = Usage()

    def _spend(self, call: ModelCall, scope: Scope) -> None:
        if self._ledger.budget is not None:
            try:
                self._ledger.budget.check(call, _configuration(call))
            except BudgetReached as reached:
                self._note(call, Reason(Kind.BUDGET), scope, reached)
                raise

    def _note(
        self, call: ModelCall, reason: Reason, scope: Scope, refused: CacheMiss | BudgetReached | None = None
    ) -> None:
        """Note each prompt of a call, and name the first prompt and the model in the error that refuses the call."""
        try:
            asked: list[tuple[str | None, str]] = [(each.key, each.question) for each in _identities(call)]
            call.priced_as = configuration_of(call)
        except Unreadable:
            asked, call.priced_as = [], unreadable_configuration(call)
        except Exception as error:
            self._ledger.note("error", self._ledger.failed(error, "reading what a model is asked"), 0.0, scope=scope)
            return
        asked = asked or [(None, "")]
        if refused is not None:
            refused.prompt, refused.model = asked[0][1], call.priced_as.model
        for key, question in asked:
            note = self._ledger.note(
                "bypass", reason, 0.0, scope=scope, key=key, question=question, configuration=call.priced_as
            )
            note.refusal = "" if refused is None else str(refused)
            call.past.append(note)


def _goes_past(call: ModelCall, cache: BaseCache | None, installed: BaseCache | None) -> Reason | None:
    """Return why a call does not ask ``cache``; None if it does."""
    own = getattr(call.model, "cache", None)
    if own is False:
        return Reason(Kind.CACHE_FALSE)
    if own is not None and own is not cache and isinstance(own, BaseCache):
        return Reason(Kind.OWN_CACHE, type(own).__name__)
    if own is not cache and installed is not cache:
        name = type(installed).__name__ if installed is not None else "set_llm_cache(None)"
        return Reason(Kind.REPLACED, name)
    if call.method in ("stream", "astream") and _streams(call):
        if not getattr(cache, "caches_streams", True):
            return Reason(Kind.NO_STREAMS)
        if call.answers > 1:
            return Reason(Kind.SEVERAL)
    return Reason(Kind.EVENTS) if call.method.endswith("v3") else None


def _refusal(call: ModelCall, reason: Reason) -> CacheMiss:
    return CacheMiss(
        f"{type(call.model).__name__} was not called: it would go past the cache ({sentence(reason)}), and "
        "mode replay serves recorded answers only.",
        reason=sentence(reason),
    )


def _configuration(call: ModelCall) -> Configuration:
    try:
        return configuration_of(call)
    except Unreadable:
        return unreadable_configuration(call)


def _streams(call: ModelCall) -> bool:
    """Return whether the model's class can stream; LangChain invokes the classes that cannot."""
    names = ("_stream", "_astream")
    able = any(name in vars(kind) for kind in type(call.model).__mro__ for name in names if kind.__name__ not in BASES)
    return able and getattr(call.model, "disable_streaming", False) is not True


def _identities(call: ModelCall) -> Iterator[Identity]:
    """Yield the identities of a call, as far as they are known without LangChain's conversions."""
    for each in call.inputs if call.method.endswith("generate") else [call.inputs]:
        if isinstance(each, str):
            yield identify(call, prompt_of([HumanMessage(each)]) if call.chat else each)
        elif isinstance(each, list) and all(isinstance(message, BaseMessage) for message in each):
            yield identify(call, prompt_of(each))


def _of_parsing(error: BaseException) -> bool:
    """Return whether a provider's class raised an error while it parsed an answer, as for ``json_schema`` it does."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & FINISH_ERRORS:
        return True
    parsed = any("parse" in frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__))
    return parsed and bool(kinds & PARSE_ERRORS)
