"""``%gptcache status``: show the state of the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gptcache_magics.controller import controller
from gptcache_magics.errors import StoreError
from gptcache_magics.lookup.embedding_uses import embedded_totals
from gptcache_magics.lookup.options import MATCHING, configured, recorded_rules
from gptcache_magics.semantic.options import searchable
from gptcache_magics.store.protocol import team_behind
from gptcache_magics.store.reasons import INCOMPLETE
from gptcache_magics.tables.totals import not_stored, run_totals
from gptcache_magics.text.amounts import byte_size, counted

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.langchain.cache import GPTCache
    from gptcache_magics.store.protocol import Store

EXAMPLE = "%gptcache"


@dataclass(frozen=True)
class Status:
    """Lines about the cache: its place, its options, this run and what is wrong."""

    cache: str
    store: str
    mode: str
    match: str
    run: str
    warnings: str
    team: str = ""
    """The team's store, and what waits to be sent; empty without one."""
    not_stored: str = ""
    """Why answers of this run were not stored; empty if all were."""

    def __repr__(self) -> str:
        lines = (
            *(("Cache", self.cache), ("Store", self.store), ("Mode", self.mode), ("Match", self.match)),
            *([("Team", self.team)] if self.team else []),
            ("This run", self.run),
            *([("Not stored", self.not_stored)] if self.not_stored else []),
            ("Warnings", self.warnings),
        )
        width = max(9, *(len(name) for name, _ in lines))
        return "\n".join(f"{name:<{width}} {value}" for name, value in lines)

    def to_frame(self) -> pd.DataFrame:
        """Return the same as a table of one row."""
        import pandas as pd

        return pd.DataFrame([vars(self)], dtype="string")


def _options(cache: GPTCache) -> Iterator[str]:
    """Yield the options that hold, with their source unless they were typed; those about matching stand elsewhere."""
    settings, budget = cache.settings, cache.ledger.budget
    options, config = settings.options, settings.config
    for name, words in options.typed:
        if name not in MATCHING:
            spent = f" ({budget} spent)" if name == "budget" and budget is not None else ""
            yield f"{name} {words}{spent}".strip()
    recorded = recorded_rules(cache.store) if options.kernel.mode == "replay" else ()
    if options.ignore == () and (config.ignore or recorded):
        yield "ignore none"
    if options.keep_cut_off is False and config.keep_cut_off:
        yield "keep-cut-off no"
    if options.mark_hits is False:
        yield "mark-hits no"
    yield from (f"{each} (%config)" for each in configured(settings))
    if recorded and options.ignore is None:
        yield f"ignore {','.join(recorded)} (as recorded)"


def status() -> Status:
    """Show whether the cache is on, where its store is, what this run did, and warnings."""
    cache = controller.cache
    if cache is None:
        return Status("off", "none. Turn it on: %gptcache on", "off", "off", "nothing was looked up", "none")
    from langchain_core.globals import get_llm_cache

    source = controller.source()
    current = get_llm_cache()
    controller.news()  # all of it is shown here
    warnings = list(cache.notices)
    if current is not cache:
        name = type(current).__name__ if current is not None else "set_llm_cache(None)"
        warnings.append(f"{name} replaced this cache as LangChain's global cache. Take it back: %gptcache on")
    run = run_totals(source)
    budget = cache.ledger.budget
    if budget is not None and budget.unknown:
        warnings.append(f"{budget.incomplete}.")
    if cache.ledger.waiting:
        warnings.append(cache.ledger.waiting)
    if cache.ledger.failures:
        warnings.append(
            f"{counted(cache.ledger.failures, 'error')} inside the cache, the last: {cache.ledger.last_error}"
        )
    return Status(
        f"{source.state} (set by hand)" if controller.by_hand else source.state,
        f"answers in {cache.external_cache}, lookups in {source.where}"
        if cache.external_cache
        else f"{source.where} ({_content(cache.store)})",
        ", ".join([source.mode, *_options(cache)]),
        _match(cache),
        " · ".join(filter(None, (run, embedded_totals(cache.ledger.embeddings.recent)))) or "no lookups yet",
        " ".join(warnings) or "none",
        _team(cache.store),
        _not_stored(cache),
    )


def _team(store: Store) -> str:
    """Return the team's store, how long it is away, and what waits to be sent."""
    team = team_behind(store)
    if team is None:
        return ""
    address = team.database.address
    parts = [f"{address.shown}, space {address.space}{', pooled' if address.pooled else ''}"]
    if team.database.role:
        parts.append(f"as {team.database.role}{'' if team.shares else ', who may only read'}")
    try:
        left = team.waiting()
    except StoreError as error:
        return f"{', '.join(parts)}; {error}"
    answers = left.get("entry", 0) + left.get("overtaken", 0)
    embeddings = left.get("embedding", 0)
    what = counted(answers, "answer") + (f" and {counted(embeddings, 'embedding')}" if embeddings else "")
    one = answers == 1 and not embeddings
    if team.trouble:
        since = team.database.away_since
        state, then = f"away since {_moment(since)}" if since is not None else "away", "the team's store answers"
        if team.database.refused or not team.database.away:  # waiting does not help
            state, then = "cannot be used (see Warnings)", "that is mended"
        parts.append(f"{state}: {what} {'waits' if one else 'wait'} to be sent")
        parts.append(f"nothing of it is lost: it is in this folder, and sent when {then}")
    elif answers or embeddings:
        parts.append(f"{what} {'is' if one else 'are'} being sent")
    return ", ".join(parts)


def _moment(seconds: float) -> str:
    """Return a moment by the local clock, with its day unless that is today."""
    moment = datetime.fromtimestamp(seconds)
    return f"{moment:%H:%M}" if moment.date() == datetime.now().date() else f"{moment:%Y-%m-%d %H:%M}"


def _not_stored(cache: GPTCache) -> str:
    """Return why answers of this run were not stored, and how to keep those that can be."""
    reasons = not_stored(cache.ledger.recent.copy())
    counts = ", ".join(f"{number:,} {detail}" for detail, number in reasons.items())
    keepable = not INCOMPLETE.isdisjoint(reasons) and not cache.settings.keeps_incomplete
    return f"{counts}. Keep them: %gptcache on --keep-cut-off" if keepable else counts


def _content(store: Store) -> str:
    """Return what a store holds, or why it cannot be read."""
    try:
        entries, size = store.count()
        embeddings, taken = store.count_embeddings()
    except StoreError as error:
        return str(error)
    content = f"{counted(entries, 'entry')}, {byte_size(size)}"
    return f"{content}; {counted(embeddings, 'embedding')}, {byte_size(taken)}" if embeddings else content


def _match(cache: GPTCache) -> str:
    """Return how questions are matched."""
    if cache.similar is None:
        return "exact"
    try:
        return searchable(cache.store, cache.settings.options, cache.similar)
    except StoreError:
        return "semantic"
