"""Find and store the answers through gptcache, under the key of a call or under one of its other keys.

An answer that was stored without a model at hand has LangChain's ``llm_string`` as its key. An answer that was recorded
on another machine has the portable key, which leaves addresses out. An answer that the first versions stored may have a
key that counts what does not reach the model.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from gptcache_magics import fork
from gptcache_magics.engines import Engine
from gptcache_magics.engines.safe_import import import_whole
from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.identity.key import Identity
from gptcache_magics.identity.volatile import named, shape_of
from gptcache_magics.lookup.request import AnswerCodec, Request, Search
from gptcache_magics.lookup.same_but import SameBut
from gptcache_magics.settings import names_bundle
from gptcache_magics.store.protocol import Entry, Found, Selection, Store, Usage
from gptcache_magics.store.reasons import ExactOnly, Kind, Reason, not_stored

if TYPE_CHECKING:
    from langchain_core.caches import BaseCache

    from gptcache_magics.engines.gptcache import GPTCacheEngine
    from gptcache_magics.engines.init_func import InitFuncEngine
    from gptcache_magics.engines.wrapped import WrappedEngine
    from gptcache_magics.identity.call import Call
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["Answers"]

SAME_PROMPT: Final = 1_000
"""The largest number of answers to one prompt that the search for a portable match reads."""
EARLIER: Final = 10
"""Number of stored answers that are asked whether a model gives finish reasons."""


class Answers:
    """The answers of one cache: in our store, in the user's gptcache managers, or in another LangChain cache.

    Parameters
    ----------
    failed
        Counts an error that a lookup survives, and returns the reason to show.
    """

    def __init__(
        self,
        store: Store,
        init_func: Callable[..., None] | None,
        wrapped: BaseCache | None,
        failed: Callable[[Exception, str], Reason],
    ) -> None:
        self.ours = init_func is None and wrapped is None
        """Whether the answers are in our store."""
        self._store, self._init_func, self.wrapped, self._failed = store, init_func, wrapped, failed
        self.similar: SemanticSearch | None = None
        """The search for questions in other words, while that is on."""
        self.same_but = SameBut(store, failed)
        """The search for prompts that differ in ids, dates and the like."""
        self._opened: Engine | None = None
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._opening = threading.Lock()

    def recall(self, request: Request) -> Found | None:
        """Return the answer that this kernel holds in memory: it was found or stored through gptcache before."""
        found = self._store.recall(request.identity.key) if self.ours else None
        return None if found is None or _expired(found) else found

    def find(
        self,
        request: Request,
        ignored: Collection[str] = (),
        usable: Callable[[Found], bool] = lambda found: True,
        *,
        as_recorded: bool = True,
    ) -> Search:
        """Look for an answer: exactly, but for what is ignored, and then by meaning.

        Parameters
        ----------
        ignored
            The rules of what is ignored.
        usable
            Tells whether such an answer can be served; an older one is looked for where it cannot.
        as_recorded
            Whether the replay of a bundle also ignores what was ignored when an answer was recorded.

        Raises the errors of the place of the answers.
        """
        found = self._exact(request)
        if found is not None:
            return Search(reason=Reason(Kind.EXPIRED)) if _expired(found) else Search(found)
        found, doubt = self._same_but(request, ignored, usable, as_recorded)
        if found is not None:
            newest = "; of differing answers the newest" if found.several else ""
            return Search(found, Reason(Kind.IGNORED, f"{named(found.ignored)}{newest}"))
        search = Search()
        # Without the model, its temperature and the other fields that must be equal are unknown.
        if self.similar is not None and request.call is not None:
            search = self._similar(request, self.similar)
        failed = search.reason is not None and search.reason.kind is Kind.MATCHING_ERROR
        gone = self._store.gone(request.identity.key) if search.found is None and not failed else None
        reason = gone or (doubt if search.found is None and search.reason is None else None)
        return replace(search, reason=reason) if reason is not None else search

    def unreadable(self, found: Found) -> Reason:
        """Note an answer that cannot be decoded: it is a miss, and the model's answer takes its place."""
        if self.ours:
            self._store.skipped([found.key[:16]])
        return Reason(Kind.DAMAGED)

    def save(
        self,
        request: Request,
        answer: Any,
        codec: AnswerCodec,
        seconds: float | None,
        usage: Usage,
        expires: float | None,
        keep: bool = False,
        ignored: Collection[str] = (),
    ) -> None:
        """Store an answer. Raises ``NotStorable``, and the errors of the place of the answers.

        Incomplete answers are stored to ``keep`` them, in our store only: others do not say how an answer ended.
        """
        incomplete = codec.check_storable(answer, request.call, keep=keep and self.ours)
        identity = request.identity
        reason = incomplete or codec.finish_reason(answer)
        if not reason and request.call is not None and request.call.streams and self._gave_reasons(identity):
            raise not_stored("broken off: it has no finish reason, as earlier answers of this model have")
        entry = Entry(
            key=identity.key,
            configuration=identity.configuration.key,
            prompt=identity.prompt,
            question=identity.question,
            answer=codec.encode(answer),
            created=time.time(),
            seconds=seconds,
            usage=usage,
            finish_reason=reason,
            prompt_digest=identity.prompt_digest,
            sample=identity.number,
            expires=expires,
            shape=shape_of(identity.prompt) if ignored else "",
            ignored="".join(f"{rule} " for rule in ignored),
        )
        self._engine.save(entry, self._asked(request), request.prompt, self._unambiguous(request))
        if self.similar is not None:
            try:
                self.similar.saved(identity)
            except Exception as error:  # the answer is stored, and found exactly
                self._failed(error, "making an answer searchable")

    def clear(self) -> str:
        """Remove every answer. Returns a sentence about gptcache managers that cannot delete, or an empty text."""
        return self._engine.clear()

    def close(self) -> None:
        """Close the engine. Its opener closes the store."""
        self.same_but.close()
        if self.similar is not None:
            self.similar.close()
        if self._opened is not None:
            self._opened.close()

    def _exact(self, request: Request) -> Found | None:
        """Return the answer under the key of a request, or under one of the other keys that it has."""
        if not self.ours:
            if request.call is not None and request.call.streams:  # has no llm_string
                return None
            asked, words = self._asked(request), (request.prompt, self._unambiguous(request))
            if self.wrapped is not None:
                return cast("WrappedEngine", self._engine).find(asked, *words, cast("Call | None", request.call))
            found = self._engine.find(asked, *words)
            return found if found is not None else self._of_stock(request)
        found = self._engine.find(request.identity, request.prompt, request.llm_string)
        earlier = request.identity.earlier if found is None else None
        if earlier is not None:
            found = self._engine.find(earlier, request.prompt, request.llm_string)
        plain = request.fallback() if found is None else None
        # Reading the model again takes longer than the rest of a miss, and there is rarely such an answer.
        if plain is not None and self._store.get(plain.key) is not None and request.says_everything():
            found = self._engine.find(plain, request.prompt, request.llm_string)
        if found is None and self._recorded_elsewhere(request):
            found = self._find_portable(request.identity)
            if found is None and earlier is not None:
                found = self._find_portable(earlier)
        return found

    def _same_but(
        self, request: Request, ignored: Collection[str], usable: Callable[[Found], bool], as_recorded: bool
    ) -> tuple[Found | None, Reason | None]:
        """Return the answer to a prompt that differs in nothing but what is ignored; never with samples.

        Where there is none because that is in doubt, the reason comes with it.
        """
        replays = self._recorded_elsewhere(request)
        as_recorded = as_recorded and replays and names_bundle(self._store.where)
        if not (ignored or as_recorded) or not self.ours or request.call is None or request.scope.several:
            return None, None
        doubt: Reason | None = None
        try:
            if ignored:
                self.same_but.prepare()
            for identity in filter(None, (request.identity, request.identity.earlier)):
                same = [identity.configuration.key, *(self._elsewhere(identity) if replays else ())]
                found = self.same_but.find(identity, ignored, same, usable, as_recorded=as_recorded)
                if isinstance(found, Found):
                    return found, None
                doubt = doubt or found
        except StoreLockedError:
            raise
        except StoreError:  # not every store can list its entries
            pass
        return None, doubt

    def _asked(self, request: Request) -> Identity:
        """Return the identity that an engine is asked with: the user's caches are given the whole prompt."""
        whole = None if self.ours else request.identity.earlier
        return request.identity if whole is None else replace(whole, key=request.identity.key)

    def _of_stock(self, request: Request) -> Found | None:
        """Return the answer that LangChain's own GPTCache stored with the same ``init_func``."""
        if request.identity.number or (request.call is not None and request.call.streams):
            return None
        engine, call = cast("InitFuncEngine", self._engine), cast("Call | None", request.call)
        everything = request.says_everything if call is not None else lambda: True
        return engine.find_stock(request.identity, request.prompt, request.llm_string, call, everything)

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user about the place of the answers, beside those of the store."""
        return getattr(self._opened, "notices", ())

    def _gave_reasons(self, identity: Identity) -> bool:
        """Return whether stored answers of a configuration say why they ended: then all whole ones do."""
        with suppress(StoreError):  # not every store can list its entries
            earlier = self._store.entries(Selection(configurations=[identity.configuration.key]), EARLIER)
            return any(entry.finish_reason for entry in earlier)
        return False

    def _unambiguous(self, request: Request) -> str:
        """Return ``llm_string``, with the configuration's key if another cache could not tell the model by it."""
        if self.wrapped is None or request.call is None or request.says_everything():
            return request.llm_string
        return f"{request.llm_string}---{self._asked(request).configuration.key}"

    def _similar(self, request: Request, similar: SemanticSearch) -> Search:
        """Look for the answer to a question of the same meaning."""
        from gptcache_magics.semantic.search import SemanticQuery

        query = SemanticQuery(request.identity, request.scope.mode == "replay", request.scope.several)
        try:
            match = cast("GPTCacheEngine", self._engine).find_similar(query, similar)
        except ExactOnly as only:
            return Search(reason=only.reason)
        except StoreLockedError:
            raise
        except Exception as error:
            failure = self._failed(error, "matching by meaning")
            return Search(reason=Reason(Kind.MATCHING_ERROR, failure.detail))
        return Search(match.found, None if match.near is None else Reason(Kind.SIMILAR, match.compared), match.near)

    def _find_portable(self, identity: Identity) -> Found | None:
        """Return the answer that was recorded for the same model elsewhere, unless two of them differ."""
        same = self._elsewhere(identity)
        if not same:
            return None
        wanted = Selection(configurations=same, prompt_digest=identity.prompt_digest)
        recorded = self._store.entries(wanted, SAME_PROMPT)
        found = [entry for entry in recorded if entry.sample == identity.number]
        if len({entry.answer for entry in found}) != 1:
            return None
        return Found.of(found[0].entry)

    def _recorded_elsewhere(self, request: Request) -> bool:
        """Return whether answers of other machines count: in replay, and while a bundle is brought up to date."""
        return request.scope.mode == "replay" or names_bundle(self._store.where)

    def _elsewhere(self, identity: Identity) -> list[str]:
        """Return the keys of the same configuration on other machines."""
        portable = identity.configuration.portable
        return [each.key for each in self._store.configurations() if each.portable == portable]

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            with self._opening:
                self._opened = self._opened or self._open()
        return self._opened

    def _open(self) -> Engine:
        """Open the engine at the first lookup: importing gptcache takes a while."""
        if self.wrapped is not None:
            from gptcache_magics.engines.wrapped import WrappedEngine

            return WrappedEngine(self.wrapped)
        if self._init_func is not None:
            import_whole("gptcache_magics.engines.init_func")
            from gptcache_magics.engines.init_func import InitFuncEngine

            return InitFuncEngine(self._store, self._init_func)
        import_whole("gptcache_magics.engines.gptcache")
        from gptcache_magics.engines.gptcache import GPTCacheEngine

        return GPTCacheEngine(self._store)


def _expired(found: Found) -> bool:
    return found.expires is not None and found.expires <= time.time()
