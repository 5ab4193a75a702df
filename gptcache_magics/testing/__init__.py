"""For tests: recorded answers of models in pytest, and contracts that stores must keep.

The pytest plugin is :mod:`.plugin`; it comes with the package, and begins with ``pytest --gptcache=update``.

To test a store of your own, there is a contract for each protocol, and ``StoreContract`` for all of them together.
Subclass one, and override ``store`` with an empty store of your kind::

    from gptcache_magics.testing import AnswerStoreContract

    class TestMyStore(AnswerStoreContract):
        @pytest.fixture
        def store(self):
            return MyStore()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gptcache_magics.testing.answers import AnswerStoreContract as AnswerStoreContract
    from gptcache_magics.testing.embeddings import EmbeddingStoreContract as EmbeddingStoreContract
    from gptcache_magics.testing.entries import EntryCatalogContract as EntryCatalogContract
    from gptcache_magics.testing.labels import LabelStoreContract as LabelStoreContract
    from gptcache_magics.testing.lookups import LookupLogContract as LookupLogContract
    from gptcache_magics.testing.plugin import Calls as Calls
    from gptcache_magics.testing.stores import StoreContract as StoreContract
    from gptcache_magics.testing.vectors import VectorStoreContract as VectorStoreContract

_PLACES = {
    "AnswerStoreContract": "answers",
    "Calls": "plugin",
    "EmbeddingStoreContract": "embeddings",
    "EntryCatalogContract": "entries",
    "LabelStoreContract": "labels",
    "LookupLogContract": "lookups",
    "StoreContract": "stores",
    "VectorStoreContract": "vectors",
}
__all__ = [
    "AnswerStoreContract",
    "Calls",
    "EmbeddingStoreContract",
    "EntryCatalogContract",
    "LabelStoreContract",
    "LookupLogContract",
    "StoreContract",
    "VectorStoreContract",
]

# So that a broken promise shows the values that broke it. pytest refuses this for modules that are imported already.
pytest.register_assert_rewrite(*(f"{__name__}.{place}" for place in _PLACES.values() if place != "plugin"))


def __getattr__(name: str) -> Any:
    """Import what is asked for: pytest loads the plugin at its start, which needs nothing of the contracts."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
