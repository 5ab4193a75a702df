"""Install the cache as LangChain's global cache, and put everything back exactly as it was.

A process has one global LLM cache, so there is one controller: ``controller``.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from gptcache_magics import clock, fork
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import Mode, Settings, names_bundle
from gptcache_magics.store.postgres.address import Address, is_address, without_password
from gptcache_magics.store.protocol import Store, team_behind
from gptcache_magics.tables.source import Source, shared_place
from gptcache_magics.tables.totals import run_totals
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.enumeration import enumerated
from gptcache_magics.text.web_address import is_web_address, place_of_address

if TYPE_CHECKING:
    from langchain_core.caches import BaseCache

    from gptcache_magics.langchain.cache import GPTCache
    from gptcache_magics.lookup.options import State
    from gptcache_magics.sdk.capture import Capture

__all__ = ["Controller", "controller"]

_UNEXPANDED: Final = re.compile(r"\{[A-Za-z_][^{}]*\}|\$[A-Za-z_]\w*|\$\{")
"""A variable in the name of a place: a folder of that name is never made."""


@dataclass(eq=False)
class Controller:
    """Turns the cache on and off, and remembers what it replaced."""

    previous: BaseCache | None = None
    """The cache that ``off`` puts back."""
    turned_on: GPTCache | None = None
    """The cache that ``on`` has installed, or has taken over from the user."""
    _taken_over: State | None = None
    """The state of that cache before ``on`` took it over; None if ``on`` has made it."""
    _capture: Capture | None = None
    """The face that answers the requests of SDKs."""
    on_off: list[Callable[[], None]] = field(default_factory=list)
    """Functions to call when the cache is turned off, such as an open panel's ``close``."""
    _read: Store | None = None
    """The store that was used last."""
    _shown: set[str] = field(default_factory=set)
    """Notices of that store which the user has seen."""

    def __post_init__(self) -> None:
        fork.in_child(self._begin_in_child)

    def _begin_in_child(self) -> None:
        """Leave the panels to the parent, in a forked child."""
        self.on_off = []

    verifying: ClassVar[bool] = False
    """Whether a notebook is being verified, which must not write files."""

    @property
    def cache(self) -> GPTCache | None:
        """The cache that is on: that of ``on``, or else the ``GPTCache`` that the user has set for LangChain."""
        return self.turned_on or _set_by_hand()

    @property
    def by_hand(self) -> bool:
        """Whether the user has made the cache that is on."""
        return self.cache is not None and (self.turned_on is None or self._taken_over is not None)

    @property
    def settings(self) -> Settings:
        """The settings of the cache that is on."""
        return self.cache.settings if self.cache is not None else Settings()

    def on(
        self, where: str | Path | Address | None = None, init: Callable[..., None] | None = None, *, wrap: bool = False
    ) -> None:
        """Install the cache. A cache that is on at this place is kept and becomes the global cache again.

        A ``GPTCache`` that the user has set is taken over, unless another place is named.
        """
        from langchain_core.globals import get_llm_cache, set_llm_cache

        from gptcache_magics.langchain.cache import GPTCache
        from gptcache_magics.lookup.options import check_init_func

        if init is not None and not callable(init):
            raise CommandError(f"--init names a function of one or two parameters. Got {init!r}.")
        check_init_func(init)
        now, kept, previous = self.turned_on, self.kept(where, init, wrap=wrap), get_llm_cache()
        if wrap and isinstance(self.previous if now is not None else previous, GPTCache):
            raise CommandError(
                "on: --wrap keeps the answers in another LangChain cache, and the one that is set is a GPTCache of "
                f"this package. Use it: {'%gptcache off, then ' if now is not None else ''}%gptcache on"
            )
        if wrap and now is not None and not now.wraps and self.previous is not None and where is None:
            self._wrap_instead(now)
            return
        if now is not None:
            self._check_same(now, where, init, wrap)
            set_llm_cache(now)
            return
        if kept is not None:
            self._take_over(kept)
            return
        if wrap and init is not None:
            raise CommandError("on: --init or --wrap. Give one of them.")
        if wrap and previous is None:
            raise CommandError("on: --wrap keeps the cache that is installed, and there is none. Type: %gptcache on")
        store = self._store(self.place_for(where))
        if team_behind(store) is not None and (wrap or init is not None):
            raise CommandError("on: --wrap and --init keep the answers elsewhere, where no team finds them.")
        store.open()
        self.previous = previous
        cache: GPTCache | None = None
        try:
            wrapped = previous if wrap else None
            cache = GPTCache(init, store=store, wrapped=wrapped, mode="auto", match="exact")
            self._install(cache)
        except BaseException:  # an interrupt, too
            if cache is not None and self.turned_on is None:
                cache.unhook()
            raise
        if names_bundle(store.where):
            self.set_mode("replay")

    def place_for(self, where: str | Path | Address | None) -> str | Path | Address:
        """Return a place that was named, or the default place."""
        from gptcache_magics.lookup.options import default_store

        return where or default_store()

    def kept(
        self, where: str | Path | Address | None, init: Callable[..., None] | None, *, wrap: bool
    ) -> GPTCache | None:
        """Return the cache that ``on`` would keep: that of an earlier ``on``, or the user's unless it does not fit."""
        if self.turned_on is not None:
            return self.turned_on
        own = _set_by_hand()
        fits = own is not None and not wrap and _is_at(own, where) and init in (None, own.init_func)
        return own if fits else None

    def _wrap_instead(self, cache: GPTCache) -> None:
        """Let the cache that was set aside keep the answers from now on; the options and the budget stay."""
        options, budget = cache.settings.options, cache.ledger.budget
        self.off()
        self.on(cache.store.where, wrap=True)
        assert self.turned_on is not None
        self.settings.options, self.turned_on.ledger.budget = options, budget

    def _install(self, cache: GPTCache) -> None:
        from langchain_core.globals import set_llm_cache

        from gptcache_magics.sdk import hooks
        from gptcache_magics.sdk.capture import Capture

        cache.watch.in_charge = True
        self.turned_on = cache
        self._use(cache.store)
        set_llm_cache(cache)
        self._capture = Capture(cache.requests, cache.ledger, lambda: cache.scope, cache.store)
        hooks.install(self._capture)

    def _release(self) -> None:
        """Leave the requests of SDKs alone again."""
        if self._capture is not None:
            from gptcache_magics.sdk import hooks

            hooks.release(self._capture)
            self._capture = None

    def _take_over(self, cache: GPTCache) -> None:
        """Turn on the cache that the user has set; it stays the user's."""
        from gptcache_magics.lookup.options import State

        self._taken_over = State.of(cache)
        self.previous = None
        self._install(cache)

    def let_go(self, cache: GPTCache) -> None:
        """Leave a cache that was taken over to its user."""
        self._release()
        cache.watch.in_charge = False
        self.turned_on = self._taken_over = None
        cache.place_keys(needed=False)

    def _check_same(
        self, cache: GPTCache, where: str | Path | Address | None, init: Callable[..., None] | None, wrap: bool
    ) -> None:
        same = _is_at(cache, where)
        if same and wrap and not cache.wraps:
            raise CommandError("on: --wrap keeps the cache that was installed before this one, and there was none.")
        if not same or (init is not None and init is not cache.init_func):
            again = without_password(shlex.quote(str(where))) if where else ""
            if isinstance(where, Address):
                again = where.typed
            raise CommandError(
                f"The cache is on at {shared_place(cache.store)}. To change where the answers are: "
                f"%gptcache off, then %gptcache on {again}".rstrip()
            )

    def set_mode(self, mode: Mode) -> None:
        """Set the mode of the whole kernel from now on."""
        assert self.cache is not None
        options = self.settings.options
        self.settings.options = replace(options, kernel=replace(options.kernel, mode=mode))
        self.cache.place_keys(needed=mode == "replay")

    @property
    def placed(self) -> str:
        """A sentence about the placeholders; empty if there are none."""
        placed = self.cache.placed if self.cache is not None else []
        are = "are placeholders" if len(placed) > 1 else "is a placeholder"
        return f" {enumerated(placed)} {are} until the mode changes." if placed else ""

    def off(self) -> str:
        """Put LangChain back as it was, whatever the store does. Returns a sentence for the user."""
        clock.unfreeze()
        if self.cache is None:
            return "The cache is off already."
        from langchain_core.globals import get_llm_cache, set_llm_cache

        cache, previous, source, by_hand = self.cache, self.previous, self.source(), self.by_hand
        if by_hand and cache.replaced:
            previous = cache.replaced[-1]
        before = self._taken_over
        self._release()
        if by_hand:
            self.let_go(cache)
        else:
            cache.unhook()
        restored = ""
        if get_llm_cache() is cache:
            set_llm_cache(previous)
            restored = f" {type(previous).__name__} is back." if previous is not None else ""
        cache.place_keys(needed=False)
        self.turned_on = self.previous = None
        ends, self.on_off = self.on_off, []
        if by_hand:
            restored += " The GPTCache that was set by hand stays open."
            ends += [functools.partial(before.restore, cache)] if before is not None else []
        else:
            ends += [cache.store.forget_removed, cache.close, cache.store.close]
        totals, troubles = "", dict[str, None]()
        try:
            cache.store.settle()
        except Exception as error:
            troubles[str(error)] = None
        try:
            totals = f" This run: {run_totals(source) or 'no lookups'}."
        except Exception as error:
            troubles[str(error)] = None
        finally:
            for end in (cache.ledger.explain, *ends):
                try:
                    end()
                except Exception as error:
                    troubles[str(error)] = None
        return " ".join([f"Cache off.{totals}{restored}", *troubles])

    def source(self, at: str | Path | None = None, space: str | None = None) -> Source:
        """Return the source of tables: the cache that is on, or the store at ``at``; of a team's store one space."""
        cache = self.cache
        live = Source(cache.store, cache.ledger, "run") if cache is not None else None
        if at is None:
            if space is not None:
                raise CommandError(
                    "--space is about a team's store, which --at names. "
                    "Example: %gptcache stats --at postgresql://USER@HOST/DATABASE --space class-7b"
                )
            if live is None:
                raise CommandError(
                    "The cache is off. Turn it on: %gptcache on, or read a store: %gptcache stats --at .gptcache"
                )
            self._use(live.store)
            return live
        from gptcache_magics.lookup.options import tables_of

        team = tables_of(at, space, live.store if live is not None else None, self._read)
        if team is not None:
            team.open()
            self._use(team)
            return Source(team)
        store = self._store(at)
        self._use(store)
        if live is not None and store.where == live.store.where:
            return replace(live, since="all")
        if not names_bundle(at) and _is_missing(os.path.join(store.where, "cache.db")):
            raise CommandError(f"There is no store in {at}. A store is a folder with a cache.db, such as .gptcache")
        from gptcache_magics.store.sqlite.store import SQLiteStore  # opened by now

        if isinstance(store, SQLiteStore):
            store.only_read()
        store.open()
        return Source(store)

    def explained(self, at: str | Path | None = None, space: str | None = None) -> Source:
        """Return the source of tables with all that happened until now, and with the causes of misses."""
        from gptcache_magics.lookup import causes

        source = self.source(at, space).settled()
        causes.find_recorded(source.store)
        return source

    def news(self) -> list[str]:
        """Return the notices of the store that was used last, without those that the user has seen."""
        cache = self.cache
        source = cache if cache is not None and cache.store is self._read else self._read
        notices = [] if source is None else [each for each in source.notices if each not in self._shown]
        self._shown.update(notices)
        return notices

    def _use(self, store: Store) -> None:
        if self._read is not store:
            self._read, self._shown = store, set()

    def _store(self, where: str | Path | Address) -> Store:
        """Return the store at a place; a bundle is read into memory."""
        name = None if isinstance(where, Address) else _UNEXPANDED.search(str(where))
        if name is not None and not os.path.exists(os.path.expanduser(str(where))):
            raise CommandError(
                f"{without_password(str(where))} names a variable, which is not expanded here. "
                "In Python: gm.on(variable)"
            )
        from gptcache_magics.lookup.options import store_at

        return store_at(where)

    def described(self) -> str:
        """Return the place and the content of the cache, for the line of ``on``."""
        assert self.cache is not None
        entries, _ = self.cache.store.count()
        mode = self.settings.options.kernel.mode
        hint = ". Run a cell twice, then %gptcache panel" if not entries and mode == "auto" else ""
        where, held = shared_place(self.cache.store), counted(entries, "entry")
        message = f"{where}, {held}" if team_behind(self.cache.store) is None else f"{where}; {held} here"
        return message + (f", mode {mode}" if mode != "auto" else "") + hint + self._as_recorded()

    def _as_recorded(self) -> str:
        """Return what of a prompt does not count because it did not when answers were recorded that are replayed."""
        assert self.cache is not None
        from gptcache_magics.lookup.options import recorded_rules

        options = self.settings.options
        holds = options.kernel.mode == "replay" and options.ignore is None
        rules = recorded_rules(self.cache.store) if holds else ()
        if not rules:
            return ""
        from gptcache_magics.identity.volatile import left_out

        return f"; {left_out(rules)} {'does' if [*rules] == ['order'] else 'do'} not count, as recorded"


def _set_by_hand() -> GPTCache | None:
    """Return LangChain's global cache if it is an open ``GPTCache``. Imports nothing: before it, there is none."""
    kind = getattr(sys.modules.get("gptcache_magics.langchain.cache"), "GPTCache", None)
    if kind is None:
        return None
    from langchain_core.globals import get_llm_cache

    cache = get_llm_cache()
    return cache if isinstance(cache, kind) and not cache.closed else None


def _is_at(cache: GPTCache, where: str | Path | Address | None) -> bool:
    """Return whether a cache has its store at a place; None is any place."""
    team = team_behind(cache.store)
    if isinstance(where, str) and is_address(where):
        where = Address.parse(where)
    if isinstance(where, Address):
        now = team.database.address if team is not None else None
        return now is not None and (now.shown, now.space, now.pooled) == (where.shown, where.space, where.pooled)
    if where is not None and team is not None:
        return False
    if is_web_address(where):
        return cache.store.where == place_of_address(str(where))
    return where is None or cache.store.where in (os.path.abspath(os.path.expanduser(str(where))), str(where))


def _is_missing(path: str) -> bool:
    """Return whether a file is not there; opening one that cannot be looked at says why."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


controller = Controller()
"""The one controller of this process; :mod:`gptcache_magics.replay.kernel` replaces it."""
