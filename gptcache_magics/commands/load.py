"""``%gptcache load``: take entries from a bundle, or from the file of LangChain's ``SQLiteCache``."""

from __future__ import annotations

import os
from pathlib import Path

from gptcache_magics.commands._parser import Parser, check_one_of
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.options import resume
from gptcache_magics.text.amounts import counted

HELP = "Take the entries of a bundle, or of LangChain's SQLiteCache, into the store."
EXAMPLE = "%gptcache load lesson.jsonl"
KINDS = ("bundle", "langchain-sqlite")


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("path", metavar="FILE", help="a bundle, or the file of a SQLiteCache such as .langchain.db")
    parser.add_option("--from", dest="from_", values=KINDS, help="what the file is (default: what it looks like)")
    parser.add_option("--keep", action="store_true", help="where both have an answer, keep that of the store (default)")
    parser.add_option("--replace", action="store_true", help="where both have an answer, take that of the file")


def load(path: str | Path, *, from_: str | None = None, keep: bool = False, replace: bool = False) -> str:
    """Take the entries of a file into the store that is on; the line to print.

    An answer that the store has already is kept, or with ``replace`` replaced; the old one is in its history then.
    """
    from gptcache_magics import bundle
    from gptcache_magics.bundle import langchain_sqlite

    check_one_of("from_", from_, KINDS)
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
    told = [f"{counted(taken, 'entry')} {'added or replaced' if replace else 'added'}"]
    if same:
        told.append(f"{same:,} {'the same already' if replace else 'kept as in the store'}")
    if contents.refused:
        told.append(contents.summary)
    masked = sum(bundle.MASKED_PROMPT in entry.tags.split() for entry in contents.entries)
    note = f" {counted(masked, 'prompt')} held what looked like a key and cannot match." if masked else ""
    return f"{path}: {', '.join(told)}.{note}"
