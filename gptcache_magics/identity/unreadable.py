"""The error of a value whose data cannot be read."""

from __future__ import annotations

__all__ = ["Unreadable"]


class Unreadable(Exception):
    """The data of a value cannot be read, so it is unknown what the model would see. The message names the value."""
