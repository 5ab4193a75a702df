"""``%gptcache doctor``: check everything around the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import At, Space
from gptcache_magics.controller import controller
from gptcache_magics.errors import StoreError
from gptcache_magics.lookup.options import default_store, local_folder
from gptcache_magics.settings import names_bundle
from gptcache_magics.store.postgres.address import is_address
from gptcache_magics.store.protocol import team_behind

if TYPE_CHECKING:
    from gptcache_magics.commands._checks import Check, Checkup

EXAMPLE = "%gptcache doctor"


@checked
def doctor(*, at: At = None, space: Space = None) -> Checkup:
    """Check versions, the wraps of LangChain and SDKs, calls that bypass the cache, and the store; say what to do.

    With ``at``, check the installed packages and that store; ``space`` names the part of a team's.
    """
    from gptcache_magics.commands._checks import Checkup  # imports LangChain

    return Checkup(tuple(_of_this_kernel() if at is None and space is None else _of_a_store(at, space)))


def _of_a_store(at: str | Path | None, space: str | None) -> Iterator[Check]:
    from gptcache_magics.commands import _checks

    if at is None or space is not None or is_address(at):
        store = controller.source(at, space).store
        yield _checks.versions()
        yield _tried("keys in entries", _checks.secrets, store)
        yield _tried("the team", _checks.tables, store)
        if (large := getattr(store, "large_contexts", None)) is not None:
            yield _tried("matching at the team", _checks.contexts, large)
        return
    file = Path(os.path.abspath(os.path.expanduser(at))) / "cache.db"
    try:
        store = controller.source(at).store
    except StoreError as error:
        if not file.is_file():
            raise
        yield _checks.versions()
        yield _checks.Check("the file", False, str(error))
        yield _tried("damaged files", _checks.damaged_files, file)
        return
    yield _checks.versions()
    yield _tried("keys in entries", _checks.secrets, store)
    if not names_bundle(store.where):
        yield from _of_the_file(Path(store.where) / "cache.db")


def _of_this_kernel() -> Iterator[Check]:
    from gptcache_magics.commands import _checks, _sdk_checks

    cache = controller.cache
    live = _checks.alive("langchain_core.language_models.base", "BaseLanguageModel")
    yield _checks.versions()
    yield _checks.import_order()
    yield _checks.gptcache_leaks()
    yield _checks.hooks(cache)
    yield _checks.overriding(live)
    yield _checks.models(live, cache)
    yield _sdk_checks.wraps(cache, turned_on=controller.turned_on is not None)
    if (beyond := _sdk_checks.out_of_reach()) is not None:
        yield beyond
    where: str = local_folder() if is_address(default_store()) else default_store()
    if cache is not None:
        from langchain_core.globals import get_llm_cache

        yield _checks.replaced(cache, get_llm_cache())
        yield _sdk_checks.past(cache)
        yield _checks.errors(cache)
        yield _tried("embeddings", _sdk_checks.embeddings, cache)
        if cache.similar is not None:
            yield _tried("matching", _checks.matches, cache, cache.similar)
        yield _tried("keys in entries", _checks.secrets, cache.store)
        if (team := team_behind(cache.store)) is not None:
            yield _tried("the team", _checks.team, team)
            if not team.trouble:
                yield _tried("matching at the team", _checks.contexts, team.database.large_contexts)
        where = cache.store.where
    path = Path(os.path.abspath(os.path.expanduser(where))) / "cache.db"
    if os.path.exists(path):  # False, too, in a folder that may not be read
        yield from _of_the_file(path)
    elif cache is not None and where != ":memory:" and not names_bundle(where):
        yield _checks.Check("the file", False, f"{path} is not there", "The next answer makes another, where it can")


def _tried(name: str, check: Callable[..., Check], *inputs: Any) -> Check:
    """Return the result of a check; its error is a finding."""
    from gptcache_magics.commands._checks import Check

    try:
        return check(*inputs)
    except Exception as error:
        return Check(name, False, str(error) or type(error).__name__)


def _of_the_file(path: Path) -> Iterator[Check]:
    from gptcache_magics.commands import _checks

    yield _tried("damaged files", _checks.damaged_files, path)
    yield _tried("the file", _checks.integrity, path)
    yield _tried("writing", _checks.writable, path)
    yield _tried("disk space", _checks.disk_space, path)
    if (found := _checks.file_system(path)) is not None:
        yield found
