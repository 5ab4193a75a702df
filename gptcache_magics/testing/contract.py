"""The store under test, which all contracts share."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["Contract"]


class Contract:
    """Promises about ``store``.

    Override ``store`` with an empty store of your kind, and ``peer`` too where another kernel can open the same place:
    what was put must be found there.
    """

    @pytest.fixture
    def store(self) -> Any:
        """Return an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def peer(self, store: Any) -> Any:
        """Return the same place, opened by another kernel; the store itself where this is impossible."""
        return store

    @pytest.fixture(params=["store", "peer"])
    def reader(self, request: pytest.FixtureRequest) -> Any:
        """Return the store that wrote, which may remember, and its peer, which cannot."""
        return request.getfixturevalue(request.param)
