"""The options of a cache: read what ``on`` or ``GPTCache`` was given, and set it.

An option that was not given keeps its present value. A new cache begins with the environment's place, mode and way to
match, where none is given.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, get_args

from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.semantic.options import TEMPLATE_SHOWN, Match, Matching, MatchOptions, apply, threshold_of
from gptcache_magics.semantic.template import Template, template_text
from gptcache_magics.settings import (
    DEFAULT_STORE,
    MODES,
    NOTEBOOK,
    Config,
    Delay,
    Mode,
    Only,
    Options,
    Settings,
    names_bundle,
    rules_of,
)
from gptcache_magics.store import open_store, opens_all
from gptcache_magics.store.postgres.address import DEFAULT_SPACE, Address, check_form, is_address
from gptcache_magics.store.protocol import AnswerStore, Entry, Period, Store, team_behind
from gptcache_magics.text.amounts import bytes_of, dollars_of, seconds_of
from gptcache_magics.text.choices import check_choice, check_flag, check_number
from gptcache_magics.text.word_diff import shown

if TYPE_CHECKING:
    from gptcache_magics.lookup.budget import Budget
    from gptcache_magics.lookup.ledger import Ledger
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = [
    *("MATCHING", "NONE", "VARIABLE", "Adjustable", "Given", "State"),
    *(
        "check_init_func",
        "configured",
        "default_store",
        "in_environment",
        "local_folder",
        "place_of",
        "read",
        "read_for_python",
    ),
    *("recorded_rules", "store_at", "tables_of"),
]

Place = str | Path | Address
NONE: Final = "none"
NO: Final = "no"
"""Words for an option that was switched off."""
VARIABLE: Final = "GPTCACHE_MAGICS_{}"
OPTION: Final = re.compile(r"^(?:on: )?--([a-z-]+)")
"""Finds the option at the beginning of an error about it."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "mode": MODES,
    "match": get_args(Match),
    "only": get_args(Only),
    "delay": get_args(Delay),
}
IN_ENVIRONMENT: Final = ("mode", "match")
"""Options that the environment may name for a new cache."""
IN_OUR_STORE: Final = ("ttl", "max-size", "samples", "keep-cut-off", "ignore", "embeddings")
"""Options that need a store of ours."""
MATCHING: Final = ("match", "threshold", "embedder", "any-temperature", "template")
ACTIONS: Final = ("reembed", "wait")
"""Options that do something once."""


class Adjustable(Matching, Protocol):
    """The parts of a cache that its options change."""

    ledger: Ledger

    def read_earlier(self) -> None:
        """Read the prompts of earlier answers, so that they are found without what is ignored."""


@dataclass(frozen=True, slots=True)
class Given:
    """The options that were given, read and checked."""

    typed: Mapping[str, str]
    """Every option that was given, in the words in which it was given."""
    mode: Mode | None
    samples: int | None
    ttl: float | None
    max_size: int | None
    budget: float | None
    keep_cut_off: bool | None
    ignore: tuple[str, ...] | None
    only: Only | None
    matching: MatchOptions
    embeddings: bool | None = None
    delay: Delay | None = None

    def set(self, cache: Adjustable) -> str:
        """Set the options of a cache. Returns a sentence about matching by meaning, empty if nothing is said of it."""
        options = cache.settings.options
        kernel = replace(
            options.kernel, mode=self.mode or options.kernel.mode, samples=self.samples or options.kernel.samples
        )
        options = replace(options, kernel=kernel, typed=tuple(self._kept(dict(options.typed)).items()))
        if "ttl" in self.typed:
            options = replace(options, ttl=self.ttl)
        if "max-size" in self.typed:
            options = replace(options, max_size=self.max_size)
            cache.ledger.stored = False  # the next answer makes room, so that a slip can be mended
        if self.keep_cut_off is not None:
            options = replace(options, keep_cut_off=self.keep_cut_off)
        if self.ignore is not None:
            options = replace(options, ignore=self.ignore)
        if self.only is not None:
            options = replace(options, only=None if self.only == NONE else self.only)
        if self.embeddings is not None:
            options = replace(options, embeddings=self.embeddings)
        if self.delay is not None:
            # A notebook under verification has no time to lose.
            options = replace(options, delay=self.delay == "recorded" and not opens_all())
        cache.settings.options = options
        if self.ignore:
            cache.read_earlier()
        if "budget" in self.typed:
            from gptcache_magics.lookup.budget import Budget

            cache.ledger.budget = None if self.budget is None else Budget(self.budget, _paid(cache))
        return apply(cache, self.matching)

    def _kept(self, before: dict[str, str]) -> dict[str, str]:
        """Return the words of the options that hold from now on."""
        words = {**before, **{name: value for name, value in self.typed.items() if name not in ACTIONS}}
        words.pop("mode", None)
        if self.matching.match == "exact":
            words = {name: value for name, value in words.items() if name not in MATCHING}
        for name, flag in (("keep-cut-off", self.keep_cut_off), ("embeddings", self.embeddings)):
            if flag is False:
                words.pop(name, None)
        return {name: value for name, value in words.items() if value != NONE}

    def check_for_python(self, *, external: bool) -> None:
        """Raise ``CommandError`` if options of ``GPTCache`` contradict each other.

        Parameters
        ----------
        external
            Whether the answers are kept outside of a store of ours.
        """
        semantic = self.matching.match == "semantic"
        for name in self.typed:
            argument = name.replace("-", "_")
            kept = name in IN_OUR_STORE and self.typed[name] not in (NONE, NO)
            if external and (kept or (name in MATCHING and semantic)):
                raise CommandError(
                    f"GPTCache: {argument} is about answers in a store, but init_func or wrapped keeps them elsewhere."
                )
            if name in MATCHING and not semantic and name != "match":
                raise CommandError(
                    f"GPTCache: {argument} is about matching by meaning. Type: GPTCache(match='semantic', {argument}=…)"
                )


@dataclass(frozen=True, slots=True)
class State:
    """The options of a cache at one moment."""

    options: Options = Options()
    budget: Budget | None = None
    similar: SemanticSearch | None = None

    @classmethod
    def of(cls, cache: Adjustable) -> State:
        """Return the present state of a cache."""
        return cls(cache.settings.options, cache.ledger.budget, cache.similar)

    def restore(self, cache: Adjustable) -> None:
        """Let a cache be as it was. The search by meaning begins again if another one took its place."""
        cache.ledger.budget = self.budget
        if cache.similar is not self.similar:
            given = None if self.similar is None else self.similar.maker.given
            apply(cache, MatchOptions("exact" if self.similar is None else "semantic", embedder=given))
        cache.settings.options = self.options


def read(
    *,
    mode: Mode | None = None,
    match: Match | None = None,
    threshold: float | str | None = None,
    embedder: Any = None,
    any_temperature: bool = False,
    reembed: bool = False,
    wait: bool = False,
    template: Any = None,
    ttl: str | None = None,
    max_size: str | None = None,
    samples: int | None = None,
    budget: str | None = None,
    keep_cut_off: bool | None = None,
    ignore: str | Sequence[str] | None = None,
    only: Only | None = None,
    embeddings: bool | None = None,
    delay: Delay | None = None,
) -> Given:
    """Read the options of ``on``, which says what they mean; None and False are not given.

    Raises
    ------
    CommandError
        If a value is none that its option takes.
    """
    for name, value in (("mode", mode), ("match", match), ("only", only), ("delay", delay)):
        if value is not None:
            check_choice(name, value, CHOICES[name])
    if samples is not None:
        check_number("samples", samples)
    for name, flag in (
        ("any_temperature", any_temperature),
        ("keep_cut_off", keep_cut_off),
        ("embeddings", embeddings),
    ):
        if flag is not None:
            check_flag(name, flag)
    seconds = None if ttl in (None, NONE) else seconds_of(str(ttl), "--ttl takes a time such as 12h or 7d")
    size = None if max_size in (None, NONE) else int(bytes_of(str(max_size)))
    dollars = None if budget in (None, NONE) else dollars_of(str(budget))
    if seconds == 0 or size == 0:
        raise CommandError(f"on: {'--ttl' if seconds == 0 else '--max-size'} is above 0, or none. Got 0.")
    cosine = None if threshold is None else threshold_of(threshold)
    text = _template(template)
    rules = None if ignore is None else rules_of(ignore)
    typed = {
        **{"mode": mode, "match": match, "threshold": threshold, "embedder": embedder},
        **{"any-temperature": any_temperature, "reembed": reembed, "wait": wait},
        "template": text and f"“{shown(text, TEMPLATE_SHOWN)}”" if text != "" else NONE,
        **{"ttl": ttl, "max-size": max_size, "samples": samples, "budget": budget},
        "keep-cut-off": NO if keep_cut_off is False else keep_cut_off,
        "ignore": None if rules is None else ",".join(rules) or NONE,
        "only": only,
        "embeddings": NO if embeddings is False else embeddings,
        "delay": delay,
    }
    matching = MatchOptions(match, cosine, embedder, any_temperature, reembed, wait, text)
    words = {name: _words(value) for name, value in typed.items() if value is not None and value is not False}
    return Given(words, mode, samples, seconds, size, dollars, keep_cut_off, rules, only, matching, embeddings, delay)


def read_for_python(*, mark_hits: bool | None, external: bool, **options: Any) -> Given:
    """Read the options of ``GPTCache``.

    Parameters
    ----------
    mark_hits
        An option that ``on`` does not have; only checked.
    external
        Whether the answers are kept outside of a store of ours.

    Raises
    ------
    CommandError
        If a value is none that its option takes, or options contradict each other.
    """
    try:
        given = read(**options)
    except CommandError as error:
        raise CommandError(OPTION.sub(_parameter, str(error))) from error
    if mark_hits is not None:
        check_flag("mark_hits", mark_hits)
    given.check_for_python(external=external)
    return given


def in_environment(where: object, *, external: bool) -> dict[str, Any]:
    """Return the options that the environment gives a new cache: ``store``, ``mode`` and ``match``.

    Parameters
    ----------
    where
        The place that was given, or None. A bundle is replayed, whatever the environment says.
    external
        Whether the answers are kept outside of a store of ours, where they are matched exactly.

    Raises
    ------
    CommandError
        If an option does not take the value of its variable.
    """
    found = {name: os.environ.get(VARIABLE.format(name.upper()), "").strip() for name in ("store", *IN_ENVIRONMENT)}
    for name in IN_ENVIRONMENT:
        if found[name]:
            check_choice(VARIABLE.format(name.upper()), found[name], CHOICES[name])
    if where is not None or NOTEBOOK.config.store:
        del found["store"]
    if names_bundle(where or NOTEBOOK.config.store or found.get("store")):
        del found["mode"]
    if external:
        del found["match"]
    return {name: value for name, value in found.items() if value}


def configured(settings: Settings) -> list[str]:
    """Return the options of ``%config`` that hold and are not the default, as a line would name them.

    The place is named elsewhere.
    """
    given, default = settings.config, Config()
    own = {name for name in ("ignore", "keep_cut_off", "mark_hits") if getattr(settings.options, name) is not None}
    values = {each.name: getattr(given, each.name) for each in fields(Config) if each.name not in {"store", *own}}
    return [_named(name, value) for name, value in values.items() if value != getattr(default, name)]


def recorded_rules(store: Store) -> Sequence[str]:
    """Return the rules under which the answers of a store were recorded. In a replay they hold unless some are given.

    Given are those of ``on`` or ``GPTCache``; the rules of ``%config`` hold with the recorded ones.
    """
    try:
        return store.ignored()
    except StoreError:  # a lookup will say it
        return ()


def default_store() -> str:
    """Return the place of a new cache that is given none: that of ``%config``, of the environment, or the default."""
    return NOTEBOOK.config.store or os.environ.get(VARIABLE.format("STORE"), "").strip() or DEFAULT_STORE


def check_init_func(init_func: object) -> None:
    """Raise ``CommandError`` unless ``init_func`` is None or a function that can be given a ``gptcache.Cache``."""
    takes = "GPTCache(init_func) takes a function that sets up a gptcache.Cache."
    if init_func is None:
        return
    if isinstance(init_func, str | Path):
        kind = "text" if isinstance(init_func, str) else "path"
        raise CommandError(f"{takes} Got the {kind} '{init_func}'. A folder: GPTCache(store={str(init_func)!r})")
    if not callable(init_func):
        named = {"lookup": "To keep the answers in it: GPTCache(wrapped=…)", "put": "A store: GPTCache(store=…)"}
        hint = next((f" {hint}" for method, hint in named.items() if hasattr(init_func, method)), "")
        raise CommandError(f"{takes} Got {_short(init_func)}.{hint}")
    if inspect.iscoroutinefunction(init_func):
        raise CommandError(f"{takes} {_short(init_func)} is async: write def in place of async def.")
    try:
        parameters = inspect.signature(init_func)
        parameters.bind(*range(2 if len(parameters.parameters) == 2 else 1))
    except (TypeError, ValueError) as error:
        raise CommandError(
            f"{takes} It has one parameter, the cache, or two, the cache and LangChain's llm_string. "
            f"{_short(init_func)} has others."
        ) from error


def local_folder() -> str:
    """Return the folder before a team's store: that of ``%config`` or of the environment, or the default."""
    named = (NOTEBOOK.config.store, os.environ.get(VARIABLE.format("STORE"), "").strip())
    return next((each for each in named if each and not is_address(each) and not names_bundle(each)), DEFAULT_STORE)


def place_of(where: Place | None, space: str | None, pooled: bool, now: object = None) -> Place | None:
    """Return the place that was named, with the options of a team's store if it is one.

    Parameters
    ----------
    now
        The store that is on, whose space holds if none is named.

    Raises
    ------
    CommandError
        If the address cannot be read, or the options are given without one.
    """
    named = where if where is not None else default_store()
    check_form(named)
    if isinstance(named, str) and is_address(named) and (where is not None or space is not None or pooled):
        address, team = Address.parse(named, space or DEFAULT_SPACE, pooled=pooled), team_behind(now)
        if team is not None and space is None and team.database.address.shown == address.shown:
            same = team.database.address
            return replace(address, space=same.space, pooled=pooled or same.pooled)
        return address
    if space is not None or pooled:
        raise CommandError(
            f"on: {'--space' if space is not None else '--pooled'} is about a team's store. "
            "Example: %gptcache on postgresql://USER@HOST/DATABASE --space class-7b"
        )
    return where


def tables_of(at: Place, space: str | None, now: object = None, read: object = None) -> Store | None:
    """Return the tables of a team's store, to be read only; None for another place.

    Parameters
    ----------
    now
        The store that is on. If its team is at this address, its password and its space hold unless others are given.
    read
        The store that was read last, which is returned again if it is this one.

    Raises
    ------
    CommandError
        If the address cannot be read, or a space is given without one.
    """
    check_form(at)
    if not is_address(at):
        if space is not None:
            raise CommandError(
                "--space is about a team's store. "
                "Example: %gptcache stats --at postgresql://USER@HOST/DATABASE --space class-7b"
            )
        return None
    address, team = Address.parse(str(at), space or DEFAULT_SPACE), team_behind(now)
    if team is not None and team.database.address.shown == address.shown:
        same = team.database.address
        known = address if address.secrets else same
        address = replace(known, space=space or same.space, pooled=same.pooled)
    if opens_all():  # a notebook under verification asks nobody
        return open_store(local_folder())
    from gptcache_magics.store.postgres.tables import TeamTables  # imports psycopg

    return read if isinstance(read, TeamTables) and read.address == address else TeamTables(address)


def store_at(where: Place | AnswerStore) -> Store:
    """Return the store at a place, as ``open_store`` does; a bundle is read into memory.

    A team's store is one behind that of a folder. A notebook under verification reads the folder only.
    """
    check_form(where)
    if isinstance(where, Address) or is_address(where):
        if opens_all():
            return open_store(local_folder())
        address = where if isinstance(where, Address) else Address.parse(str(where))
        from gptcache_magics.store.team.store import TeamStore  # imports psycopg

        return TeamStore(local_folder(), address, _is_sound)
    if not isinstance(where, str | Path) or not names_bundle(where):
        return open_store(where)
    from gptcache_magics import bundle

    return open_store(where, bundle.opened)


def _is_sound(entry: Entry) -> bool:
    """Return whether the answer of somebody else can be served: a stranger may have written it."""
    from gptcache_magics import generations

    try:
        return bool(generations.decode(entry.answer, validate=True))
    except Exception:  # whatever a class of LangChain raises for its arguments
        return False


def _parameter(option: re.Match[str]) -> str:
    """Return the name of the parameter that an option of ``on`` is in Python."""
    return f"GPTCache: {option[1].replace('-', '_')}"


def _template(given: Any) -> str | None:
    """Return the text of a template; an empty text for none, and None if nothing was given."""
    if given is None:
        return None
    text = "" if given == NONE else template_text(given)
    if text:
        Template.of(text)
    return text


def _short(value: object) -> str:
    """Return the name of a function or class, a plain value as it is, or the class of an object."""
    plain = isinstance(value, str | int | float | list | dict)
    return repr(value)[:60] if plain else getattr(value, "__name__", f"a {type(value).__name__}")


def _words(value: Any) -> str:
    """Return the words of an option: a text or number as it is, a flag without words, the class of an object."""
    if value is True:
        return ""
    return str(value) if isinstance(value, str | int | float) else type(value).__name__


def _named(name: str, value: object) -> str:
    """Return an option of ``%config`` as a line would name it: ``keep-cut-off``, ``badge no``, ``ignore id``."""
    words = value if not isinstance(value, bool) else "" if value else NO
    if isinstance(value, tuple):  # prices, by the names of models
        words = f"of {', '.join(model for model, _ in value)}"
    return f"{name.replace('_', '-')} {words}".strip()


def _paid(cache: Adjustable) -> dict[str, tuple[int, float]]:
    """Return the number of paid calls of this run and their cost, by model."""
    if not cache.ledger.noted:
        return {}
    from gptcache_magics.tables import frames

    cache.ledger.flush()
    paid = frames.stats(cache.store, "model", period=Period(run=cache.ledger.run)).dropna(subset=["paid_usd"])
    calls = (paid["lookups"] - paid["hits"]).astype("int64")
    return {str(m): (int(n), float(usd)) for m, n, usd in zip(paid.index, calls, paid["paid_usd"], strict=True)}
