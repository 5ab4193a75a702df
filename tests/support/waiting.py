"""Wait for a condition, such as a row that another thread writes."""

import time
from collections.abc import Callable

__all__ = ["wait_until"]

SECONDS = 60


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as a condition holds; fail if it does not come to hold."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited for {SECONDS} seconds in vain"
        time.sleep(0.01)
