"""Answer the model calls of SDKs with one cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Protocol

from gptcache_magics.errors import CacheMiss, EmbeddingMiss
from gptcache_magics.lookup.cache import RequestCache
from gptcache_magics.lookup.embedding_uses import serves_embeddings
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.running import running
from gptcache_magics.protocols import PROTOCOLS, protocol_of
from gptcache_magics.protocols.base import NotRead
from gptcache_magics.protocols.base import Protocol as API
from gptcache_magics.protocols.body import body_of
from gptcache_magics.protocols.embeddings import is_embedding
from gptcache_magics.sdk.dspy_calls import CALL
from gptcache_magics.sdk.embeddings import EmbeddingExchange, read_embeddings
from gptcache_magics.sdk.exchange import FREE, Exchange
from gptcache_magics.sdk.libraries import Library, library_behind, library_of, provider_at
from gptcache_magics.sdk.past import EMBEDDINGS, READING, runs_no_model, unkept
from gptcache_magics.sdk.request import Asked, SDKCall, SDKRequest, identify, shown_path, unread_configuration
from gptcache_magics.sdk.responses import Place, refusal
from gptcache_magics.sdk.retries import Retries
from gptcache_magics.semantic.own_embedding import EMBEDDING
from gptcache_magics.settings import Mode, Scope
from gptcache_magics.store.protocol import Outcome, Store
from gptcache_magics.store.reasons import Kind, Reason, sentence

__all__ = ["Capture", "Way"]


class Way(Protocol):
    """The way that a request takes in place of being sent."""

    def send(self, ask: Callable[..., Any]) -> Any:
        """Return the response; ``ask`` sends the request, or another that it is given."""

    async def asend(self, ask: Callable[..., Awaitable[Any]]) -> Any:
        """Return the response without blocking the event loop."""


class Refused:
    """The way of a request that may not be sent."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def send(self, ask: Callable[[], Any]) -> Any:
        """Return the refusal."""
        return self._response

    async def asend(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return the refusal."""
        return self._response


class Capture:
    """The SDKs' face of one cache.

    Parameters
    ----------
    scope
        Returns the scope of a lookup that is made now.
    """

    def __init__(self, requests: RequestCache, ledger: Ledger, scope: Callable[[], Scope], store: Store) -> None:
        self._requests, self._ledger, self._scope, self._store = requests, ledger, scope, store
        self._retries = Retries()

    @property
    def mode(self) -> Mode:
        """The mode in which a request of this moment is answered; ``bypass`` where SDKs are left alone."""
        return self._scope().mode if self._ledger.settings.sdks else "bypass"

    def way(self, library: ModuleType, client: Any, http: Any, *, stream: bool) -> Way | None:
        """Return the way of a request; None for one that is sent as it is.

        Parameters
        ----------
        library
            httpx or httpx2.
        http
            The request, as the library has it.
        stream
            Whether the client's caller reads the response itself.
        """
        if http.method in READING or not self._ledger.settings.sdks:
            return None
        path = http.url.path
        api = protocol_of(path) if http.method == "POST" else None
        what = "" if api is not None else EMBEDDINGS if is_embedding(path) else unkept(path)
        known = api is not None or bool(what)
        sender = library_of(http.headers.get("user-agent", ""), self._ledger.settings.user_agents)
        may_be = known or provider_at(http.url.host) is not None
        if sender is None and may_be:  # clients of many services are generated in the same way
            sender = library_behind(http.headers, api.provider if api is not None else "openai")
        if sender is None or client.is_closed or EMBEDDING.get():
            return None
        scope = self._scope()
        if not known:
            if scope.mode != "replay" or runs_no_model(path) or not (sender.speaks_one_api or may_be):
                return None
            what = f"a request of another kind ({http.method} {shown_path(http)})"
        if running() is not None and scope.mode != "replay":
            return None  # who made the call that runs has looked it up
        place = Place(library, client, http, stream=stream)
        if is_embedding(path) and serves_embeddings(self._store, self._ledger.settings.options, scope.mode):
            return self._embeddings(place, sender, scope)
        try:
            asked = _asked(api, sender, http) if api is not None else None
            what = what or (asked.goes_past if asked is not None else "")
            request = self._request(asked, scope) if asked is not None and not what else None
        except NotRead as not_read:
            what, request = str(not_read), None
        except Exception as error:
            reason = self._ledger.failed(error, "reading a request")
            return self._past(place, sender, reason, scope, what)
        if request is None:
            return self._past(place, sender, Reason(Kind.NOT_CACHED, what), scope, what)
        return Exchange(self._requests, self._ledger, self._retries, request, place)

    def _request(self, asked: Asked, scope: Scope) -> SDKRequest:
        settings = self._ledger.settings
        identity = identify(asked, counts_bookkeeping=settings.config.count_bookkeeping)
        if asked.said is not None and (earlier := asked.said.answered[identity.configuration.key, identity.seen]):
            identity = identity.sample(earlier)
        elif scope.samples is not None and scope.several:
            identity = identity.sample(settings.sample(identity.key, scope.samples))
        call = SDKCall(asked.streams, asked.answers)
        # In replay nothing is sent, so nothing is sent again.
        noted = None if scope.mode == "replay" else self._retries.again(call, identity.key, asked.headers)
        return SDKRequest(identity, scope, call, asked=asked, face=asked.library.name, noted=noted)

    def _embeddings(self, place: Place, sender: Library, scope: Scope) -> Way | None:
        """Return the way of a request for embeddings."""
        counts_bookkeeping = self._ledger.settings.config.count_bookkeeping
        try:
            request = read_embeddings(place.http, sender, counts_bookkeeping=counts_bookkeeping)
        except NotRead as not_read:
            reason = Reason(Kind.NOT_CACHED, f"embeddings: {not_read}")
            return self._past(place, sender, reason, scope, str(not_read))
        except Exception as error:
            return self._past(place, sender, self._ledger.failed(error, "reading a request"), scope, "")
        return EmbeddingExchange(self._store, self._ledger, self._requests.flights, scope, request, place)

    def _past(self, place: Place, sender: Library, reason: Reason, scope: Scope, what: str) -> Way | None:
        """Note a request that goes past the cache; refuse it in ``replay``."""
        if what == EMBEDDINGS and scope.mode != "replay":
            return None
        configuration = unread_configuration(place.http, sender)
        outcome: Outcome = "error" if reason.kind is Kind.ERROR else "bypass"
        note = self._ledger.note(outcome, reason, 0.0, scope=scope, configuration=configuration, face=sender.name)
        if scope.mode != "replay":
            return None
        miss = EmbeddingMiss if what == EMBEDDINGS else CacheMiss
        error = miss(
            f"{configuration.model} was not called: {sentence(reason)}, and mode replay serves recorded answers only.",
            model=configuration.model,
            reason=sentence(reason),
        )
        note.refusal = str(error)
        self._ledger.charged(note, FREE)
        return Refused(refusal(place, _speaks(place.http, sender), error))


def _speaks(http: Any, sender: Library) -> API:
    """Return the API in whose words an SDK expects an error."""
    own = (each for each in PROTOCOLS.values() if each.provider == sender.provider)
    return protocol_of(http.url.path) or next(own, PROTOCOLS["openai-chat"])


def _asked(api: API, sender: Library, http: Any) -> Asked:
    """Return a request as its API reads it. Raises ``NotRead``."""
    try:
        content = http.content
    except Exception:  # httpx has a class of its own for it
        raise NotRead("its body is a stream") from None
    url = http.url
    return Asked(
        protocol=api,
        library=sender,
        body=body_of(content),
        path=url.path,
        server=f"{url.scheme}://{url.netloc.decode('ascii')}{api.fits(url.path) or ''}",
        host=url.host,
        query=url.params.multi_items() if url.query else [],
        headers=http.headers.multi_items(),
        said=CALL.get(),
    )
