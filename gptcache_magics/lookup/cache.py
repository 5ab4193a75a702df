"""Look up and update for every caller, each in one straight line.

A lookup asks the memory, then the engine. If the same request is under way, the lookup waits for it and looks again. An
error in here never reaches the user's call: it is counted, shown in ``%gptcache status``, and the model is asked.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from gptcache_magics.errors import BudgetReached, CacheMiss, NotWrittenYetError, StoreLockedError
from gptcache_magics.finish import incomplete
from gptcache_magics.lookup import message_ids
from gptcache_magics.lookup.answers import Answers
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.lookup.pace import seconds_to_wait
from gptcache_magics.lookup.refusal import refusal
from gptcache_magics.lookup.request import (
    AnswerCodec,
    Caller,
    Failed,
    Hit,
    Miss,
    Pending,
    Refused,
    Request,
    Result,
    Search,
)
from gptcache_magics.lookup.single_flight import Flight, SingleFlight
from gptcache_magics.lookup.team_flight import TeamFlights, TeamWait
from gptcache_magics.settings import Scope
from gptcache_magics.store.patience import waiting
from gptcache_magics.store.protocol import Found, Lookup, Near, Outcome, Store, Usage
from gptcache_magics.store.reasons import Kind, NotStorable, Reason, Unusable, sentence

__all__ = ["RequestCache"]


class RequestCache:
    """Answers requests, and stores the model's answers to those that it cannot answer."""

    def __init__(self, store: Store, answers: Answers, ledger: Ledger) -> None:
        self._store, self._answers, self._ledger = store, answers, ledger
        self.flights = SingleFlight()
        """The calls under way; whoever asks a model beside lookups shares them."""
        self._team_flights = TeamFlights(store)

    def lookup(self, request: Request, codec: AnswerCodec) -> Result:
        """Look up an answer."""
        if (skip := request.skip) is not None:
            return self._leave_to_the_model(request, Search(reason=skip))
        before = message_ids.asked(request.identity.key)
        wait, pause, delays = TeamWait(), None, self._ledger.settings.options.delay
        while True:
            landings = self.flights.landings
            looked = self._recall(request, codec, before, delays) or self._search(request, codec, before, delays)
            if isinstance(looked, Hit):
                return looked if pause is None else self._land(request, looked)
            flight = self._flight(request, looked, landings, blocking=True)
            if flight is not None and flight.wait():
                delays = False  # it has waited for the model itself
                continue
            ask = flight is not None or not self._waits_for_the_team(request, looked)
            pause = None if ask else self._team_pause(request, wait, blocking=True)
            if pause is None:
                return self._leave_to_the_model(request, _explained(looked, wait))
            time.sleep(pause)

    async def alookup(self, request: Request, codec: AnswerCodec) -> Result:
        """Look up an answer; one in memory costs no thread, anything else never blocks the event loop."""
        if (skip := request.skip) is not None:
            return self._leave_to_the_model(request, Search(reason=skip))
        before = message_ids.asked(request.identity.key)  # here, not in a thread: tasks begin in a fixed order
        wait, pause, delays = TeamWait(), None, self._ledger.settings.options.delay
        while True:
            landings = self.flights.landings
            looked: Hit | Search | None = self._recall(request, codec, before, delays)
            if looked is None:
                looked = await asyncio.to_thread(self._search, request, codec, before, delays)
            if isinstance(looked, Hit):
                return looked if pause is None else self._land(request, looked)
            flight = self._flight(request, looked, landings, blocking=False)
            if flight is not None and await flight.wait_async():
                delays = False
                continue
            ask = flight is not None or not self._waits_for_the_team(request, looked)
            pause = None if ask else await asyncio.to_thread(self._team_pause, request, wait, blocking=False)
            if pause is None:
                break
            await asyncio.sleep(pause)
        looked = _explained(looked, wait)
        if request.scope.mode == "replay":  # searches the closest prompt
            return await asyncio.to_thread(self._leave_to_the_model, request, looked)
        return self._leave_to_the_model(request, looked)

    def update(self, pending: Pending, answer: Any, codec: AnswerCodec) -> None:
        """Store the model's answer, unless it is one that no later call should be given."""
        request, lookup, ledger = pending.request, pending.lookup, self._ledger
        message_ids.answered(request.identity.key)
        seconds = time.time() - lookup.at if lookup is not None else None
        reason: Reason | None = None
        used, stored = Usage(), False
        try:
            used = codec.usage(answer)  # paid, whether it is stored or not
            if ledger.budget is not None:
                ledger.budget.paid(request.identity.configuration, used)
            if request.scope.mode in ("auto", "refresh"):
                ttl = ledger.settings.options.ttl
                expires = time.time() + ttl if ttl is not None else None
                with waiting(request.patience):
                    settings = ledger.settings
                    keep, ignored = settings.keeps_incomplete, settings.ignored
                    self._answers.save(request, answer, codec, seconds, used, expires, keep, ignored)
                ledger.stored = stored = True
            elif self._store.readonly:
                reason = Reason(Kind.NOT_STORED, "the store is read-only")
        except NotStorable as refused:
            reason = refused.reason
        except NotWrittenYetError:
            ledger.stored = stored = True
            ledger.locked = True
            reason = Reason(Kind.LOCKED, "not written yet: the store is locked")
        except StoreLockedError:  # too many wait already
            reason = Reason(Kind.NOT_STORED, "the store is locked")
        except Exception as error:
            again = lookup is not None and lookup.outcome == "error"
            reason = ledger.failed(error, "storing an answer", again=again)
        finally:
            if request.call is not None:
                self._team_flights.land(request.identity.key, request.call, answered=stored)
                self.flights.land(request.identity.key, request.call, answered=stored)
        if lookup is not None:
            ledger.paid(lookup, seconds or 0.0, used, reason)

    def unreadable(self, error: Exception, scope: Scope) -> Refused | None:
        """Note a lookup of a model that cannot be read; the model may be asked in every mode but ``replay``."""
        reason = self._ledger.failed(error, "reading a model")
        self._ledger.note("error", reason, 0.0, scope=scope)
        if scope.mode != "replay":
            return None
        miss = CacheMiss(f"The model was not called (mode replay): {sentence(reason)}", reason=sentence(reason))
        return Refused(miss)

    def call_ended(self, call: Caller) -> None:
        """Release those who wait for answers that a call will not give any more."""
        self._team_flights.land_all(call)
        self.flights.land_all(call)

    def _recall(self, request: Request, codec: AnswerCodec, before: int, delays: bool) -> Hit | None:
        """Return the answer that is in memory; an error is left to the search."""
        started = time.perf_counter()
        try:
            found = self._answers.recall(request)
            if found is None or self._held_back(request, found) is not None:
                return None
            ids = partial(message_ids.id_of, found.key, before)
            answer = codec.decode(found.answer, ids=ids, mark=self._mark(request, found), parse=request.parse)
            return self._hit(request, answer, found, started, delays=delays)
        except Exception:
            return None

    def _search(self, request: Request, codec: AnswerCodec, before: int, delays: bool) -> Hit | Search:
        started = time.perf_counter()
        try:
            with waiting(request.patience):
                settings = self._ledger.settings
                usable, typed = partial(self._usable, request, codec, before), settings.options.ignore is not None
                search = self._answers.find(request, settings.ignored, usable, as_recorded=not typed)
            if search.found is not None and (held_back := self._held_back(request, search.found)) is not None:
                search = Search(reason=held_back)
            elif search.found is not None:
                answer = self._decoded(request, search.found, codec, before)
                if answer is not None:
                    return self._hit(request, answer, search.found, started, search, delays=delays)
                search = Search(reason=self._answers.unreadable(search.found))
        except Unusable as unusable:
            search = Search(reason=unusable.reason)
        except StoreLockedError:
            self._ledger.locked = True
            search = Search(reason=Reason(Kind.LOCKED, "not looked up: the store is locked"))
        except Exception as error:
            search = Search(reason=self._ledger.failed(error, "looking up an answer"), failed=True)
        return replace(search, seconds=time.perf_counter() - started)

    def _usable(self, request: Request, codec: AnswerCodec, before: int, found: Found) -> bool:
        with suppress(Unusable):
            return self._held_back(request, found) is None and self._decoded(request, found, codec, before) is not None
        return False

    def _decoded(self, request: Request, found: Found, codec: AnswerCodec, before: int) -> Any:
        """Return the answer that was read from a store, in new objects; None if it cannot be decoded."""
        # Another request may get the answer of the same entry.
        before = before if found.key == request.identity.key else message_ids.asked(found.key)
        ids = partial(message_ids.id_of, found.key, before)
        mark = self._mark(request, found)
        try:
            return codec.decode(found.answer, ids=ids, mark=mark, validate=True, parse=request.parse) or None
        except Unusable:
            raise
        except Exception:
            return None

    def _hit(
        self,
        request: Request,
        answer: Any,
        found: Found,
        started: float,
        search: Search = Search(),
        *,
        delays: bool = False,
    ) -> Hit:
        reason = search.reason or request.identity.reason
        if reason is None and found.author:
            reason = Reason(Kind.TEAM, found.author)
        seconds, wait = time.perf_counter() - started, 0.0
        if delays and found.seconds and (wait := seconds_to_wait(found.seconds, seconds)):
            found = replace(found, seconds=found.seconds - wait)  # it saves no more of the model's time
        self._note("hit", request, reason, seconds, search.near, found)
        return Hit(answer, wait)

    def _flight(self, request: Request, search: Search, landings: int, *, blocking: bool) -> Flight | None:
        """Return the identical request under way to wait for; None if this one is to ask the model."""
        if request.call is None or not self._waits(request, search):
            return None
        return self.flights.join(request.identity.key, request.call, landings, blocking=blocking)

    def _waits(self, request: Request, search: Search) -> bool:
        """Return whether a request that was not answered may wait for an identical one."""
        asks = request.call is not None and not search.failed and request.scope.mode == "auto"
        return asks and self._ledger.settings.config.single_flight

    def _waits_for_the_team(self, request: Request, search: Search) -> bool:
        return self._ledger.settings.config.team_single_flight and self._waits(request, search)

    def _team_pause(self, request: Request, wait: TeamWait, *, blocking: bool) -> float | None:
        """Return the seconds after which to look again for another kernel's answer; None to ask the model."""
        key, call = request.identity.key, request.call
        if call is None:
            return None
        may_wait = self.flights.may_wait(key, call, blocking=blocking)
        with waiting(request.patience):
            return self._team_flights.pause(key, call, wait, may_wait=may_wait)

    def _land(self, request: Request, hit: Hit) -> Hit:
        """Let those go on that wait for this request: another kernel of the team has brought the answer."""
        if request.call is not None:
            self._team_flights.land(request.identity.key, request.call, answered=False)
            self.flights.land(request.identity.key, request.call, answered=True)
        return hit

    def _leave_to_the_model(self, request: Request, search: Search) -> Miss | Failed | Refused:
        """Note that the model answers, or refuse to ask it."""
        identity = request.identity
        with waiting(request.patience):
            refused = refusal(request, search, self._store, self._ledger)
        skipped = request.scope.mode in ("refresh", "bypass")
        outcome: Outcome = "error" if search.failed else "bypass" if skipped else "miss"
        reason = search.reason or identity.reason or Reason(Kind.NEW)
        if refused is None:
            lookup = request.noted or self._note(outcome, request, reason, search.seconds, search.near)
            pending = Pending(request, lookup)
            return Failed(pending) if search.failed else Miss(pending)
        reason = Reason(Kind.BUDGET) if isinstance(refused, BudgetReached) else reason
        lookup = self._note(outcome, request, reason, search.seconds, search.near, refusal=str(refused))
        self._ledger.paid(lookup, 0.0, Usage(0, 0), None)
        if request.call is not None:
            self._team_flights.land(identity.key, request.call, answered=False)
            self.flights.land(identity.key, request.call, answered=False)
        return Refused(refused)

    def _note(
        self,
        outcome: Outcome,
        request: Request,
        reason: Reason | None,
        seconds: float,
        near: Near | None,
        found: Found | None = None,
        refusal: str = "",
    ) -> Lookup:
        identity = request.identity
        exact_hit = found is not None and found.similarity is None and not found.ignored
        return self._ledger.note(
            outcome,
            reason,
            seconds,
            scope=request.scope,
            key=found.key if found is not None else identity.key,
            question=identity.question,
            configuration=identity.configuration,
            found=found,
            prompt_digest="" if exact_hit else identity.prompt_digest,
            asked=identity.key,
            near=near,
            refusal=refusal,
            face=request.face,
        )

    def _mark(self, request: Request, found: Found) -> dict[str, Any] | None:
        """Return the mark of a hit in ``response_metadata``, if hits are marked and a model's call asks."""
        if request.call is None or not self._ledger.settings.marks_hits:
            return None
        similarity = 1.0 if found.similarity is None else round(found.similarity, 4)
        mark = {"entry": found.key[:16], "match": found.match, "similarity": similarity, "stored_at": found.created}
        if found.ignored:
            mark["ignored"] = [*found.ignored]
        if found.edited:
            mark["edited"] = True
        elif incomplete(found.finish_reason):
            mark["cut_off"] = found.finish_reason
        return mark

    def _held_back(self, request: Request, found: Found) -> Reason | None:
        """Return why a stored answer is not served: it is incomplete, and only given where such answers are kept."""
        if not found.finish_reason or found.edited or not (detail := incomplete(found.finish_reason)):
            return None
        kept = request.scope.mode == "replay" or self._ledger.settings.keeps_incomplete
        return None if kept else Reason(Kind.NOT_KEPT, detail)


def _explained(search: Search, wait: TeamWait) -> Search:
    """Return a search in vain with the reason why another kernel's answer is not waited for."""
    return search if wait.ended is None else replace(search, reason=search.reason or wait.ended)
