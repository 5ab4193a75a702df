"""Turn matching by meaning on and off for the cache that is on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from gptcache_magics.errors import CommandError
from gptcache_magics.settings import THRESHOLD, Options, Settings
from gptcache_magics.store.protocol import Store, VectorStore
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.word_diff import shown

if TYPE_CHECKING:
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["PRESETS", "Match", "MatchOptions", "apply", "resume", "searchable", "threshold_of"]

Match = Literal["exact", "semantic"]
PRESETS: Final = {"strict": 0.96, "balanced": THRESHOLD, "loose": 0.85}
"""Measured cosines by name; ``loose`` serves wrong answers now and then."""
CAREFUL: Final = 0.9
TEMPLATE_SHOWN: Final = 60
"""Most characters of a template in a sentence."""


class Matching(Protocol):
    """The parts of a cache that matching by meaning uses."""

    similar: SemanticSearch | None
    """The search for questions in other words, while that is on."""

    @property
    def store(self) -> Store:
        """The store of the answers."""

    @property
    def settings(self) -> Settings:
        """The settings that hold for the cache."""

    def failed(self, error: Exception, doing: str) -> object:
        """Count an error that no call notices."""


@dataclass(frozen=True, slots=True)
class MatchOptions:
    """Options of ``on`` about matching; None keeps the present value."""

    match: Match | None = None
    threshold: float | None = None
    embedder: Any = None
    any_temperature: bool = False
    reembed: bool = False
    wait: bool = False
    template: str | None = None
    """A text with gaps; an empty text removes the present one."""

    @property
    def nothing(self) -> bool:
        """Whether every option keeps the present value."""
        return self == MatchOptions()

    def check(self, cache: Matching | None, *, external_cache: bool) -> None:
        """Check the options before anything is changed.

        Parameters
        ----------
        external_cache
            Whether another cache keeps the answers instead of a store of ours.

        Raises
        ------
        CommandError
            If the options contradict each other, or the embedder is not one.
        MissingDependencyError
            If the embedder needs an extra that is not installed.
        """
        given = {
            "--threshold": self.threshold is not None,
            "--embedder": self.embedder is not None,
            "--any-temperature": self.any_temperature,
            "--reembed": self.reembed,
            "--wait": self.wait,
            "--template": self.template is not None,
        }
        semantic = self.match == "semantic" or (self.match is None and cache is not None and cache.similar is not None)
        said = [option for option, is_given in given.items() if is_given]
        if said and not semantic:
            values = {"--threshold": f" {self.threshold}", "--embedder": " NAME", "--template": ' "Review: {x}"'}
            typed = said[0] + values.get(said[0], "")
            raise CommandError(
                f"on: {said[0]} is about matching by meaning. Type: %gptcache on --match semantic {typed}"
            )
        if self.nothing or not semantic:
            return
        if external_cache:
            raise CommandError(
                "on: --match semantic searches a store of ours, and with --init or --wrap the answers are elsewhere."
            )
        if self.embedder is not None or cache is None or cache.similar is None:
            from gptcache_magics.semantic.embedders import DEFAULT, embedder_maker  # imports numpy

            embedder_maker(DEFAULT if self.embedder is None else self.embedder)


def threshold_of(value: Any) -> float:
    """Return a threshold as a cosine, from a number or the name of a preset.

    Raises
    ------
    CommandError
        If it is neither a cosine from 0 to 1 nor a preset.
    """
    try:
        number = PRESETS[value] if value in PRESETS else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if 0 <= number <= 1:
        return number
    preset = next((name for name in PRESETS if str(value).lower()[:3] == name[:3]), None)
    suggestion = f"{number / 100:g}" if 2 <= number <= 100 else preset
    meant = f" Did you mean {suggestion}?" if suggestion else f" Example: {THRESHOLD}"
    raise CommandError(
        f"--threshold is {', '.join(PRESETS)} or a cosine between 0 and 1 (1 = identical). Got {value}.{meant}"
    )


def apply(cache: Matching, wanted: MatchOptions) -> str:
    """Match by these options from now on. Returns a sentence for the user, empty if no option was given."""
    if wanted.match == "exact":
        cache.similar = None
        cache.settings.options = replace(cache.settings.options, any_temperature=False, template="")
        return " Matching exactly."
    if wanted.nothing:
        return ""
    from gptcache_magics.semantic.embedders import DEFAULT, embedder_maker
    from gptcache_magics.semantic.search import SemanticSearch

    settings, similar = cache.settings, cache.similar
    any_temperature = settings.options.any_temperature or wanted.any_temperature
    options = replace(settings.options, any_temperature=any_temperature)
    if similar is None or similar.embedding.trouble or _is_other(wanted.embedder, similar.maker.given):
        before = similar.maker.given if similar is not None else DEFAULT
        maker = embedder_maker(before if wanted.embedder is None else wanted.embedder)
        if similar is None or similar.embedder != maker.name:
            options = replace(options, threshold=_chosen(cache.store, maker.name))
        similar = SemanticSearch(cache.store, settings, maker, cache.failed)
        cache.similar = similar
    if wanted.threshold is not None:
        options = replace(options, threshold=wanted.threshold)
        if not cache.store.readonly:
            cache.store.choose_threshold(similar.embedder, wanted.threshold)
    if wanted.template is not None:
        options = replace(options, template=wanted.template)
    settings.options = options
    message = f" Matching by meaning: {_summary(options, similar.embedder)}."
    more = resume(cache.store, similar, reembed=wanted.reembed, wait=wanted.wait)
    if similar.embedding.trouble:
        return f"{message} It cannot be used, so matching is exact: {similar.embedding.trouble}"
    return message + ("" if similar.embedding.name else " Exact until the embedder is loaded.") + more


def _is_other(embedder: Any, given: Any) -> bool:
    """Return whether ``embedder`` differs from the one that was given before."""
    return embedder is not None and embedder is not given and not (isinstance(embedder, str) and embedder == given)


def _summary(options: Options, embedder: str) -> str:
    """Return in a few words how questions are matched by meaning."""
    typed = dict(options.typed).get("threshold", "")
    number = f"{options.threshold:g}"
    named = typed and typed != number and threshold_of(typed) == options.threshold
    message = f"{embedder}, threshold {f'{typed} ({number})' if named else number}"
    message += f", template “{shown(' '.join(options.template.split()), TEMPLATE_SHOWN)}”" if options.template else ""
    if options.shadow:
        return f"{message}, in shadow mode (nothing is served by meaning)"
    message += ", at any temperature" if options.any_temperature else ""
    return message + (", expect wrong answers" if options.threshold < CAREFUL else "")


def searchable(store: Store, options: Options, similar: SemanticSearch) -> str:
    """Return how questions are matched, and how many entries can be found by meaning."""
    message = f"semantic: {_summary(options, similar.embedder)}"
    embedding, backfill = similar.embedding, similar.backfill
    if embedding.trouble:
        return f"exact: {embedding.trouble}"
    if not embedding.name:
        return f"{message} (loading)"
    if backfill.pending and backfill.total:
        return f"{message} ({backfill.done:,} of {backfill.total:,} earlier entries are searchable)"
    if backfill.trouble:
        return f"{message} (embedding failed, try again with %gptcache on --reembed: {backfill.trouble})"
    left = 0 if store.readonly or backfill.pending else store.count_unembedded(embedding.name, replace_others=True)
    return (
        f"{message} ({counted(left, 'entry is', 'entries are')} not searchable: %gptcache on --reembed)"
        if left
        else message
    )


def _chosen(store: VectorStore, embedder: str) -> float:
    """Return the threshold that was chosen for an embedder in this store, or the default."""
    chosen = next((each.threshold for each in store.embedders() if each.embedder == embedder), None)
    return THRESHOLD if chosen is None else float(chosen)


def resume(store: VectorStore, similar: SemanticSearch, *, reembed: bool = False, wait: bool = False) -> str:
    """Embed earlier entries, in the background or until done. Returns a sentence for the user.

    Entries with vectors of another embedder are embedded again only with ``reembed``: it may cost money, or send them
    to another machine.
    """
    similar.backfill.start(replace_others=reembed)
    message = ""
    if wait:
        similar.backfill.wait()
    elif store.count_unembedded(similar.embedding.name or _kept(store, similar.embedder), replace_others=reembed):
        message = " Earlier entries become searchable in the background: %gptcache shows how far."
    others = 0 if reembed else store.count_elsewhere(similar.embedder)
    if others:
        of_another = f"{counted(others, 'entry is', 'entries are')} embedded by another embedder only"
        message += f" {of_another}. Embed them again: %gptcache on --reembed"
    return message


def _kept(store: VectorStore, embedder: str) -> str:
    """Return the likely name of the stored vectors of an embedder that is still loading."""
    return next((each.embedder for each in store.embedders() if each.embedder.startswith(f"{embedder}/")), "")
