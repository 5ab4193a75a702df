"""The clients that models send their requests with: address, headers and query, whatever gave them to the client.

A model usually has one client for calls and one for asynchronous calls, which it made of its fields. They may be given,
changed, or read variables when they are made; so what they send is read from them, and compared with the fields.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import orjson

from gptcache_magics.identity.addresses import address
from gptcache_magics.identity.origin import is_installed, name_of
from gptcache_magics.text.masking import HIDDEN, without_secrets
from gptcache_magics.text.secret_names import is_tracking

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["Remembered", "Sent", "beyond", "content", "is_http_client", "root_of", "sent_by", "unbuilt"]

_HTTP: Final = ("httpx", "httpx2")
_USUAL: Final = {"accept": ("*/*", "application/json"), "content-type": ("application/json",)}
"""Headers that the libraries set themselves."""
_ANSWERING: Final = ("MockTransport", "WSGITransport", "ASGITransport")
"""Transports of httpx that answer by themselves."""


class Sent(NamedTuple):
    """Additions of a client to each request, without credentials and tracking."""

    url: str = ""
    """Address without final slash; empty if unknown."""
    headers: str = "{}"
    query: str = "[]"
    http_headers: str = "{}"
    """Those of the HTTP client within; all four are JSON, because they are mostly compared."""
    http_query: str = "[]"
    by_itself: bool = False
    """Whether the HTTP client has hooks or a transport of the user's, which may change the request or answer it."""


def root_of(client: Any) -> Any | None:
    """Return the client that knows the address, of which ``client`` is a part; None if it is the user's own."""
    kind = type(client)
    depth = _depths.get(kind)
    if depth is None:
        if not is_installed(kind.__module__) or kind.__hash__ is None:  # or a model, as of Google's
            return None
        depth = _depths[kind] = _depth(client)
    for _ in range(depth):
        client = client._client
    return client


_depths: Final[dict[type, int]] = {}
"""How many ``_client`` lie between the clients of an installed class and the root."""


def _depth(client: Any) -> int:
    for depth in range(3):
        if hasattr(client, "_custom_headers") or is_http_client(type(client)) or not hasattr(client, "_client"):
            return depth
        client = client._client
    return 0


def sent_by(root: Any) -> Sent:
    """Return what a client of an SDK or of httpx adds to a request."""
    known = _known.get(root)
    now = _now(root)
    if known is not None and known[0] == now and not known[1].by_itself:
        return known[1]
    base, headers, query, http, *_ = now
    http = http if is_http_client(type(http)) else None
    sent = Sent(
        _text(base),
        _json(_headers(headers or {})),
        _json(_query((query or {}).items())),
        _json(_headers(http.headers) if http else {}),
        _json(_query(http.params.multi_items()) if http else []),
        http is not None and (any(http.event_hooks.values()) or bool(_foreign_transports(http))),
    )
    _known[root] = _copied(now), sent
    return sent


_known: WeakKeyDictionary[Any, tuple[Any, Sent]] = WeakKeyDictionary()


class Remembered:
    """The clients of a model, as they were when they were read."""

    __slots__ = "_parts", "_roots", "_within"

    def __init__(self, clients: Iterable[Any]) -> None:
        found = [(client, _depths[type(client)], root_of(client)) for client in clients]
        self._within = [(attrgetter(".".join(depth * ["_client"])), each, root) for each, depth, root in found if depth]
        self._roots = [*{id(root): root for *_, root in found}.values()]
        self._parts = [_copied(_now(root)) for root in self._roots]

    def hold(self) -> bool:
        """Return whether they still send the same."""
        for root_of_client, client, root in self._within:
            if root_of_client(client) is not root:
                return False
        return [*map(_now, self._roots)] == self._parts


def _now(root: Any) -> tuple[Any, ...]:
    """Return what a client of an SDK or of httpx keeps of what it sends."""
    try:
        usual: tuple[Any, ...] = _OF_SDK(root)
        if usual[0] is not None:
            return usual
    except AttributeError:
        pass
    parts = *_parts(root), getattr(root, "_client", None)
    if is_http_client(type(root)):  # else it was made for this root, or a field of the model gives it
        return *parts[:3], root, root.headers.raw, root.params, root._transport, *root.event_hooks.values()
    return parts


_OF_SDK: Final = attrgetter("_base_url", "_custom_headers", "_custom_query", "_client")
"""Returns the same of a client of ``openai`` or ``anthropic``, which are mostly asked, at less cost."""


def _copied(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    copies = ({**each} if isinstance(each, Mapping) else [*each] if isinstance(each, list) else each for each in parts)
    return tuple(copies)


def _parts(root: Any) -> tuple[Any, Any, Any]:
    """Return address, headers and query of a client, as it keeps them."""
    if isinstance(root, ModuleType):  # litellm, which reads an address for each of its providers at each call
        addresses = {name: value for name, value in os.environ.items() if _ADDRESS.search(name)}
        return getattr(root, "api_base", None), getattr(root, "headers", None), addresses
    base, query = getattr(root, "_base_url", None), getattr(root, "_custom_query", None)  # a property costs more
    if base is None:
        options = getattr(getattr(root, "_api_client", None), "_http_options", None)  # google-genai
        base = getattr(root, "base_url", None)
        base = base or (options and f"{str(options.base_url).rstrip('/')}/{options.api_version}")
        if (meta := getattr(root, "meta", None)) is not None:  # boto3
            return getattr(meta, "endpoint_url", None), _listening(meta), query
        base = base or getattr(getattr(root, "_client_wrapper", None), "_base_url", None)  # Cohere
    return base, getattr(root, "_custom_headers", None), query


def _listening(meta: Any) -> Mapping[str, str]:
    """Return how many functions change the requests of a client of boto3: its class adds headers by one."""
    handlers = getattr(getattr(getattr(meta, "events", None), "_emitter", None), "_handlers", None)
    number = len(handlers.prefix_search("before-send.bedrock-runtime.Converse")) if handlers is not None else 0
    return {"before-send": str(number)} if number else {}


_ADDRESS: Final = re.compile("_(API_BASE|BASE_URL|ENDPOINT)$")
"""Environment variables that hold an address."""


def unbuilt(fields: Mapping[str, Any], variable: str) -> Sent:
    """Return what a client will send that its model has not made yet.

    Parameters
    ----------
    variable
        The environment variable that the client will read headers from.
    """
    lines = [line.partition(":") for line in os.environ.get(variable, "").split("\n") if ":" in line]
    headers = {name.strip(): value.strip() for name, _, value in lines} | (fields.get("default_headers") or {})
    return Sent(headers=_json(_headers(headers)))


def beyond(sent: Sent, fields: Mapping[str, Any], *, awaited: bool) -> dict[str, Any]:
    """Return what a client sends, if the fields of its model do not say the same."""
    given: dict[str, Any] = {}
    for name in ("client_kwargs", "async_client_kwargs" if awaited else "sync_client_kwargs"):
        for part, value in (fields.get(name) or {}).items():
            given[part] = {**given.get(part, {}), **value} if isinstance(value, Mapping) else value
    http = given.get("headers") or {}, given.get("params") or {}
    query = {name: value for name, value in orjson.loads(sent.query) if value not in fields.values()}
    named = _json(_query((fields.get("default_query") or {}).items()))
    found = {
        "headers": sent.headers if sent.headers != _json(_headers(fields.get("default_headers") or {})) else None,
        "query_params": _json(_query(query.items())) if sent.query != named and query else None,
        "http_headers": sent.http_headers if sent.http_headers != _json(_headers(http[0])) else None,
        "url_params": sent.http_query if sent.http_query != _json(_query(dict(http[1]).items())) else None,
    }
    if sent.query == "[]" != named:
        found["query_params"] = "[]"
    if fields.get("http_async_client" if awaited else "http_client") is not None:  # counts itself
        found["http_headers"] = found["url_params"] = None
    return {name: orjson.loads(value) for name, value in found.items() if value is not None}


def _headers(headers: Mapping[str, Any]) -> Any:
    kept = {
        name.lower(): str(value)
        for name, value in headers.items()
        if not is_tracking(name) and value not in _USUAL.get(name.lower(), ())
    }
    return without_secrets(kept, "headers")


def _query(pairs: Iterable[tuple[str, Any]]) -> Any:
    return without_secrets(sorted([name, str(value)] for name, value in pairs), "query_params")


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _text(url: Any) -> str:
    text = str(url) if url else ""
    return address(text) if "://" in text else ""


def is_http_client(kind: type) -> bool:
    """Return whether a class is a client of httpx."""
    found = _http_clients.get(kind)
    if found is None:
        names = ((base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__)
        found = any(top in _HTTP and name == "BaseClient" for top, name in names)
        if is_installed(kind.__module__):
            _http_clients[kind] = found
    return found


_http_clients: Final[dict[type, bool]] = {}
"""Whether an installed class is a client of httpx."""


def content(client: Any, reader: Reader) -> Any:
    """Return what a client of httpx adds to a request; its connections are no part of it."""
    found: dict[str, Any] = {
        "url": _text(client.base_url),
        "headers": _headers(client.headers),
        "query_params": _query(client.params.multi_items()),
        "hooks": reader.plain({name: hooks for name, hooks in client.event_hooks.items() if hooks}),
        "transport": [reader.plain(each) for each in _foreign_transports(client)],
    }
    if not is_installed(type(client).__module__):
        found["class"] = reader.plain(type(client))
    found = {name: value for name, value in found.items() if value}
    return {HIDDEN: name_of(type(client)), "data": found} if found else None


def _foreign_transports(client: Any) -> list[Any]:
    """Return the transports that may answer by themselves: those of the user, and a few of httpx."""
    kinds = [(each, type(each)) for each in (client._transport, *client._mounts.values())]
    return [each for each, kind in kinds if kind.__name__ in _ANSWERING or not is_installed(kind.__module__)]
