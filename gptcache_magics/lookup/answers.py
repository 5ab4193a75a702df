"""Where the answers are: found through gptcache under the key of a call, or under one of the two other keys it has.

An answer that was stored when nobody knew the model is kept under LangChain's ``llm_string``; one that was recorded on
another machine is found by what both have in common.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation

from gptcache_magics import generations
from gptcache_magics.errors import ExactOnly
from gptcache_magics.identity import key as identity
from gptcache_magics.identity.key import Identity
from gptcache_magics.identity.model import model_name
from gptcache_magics.lookup.pending import PendingLookup
from gptcache_magics.store.protocol import Entry, Found, Selection, Store, Usage, stored_entries
from gptcache_magics.store.reasons import EXACT_ONLY, SIMILAR
from gptcache_magics.text.amounts import cosine

if TYPE_CHECKING:
    from gptcache_magics.engines.gptcache import Engine
    from gptcache_magics.engines.init_func import UserEngine
    from gptcache_magics.engines.wrapped import WrappedEngine
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["Answers"]

SAME_PROMPT: Final = 1_000
"""How many answers to one prompt, of whatever model, are looked through for a portable match."""


class _Engine(Protocol):
    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None: ...
    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None: ...
    def clear(self) -> str: ...
    def close(self) -> None: ...


class Answers:
    """The answers of one cache: in our store, in gptcache managers of the user's, or in the cache that was there."""

    def __init__(self, store: Store, init_func: Callable[..., None] | None, wrapped: BaseCache | None) -> None:
        self.ours = init_func is None and wrapped is None
        """Whether they are in our store."""
        self._store, self._init_func, self.wrapped = store, init_func, wrapped
        self.similar: SemanticSearch | None = None
        """Finds what was asked in other words, while that is on."""
        self._opened: _Engine | None = None
        self._opening = threading.Lock()
        self._by_llm_string: dict[str, str] = {}

    def in_memory(self, asked: PendingLookup) -> bool:
        """Whether ``find`` will answer at once."""
        return self._opened is not None and self.ours and self._store.remembered(asked.identity.key)

    def find(self, asked: PendingLookup) -> Found | None:
        """The answer to a lookup, or None. Raises what the place of the answers raises."""
        if not self.ours:
            if asked.call is not None and asked.call.streams:  # has no llm_string
                return None
            return self._engine.find(asked.identity, asked.prompt, self._unambiguous(asked))
        found = self._engine.find(asked.identity, asked.prompt, asked.llm_string) or self._find_by_llm_string(asked)
        if found is None and asked.scope.mode == "replay":
            found = self._find_portable(asked.identity)
        if found is None and self.similar is not None:
            # Without the model nobody knows its temperature, or what else of it must be equal.
            found = self._find_similar(asked, self.similar) if asked.call is not None else None
        return found

    def save(
        self,
        asked: PendingLookup,
        answer: Sequence[Generation],
        seconds: float | None,
        usage: Usage,
        expires: float | None,
    ) -> None:
        """Store an answer. Raises ``NotStorable``, and what the place of the answers raises."""
        generations.check_storable(answer)
        who = asked.identity
        entry = Entry(
            key=who.key,
            configuration=who.configuration.key,
            prompt=who.prompt,
            question=who.question,
            answer=generations.encode(answer),
            created=time.time(),
            seconds=seconds,
            usage=usage,
            finish_reason=generations.finish_reason(answer[0]),
            prompt_digest=who.prompt_digest,
            sample=who.number,
            expires=expires,
        )
        self._engine.save(entry, who, asked.prompt, self._unambiguous(asked))
        if self.similar is not None:
            try:
                self.similar.saved(who)
            except Exception as error:  # it is stored, and found exactly
                asked.trouble = error

    def clear(self) -> str:
        """Remove every answer; what is to be said of a gptcache manager that cannot delete."""
        return self._engine.clear()

    def close(self) -> None:
        """Close what was opened for them; the store is closed by who opened it."""
        if self.similar is not None:
            self.similar.close()
        if self._opened is not None:
            self._opened.close()

    def _find_by_llm_string(self, asked: PendingLookup) -> Found | None:
        """An answer that was stored without a model at hand."""
        if asked.call is None or not self._means_the_model(asked):
            return None
        plain = identity.identify_by_llm_string(asked.prompt, asked.llm_string)
        return self._engine.find(plain, asked.prompt, asked.llm_string)

    def _means_the_model(self, asked: PendingLookup) -> bool:
        """Whether ``llm_string`` surely means the model that asks, as it is now."""
        call, llm_string, key = asked.call, asked.llm_string, asked.identity.configuration.key
        if call is None or not llm_string:
            return False
        # After a model changed its parameters its llm_string is still the old one: then it means nothing.
        if self._by_llm_string.setdefault(llm_string, key) != key:
            return False
        name = model_name(call.model, call.kwargs)
        return not name or identity.identify_by_llm_string("", llm_string).configuration.model == name

    def _unambiguous(self, asked: PendingLookup) -> str:
        """``llm_string``; in another cache, which knows nothing else of the model, with what it does not say."""
        if self.wrapped is None or asked.call is None or self._means_the_model(asked):
            return asked.llm_string
        return f"{asked.llm_string}---{asked.identity.configuration.key}"

    def _find_similar(self, asked: PendingLookup, similar: SemanticSearch) -> Found | None:
        """The answer to a question of the same meaning; why there is none is noted."""
        from gptcache_magics.semantic.search import SemanticQuery

        sought = SemanticQuery(asked.identity, asked.scope.mode == "replay", asked.scope.several)
        try:
            match = cast("Engine", self._engine).find_similar(sought, similar)
        except ExactOnly as reason:
            asked.reason = f"{EXACT_ONLY}{reason}"
            return None
        except Exception as error:
            asked.trouble = error
            return None
        near = asked.near = match.near
        if near is not None:
            told = f"{SIMILAR}{cosine(near.similarity)} to {near.key[:8]}"
            asked.reason = f"{told}, {near.objection}" if near.objection else told
        return match.found

    def _find_portable(self, who: Identity) -> Found | None:
        """The answer that was recorded for the same model elsewhere, unless two of them differ."""
        columns, rows = self._store.configurations()
        key, portable = columns.index("key"), columns.index("portable")
        same = [row[key] for row in rows if row[portable] == who.configuration.portable]
        if not same:
            return None
        wanted = Selection(configurations=same, prompt_digest=who.prompt_digest)
        recorded = stored_entries(self._store.entries(wanted, SAME_PROMPT))
        found = [entry for entry in recorded if entry.sample == who.number]
        if len({entry.answer for entry in found}) != 1:
            return None
        entry = found[0]
        return Found(entry.key, entry.answer, entry.created, entry.seconds, entry.usage, entry.expires)

    @property
    def _engine(self) -> _Engine:
        if self._opened is None:
            with self._opening:
                self._opened = self._opened or self._open()
        return self._opened

    def _open(self) -> Engine | UserEngine | WrappedEngine:
        """Only now: importing gptcache waits for the first lookup."""
        if self.wrapped is not None:
            from gptcache_magics.engines.wrapped import WrappedEngine

            return WrappedEngine(self.wrapped)
        if self._init_func is not None:
            from gptcache_magics.engines.init_func import UserEngine

            return UserEngine(self._store, self._init_func)
        from gptcache_magics.engines.gptcache import Engine

        return Engine(self._store)
