"""Contracts that stores must keep, to test a store of your own with pytest.

Subclass one, and override ``store`` with an empty store of your kind::

    from gptcache_magics.testing import AnswerStoreContract  # or StoreContract

    class TestMyStore(AnswerStoreContract):
        @pytest.fixture
        def store(self):
            return MyStore()
"""

import pytest

for _name in ("answers", "stores"):  # so that a broken promise shows the values that broke it
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from gptcache_magics.testing.answers import AnswerStoreContract  # noqa: E402
from gptcache_magics.testing.stores import StoreContract  # noqa: E402

__all__ = ["AnswerStoreContract", "StoreContract"]
