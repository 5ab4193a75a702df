"""The libraries that call models through SDKs or in their words, on the loopback server."""

import os
from collections.abc import Iterator

import pytest

import gptcache_magics as gm

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its import asks the network otherwise

import dspy


@pytest.fixture(autouse=True)
def sdks_on(certificates_read_once: None) -> Iterator[None]:
    """Turn the cache on, in memory."""
    gm.on(":memory:")
    yield
    if gm.current() is not None:
        gm.off()


@pytest.fixture(autouse=True)
def empty_cache_of_dspy() -> None:
    """Give DSPy a cache of its own, in memory, with nothing in it."""
    dspy.configure_cache(enable_disk_cache=False)
