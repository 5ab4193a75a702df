"""``%gptcache on``: let every LangChain model call go through the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import BUNDLE, controller
from gptcache_magics.errors import CommandError
from gptcache_magics.lookup.options import State
from gptcache_magics.semantic.options import PRESETS, Match, MatchOptions, apply, threshold_of
from gptcache_magics.semantic.template import Template, template_text
from gptcache_magics.settings import Mode
from gptcache_magics.store.protocol import Store
from gptcache_magics.text.amounts import byte_size, bytes_of, dollars_of, seconds_of

EXAMPLE = "%gptcache on"
NONE = "none"
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
            help="a folder (default .gptcache), :memory: to keep nothing, or a bundle to replay",
            suggest=lambda: [":memory:"],
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
    samples: Annotated[int | None, Option(metavar="N", help="give N different answers to identical calls")] = None,
    budget: Annotated[
        str | None, Option(metavar="MONEY", help="what this run may spend, such as 2usd; or none")
    ] = None,
    init: Annotated[
        Callable[..., Any] | None,
        Option(
            metavar="FUNC", help="a notebook function that sets up the gptcache.Cache it is given", variable="function"
        ),
    ] = None,
    wrap: Annotated[bool, Option(help="keep the answers in the LangChain cache that is installed")] = False,
) -> str:
    """Cache every LangChain model call of this kernel.

    The cache becomes LangChain's global LLM cache. A later ``on`` changes the given options and keeps all others.

    Parameters
    ----------
    where
        A folder for the store (default ``.gptcache``), ``:memory:``, or a bundle to replay.
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
        have in common. ``none`` removes it.
    ttl
        Lifetime of the answers stored from now on, such as ``7d``; ``none`` for ever.
    max_size
        Most bytes of the answers, such as ``500MB``: those unused for longest go, but never pinned ones.
    samples
        How many identical calls in one run of a cell get a different answer each.
    budget
        Money that this run may spend, such as ``2usd``: a call that would exceed it is not sent.
    init
        Sets up the ``gptcache.Cache`` it is given, as ``init_func`` of LangChain's GPTCache.
    wrap
        Keep the answers in the LangChain cache that is installed, and add lookups, tables and modes.
    """
    from langchain_core.globals import get_llm_cache

    amounts = {"--ttl 7d": ttl, "--max-size 500MB": max_size, "--budget 2usd": budget}
    _check_units(where, [example for example, amount in amounts.items() if amount is not None])
    seconds = None if ttl in (None, NONE) else seconds_of(str(ttl), "--ttl takes a time such as 12h or 7d")
    size = None if max_size in (None, NONE) else int(bytes_of(str(max_size)))
    dollars = None if budget in (None, NONE) else dollars_of(str(budget))
    if seconds == 0 or size == 0:
        raise CommandError(f"on: {'--ttl' if seconds == 0 else '--max-size'} is above 0, or none. Got 0.")
    was_on, before = controller.cache, get_llm_cache()
    external_cache = wrap or init is not None or (was_on is not None and bool(was_on.external_cache))
    if external_cache:
        _check_kept([("--ttl", seconds), ("--max-size", size), ("--samples", samples)])

    cosine = None if threshold is None else threshold_of(threshold)
    wanted = MatchOptions(match, cosine, embedder, any_temperature, reembed, wait, _template(template))
    wanted.check(was_on, external_cache=external_cache)

    turned_on = controller.turned_on
    state = State() if was_on is None else State.of(was_on)
    try:
        controller.on(where, init, wrap=wrap)
        cache = controller.cache
        assert cache is not None
        if mode is not None:
            controller.set_mode(mode)
        options = cache.settings.options
        if samples is not None:
            options = replace(options, kernel=replace(options.kernel, samples=samples))
        if ttl is not None:
            options = replace(options, ttl=seconds)
        if max_size is not None:
            options = replace(options, max_size=size)
            cache.ledger.stored = False  # the next answer makes room, so that a slip can be mended
        cache.settings.options = options
        if budget is not None:
            cache.ledger.budget = _budget(dollars)
        again = " again" if was_on is cache and before is not cache else ""
        message = apply(cache, wanted)
        aside = "" if was_on is cache else _aside()
        over = "" if size is None else _over(cache.store, size)
        return f"Cache on{again}: {controller.described()}.{message}{controller.placed}{aside}{over}"
    except BaseException:
        if was_on is None or (turned_on is None and controller.cache is not was_on):
            controller.off()
        elif controller.cache is was_on:
            state.restore(was_on)
            controller.set_mode(state.options.kernel.mode)
            if turned_on is None:
                controller.let_go(was_on)
        raise


def _template(given: Any) -> str | None:
    """Return the text of a template; an empty text for none, and None if nothing was given."""
    if given is None:
        return None
    text = "" if given == NONE else template_text(given)
    if text:
        Template.of(text)
    return text


def _over(store: Store, limit: int) -> str:
    """Return a warning if a new limit removes stored answers."""
    _, held = store.count()
    if held <= limit:
        return ""
    return (
        f" The store holds {byte_size(held)}: the next answer removes those unused for longest, for good. "
        "Keep all: %gptcache on --max-size none"
    )


def _check_units(where: str | Path | None, examples: Sequence[str]) -> None:
    """Raise if a unit is separated from its amount: it would be taken for a folder."""
    if examples and str(where).lower() in UNITS:
        raise CommandError(f"on: write the unit with the amount, as in {examples[0]}. Got '{where}' apart from it.")


def _check_kept(options: Sequence[tuple[str, object]]) -> None:
    """Raise if an option has no effect on answers that are kept outside a store."""
    for option, value in options:
        if value is not None:
            raise CommandError(f"on: {option} is about answers in a store, but --wrap or --init keep them elsewhere.")


def _aside() -> str:
    cache, previous = controller.cache, controller.previous
    assert cache is not None
    notices = "".join(f" {notice}" for notice in cache.store.notices)
    if previous is None:
        return notices
    name = type(previous).__name__
    if cache.wraps:
        return f"{notices} {name} keeps the answers."
    keep = "off" if isinstance(previous, type(cache)) else "on --wrap"
    return f"{notices} {name} set aside (off restores it). Keep using it: %gptcache {keep}"


def _budget(dollars: float | None) -> Any:
    if dollars is None:
        return None
    from gptcache_magics.lookup.budget import Budget
    from gptcache_magics.tables import frames

    source = controller.source()
    source.flush()
    paid = frames.stats(source.store, "model", period=source.period()).dropna(subset=["paid_usd"])
    calls = (paid["lookups"] - paid["hits"]).astype("int64")
    return Budget(
        dollars, {str(m): (int(n), float(usd)) for m, n, usd in zip(paid.index, calls, paid["paid_usd"], strict=True)}
    )
