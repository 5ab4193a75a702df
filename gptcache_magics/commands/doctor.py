"""``%gptcache doctor``: check everything around the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gptcache_magics.controller import controller

if TYPE_CHECKING:
    from gptcache_magics.commands._checks import Check, Checkup

EXAMPLE = "%gptcache doctor"
MOUNTS: Final = Path("/proc/mounts")


def doctor() -> Checkup:
    """Check versions, LangChain's wraps, models that bypass the cache, and the store, and say what to do."""
    from gptcache_magics.commands._checks import Checkup  # imports LangChain

    return Checkup(tuple(_checks()))


def _checks() -> Iterator[Check]:
    from gptcache_magics.commands import _checks as checkup

    cache = controller.cache
    live = checkup.alive("langchain_core.language_models.base", "BaseLanguageModel")
    yield checkup.versions()
    yield checkup.import_order()
    yield checkup.gptcache_leaks()
    yield checkup.hooks(cache)
    yield checkup.overriding(live)
    yield checkup.models(live, cache)
    where = controller.settings.config.store
    if cache is not None:
        from langchain_core.globals import get_llm_cache

        yield checkup.replaced(cache, get_llm_cache())
        yield checkup.errors(cache)
        if cache.similar is not None:
            yield checkup.matches(cache, cache.similar)
        yield checkup.secrets(cache.store)
        where = cache.store.where
    path = Path(os.path.abspath(os.path.expanduser(where))) / "cache.db"
    if path.exists():
        yield from _of_the_file(path)


def _of_the_file(path: Path) -> Iterator[Check]:
    from gptcache_magics.commands import _checks as checkup

    yield checkup.damaged_files(path)
    yield checkup.integrity(path)
    yield checkup.writable(path)
    yield checkup.disk_space(path)
    with suppress(OSError):  # only Linux has the file
        mounted = checkup.network_mount(path, MOUNTS.read_text())
        if mounted is not None:
            yield mounted
