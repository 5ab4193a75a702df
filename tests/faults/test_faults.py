"""A short pass of every fault. ``make faults MINUTES=60`` runs long ones."""

import os
from pathlib import Path

import pytest

from tests.faults.rounds import ROUNDS

SECONDS = 3.0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ROUNDS.keys() - {"killed_in_a_read_only_folder", "interrupted_on_a_full_disk"}))
def test_nothing_is_lost_and_nothing_hangs(tmp_path: Path, name: str) -> None:
    if name == "forked" and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    assert ROUNDS[name](7, SECONDS, tmp_path) == []
