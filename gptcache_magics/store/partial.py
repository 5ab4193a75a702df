"""A store that only keeps answers, completed: lookups and labels are kept in memory, the rest is said to be missing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NoReturn, cast

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import AnswerStore, EntryCatalog, Store
from gptcache_magics.store.records import Found, Selection
from gptcache_magics.store.rows import EntryRow
from gptcache_magics.store.sqlite.store import SQLiteStore

__all__ = ["completed"]

_CATALOG: Final = frozenset(name for name in vars(EntryCatalog) if not name.startswith("_"))


def completed(answers: AnswerStore) -> Store:
    """Return a store that asks ``answers`` whatever it can do, and keeps lookups in memory until it is closed."""
    return cast(Store, _Completed(answers))


class _Completed:
    def __init__(self, answers: AnswerStore) -> None:
        self._answers, self._memory = answers, SQLiteStore(":memory:")
        self.where = str(getattr(answers, "where", type(answers).__name__))

    def recall(self, key: str) -> Found | None:
        """Return None: what is in memory is known to ``answers`` only."""

    def gone(self, key: str) -> None:
        """Return None: why an entry is not there is not known."""

    def removed(self, limit: int | None = None) -> int:
        """Return 0: a removal is final."""
        return 0

    def forget_removed(self) -> None:
        """Do nothing: a removal is final."""

    def clear(self) -> int:
        """Remove every entry. Return the number removed."""
        self._memory.clear()  # raises the generation
        return self._answers.clear()

    def each_entry(self, selection: Selection) -> Iterator[EntryRow | None]:
        """Yield entries: of a store that cannot give them one by one, from a list of them."""
        answers: Any = self._answers
        if hasattr(answers, "each_entry"):
            return cast("Iterator[EntryRow | None]", answers.each_entry(selection))
        return iter(self.entries(selection))

    def close(self) -> None:
        """Forget the lookups; who made ``answers`` closes it."""
        self._memory.close()

    def __getattr__(self, name: str) -> Any:
        if hasattr(self._answers, name):
            return getattr(self._answers, name)
        return partial(_missing, self.where, name) if name in _CATALOG else getattr(self._memory, name)


def _missing(where: str, name: str, *args: object, **options: object) -> NoReturn:
    raise StoreError(f"The store {where} cannot list, count or change its entries: it has no method {name}().")
