"""The words a lookup's reason is made of: written where a lookup is noted, read where it is explained."""

from __future__ import annotations

from typing import Final

__all__ = [
    *("BUDGET", "CACHE_FALSE", "ERROR", "EVENTS", "EVICTED", "EXPIRED", "MODE", "MODEL_UNKNOWN"),
    *("BELOW", "EXACT_ONLY", "JUDGED_WRONG", "NEW", "NOT_STORED", "NO_STREAMS", "OWN_CACHE", "OWN_STREAM", "REMOVED"),
    *("REPLACED", "SHADOW", "SIMILAR"),
]

NEW: Final = "nothing stored for it"
EXPIRED: Final = "expired"
REMOVED: Final = "removed"
EVICTED: Final = "evicted"
MODEL_UNKNOWN: Final = "model unknown"
MODE: Final = "mode "
"""Begins ``mode refresh`` and ``mode bypass``."""
CACHE_FALSE: Final = "cache=False"
OWN_CACHE: Final = "a cache of its own: "
"""Begins the name of the cache that a model asks instead."""
REPLACED: Final = " replaced this cache"
"""Ends what LangChain asks instead."""
OWN_STREAM: Final = "a stream of its own"
NO_STREAMS: Final = "streams are not cached here"
EVENTS: Final = "events v3"
BUDGET: Final = "budget reached"
ERROR: Final = "error: "
"""Begins the message of an error inside the cache."""
NOT_STORED: Final = "not stored: "
"""Begins the reason why the answer to a miss was not kept."""
EXACT_ONLY: Final = "exact only: "
"""Begins the reason why a question was not matched by its meaning."""
SIMILAR: Final = "similar "
"""Begins ``similar 0.95 to a41f09cc, number: 2023 / 2024``: the nearest question, and why its answer was not served."""
BELOW: Final = "below "
"""Begins the objection to a question that is not similar enough, with the threshold."""
JUDGED_WRONG: Final = "called wrong before"
SHADOW: Final = "shadow mode"
