"""Answer requests for embeddings text by text: only the texts that are not stored are sent, and each of them once.

The answer to a request of which some texts were stored is put together: the vectors in the order of the texts, and as
its usage the tokens of all of them, as the provider would say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from gptcache_magics.errors import BudgetReached, CacheMiss, EmbeddingMiss, NotWrittenYetError
from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.configuration import configuration_from_json
from gptcache_magics.identity.key import key_of
from gptcache_magics.identity.providers import PROVIDERS
from gptcache_magics.lookup.embedding_uses import Embedded
from gptcache_magics.lookup.event_loop import asyncio_loop, in_thread
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.single_flight import Flight, SingleFlight
from gptcache_magics.protocols import PROTOCOLS
from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.body import body_of
from gptcache_magics.protocols.embeddings import EmbeddingAPI, Inputs, embedding_api_of
from gptcache_magics.protocols.embeddings.vectors import dumps as with_arrays
from gptcache_magics.protocols.embeddings.vectors import is_vector, pack, unpack
from gptcache_magics.sdk.exchange import FREE
from gptcache_magics.sdk.libraries import Library, bookkeeping_at, provider_at
from gptcache_magics.sdk.request import ADDRESS, SDKCall, address_headers_query, key_variables
from gptcache_magics.sdk.responses import HIT, Place, made, refusal
from gptcache_magics.settings import Scope
from gptcache_magics.store.patience import waiting
from gptcache_magics.store.protocol import Configuration, Embedding, Store, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import is_credential, without_secrets
from gptcache_magics.text.word_diff import shown

__all__ = ["EmbeddingExchange", "EmbeddingRequest", "read_embeddings"]

OK: Final = 200
_OF_TRANSPORT: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that are about a body as it was sent."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingRequest:
    """A request for embeddings, read."""

    api: EmbeddingAPI
    body: Json
    inputs: Inputs
    model: Configuration
    face: str
    sent: list[str]
    """JSON of each text."""
    keys: list[str]
    digests: list[str]

    def text(self, place: int) -> str:
        """Return the words of a text for people."""
        return self.api.text(self.inputs.texts[place]) or self.sent[place]


def read_embeddings(http: Any, sender: Library, *, counts_bookkeeping: bool = False) -> EmbeddingRequest:
    """Return a request for embeddings as its API reads it.

    Raises
    ------
    NotRead
        If it asks for something else as well, such as images, or is none that the API knows.
    """
    if http.headers.get("content-encoding"):
        raise NotRead("its body is compressed")
    try:
        content = http.content
    except Exception:  # httpx has a class of its own for it
        raise NotRead("its body is a stream") from None
    body, url = body_of(content), http.url
    api = embedding_api_of(url.path, body)
    if api is None:
        raise NotRead("embeddings")
    inputs = api.read(body, url.path)
    model = _configuration(http, sender, api, inputs, counts_bookkeeping=counts_bookkeeping)
    seen = [dumps([api.name, text]) for text in inputs.texts]
    return EmbeddingRequest(
        api=api,
        body=body,
        inputs=inputs,
        model=model,
        face=sender.name,
        sent=[orjson.dumps(text).decode() for text in inputs.texts],
        keys=[key_of(model.key, each) for each in seen],
        digests=[blake2b(each, digest_size=8).hexdigest() for each in seen],
    )


def _configuration(
    http: Any, sender: Library, api: EmbeddingAPI, inputs: Inputs, *, counts_bookkeeping: bool
) -> Configuration:
    url = http.url
    provider = provider_at(url.host) or sender.provider or api.provider
    known = PROVIDERS.get(provider)
    server = f"{url.scheme}://{url.netloc.decode('ascii')}{api.fits(url.path) or ''}"
    fields = address_headers_query(known, server, http.headers.multi_items(), url.params.multi_items())
    if version := api.version(url.path):
        fields["version"] = version
    bookkeeping = frozenset[str]() if counts_bookkeeping else bookkeeping_at(url.host)
    parameters = {
        name: without_secrets(value, name)
        for name, value in inputs.parameters.items()
        if name not in bookkeeping and not is_credential(name, value)
    }
    content = dumps([f"http.{api.name}", inputs.model, fields, parameters])
    return configuration_from_json(content, provider, inputs.model, key_variables(sender, known), ADDRESS)


class EmbeddingExchange:
    """One request for embeddings on its way."""

    def __init__(
        self, store: Store, ledger: Ledger, flights: SingleFlight, scope: Scope, request: EmbeddingRequest, place: Place
    ) -> None:
        self._store, self._ledger, self._flights, self._scope = store, ledger, flights, scope
        self._request, self._place = request, place
        self._known: Mapping[str, Embedding] = {}
        """The stored embeddings of the texts, by key."""
        self._items: Mapping[str, Any] = {}
        """The known embeddings of the texts, as their response has them, by key."""
        self._places: Mapping[str, int] = {}
        """The texts to send: the first place of each."""
        self._call = SDKCall(streams=False)

    def send(self, ask: Callable[..., Any]) -> Any:
        """Return the response: of stored vectors, a refusal, or what ``ask`` brings for the others."""
        with self._call.running:  # an interrupt cannot keep it locked
            try:
                given = self._given()
                return given if given is not None else self._asked(ask)
            finally:
                self._flights.land_all(self._call)

    async def asend(self, ask: Callable[..., Awaitable[Any]]) -> Any:
        """Return the response as ``send`` does, without blocking the event loop."""
        with self._call.running:
            try:
                given = await self._agiven() if asyncio_loop() is not None else self._given()
                return given if given is not None else await self._aasked(ask)
            finally:
                self._flights.land_all(self._call)

    # Steps

    def _given(self) -> Any | None:
        """Return the response without asking the provider; None to ask."""
        while True:
            landings = self._flights.landings
            given = self._look()
            if given is not None:
                return given
            flight = self._flight(landings, blocking=True)
            if flight is None or not flight.wait():
                return self._over_budget()

    async def _agiven(self) -> Any | None:
        while True:
            landings = self._flights.landings
            given = await asyncio.to_thread(self._look)
            if given is not None:
                return given
            flight = self._flight(landings, blocking=False)
            if flight is None or not await flight.wait_async():
                return self._over_budget()

    def _asked(self, ask: Callable[..., Any]) -> Any:
        """Return the response of the provider, put together with what is known."""
        received = ask(*self._rewritten())
        if received.status_code != OK:
            return received
        if self._place.stream:
            received.read()
        given = self._taken(received)
        return given if given is not None else ask()

    async def _aasked(self, ask: Callable[..., Awaitable[Any]]) -> Any:
        received = await ask(*self._rewritten())
        if received.status_code != OK:
            return received
        if self._place.stream:
            await received.aread()
        given = await in_thread(self._taken, received)
        return given if given is not None else await ask()

    def _look(self) -> Any | None:
        """Return the response of stored vectors, or a refusal in ``replay``; None to ask."""
        failure = None
        if self._scope.mode != "refresh":
            try:
                with waiting(self._call.patience):
                    self._known = self._usable()
                self._items = self._unpacked()
                if self._items.keys() >= {*self._request.keys}:
                    return self._stored()
            except Exception as error:
                self._known, self._items = {}, {}
                failure = self._ledger.failed(error, "looking up embeddings")
        if self._scope.mode == "replay":
            return self._not_recorded(failure)
        self._places = self._to_send()
        return None

    def _flight(self, landings: int, *, blocking: bool) -> Flight | None:
        """Return a request for the same texts under way to wait for; None if this one is to ask."""
        if self._scope.mode != "auto" or not self._ledger.settings.config.single_flight:
            return None
        return self._flights.join(self._texts_to_send, self._call, landings, blocking=blocking)

    @property
    def _texts_to_send(self) -> str:
        """A key for all of the texts to send together."""
        return key_of(self._request.model.key, " ".join(sorted(self._places)).encode())

    def _over_budget(self) -> Any | None:
        """Return a refusal if the money of the run is spent."""
        request, budget = self._request, self._ledger.budget
        if budget is None:
            return None
        try:
            budget.check(None, request.model, request.text(0))
        except BudgetReached as reached:
            return self._refused(reached, Reason(Kind.BUDGET), request.text(0))
        return None

    def _usable(self) -> Mapping[str, Embedding]:
        """Return the stored embeddings by the keys of the texts; in a replay those of another address, too."""
        request = self._request
        known = dict(self._store.get_embeddings([*dict.fromkeys(request.keys)]))
        digests = {key: digest for key, digest in zip(request.keys, request.digests, strict=True) if key not in known}
        if self._scope.mode == "replay" and digests and request.model.portable:
            found = self._store.find_embeddings(request.model.portable, [*digests.values()])
            known |= {key: found[digest] for key, digest in digests.items() if digest in found}
        sent = dict(zip(request.keys, request.sent, strict=True))
        return {key: each for key, each in known.items() if each.sent == sent[key]}

    def _unpacked(self) -> Mapping[str, Any]:
        """Return what is known of the texts. One whose vector cannot be read is unknown: anybody of a team wrote it."""
        items: dict[str, Any] = {}
        for key, each in self._known.items():
            try:
                item = unpack(each.vector)
                vectors = self._request.api.vectors(item)
                if vectors and all(map(is_vector, vectors)):
                    items[key] = item
            except Exception:  # whatever somebody has written
                continue
        self._known = {key: each for key, each in self._known.items() if key in items}
        return items

    def _not_recorded(self, failure: Reason | None) -> Any:
        """Refuse to ask the provider, and note that."""
        request = self._request
        unknown = [place for place, key in enumerate(request.keys) if key not in self._known]
        missing = counted(len(unknown), "text") if len(unknown) == 1 else f"{len(unknown):,} texts"
        words = f"{missing} of {len(request.keys):,} not recorded, such as “{shown(request.text(unknown[0]))}”"
        error = EmbeddingMiss(
            f"{request.model.model} was not called: {words}, and mode replay serves recorded vectors only.",
            prompt=request.text(unknown[0]),
            model=request.model.model,
            reason="embeddings are not recorded",
        )
        return self._refused(error, failure or Reason(Kind.NOT_CACHED, "embeddings"), error.prompt)

    def _refused(self, error: CacheMiss | BudgetReached, reason: Reason, question: str) -> Any:
        note = self._ledger.note(
            "error" if reason.kind is Kind.ERROR else "bypass",
            reason,
            0.0,
            scope=self._scope,
            question=question,
            configuration=self._request.model,
            face=self._request.face,
        )
        note.refusal = str(error)
        self._ledger.charged(note, FREE)
        return refusal(self._place, PROTOCOLS["openai-chat"], error)

    def _to_send(self) -> dict[str, int]:
        """Return the texts to send: the first place of each key that is not known."""
        places: dict[str, int] = {}
        for place, key in enumerate(self._request.keys):
            if key not in self._known:
                places.setdefault(key, place)
        return places

    def _rewritten(self) -> Sequence[Any]:
        """Return the request for the texts to send, if they are not all of them."""
        request, http, places = self._request, self._place.http, self._places
        if self._is_whole:
            return ()
        content = orjson.dumps(request.api.only(request.body, [*places.values()]))
        headers = [(name, value) for name, value in http.headers.raw if name.decode().lower() not in _OF_TRANSPORT]
        kind = self._place.library.Request
        return (kind(http.method, http.url, headers=headers, content=content, extensions=http.extensions),)

    @property
    def _is_whole(self) -> bool:
        """Whether the request is sent as it is."""
        return len(self._places) == len(self._request.keys)

    def _taken(self, received: Any) -> Any | None:
        """Return the response for the user, after keeping what it says; None to send the whole request as it was."""
        api = self._request.api
        try:
            whole = orjson.loads(received.content)
            new = self._read(whole)
            items = {**self._items, **dict(zip(self._places, api.items(whole, len(self._places)), strict=True))}
            tokens, rest = api.tokens(whole), api.rest(whole)
        except Exception:  # whatever a server answers
            return self._passed(received) if self._is_whole else None
        kept = self._keep([*new.values()])
        self._flights.land(self._texts_to_send, self._call, answered=kept)
        self._count(tokens)
        if self._is_whole:
            return self._passed(received)
        try:
            return self._put_together(items, rest, {**self._known, **new}, received)
        except Exception as error:
            self._ledger.failed(error, "putting stored and new embeddings together")
            return None

    def _read(self, whole: Json) -> dict[str, Embedding]:
        """Return what an answer says of each text that was sent. Raises an error of any class."""
        request, api, places = self._request, self._request.api, self._places
        items = api.items(whole, len(places))
        shares = _shares([request.inputs.texts[place] for place in places.values()], api.tokens(whole))
        rest, now, ttl = orjson.dumps(api.rest(whole)).decode(), time.time(), self._ledger.settings.options.ttl
        return {
            key: Embedding(
                key=key,
                model=request.model.key,
                sent=request.sent[place],
                digest=request.digests[place],
                vector=pack(item),
                rest=rest,
                created=now,
                tokens=tokens,
                expires=now + ttl if ttl is not None else None,
            )
            for (key, place), item, tokens in zip(places.items(), items, shares, strict=True)
        }

    def _keep(self, new: Sequence[Embedding]) -> bool:
        """Store embeddings, if the mode allows it. Returns whether the next request finds them."""
        if self._scope.mode not in ("auto", "refresh") or self._store.readonly:
            return False
        ledger = self._ledger
        try:
            with waiting(self._call.patience):
                self._store.put_embeddings(new, [self._request.model])
            ledger.stored = True
        except NotWrittenYetError:
            ledger.stored = ledger.locked = True
        except Exception as error:
            ledger.failed(error, "storing embeddings")
            return False
        return True

    def _stored(self) -> Any:
        """Return the response of stored vectors only."""
        rest = orjson.loads(self._known[self._request.keys[0]].rest)
        response = self._put_together(self._items, rest, self._known)
        self._count(None)
        return response

    def _put_together(
        self, items: Mapping[str, Any], rest: Json, known: Mapping[str, Embedding], received: Any | None = None
    ) -> Any:
        """Return a response with a vector for each text, and the tokens of all of them."""
        request, api = self._request, self._request.api
        counts = [known[key].tokens for key in request.keys]
        tokens = [count for count in counts if count is not None]
        if len(tokens) == len(counts):
            rest = api.with_tokens(rest, sum(tokens))
        content = with_arrays(api.whole(rest, [items[key] for key in request.keys], request.body))
        headers = {} if received is None else _beside_body(received)
        response = made(self._place, OK, {**headers, "content-type": "application/json", HIT: "embeddings"}, content)
        if received is not None:
            response.elapsed = received.elapsed
        return response

    def _count(self, tokens: int | None) -> None:
        """Count the texts, apart from lookups."""
        request, ledger, sent = self._request, self._ledger, len(self._places)
        hits = [key for key in request.keys if key in self._known]
        saved = sum(self._known[key].tokens or 0 for key in hits)
        served = tuple({self._known[key].key for key in hits})
        ledger.embedded(Embedded(request.model, len(request.keys), sent, tokens, saved, served, (*self._places,)))
        if ledger.budget is not None and sent:
            ledger.budget.paid(request.model, Usage(tokens, 0 if tokens is not None else None))

    def _passed(self, received: Any) -> Any:
        """Return a response of the provider as it came; one that its reader wanted to read itself can be read again."""
        if not self._place.stream:
            return received
        response = made(self._place, received.status_code, _beside_body(received), received.content)
        response.elapsed = received.elapsed
        return response


def _beside_body(received: Any) -> dict[str, str]:
    """Return the headers of a response that are not about its body as it was sent."""
    return {name: value for name, value in received.headers.items() if name.lower() not in _OF_TRANSPORT}


def _shares(texts: Sequence[Any], tokens: int | None) -> list[int | None]:
    """Return the tokens of each text. Those that were counted together are shared out by length."""
    lengths = [max(len(orjson.dumps(text)) - 2, 1) if not isinstance(text, list) else len(text) for text in texts]
    if tokens is None or (sum(lengths) == tokens and all(isinstance(text, list) for text in texts)):
        return [length if tokens is not None else None for length in lengths]
    ends, total, before = list[int](), sum(lengths), 0
    for length in lengths:
        before += length
        ends.append(tokens * before // total)
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
