"""Write several names as one part of a sentence."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["enumerated"]


def enumerated(names: Sequence[str]) -> str:
    """Return names with commas and a last *and*: ``an id, a date and another order``; empty for none."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
