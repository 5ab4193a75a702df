"""Answer the model calls of SDKs with one cache."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from gptcache_magics.lookup.cache import RequestCache
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.running import running
from gptcache_magics.protocols import protocol_of
from gptcache_magics.protocols.base import NotRead, Protocol
from gptcache_magics.sdk.exchange import Exchange
from gptcache_magics.sdk.libraries import Library, library_of
from gptcache_magics.sdk.request import Asked, SDKCall, SDKRequest, body_of, identify
from gptcache_magics.sdk.retries import Retries
from gptcache_magics.settings import Scope

__all__ = ["Capture"]


class Capture:
    """The SDKs' face of one cache.

    Parameters
    ----------
    scope
        Returns the scope of a lookup that is made now.
    """

    def __init__(self, requests: RequestCache, ledger: Ledger, scope: Callable[[], Scope]) -> None:
        self._requests, self._ledger, self._scope = requests, ledger, scope
        self._retries = Retries()

    def exchange(self, library: ModuleType, client: Any, http: Any, *, stream: bool) -> Exchange | None:
        """Return what becomes of a request; None if it is none of ours, and is sent as it is."""
        if http.method != "POST":
            return None
        path = http.url.path
        protocol = protocol_of(path)
        if protocol is None:
            return None
        sender = library_of(http.headers.get("user-agent", ""))
        if sender is None or client.is_closed:
            return None
        scope = self._scope()
        if running() is not None and scope.mode != "replay":
            return None
        try:
            request, call = self._read(protocol, sender, http, scope)
        except NotRead:
            return None
        except Exception as error:
            self._ledger.failed(error, "reading a request")
            return None
        return Exchange(
            self._requests, self._ledger, self._retries, request, call, library, client, http, stream=stream
        )

    def _read(self, protocol: Protocol, sender: Library, http: Any, scope: Scope) -> tuple[SDKRequest, SDKCall]:
        body = body_of(http.content)
        if not isinstance(body, dict):
            raise NotRead("its body is no object")
        url = http.url
        beginning = protocol.fits(url.path) or ""
        asked = Asked(
            protocol=protocol,
            library=sender,
            body=body,
            path=url.path,
            server=f"{url.scheme}://{url.netloc.decode('ascii')}{beginning}",
            host=url.host,
            query=url.params.multi_items(),
            headers=http.headers.multi_items(),
        )
        identity = identify(asked, counts_bookkeeping=self._ledger.settings.config.count_bookkeeping)
        if scope.samples and scope.several:
            identity = identity.sample(self._ledger.settings.sample(identity.key, scope.samples))
        call = SDKCall(asked.streams, asked.answers)
        return SDKRequest(identity, scope, call, asked=asked, face=sender.name), call


NOTHING: Final = None
