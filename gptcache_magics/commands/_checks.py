"""Checks of everything around the cache, one function each.

A ``Check`` tells whether all is well, what was found, and what to do about it.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement

from gptcache_magics.commands import installed_version
from gptcache_magics.engines import safe_import
from gptcache_magics.errors import StoreError
from gptcache_magics.langchain import hooks as langchain_hooks
from gptcache_magics.semantic.options import searchable
from gptcache_magics.store.postgres.records import KEPT_OF_A_CONTEXT, LargeContext
from gptcache_magics.store.protocol import Selection, Store, WithTeam
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.file_system import is_remote, kind_of
from gptcache_magics.store.sqlite.snapshot import damage
from gptcache_magics.text.amounts import byte_size, counted
from gptcache_magics.text.masking import masked

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.langchain.cache import GPTCache
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = [
    *("Check", "Checkup", "alive", "contexts"),
    *("damaged_files", "disk_space", "errors", "file_system", "gptcache_leaks", "hooks", "import_order"),
    *("integrity", "matches", "models", "overriding", "replaced", "secrets", "tables", "versions", "writable"),
]

SHOWN: Final = ("ipython", "ipywidgets", "gptcache", "langchain-core", "langchain-community", "pandas")
SAMPLE: Final = 200
"""Number of the newest entries that are searched for keys."""
SAMPLE_CHARACTERS: Final = 20_000
CHECK_SECONDS: Final = 0.3
LITTLE_BYTES: Final = 200e6


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    check: str
    ok: bool
    finding: str
    hint: str = ""

    def __repr__(self) -> str:
        finding = f"{self.finding.removesuffix('.')}. {self.hint}" if self.hint else self.finding
        return f"{'✓' if self.ok else '!'} {self.check}: {finding}"


@dataclass(frozen=True)
class Checkup:
    """The results of all checks, one line each."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return all(each.ok for each in self.checks)

    def to_frame(self) -> pd.DataFrame:
        """Return the same as a table: ``check``, ``finding`` and ``hint`` (string), ``ok`` (boolean)."""
        import pandas as pd

        dtypes = {"check": "string", "ok": "boolean", "finding": "string", "hint": "string"}
        rows = [(each.check, each.ok, each.finding, each.hint) for each in self.checks]
        return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.checks))


def alive(module: str, name: str) -> list[Any]:
    """Return the living objects of a class and its subclasses; none if the module is not imported."""
    kind = getattr(sys.modules.get(module), name, None)
    if kind is None:
        return []
    objects = gc.get_objects()
    kinds = {each for each in set(map(type, objects)) if kind in each.__mro__}
    return [each for each in objects if type(each) in kinds]


# Installed packages


def versions() -> Check:
    """Check what is installed against what this package needs."""
    try:
        needed = [Requirement(each) for each in metadata.requires("gptcache-magics") or []]
    except metadata.PackageNotFoundError:  # imported from a folder
        needed = []
    wrong = [f'"{each.name}{each.specifier}"' for each in needed if each.marker is None and not _fits(each)]
    found = [
        f"python {platform.python_version()}",
        *(f"{name} {installed_version(name) or 'missing'}" for name in SHOWN),
    ]
    hint = f"Not as needed: %pip install -U {' '.join(wrong)}" if wrong else ""
    return Check("versions", not wrong, ", ".join(found), hint)


def _fits(needed: Requirement) -> bool:
    version = installed_version(needed.name)
    return version is not None and needed.specifier.contains(version, prereleases=True)


def import_order() -> Check:
    """Check whether gptcache was imported safely."""
    if "gptcache" not in sys.modules:
        return Check("gptcache's import", True, "it waits for the first lookup")
    if not safe_import.came_first:
        return Check("gptcache's import", True, "made safe")
    hint = "Import gptcache_magics first: gptcache's own import runs a pickle from the working directory"
    return Check("gptcache's import", False, "gptcache was imported before gptcache_magics", hint)


def gptcache_leaks() -> Check:
    """Check for handlers that gptcache added to the root logger, which show every library's messages."""
    pattern = getattr(sys.modules.get("gptcache.utils.log"), "FORMAT", None)
    handlers = [each for each in logging.root.handlers if pattern and getattr(each.formatter, "_fmt", "") == pattern]
    hint = "Take the handlers away: logging.root.handlers.clear()" if handlers else ""
    finding = f"{counted(len(handlers), 'handler')} of the root logger" if handlers else "none"
    return Check("gptcache's leaks", not handlers, finding, hint)


# LangChain


def hooks(cache: GPTCache | None) -> Check:
    """Check that LangChain's methods are wrapped while the cache is on, and only then."""
    wrapped = langchain_hooks.installed()
    message = f"{len(wrapped)} methods of LangChain's models are wrapped"
    if cache is not None:
        imported = any(name in sys.modules for name in langchain_hooks.MODELS)
        if imported and not wrapped:
            return Check("wraps", False, "none is in place", "Restart the kernel, then %gptcache on")
        return Check("wraps", True, message if wrapped else "LangChain's models are not imported yet")
    if not wrapped:
        return Check("wraps", True, "none, as the cache is off")
    owners = alive("gptcache_magics.langchain.cache", "GPTCache")
    if owners:
        return Check("wraps", True, f"{message}, for {len(owners)} GPTCache of your own")
    return Check("wraps", False, f"{message} although the cache is off", "Restart the kernel")


def overriding(live: Sequence[Any]) -> Check:
    """Check for models in use whose own ``stream`` or ``generate`` may not ask the cache."""
    used = {kind.__name__ for each in {type(model) for model in live} for kind in each.__mro__}
    found = sorted({name for name in langchain_hooks.overriding() if name.partition(".")[0] in used})
    hint = "These may not ask the cache: use invoke with such a model" if found else ""
    return Check("methods of their own", not found, ", ".join(found) or "none of the models in use has one", hint)


def models(live: Sequence[Any], cache: GPTCache | None) -> Check:
    """Check for models in use that bypass the cache, with ``cache=False`` or a cache of their own."""
    past: Counter[str] = Counter()
    for model in live:
        own = getattr(model, "cache", None)
        if own is False:
            past[f"{type(model).__name__} with cache=False"] += 1
        elif own not in (None, True) and own is not cache:
            past[f"{type(model).__name__} with a cache of its own ({type(own).__name__})"] += 1
    findings = [f"{number} {name}" for name, number in past.items()]
    recent = list(cache.ledger.recent) if cache is not None else []
    calls = sum(each.reason == Reason(Kind.CACHE_FALSE) for each in recent)
    findings += [f"{counted(calls, 'call')} of this run with cache=False"] * bool(calls)
    hint = "Their calls are paid for each time: leave cache= out" if findings else ""
    used = f"{counted(len(live), 'model')} of LangChain's in use" if live else "none of LangChain's is in use"
    well = f"{used}, none of which bypasses the cache" if live else used
    return Check("models", not findings, ", ".join(findings) or well, hint)


def replaced(cache: GPTCache, installed: object) -> Check:
    """Check whether another cache was installed over this one."""
    if installed is cache:
        return Check("LangChain's cache", True, "is this one")
    name = type(installed).__name__ if installed is not None else "set_llm_cache(None)"
    return Check("LangChain's cache", False, f"{name} replaced this one", "Take it back: %gptcache on")


def matches(cache: GPTCache, similar: SemanticSearch) -> Check:
    """Check whether matching by meaning works."""
    trouble = similar.embedding.trouble or similar.backfill.trouble
    hint = "Exact matching works. Try the embedder again: %gptcache on --match semantic" if trouble else ""
    return Check("matching", not trouble, searchable(cache.store, cache.settings.options, similar), hint)


def errors(cache: GPTCache) -> Check:
    """Check for errors inside the cache that the user's calls did not notice."""
    number, last = cache.ledger.failures, cache.ledger.last_error
    hint = "See the column reason of %gptcache lookups" if number else ""
    return Check("errors in this run", not number, f"{number}, the last: {last}" if number else "none", hint)


def team(store: WithTeam) -> Check:
    """Check whether the team's store answers, how quickly, and what waits to be sent to it."""
    address, waiting = store.database.address, store.waiting()
    left = ", ".join(f"{counted(number, kind)} to send" for kind, number in sorted(waiting.items()))
    begun = time.perf_counter()
    try:
        if store.trouble:
            store.database.connect()
            begun = time.perf_counter()
        store.database.newest()
    except StoreError as error:
        hint = "Answers are kept in this folder, and sent when the team's store answers"
        return Check("the team", False, ", ".join(filter(None, [f"{address.place}: {error}", left])), hint)
    milliseconds = (time.perf_counter() - begun) * 1000
    role = f"as {store.database.role}{'' if store.shares else ', who may only read'}"
    pooled = "pooled" if address.pooled else ""
    facts = [address.place, role, pooled, f"a round trip takes {milliseconds:.1f} ms", left]
    return Check("the team", True, ", ".join(filter(None, facts)))


def tables(store: Store) -> Check:
    """Check how quickly a team's store answers that is only read."""
    begun = time.perf_counter()
    store.generation()
    milliseconds = (time.perf_counter() - begun) * 1000
    return Check("the team", True, f"{store.where}, a round trip takes {milliseconds:.1f} ms")


def contexts(large: Callable[[], Sequence[LargeContext]]) -> Check:
    """Check whether each question is compared with all that the team has stored of its kind."""
    found = [f"{each.label} ({each.embedder}): {counted(each.vectors, 'question')}" for each in large()]
    most = f"{KEPT_OF_A_CONTEXT:,}"
    if not found:
        return Check("matching at the team", True, f"no more than {most} questions are compared with each other")
    hint = f"Only the newest {most} of each are compared. Divide them: %gptcache on postgresql://… --space NAME"
    return Check("matching at the team", False, ", ".join(found), hint)


# The store


def damaged_files(path: Path) -> Check:
    """Check for files that were set aside beside the store because they were damaged, or had foreign tables."""
    names = sorted(each.name for what in ("damaged", "foreign") for each in path.parent.glob(f"{path.name}.{what}-*"))
    found = [name for name in names if not name.endswith(("-wal", "-shm"))]
    hint = "Save what can be read: sqlite3 FILE .recover. Then delete it" if found else ""
    return Check("damaged files", not found, ", ".join(found) or "none", hint)


def integrity(path: Path, seconds: float = CHECK_SECONDS) -> Check:
    """Check whether SQLite finds damage in the file."""
    try:
        found = damage(path, seconds)
    except TimeoutError:
        return Check("the file", True, f"no damage found in {seconds:g} s, which was not enough for all of it")
    except StoreError as error:
        damaged = isinstance(error.__cause__, sqlite3.Error)  # other sentences say what to type
        return Check("the file", False, str(error), "The next use sets a damaged file aside" if damaged else "")
    hint = "Save what can be read: %gptcache save FILE --all" if found else ""
    return Check("the file", not found, found or f"no damage in {byte_size(path.stat().st_size)}", hint)


def file_system(path: Path, mounts: str | None = None) -> Check | None:
    """Check whether the store is on a disk of this machine; ``mounts`` is the text of ``/proc/mounts``."""
    kind = kind_of(path, mounts)
    if kind is None or not is_remote(kind):
        return None if kind is None else Check("file system", True, kind)
    hint = "A store is faster on a disk of this machine: %gptcache on FOLDER. Machines share a team's store"
    return Check("file system", False, f"{kind}, open to other machines", hint)


def writable(path: Path) -> Check:
    """Check whether the store can be written."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return Check("writing", True, "allowed")
    hint = f"Answers are served, none is stored. Allow it: chmod u+w {path.parent} {path}"
    return Check("writing", False, "the store is read-only", hint)


def disk_space(path: Path) -> Check:
    """Check whether the disk has room for more answers."""
    free = shutil.disk_usage(path.parent).free
    hint = "" if free > LITTLE_BYTES else "Make room, or limit the store: %gptcache on --max-size 100MB"
    return Check("disk space", not hint, f"{byte_size(free)} free", hint)


def secrets(store: Store) -> Check:
    """Check for stored prompts and answers that hold what looks like a key."""
    rows = store.entries(Selection(), SAMPLE)
    found = sum(_holds_a_key((row.prompt, row.answer)) for row in rows)
    message = (
        f"{found} of the newest {len(rows)} entries hold what looks like a key" if found else "none that looks like one"
    )
    hint = "Find them: %gptcache entries --grep sk-, then %gptcache remove. Bundles mask them" if found else ""
    return Check("keys in entries", not found, message, hint)


def _holds_a_key(texts: Iterable[str | bytes]) -> bool:
    for each in texts:
        text = each[:SAMPLE_CHARACTERS]
        text = text if isinstance(text, str) else text.decode("utf-8", "replace")
        if masked(text) != text:
            return True
    return False
