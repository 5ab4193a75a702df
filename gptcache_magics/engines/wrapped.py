"""Answers in the LangChain cache that was installed before ours.

That cache gets LangChain's own ``prompt`` and ``llm_string``, so it finds the answers that it stored before. If the
``llm_string`` does not name the model, the caller completes it. The other cache may be slow, silent or gone, and return
anything. Whatever is not the answer to this request is a miss.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from langchain_core.caches import BaseCache
from langchain_core.outputs import ChatGeneration, Generation

from gptcache_magics import generations
from gptcache_magics.engines import proof
from gptcache_magics.engines.deadline import Away, Deadline
from gptcache_magics.errors import StoreError
from gptcache_magics.identity.key import Identity
from gptcache_magics.store.protocol import Entry, Found
from gptcache_magics.store.reasons import Kind, NotStorable, Reason, Unusable, not_stored

if TYPE_CHECKING:
    from gptcache_magics.identity.call import Call

__all__ = ["WrappedEngine", "in_loop", "matches_by_meaning"]

CLEAR_SECONDS: Final = 60.0
"""Time that a command waits until the other cache is cleared."""
IN_MEMORY: Final = ("langchain_core.caches", "langchain_community.cache")
"""Modules whose ``InMemoryCache`` is called without a thread."""

_LOOP: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("gptcache_magics_loop", default=None)


@contextmanager
def in_loop() -> Iterator[None]:
    """Let the caches that are asked in this block use the coroutines of their own, in the event loop that runs here."""
    token = _LOOP.set(asyncio.get_running_loop())
    try:
        yield
    finally:
        _LOOP.reset(token)


def matches_by_meaning(cache: BaseCache) -> bool:
    """Return whether a cache may answer a question with the answer to a similar one, as its class says."""
    return any("semantic" in kind.__name__.lower() for kind in type(cache).__mro__)


class WrappedEngine:
    """An engine that finds and saves answers through another cache."""

    def __init__(self, cache: BaseCache) -> None:
        self._cache, self._name = cache, type(cache).__name__
        self._deadline = Deadline()
        self._at_once = _answers_at_once(cache)
        self._by_meaning = matches_by_meaning(cache)

    @property
    def notices(self) -> Sequence[str]:
        """A sentence if the other cache does not answer."""
        if not self._deadline.away:
            return ()
        return (f"{self._name} does not answer in time. It is tried again in the background; nobody waits for it.",)

    def find(self, identity: Identity, prompt: str, llm_string: str, call: Call | None = None) -> Found | None:
        """Return the other cache's answer, or None. The time and the duration of the model call are unknown.

        Raises
        ------
        Unusable
            If the other cache does not answer, or with something that may not be the answer to ``call``.
        """
        try:
            given = self._run("lookup", prompt, llm_string)
        except Away as away:
            raise Unusable(Reason(Kind.CACHE_AWAY, f"{self._name} does not answer")) from away
        if given is None or given == []:
            return None
        answer = self._checked(given, prompt, llm_string, call)
        try:
            word = generations.check_storable(answer, call, keep=True)
        except NotStorable as refused:
            raise Unusable(Reason(Kind.NOT_KEPT, refused.reason.detail)) from refused
        try:
            data = generations.encode(answer)
        except NotStorable as refused:
            raise Unusable(Reason(Kind.DAMAGED)) from refused
        finish_reason = word or generations.finish_reason(answer)
        return Found(identity.key, data, 0.0, None, generations.usage(answer), finish_reason=finish_reason)

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Store an answer in the other cache. Raises ``NotStorable`` if that does not answer."""
        answer = proof.proved(generations.decode(entry.answer, parse=_plain), prompt, llm_string)
        try:
            self._run("update", prompt, llm_string, answer)
        except Away as away:
            raise not_stored(f"{self._name} does not answer") from away

    def clear(self) -> str:
        """Clear the other cache. Raises ``StoreError`` if that fails."""
        try:
            if self._at_once:
                self._cache.clear()
            else:
                self._deadline.in_thread(self._cache.clear).result(CLEAR_SECONDS)
        except Exception as error:
            what = "it does not answer" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise StoreError(f"{self._name} could not be cleared: {what}") from error
        return ""

    def close(self) -> None:
        """Leave the other cache open: it was there before."""

    def _run(self, name: str, *given: Any) -> Any:
        """Call a method of the other cache, or in an event loop its coroutine, if it has one of its own."""
        method: Callable[..., Any] = getattr(self._cache, name)
        if self._at_once:
            return self._deadline.here(partial(method, *given))
        loop, twin = _LOOP.get(), f"a{name}"
        if loop is None or getattr(type(self._cache), twin) is getattr(BaseCache, twin):
            return self._deadline.run(lambda: self._deadline.in_thread(partial(method, *given)))
        coroutine: Callable[..., Any] = getattr(self._cache, twin)

        def start() -> Future[Any]:
            return asyncio.run_coroutine_threadsafe(coroutine(*given), loop)

        return self._deadline.run(start)

    def _checked(self, given: Any, prompt: str, llm_string: str, call: Call | None) -> list[Generation]:
        """Return the generations that a cache gave as an answer to ``call``. Raises ``Unusable`` for anything else."""
        if not isinstance(given, list | tuple) or not all(isinstance(each, Generation) for each in given):
            raise Unusable(Reason(Kind.DAMAGED))
        answer = [*given]
        if proof.is_proved(answer):
            try:
                answer = proof.checked(answer, prompt, llm_string)
            except proof.Unproved as unproved:
                if unproved.another:
                    detail = f"{self._name} gave the answer to another question"
                    raise Unusable(Reason(Kind.UNPROVED, detail)) from unproved
                raise Unusable(Reason(Kind.DAMAGED)) from unproved
        elif self._by_meaning:
            raise Unusable(Reason(Kind.UNPROVED, f"{self._name} does not say which question its answer is to"))
        # The text of a damaged row comes as a generation, and so does a message of which only the text was kept.
        if call is not None and any(isinstance(each, ChatGeneration) is not call.chat for each in answer):
            raise Unusable(Reason(Kind.DAMAGED))
        return answer


def _answers_at_once(cache: BaseCache) -> bool:
    """Return whether a cache is in memory or in a SQLite file, whose connection may belong to one thread."""
    if type(cache).__name__ == "InMemoryCache" and type(cache).__module__ in IN_MEMORY:
        return True
    dialect = getattr(getattr(cache, "engine", None), "dialect", None)
    return getattr(dialect, "name", None) == "sqlite"


def _plain(text: str, stored: Any) -> Any:
    """Return what the model sent in place of a parsed object: LangChain parses it where our hooks do not."""
    return json.loads(text) if stored == generations.FROM_TEXT else stored
