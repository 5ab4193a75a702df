"""Contracts that stores must keep, to test a store of your own with pytest.

There is one for each protocol, and ``StoreContract`` for all of them together. Subclass one, and override ``store``
with an empty store of your kind::

    from gptcache_magics.testing import AnswerStoreContract

    class TestMyStore(AnswerStoreContract):
        @pytest.fixture
        def store(self):
            return MyStore()
"""

import pytest

for _name in ("answers", "entries", "lookups", "vectors", "labels", "embeddings", "stores"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")  # so that a broken promise shows the values that broke it

from gptcache_magics.testing.answers import AnswerStoreContract  # noqa: E402
from gptcache_magics.testing.embeddings import EmbeddingStoreContract  # noqa: E402
from gptcache_magics.testing.entries import EntryCatalogContract  # noqa: E402
from gptcache_magics.testing.labels import LabelStoreContract  # noqa: E402
from gptcache_magics.testing.lookups import LookupLogContract  # noqa: E402
from gptcache_magics.testing.stores import StoreContract  # noqa: E402
from gptcache_magics.testing.vectors import VectorStoreContract  # noqa: E402

__all__ = [
    "AnswerStoreContract",
    "EmbeddingStoreContract",
    "EntryCatalogContract",
    "LabelStoreContract",
    "LookupLogContract",
    "StoreContract",
    "VectorStoreContract",
]
