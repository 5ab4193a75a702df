"""``%gptcache load``: take entries from a bundle, or from the file of LangChain's ``SQLiteCache``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.options import resume
from gptcache_magics.text.amounts import counted

EXAMPLE = "%gptcache load lesson.jsonl"
Kind = Literal["bundle", "langchain-sqlite"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@checked
def load(
    path: Annotated[
        str | Path, Word("FILE", help="a bundle, or the file of a SQLiteCache such as .langchain.db", place=True)
    ],
    *,
    from_: Annotated[Kind | None, Option(help="kind of the file (default: detected)")] = None,
    keep: Annotated[bool, Option(help="keep the answer of the store where both have one (default)")] = False,
    replace: Annotated[bool, Option(help="take the answer of the file where both have one")] = False,
) -> str:
    """Add the entries of a bundle, or of LangChain's SQLiteCache, to the store.

    An answer that the store has already is kept, or with ``replace`` replaced; the old one is in its history then.
    """
    from gptcache_magics import bundle
    from gptcache_magics.bundle import langchain_sqlite

    if keep and replace:
        raise CommandError("load: --keep or --replace. Give one of them.")
    store = controller.source().store
    cache = controller.cache
    assert cache is not None
    if cache.external_cache:
        raise CommandError(
            f"load: the answers come from {cache.external_cache} here. "
            "To use those of a file: %gptcache off, then %gptcache on"
        )
    kind = from_ or KINDS[langchain_sqlite.is_sqlite(os.path.expanduser(path))]
    contents = bundle.read(path) if kind == "bundle" else bundle.read_langchain(path)
    taken = store.put_all(contents.entries, contents.configurations, replace=replace)
    if cache.similar is not None:
        resume(store, cache.similar)
    same = len(contents.entries) - taken
    parts = [f"{counted(taken, 'entry')} {'added or replaced' if replace else 'added'}"]
    if same:
        parts.append(f"{same:,} {'unchanged' if replace else 'kept as in the store'}")
    if contents.refused:
        parts.append(contents.summary)
    masked = sum(bundle.MASKED_PROMPT in entry.tags.split() for entry in contents.entries)
    note = f" {counted(masked, 'prompt')} held what looked like a key and cannot match." if masked else ""
    return f"{path}: {', '.join(parts)}.{note}"
