"""The clients that models send their requests with: address, headers and query, whatever gave them to the client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from gptcache_magics.identity.code import is_installed, name_of
from gptcache_magics.text.masking import HIDDEN, plain_url, without_secrets
from gptcache_magics.text.secret_names import is_tracking

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["Sent", "content", "is_http_client", "sent_by"]

_HTTP: Final = ("httpx", "httpx2")
_USUAL: Final = {"accept": ("*/*", "application/json"), "content-type": ("application/json",)}
"""Headers that the libraries set themselves."""


class Sent(NamedTuple):
    """What a client adds to each request of its model."""

    url: str
    """Address without credentials and final slash; empty if unknown."""
    extras: Any = None
    """Headers and query that the model's fields do not name."""


def sent_by(client: Any, fields: Mapping[str, Any]) -> Sent | None:
    """Return what a client adds to a request; None if the client is the user's own and must be read in full.

    Parameters
    ----------
    fields
        The values of the model's fields.
    """
    try:
        known = _known.get(client)
    except TypeError:
        return None
    if known is None:
        if not is_installed(type(client).__module__):
            return None
        known = _known[client] = _Known(_depth(client))
    for _ in range(known.depth):
        client = client._client
    url = getattr(client, "_base_url", None) or getattr(client, "base_url", None)  # a property costs more
    if url is not known.url:
        url = url or getattr(getattr(client, "meta", None), "endpoint_url", None)
        known.url, known.sent = url, Sent(_text(url))
    headers, query = getattr(client, "_custom_headers", None), getattr(client, "_custom_query", None)
    if not headers and not query:
        return known.sent
    headers = _beyond(headers, fields.get("default_headers"), "headers", fields.values())
    query = _beyond(query, fields.get("default_query"), "default_query", fields.values())
    return Sent(known.sent.url, [headers, query]) if headers or query else known.sent


class _Known:
    """What is known about one client."""

    __slots__ = ("depth", "sent", "url")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        """How many ``_client`` lie between this client and the one that knows its address."""
        self.url: Any = None
        """The address as the client has it: another object is another address."""
        self.sent = Sent("")


_known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


def _depth(client: Any) -> int:
    for depth in range(3):
        if hasattr(client, "base_url") or hasattr(client, "meta") or not hasattr(client, "_client"):
            return depth
        client = client._client
    return 0


def _text(url: Any) -> str:
    text = str(url) if url else ""
    return plain_url(text) if "://" in text else ""


def _beyond(sent: Any, named: Any, kind: str, values: Collection[Any]) -> Any:
    """Return the headers or query values that a client sends and its model does not name."""
    if not sent or sent == named or not isinstance(sent, Mapping):
        return None
    named = named if isinstance(named, Mapping) else {}
    more = {name: str(value) for name, value in sent.items() if named.get(name) != value and not is_tracking(name)}
    more = {name: value for name, value in more.items() if value not in values}
    return without_secrets(more, kind) or None


def is_http_client(kind: type) -> bool:
    """Return whether a class is a client of httpx."""
    return any(base.__module__.partition(".")[0] in _HTTP and base.__name__ == "BaseClient" for base in kind.__mro__)


def content(client: Any, reader: Reader) -> Any:
    """Return what a client of httpx adds to a request; its connections are no part of it."""
    headers = {
        name: value
        for name, value in client.headers.items()
        if not is_tracking(name) and value not in _USUAL.get(name, ())
    }
    found: dict[str, Any] = {
        "url": _text(client.base_url),
        "headers": without_secrets(headers, "headers"),
        "query_params": without_secrets([list(pair) for pair in client.params.multi_items()], "query_params"),
        "hooks": reader.plain({name: hooks for name, hooks in client.event_hooks.items() if hooks}),
        "transport": _transport(client, reader),
    }
    if not is_installed(type(client).__module__):
        found["class"] = reader.plain(type(client))
    found = {name: value for name, value in found.items() if value}
    return {HIDDEN: name_of(type(client)), "data": found} if found else None


def _transport(client: Any, reader: Reader) -> Any:
    """Return a transport that is not httpx's own way to the network: it may answer by itself."""
    transports = [client._transport, *client._mounts.values()]
    network = ("HTTPTransport", "AsyncHTTPTransport", "NoneType")
    return [
        reader.plain(each)
        for each in transports
        if not (type(each).__name__ in network and is_installed(type(each).__module__))
    ]
