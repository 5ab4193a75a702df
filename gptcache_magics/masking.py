"""Keep keys, tokens and passwords out of everything that is written: known by their name, or by their looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["is_secret", "masked", "plain_url", "without_secrets"]

_SECRET = re.compile(
    r"(api|access|auth|secret|private|subscription)[-_]?key|(access|auth|api|ad|hf|hub|bearer|session|security|refresh"
    r"|authorization)[-_]?token|^token$|secret|passw|credential|authorization|cookie",
    re.IGNORECASE,
)
_KEY_IN_TEXT = re.compile(r"\b(sk-[\w-]{8,}|xai-[\w-]{8,}|gsk_\w{8,}|hf_\w{8,}|AIza[\w-]{20,}|Bearer\s+[\w.~+/-]{8,})")


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a parameter of this name holds a secret."""
    return _SECRET.search(name) is not None


def without_secrets(value: Any) -> Any:
    """The same containers without the texts whose name says that they are secret."""
    if isinstance(value, Mapping):
        plain = {str(name): item for name, item in value.items()}
        return {k: without_secrets(v) for k, v in plain.items() if not (is_secret(k) and isinstance(v, str | bytes))}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


@lru_cache(maxsize=1024)
def plain_url(url: str) -> str:
    """A URL without user name, password and secret parameters, and without a final slash."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "&".join(part for part in parts.query.split("&") if part and not is_secret(part.partition("=")[0]))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), query, ""))


def masked(text: str) -> str:
    """The text with whatever looks like a key replaced."""
    return _KEY_IN_TEXT.sub("***", text)
