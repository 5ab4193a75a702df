"""``%gptcache load``: take entries from a bundle, from LangChain's ``SQLiteCache``, or from LangChain's GPTCache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.options import resume
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.web_address import is_web_address, shown_address

if TYPE_CHECKING:
    from gptcache_magics.langchain.cache import GPTCache

EXAMPLE = "%gptcache load lesson.jsonl"
Kind = Literal["bundle", "langchain-sqlite"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

File = Annotated[
    str | Path | None,
    Word("FILE", help="a bundle, on the web too, or the file of a SQLiteCache such as .langchain.db", place=True),
]
From = Annotated[Kind | None, Option(help="kind of the file (default: detected)")]
Keep = Annotated[bool, Option(help="keep the answer of the store where both have one (default)")]
Replace = Annotated[bool, Option(help="take the answer of the file where both have one")]


@checked
def load(
    path: File = None,
    *,
    init: Annotated[
        Callable[..., Any] | None,
        Option(
            metavar="FUNC",
            help="in place of FILE: the init_func of LangChain's GPTCache",
            variable="function",
        ),
    ] = None,
    model: Annotated[
        Any, Option(metavar="VARIABLE", help="with --init: the model that gave the answers", variable="variable")
    ] = None,
    from_: From = None,
    keep: Keep = False,
    replace: Replace = False,
) -> str:
    """Add the entries of a bundle, of LangChain's SQLiteCache or of LangChain's GPTCache to the cache.

    An answer that the cache has already is kept, or with ``replace`` replaced; the old one is in its history then.

    Parameters
    ----------
    init
        An ``init_func`` with which LangChain's own GPTCache stored answers. They do not say which model gave them, so
        each is taken for the answer to a plain call of ``model``.
    model
        The LangChain model that gave those answers.
    """
    from gptcache_magics import bundle
    from gptcache_magics.bundle import langchain_sqlite

    if keep and replace:
        raise CommandError("load: --keep or --replace. Give one of them.")
    cache = controller.cache
    if cache is None:
        raise CommandError(f"load: the cache is off, and load adds to the one that is on: %gptcache on, then {EXAMPLE}")
    store = controller.source().store
    if init is not None or model is not None:
        return _of_stock(cache, path, init, model, replace=replace)
    if path is None:
        raise CommandError(f"load: missing: FILE. Example: {EXAMPLE}")
    if cache.external_cache:
        raise CommandError(
            f"load: the answers come from {cache.external_cache} here. "
            "To use those of a file: %gptcache off, then %gptcache on"
        )
    kind = from_ or KINDS[langchain_sqlite.is_sqlite(os.path.expanduser(path))]
    contents = bundle.read(path) if kind == "bundle" else bundle.read_langchain(path)
    embedded = store.put_embeddings(contents.embeddings, contents.embedders) if contents.embeddings else 0
    taken = store.put_all(contents.entries, contents.configurations, replace=replace, at=time.time())
    if cache.similar is not None:
        resume(store, cache.similar)
    same = len(contents.entries) - taken
    parts = [f"{counted(taken, 'entry')} {'added or replaced' if replace else 'added'}"]
    if contents.embeddings:
        parts.append(f"{counted(embedded, 'embedding')} added")
    if same:
        parts.append(f"{same:,} {'unchanged' if replace else 'kept as in the store'}")
    if contents.refused:
        parts.append(contents.summary)
    masked = sum(bundle.MASKED_PROMPT in entry.tags.split() for entry in contents.entries)
    note = f" {counted(masked, 'prompt')} held what looked like a key and cannot match." if masked else ""
    name = shown_address(str(path)) if is_web_address(path) else path
    return " ".join(filter(None, [f"{name}: {', '.join(parts)}.{note}", contents.notice]))


def _of_stock(cache: GPTCache, path: object, init: Callable[..., Any] | None, model: Any, *, replace: bool) -> str:
    """Take over what LangChain's own GPTCache stored. Returns a sentence for the user."""
    if path is not None or init is None or model is None:
        raise CommandError(
            "load: --init and --model go together, in place of FILE. Example: %gptcache load --init set_up --model llm"
        )
    taken = cache.take_over(init, model, replace=replace)
    parts = [f"{counted(taken.added, 'answer')} of LangChain's GPTCache {'added or replaced' if replace else 'added'}"]
    if taken.kept:
        parts.append(f"{taken.kept:,} kept as in the cache")
    if taken.refused:
        parts.append(f"{taken.refused:,} refused: unreadable, cut off or a call of tools")
    return f"{', '.join(parts)}."
