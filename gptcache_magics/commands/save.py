"""``%gptcache save``: write entries to a bundle."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Unpack

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._progress import ProgressLine
from gptcache_magics.commands._selection import At, Ids, Space, looked_up, models_of
from gptcache_magics.commands._selectors import Selectors, any_of, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import BUNDLE
from gptcache_magics.store.postgres.address import without_password
from gptcache_magics.text.amounts import byte_size, counted
from gptcache_magics.text.web_address import is_web_address

if TYPE_CHECKING:
    from gptcache_magics.bundle.misses import Miss
    from gptcache_magics.tables.source import Source

COMPRESSED: Final = (".bz2", ".gz", ".xz", ".zip", ".zst")
EXAMPLE = "%gptcache save lesson.jsonl"


@checked
def save(
    path: Annotated[
        str | Path, Word("FILE", help="the file to write; an existing bundle is replaced", place=True, ending=BUNDLE)
    ],
    *ids: Ids,
    all: Annotated[bool, Option(help="all entries of the store, not only those of this run")] = False,
    embeddings: Annotated[
        bool, Option(help="embeddings, too: those of this run, or with --all every one of the store")
    ] = False,
    missed: Annotated[bool, Option(help="what was asked in vain, too, for %gptcache missed FILE")] = False,
    at: At = None,
    space: Space = None,
    **selectors: Unpack[Selectors],
) -> str:
    """Write the entries of this run to a bundle: a file to commit beside a notebook or hand to a class.

    The entries of a run are those that it stored or hit; ``cell`` selects those of one cell. With ``all``, or ``at``
    another store, every entry is written; with ``ids``, those that they name. Text that looks like a key is masked in
    the file. With ``embeddings``, the texts that were embedded are written, too, each with its vector; one that looks
    like it holds a key is left out. With ``missed``, the questions that no stored answer served are written, too, so
    that a teacher sees them.
    """
    from gptcache_magics import bundle

    if controller.verifying:
        return f"{path} was not written: this notebook is being verified."
    if is_web_address(path):
        raise CommandError(f"save writes a file, and an address names none. Example: {EXAMPLE}")
    name = Path(path)
    if name.suffix.lower() in COMPRESSED:
        raise CommandError(
            f"save: a bundle is written as text, which diff and git can read. Compress it afterwards: "
            f"%gptcache save {name.with_suffix('')}"
        )
    cache = controller.cache
    if at is None and cache is not None and cache.external_cache:
        raise CommandError(
            f"save: the answers are in {cache.external_cache}, but a bundle is made from a store. "
            "From now on in a store: %gptcache off, then %gptcache on"
        )
    source = controller.explained(at, space) if missed else controller.source(at, space).settled()
    every, cell = all or at is not None, selectors.get("cell")
    if every and cell is not None:
        raise CommandError(f"save: --cell is about this run, {'--all' if all else '--at'} about a store. Give one.")
    selection = everywhere = selected(source, ids, **selectors)
    if not (every or ids or cell is not None):
        selection = replace(everywhere, ids=looked_up(source))
    with ProgressLine() as line:
        misses = _misses(source, selectors.get("model"), every=every) if missed else []
        embedded = _embedded(every=every) if embeddings else ()
        saved = bundle.save(source.store, selection, path, line, embedded, misses)
    damaged = f"{counted(saved.skipped, 'damaged entry')} {'was' if saved.skipped == 1 else 'were'} skipped."
    damage = [damaged] if saved.skipped else []
    if saved.secret_texts:
        held = "that looks like it holds a key", "that look like they hold a key"
        texts = counted(saved.secret_texts, f"embedded text {held[0]} was", f"embedded texts {held[1]} were")
        damage.append(f"{texts} left out.")
    if not saved.entries and not saved.embeddings and not misses:
        hint = [] if every or damage else ["Save entries of other runs, too: --all"]
        told = " ".join(["Nothing to save: no entry fits.", *damage, *hint])
        if at is not None:  # a build goes on with the file
            raise CommandError(f"{told} What is there: %gptcache entries --at {shlex.quote(without_password(str(at)))}")
        return told
    number = counted(saved.entries, "entry")
    if embeddings:
        number += f" and {counted(saved.embeddings, 'embedding')}"
    if missed:
        number += f" and {counted(len(misses), 'question')} without an answer"
    sentences = [f"Saved {number} to {path} ({byte_size(saved.bytes)}).", *damage]
    others = source.store.count(everywhere)[0] - saved.entries - saved.skipped
    if others and any_of(selectors) and cell is None:
        sentences.append(f"{counted(others, 'more fits', 'more fit')}, of other runs: --all")
    return " ".join([*sentences, *_masked(saved.masked_prompts, saved.masked_answers)])


def _embedded(*, every: bool) -> Collection[str] | None:
    """Return the keys of the embeddings of this run; None for all of the store."""
    cache = controller.cache
    return None if every or cache is None else cache.ledger.embeddings.keys_of(cache.ledger.run)


def _misses(source: Source, model: str | None, *, every: bool) -> list[Miss]:
    """Return the questions that no stored answer served, of this run or of all lookups of the store."""
    from gptcache_magics.explain.missed import unanswered

    asked = unanswered(source.store, source.period("all" if every else "run"), models_of(source.store, model))
    return [each.miss for each in asked if each.miss.configuration]


def _masked(prompts: int, answers: int) -> list[str]:
    sentences = []
    if prompts:
        held = "held what looks like a key:"
        masked = counted(prompts, f"prompt {held} it is", f"prompts {held} they are")
        sentences.append(f"{masked} masked in the file and will not match.")
    if answers:
        sentences.append(f"{counted(answers, 'answer')} held what looks like a key, masked in the file.")
    return sentences
