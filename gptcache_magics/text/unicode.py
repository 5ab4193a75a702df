"""Make text valid where it leaves the store: pandas with pyarrow, files and sockets refuse lone surrogates."""

from __future__ import annotations

__all__ = ["readable"]


def readable(text: str) -> str:
    """Return text for people: what is not valid Unicode is replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
