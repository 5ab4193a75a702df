"""One request of an SDK on its way: looked up, sent on a miss, and its answer kept as it passes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from gptcache_magics.errors import CacheMiss
from gptcache_magics.lookup.cache import RequestCache
from gptcache_magics.lookup.event_loop import asyncio_loop, in_thread
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.pace import pause
from gptcache_magics.lookup.request import Failed, Hit, Miss, Pending, Refused, Result
from gptcache_magics.lookup.running import within
from gptcache_magics.sdk import answers
from gptcache_magics.sdk.answers import Answer, AnswerTo
from gptcache_magics.sdk.paced import paced_stream
from gptcache_magics.sdk.passing import Ending, passing
from gptcache_magics.sdk.request import SDKCall, SDKRequest
from gptcache_magics.sdk.responses import Place, hit, refusal
from gptcache_magics.sdk.retries import Retries
from gptcache_magics.store.protocol import Usage
from gptcache_magics.store.reasons import sentence

__all__ = ["Exchange"]

OK: Final = 200
RETRIED: Final = frozenset({408, 409, 429})
"""Statuses below 500 after which SDKs send a request again."""
FREE: Final = Usage(0, 0)
"""The tokens of a request that got an error in place of an answer, for which no provider charges."""


class Exchange:
    """One request on its way."""

    def __init__(
        self, requests: RequestCache, ledger: Ledger, retries: Retries, request: SDKRequest, place: Place
    ) -> None:
        assert request.asked is not None
        assert isinstance(request.call, SDKCall)
        self._requests, self._ledger, self._retries = requests, ledger, retries
        self._request, self._asked, self._call = request, request.asked, request.call
        self._codec = AnswerTo(request.asked.body, replays=request.scope.mode == "replay")
        self._place = place
        self._pending: Pending | None = None
        self._headers: Any = None
        self._wait = 0.0
        """Seconds to let pass before the answer is given: a stream lets them pass between its pieces."""
        self._passes = False
        """Whether the answer passes as a stream, which a lock of its own tells while it does."""

    def send(self, ask: Callable[[], Any]) -> Any:
        """Return the response: the stored answer, a refusal, or what ``ask`` brings from the provider."""
        with self._call.running:  # an interrupt cannot keep it locked
            try:
                given = self._given(self._requests.lookup(self._request, self._codec))
                if given is None:
                    with within(self._call):
                        given = self._taken(ask())
            except BaseException:
                self._failed()
                raise
            if not self._passes:  # else the call runs until its stream has ended
                self.over()
        if self._wait:
            time.sleep(self._wait)
        return given

    async def asend(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return the response as ``send`` does, without blocking the event loop."""
        with self._call.running:
            try:
                if asyncio_loop() is None:
                    result = self._requests.lookup(self._request, self._codec)
                else:
                    result = await self._requests.alookup(self._request, self._codec)
                given = self._given(result)
                if given is None:
                    with within(self._call):
                        given = await ask()
                    given = await self._ataken(given)
            except BaseException:
                self._failed()
                raise
            if not self._passes:
                self.over()
        if self._wait:
            await pause(self._wait)
        return given

    # What a stream says while it passes

    def piece_comes(self) -> None:
        """Hear that the next piece is awaited."""
        self._call.paused = None

    def piece_came(self) -> None:
        """Hear that the reader has a piece, and may take its time."""
        self._call.paused = time.monotonic()

    def ended(self, raw: bytes, ending: Ending) -> None:
        """Keep the answer that has passed."""
        self._keep(self._content(raw), ending)

    async def aended(self, raw: bytes, ending: Ending) -> None:
        """Keep the answer that has passed, in a thread."""
        await in_thread(self._keep, self._content(raw), ending)

    def over(self) -> None:
        """Release those who wait, and end the call."""
        with suppress(RuntimeError):  # another thread has
            if self._passes:
                self._call.running.release()
        self._requests.call_ended(self._call)
        if self._ledger.budget is not None:
            self._ledger.budget.ended(self._call)

    # Steps

    def _given(self, result: Result) -> Any | None:
        """Return the response without asking the provider; None to ask."""
        match result:
            case Hit(answer, wait):
                return self._of_hit(answer, wait)
            case Refused(error):
                return refusal(self._place, self._asked.protocol, error)
            case Miss(pending) | Failed(pending):
                self._pending = pending
                return None

    def _of_hit(self, answer: Answer, wait: float) -> Any | None:
        """Return the response that a stored answer is; None to ask, if it cannot be written as it is wanted."""
        try:
            given = hit(self._place, self._asked, answer)
        except Exception as error:
            reason = self._ledger.failed(error, "writing a stored answer as a response")
            if self._request.scope.mode != "replay":
                return None
            told = f"the stored answer cannot be read ({sentence(reason)}), and mode replay does not call a model."
            return refusal(self._place, self._asked.protocol, CacheMiss(told, prompt=self._request.identity.question))
        self._answered()
        if wait and self._asked.streams and self._place.stream:
            given.stream = paced_stream(self._place.library)(b"".join(given.stream), wait)
        else:
            self._wait = wait
        return given

    def _taken(self, received: Any) -> Any:
        """Return a response of the provider after keeping its answer, or making its stream pass through."""
        if received.status_code != OK:
            self._failed(again=received.status_code in RETRIED or received.status_code >= 500)
        elif self._comes_later(received):
            self._pass_on(received)
        else:
            self._keep_whole(received)
        return received

    async def _ataken(self, received: Any) -> Any:
        if received.status_code == OK and not self._comes_later(received):
            await in_thread(self._keep_whole, received)
            return received
        return self._taken(received)

    def _comes_later(self, received: Any) -> bool:
        """Return whether the SDK will read the body: a test's transport may give one that has been read."""
        return self._place.stream and not received.is_closed

    def _keep_whole(self, received: Any) -> None:
        self._headers = received.headers
        self._keep(received.content)

    def _pass_on(self, received: Any) -> None:
        self._headers = received.headers
        plain = not received.headers.get("content-encoding")
        complete = self._asked.protocol.ended if plain and self._in_pieces else _never
        received.stream = passing(self._place.library)(received.stream, self, complete)
        self.piece_came()  # nobody waits long for a reader who has not begun
        running = Lock()
        running.acquire()
        self._call.running, self._passes = running, True

    @property
    def _in_pieces(self) -> bool:
        """Whether the answer came in pieces, by what the server said: an SDK may read a stream whole."""
        kind = str(self._headers.get("content-type", ""))
        return "event-stream" in kind or "ndjson" in kind or (self._asked.streams and "json" not in kind)

    def _content(self, raw: bytes) -> bytes:
        """Return what passed as it is without compression."""
        if not self._headers.get("content-encoding"):
            return raw
        try:
            return bytes(self._place.library.Response(OK, headers=self._headers, content=raw).content)
        except Exception:  # cut off within the compression
            return b""

    def _answered(self) -> None:
        if self._asked.said is not None:
            identity = self._request.identity
            self._asked.said.answered[identity.configuration.key, identity.seen] += 1

    def _keep(self, content: bytes, ending: Ending = "whole") -> None:
        self._answered()
        pending, self._pending = self._pending, None  # from here on an answer has come
        if pending is None:
            return
        in_pieces = self._in_pieces or (self._asked.streams and not content.lstrip().startswith(b"{"))
        answer = answers.read(self._asked.protocol, content, self._asked.body, in_pieces=in_pieces)
        if ending != "whole" and in_pieces:
            answer = answers.cut_short(answer, content, self._asked.body, ending)
        self._requests.update(pending, answer, self._codec)

    def _failed(self, *, again: bool = True) -> None:
        """Note that no answer came; its SDK may send the request again."""
        if self._pending is not None and self._pending.lookup is not None:
            self._ledger.charged(self._pending.lookup, FREE)
            if again:
                self._retries.left_open(self._call, self._request.identity.key, self._pending.lookup)
        self.over()


def _never(tail: bytes) -> bool:
    return False
