"""A request of an SDK, read as the cache needs it: what is asked of which model, and who waits for the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from gptcache_magics.identity.addresses import address
from gptcache_magics.identity.call import task_or_thread
from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.configuration import configuration_from_json
from gptcache_magics.identity.key import Identity, key_of
from gptcache_magics.identity.ordered import ordered
from gptcache_magics.identity.providers import ANSWER_COUNTS, PROVIDERS, Provider
from gptcache_magics.lookup.request import Caller, Request
from gptcache_magics.protocols.base import Json, Protocol
from gptcache_magics.sdk.credentials import without_credentials
from gptcache_magics.sdk.dspy_calls import DSPyCall
from gptcache_magics.sdk.libraries import Library, bookkeeping_at, headers_that_count, provider_at, query_that_counts
from gptcache_magics.store.patience import Patience
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import shown
from gptcache_magics.text.messages import CLASSES, content_text, serialised

__all__ = [
    *("Asked", "SDKCall", "SDKRequest"),
    *("address_headers_query", "identify", "key_variables", "shown_path", "unread_configuration"),
]

ADDRESS: Final = frozenset({"base_url"})
"""The part of a configuration that another machine may have another of."""
_DEPLOYMENT: Final = re.compile(r".*/deployments/([^/]+)")
"""Path of a server of Azure's: the deployment is the model that answers, whatever the body names."""
REMEMBERED: Final = 100_000
"""Most bytes of a configuration that is remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One request over HTTP, as its protocol reads it."""

    protocol: Protocol
    library: Library
    body: Json
    path: str
    """Path of the URL without the server's own beginning."""
    server: str
    """Scheme, host, port and the beginning of the path."""
    host: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    said: DSPyCall | None = None
    """What DSPy says of the call beside its request."""

    @property
    def goes_past(self) -> str:
        """Why its answer is not one to keep; empty if it is."""
        return "cache=False" if self.said is not None and not self.said.cached else self.protocol.goes_past(self.body)

    @property
    def streams(self) -> bool:
        """Whether the answer is to come in pieces."""
        return self.protocol.streams(self.body, self.path)

    @property
    def answers(self) -> int:
        """Number of answers that it asks for."""
        nested = self.body.get("generationConfig")
        places = (self.body, nested if isinstance(nested, dict) else {})
        counts = [place.get(name) for place in places for name in (*ANSWER_COUNTS, "candidateCount")]
        prompts = self.body.get("prompt")
        several = isinstance(prompts, list) and not any(isinstance(token, int) for token in prompts)
        each = max((count for count in counts if isinstance(count, int)), default=1)
        return each * len(prompts or ()) if several else each


@dataclass(slots=True, eq=False)
class SDKCall:
    """One request on its way, as far as waiting for one another needs it, and the end of its answer."""

    streams: bool
    answers: int = 1
    """Number of answers that are asked for."""
    ends_with_reason: bool = True
    """Whether an answer without a finish reason was broken off: in every protocol there is one."""
    owner: object = field(default_factory=task_or_thread)
    running: Lock = field(default_factory=Lock)
    patience: Patience = field(default_factory=Patience)
    paused: float | None = None
    outer: Caller | None = None


@dataclass(slots=True, eq=False)
class SDKRequest(Request):
    """A request of an SDK."""

    asked: Asked | None = None


def identify(asked: Asked, *, counts_bookkeeping: bool = False) -> Identity:
    """Return the identity of a request: equal only for requests that a provider cannot tell apart.

    Raises
    ------
    NotRead
        If the body is none of the protocol.
    """
    protocol, body = asked.protocol, asked.body
    deployment = _DEPLOYMENT.fullmatch(asked.server)
    deployed = deployment[1] if deployment is not None else ""
    # LangChain sends Azure null for the model.
    model = deployed if deployed and body.get("model") is None else protocol.model(body, asked.path)
    provider = provider_at(asked.host) or asked.library.provider or protocol.provider
    known = PROVIDERS.get(provider)
    fields = address_headers_query(known, asked.server, asked.headers, asked.query)
    fields["api"] = protocol.api_at(asked.path)
    if deployed:
        fields["deployment"] = deployed
    bookkeeping = frozenset[str]() if counts_bookkeeping else bookkeeping_at(asked.host)
    parameters = {
        name: value for name, value in without_credentials(protocol.parameters(body)).items() if name not in bookkeeping
    }
    if asked.said is not None and asked.said.rollout is not None:
        fields["rollout_id"] = asked.said.rollout
    content = dumps([f"http.{protocol.name}", model, fields, parameters])
    if b'"properties":{' in content:
        content = dumps([f"http.{protocol.name}", model, fields, ordered(parameters)])
    read = configuration_from_json if len(content) <= REMEMBERED else configuration_from_json.__wrapped__
    configuration = read(content, provider, model, key_variables(asked.library, known), ADDRESS)
    messages = protocol.messages(body)
    seen = dumps([_constructor(each) for each in messages])
    asked_last = next((each for each in reversed(messages) if each["type"] == "human"), messages[0])
    question = content_text(asked_last["content"])
    return Identity(key_of(configuration.key, seen), configuration, partial(serialised, messages), question, seen)


def address_headers_query(
    provider: Provider | None, server: str, headers: Iterable[tuple[str, str]], query: Collection[tuple[str, str]]
) -> Json:
    """Return what counts of a request beside its body: address, headers and query, as far as they may change an answer.

    Parameters
    ----------
    provider
        The provider that answers, whose own address does not count; None if it is not known.
    """
    fields: Json = {}
    base = address(server)
    if provider is None or not provider.is_at(base):
        fields["base_url"] = base
    if kept := headers_that_count(headers):
        fields["headers"] = kept
    if values := query_that_counts(query):
        fields["query_params"] = values
    return fields


def key_variables(library: Library, provider: Provider | None) -> str:
    """Return the environment variables without which the client of a request cannot be made."""
    names = (library.key_variable, provider.key_variable if provider is not None else "")
    return " ".join(dict.fromkeys(filter(None, names)))


def _constructor(message: Json) -> Json:
    """Return a message as LangChain writes it: what a bundle's reader makes of the prompt gives the same key."""
    name = CLASSES[message["type"]]
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": message}


def shown_path(http: Any) -> str:
    """Return the path of a request without credentials, which gateways have in their addresses."""
    path = http.url.raw_path.decode("ascii").partition("?")[0]
    return str(urlsplit(shown(f"http://server{path}")).path)  # some paths read otherwise behind an address of numbers


def unread_configuration(http: Any, sender: Library) -> Configuration:
    """Return what can be told of a request that is not read: a configuration that no answer has."""
    try:
        model = orjson.loads(http.content).get("model")
    except Exception:  # a stream, a form, or anything else
        model = None
    path = shown_path(http)
    name = model if isinstance(model, str) and model else path.rpartition("/")[2]
    provider = provider_at(http.url.host) or sender.provider or "openai"
    content = dumps(["http.unread", name, {"api": path}, {}])
    return configuration_from_json(content, provider, name, "", ADDRESS)
