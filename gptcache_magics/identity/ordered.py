"""Mark the order of a schema's properties, which a model keeps when it fills the schema; other orders do not count."""

from __future__ import annotations

from typing import Any

from gptcache_magics.text.masking import ORDER

__all__ = ["ordered"]


def ordered(value: Any) -> Any:
    """Return JSON in which each schema names the order of its properties, unless that is the order of the alphabet."""
    if isinstance(value, list):
        return [ordered(each) for each in value]
    if not isinstance(value, dict):
        return value
    marked = {name: ordered(each) for name, each in value.items()}
    properties = value.get("properties")
    if isinstance(properties, dict) and (names := [*properties]) != sorted(names):
        marked[ORDER] = names
    return marked
