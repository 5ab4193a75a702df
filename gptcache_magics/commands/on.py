"""``%gptcache on``: let every LangChain model call go through the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.lookup.options import (
    MATCHING,
    NONE,
    VARIABLE,
    State,
    configured,
    in_environment,
    local_folder,
    place_of,
    read,
)
from gptcache_magics.semantic.options import PRESETS, Match
from gptcache_magics.settings import BUNDLE, IGNORE, Delay, Mode, Only, names_bundle
from gptcache_magics.store.postgres.address import Address, without_password
from gptcache_magics.store.protocol import Store
from gptcache_magics.text.amounts import byte_size

EXAMPLE = "%gptcache on"
UNITS = frozenset(["m", "h", "d", "w", "kb", "mb", "gb", "usd", "$"])


def _embedders() -> Iterable[str]:
    from gptcache_magics.semantic.embedders import EMBEDDERS

    return EMBEDDERS


@checked
def on(
    where: Annotated[
        str | Path | None,
        Word(
            "WHERE",
            help="a folder (default .gptcache), :memory:, a bundle to replay or its https:// address, or a team's postgresql://…",
            suggest=lambda: [":memory:", "https://", "postgresql://"],
            place=True,
            ending=BUNDLE,
        ),
    ] = None,
    *,
    mode: Annotated[Mode | None, Option(help="what the cache may do (default: auto): %gptcache help mode")] = None,
    match: Annotated[Match | None, Option(help="semantic finds questions in other words, too (default: exact)")] = None,
    threshold: Annotated[
        float | str | None,
        Option(
            metavar="COSINE",
            help="with --match semantic: strict, balanced, loose, or a cosine from 0 to 1",
            suggest=lambda: PRESETS,
        ),
    ] = None,
    embedder: Annotated[
        Any,
        Option(
            metavar="NAME",
            help="with --match semantic: minilm, or a notebook variable",
            suggest=_embedders,
            variable="variable",
            may_be_variable=True,
        ),
    ] = None,
    any_temperature: Annotated[bool, Option(help="with --match semantic: match at a temperature above 0, too")] = False,
    reembed: Annotated[bool, Option(help="embed again the entries that another embedder has embedded")] = False,
    wait: Annotated[bool, Option(help="with --match semantic: wait until the embedder is loaded")] = False,
    template: Annotated[
        Any,
        Option(
            metavar="TEXT",
            help='with --match semantic: compare only what is in the gaps of prompts such as "Review: {x}"; or none',
            variable="variable",
            may_be_variable=True,
        ),
    ] = None,
    ttl: Annotated[
        str | None, Option(metavar="TIME", help="lifetime of answers stored from now on, such as 12h or 7d; or none")
    ] = None,
    max_size: Annotated[
        str | None, Option(metavar="SIZE", help="how much the answers may take, such as 500MB; or none")
    ] = None,
    keep_cut_off: Annotated[
        bool | None,
        Option(help="store answers that were cut off at max_tokens, withheld or empty, too, marked; or no"),
    ] = None,
    ignore: Annotated[
        str | Sequence[str] | None,
        Option(
            metavar="RULES",
            help="what of a prompt may differ: id, date, time, address, order, with commas; or none",
            suggest=lambda: [*IGNORE, NONE],
            listed=True,
        ),
    ] = None,
    only: Annotated[
        Only | None, Option(help="langchain leaves the calls of openai, anthropic and other SDKs alone; or none")
    ] = None,
    samples: Annotated[int | None, Option(metavar="N", help="give N different answers to identical calls")] = None,
    budget: Annotated[
        str | None, Option(metavar="MONEY", help="what this run may spend, such as 2usd; or none")
    ] = None,
    embeddings: Annotated[
        bool | None, Option(help="store embeddings of openai, cohere, google and ollama, too, text by text; or no")
    ] = None,
    delay: Annotated[
        Delay | None, Option(help="recorded: a hit takes as long as the answer took when it was stored; or none")
    ] = None,
    init: Annotated[
        Callable[..., Any] | None,
        Option(
            metavar="FUNC", help="a notebook function that sets up the gptcache.Cache it is given", variable="function"
        ),
    ] = None,
    wrap: Annotated[bool, Option(help="keep the answers in the LangChain cache that is installed")] = False,
    space: Annotated[
        str | None, Option(metavar="NAME", help="with a team's store: the part of it to share (default: default)")
    ] = None,
    pooled: Annotated[bool, Option(help="with a team's store: a pooler such as pgbouncer is between")] = False,
    shared: Annotated[bool, Option(help="take a store that another user owns, or can write")] = False,
) -> str:
    """Cache every model call of this kernel, LangChain's and those of SDKs.

    The cache becomes LangChain's global LLM cache, and answers the requests that openai, anthropic, google-genai and
    other SDKs send with httpx. A later ``on`` changes the given options and keeps all others.

    Parameters
    ----------
    where
        A folder for the store (default ``.gptcache``), ``:memory:``, a bundle to replay (a file, or the address of one,
        ``https://…/lesson.jsonl``, of which a copy is kept for when there is no network), or the address of a team's
        store, ``postgresql://USER@HOST/DATABASE``: what is asked from then on is shared, behind the default folder.
    mode
        ``auto``, ``replay``, ``refresh``, ``readonly`` or ``bypass``.
    match
        ``exact``, or ``semantic`` to find a question that was asked in other words, too.
    threshold
        For ``semantic``: the smallest cosine at which two questions count as the same, 0 to 1.
    embedder
        For ``semantic``: ``minilm``, or any LangChain ``Embeddings``.
    any_temperature
        For ``semantic``: also match calls whose temperature above 0 asks for different answers.
    reembed
        For ``semantic``: embed the entries that have only vectors of another embedder.
    wait
        For ``semantic``: return when the embedder is loaded and earlier entries are searchable, as for a notebook that
        is run from top to bottom.
    template
        For ``semantic``: the text with ``{gaps}`` that most prompts are made of, or a LangChain prompt template with
        that text. Of two such prompts only what is in the gaps is compared. Without it, the cache learns what prompts
        have in common. A prompt of more than 60 words gets exact matches only, with or without a template. ``none``
        removes it.
    ttl
        Lifetime of the answers stored from now on, such as ``7d``; ``none`` for ever.
    max_size
        Most bytes of the answers, such as ``500MB``: those unused for longest go, but never pinned ones.
    keep_cut_off
        Whether answers that were cut off at ``max_tokens``, withheld by a filter or empty are stored and served, with
        ``cut_off`` in their mark.
    ignore
        What of a prompt may differ from that of a stored answer: ``id`` (UUIDs and the ids of messages and calls),
        ``date``, ``time``, ``address`` (of objects, and temporary files), ``order`` (of the members of a dict or set,
        and of LangChain's documents in a list); several with commas, or ``none``. The answer is given the ids and dates
        of the prompt that asks.
    only
        ``langchain`` leaves the calls of SDKs alone; ``none`` lets them use the cache again.
    samples
        How many identical calls in one run of a cell get a different answer each.
    budget
        Money that this run may spend, such as ``2usd``: a call that would exceed it is not sent.
    embeddings
        Whether embeddings are stored and served, too, text by text: those that go over HTTP through openai, cohere,
        google-genai, mistralai and ollama, also from LangChain's classes. They are no part of the hit rate. A bundle
        that holds embeddings serves them without this option.
    delay
        ``recorded`` lets a hit take as long as the model took, at most a minute, and a stream come piece by piece in
        that time, as for a lesson at its real pace. Such a hit saves no time. ``none`` ends it.
    init
        Sets up the ``gptcache.Cache`` it is given, as ``init_func`` of LangChain's GPTCache.
    wrap
        Keep the answers in the LangChain cache that is installed, and add lookups, tables and modes.
    space
        For a team's store: the name of the part of it whose members share their answers.
    pooled
        For a team's store: whether a pooler such as pgbouncer is between. One that is found is minded anyway.
    shared
        Take a store that another user owns or can write, or that is a link: its answers are served as they are. Holds
        for this folder until the kernel ends.
    """
    from langchain_core.globals import get_llm_cache

    amounts = {"--ttl 7d": ttl, "--max-size 500MB": max_size, "--budget 2usd": budget}
    _check_units(str(where), [example for example, amount in amounts.items() if amount is not None])
    place = place_of(where, space, pooled, getattr(controller.cache, "store", None))
    if shared:
        _accept(controller.place_for(place))
    kept, turned_on, before = controller.kept(place, init, wrap=wrap), controller.turned_on, get_llm_cache()
    external = wrap or init is not None or (kept is not None and bool(kept.external_cache))
    assumed = in_environment(place, external=external) if kept is None else {}
    assumed = {name: value for name, value in assumed.items() if {"mode": mode, "match": match}.get(name) is None}
    mode, match = mode or assumed.get("mode"), match or assumed.get("match")
    given = read(
        mode=mode,
        match=match,
        threshold=threshold,
        embedder=embedder,
        any_temperature=any_temperature,
        reembed=reembed,
        wait=wait,
        template=template,
        ttl=ttl,
        max_size=max_size,
        samples=samples,
        budget=budget,
        keep_cut_off=keep_cut_off,
        ignore=ignore,
        only=only,
        embeddings=embeddings,
        delay=delay,
    )
    if external:
        _check_kept(
            [
                ("--ttl", given.ttl),
                ("--max-size", given.max_size),
                ("--samples", given.samples),
                ("--keep-cut-off", keep_cut_off),
                ("--ignore", given.ignore or None),
                ("--embeddings", embeddings),
            ]
        )
    given.matching.check(kept, external_cache=external)

    state = State() if kept is None else State.of(kept)
    try:
        controller.on(place, init, wrap=wrap)
        cache = controller.turned_on
        assert cache is not None
        message = given.set(cache)
        if mode is not None:
            controller.set_mode(mode)
        again = " again" if kept is cache and before is not cache else ""
        message += _set(given.typed, init, assumed, configured(cache.settings))
        message += _kept(state, given.typed)
        aside = "" if kept is cache else _aside()
        over = "" if given.max_size is None else _over(cache.store, given.max_size)
        return f"Cache on{again}: {controller.described()}.{message}{controller.placed}{aside}{over}"
    except BaseException:
        if kept is None:
            if controller.turned_on is not None:
                controller.off()
        elif controller.turned_on in (None, kept):
            state.restore(kept)
            if turned_on is None:
                controller.let_go(kept)
            controller.set_mode(state.options.kernel.mode)
        raise


def _accept(place: str | Path | Address) -> None:
    """Take the store in a folder, whoever can write it."""
    from gptcache_magics.store.sqlite.database import store_folder  # not for %load_ext
    from gptcache_magics.store.sqlite.owner import accept_shared

    if isinstance(place, Address):
        place = local_folder()
    if str(place) == ":memory:" or names_bundle(place):
        raise CommandError("on: --shared is about a folder. Example: %gptcache on /srv/class/.gptcache --shared")
    accept_shared(store_folder(place))


def _set(
    typed: Mapping[str, str], init: Callable[..., Any] | None, assumed: Mapping[str, str], config: Sequence[str]
) -> str:
    """Return the options that were given, in their words, without those that the rest of the line names."""
    said = {name for name in ("mode", "match") if name in assumed or (name, typed.get(name)) != ("mode", "auto")}
    words = [f"{name} {words}".strip() for name, words in typed.items() if name not in said]
    if init is not None:
        words.append(f"init {getattr(init, '__name__', type(init).__name__)}")
    found = [
        f"{name} {without_password(str(value))} ({VARIABLE.format(name.upper())})" for name, value in assumed.items()
    ]
    said_of = {"Set": words, "From the environment": found, "From %config": config}
    return "".join(f" {source}: {', '.join(options)}." for source, options in said_of.items() if options)


def _kept(before: State, given: Mapping[str, str]) -> str:
    """Return the options that an earlier ``on`` set and this one has not, in the words in which they were typed."""
    kept = [f"{name} {words}".strip() for name, words in before.options.typed if name not in {*given, *MATCHING}]
    return f" As before: {', '.join(kept)}." if kept else ""


def _over(store: Store, limit: int) -> str:
    """Return a warning if a new limit removes stored answers."""
    _, held = store.count()
    if held <= limit:
        return ""
    return (
        f" The store holds {byte_size(held)}: the next answer removes those unused for longest, for good. "
        "Keep all: %gptcache on --max-size none"
    )


def _check_units(where: str, examples: Sequence[str]) -> None:
    """Raise if a unit is separated from its amount: it would be taken for a folder."""
    if examples and where.lower() in UNITS:
        raise CommandError(f"on: write the unit with the amount, as in {examples[0]}. Got '{where}' apart from it.")


def _check_kept(options: Sequence[tuple[str, object]]) -> None:
    """Raise if an option has no effect on answers that are kept outside a store."""
    for option, value in options:
        if value is not None:
            raise CommandError(f"on: {option} is about answers in a store, but --wrap or --init keep them elsewhere.")


def _aside() -> str:
    cache, previous = controller.cache, controller.previous
    assert cache is not None
    notices = "".join(f" {notice}" for notice in cache.notices)
    if previous is None:
        return notices
    name = type(previous).__name__
    if cache.wraps:
        from gptcache_magics.engines.wrapped import matches_by_meaning

        exact = " It answers the very same question only, never a similar one." if matches_by_meaning(previous) else ""
        return f"{notices} {name} keeps the answers.{exact}"
    keep = "off" if isinstance(previous, type(cache)) else "on --wrap"
    return f"{notices} {name} set aside (off restores it). Keep using it: %gptcache {keep}"
