"""Keep keys, tokens and passwords out of everything that is written, by their name or by their form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["SCHEMAS", "is_secret", "masked", "plain_url", "without_secrets"]

_SECRET = re.compile(
    r"(api|access|auth|secret|private|subscription)[-_]?key|(access|auth|api|ad|hf|hub|bearer|session|security|refresh"
    r"|authorization)[-_]?token|^token$|secret|passw|credential|authorization|cookie",
    re.IGNORECASE,
)
_ALWAYS = frozenset({"auth", "authorization", "cookie", "cookies", "credentials"})
_NAMED_IN_TEXT = re.compile(r"""(["'])([\w-]+)\1(: ?|, ?)(["'])(.*?)\4""")
SCHEMAS = frozenset({"tools", "functions", "response_format", "format"})
"""Parameters that describe data and hold no values: a property named ``password`` is not a password."""

_URL = re.compile(r"\w[\w+.-]*://\S+")
_KEY_IN_TEXT = re.compile(
    r"\b(sk-[\w-]{8,}|xai-[\w-]{8,}|gsk_\w{8,}|hf_\w{8,}|AIza[\w-]{20,}|AKIA[A-Z0-9]{16}|gh[pousr]_\w{20,}"
    r"|github_pat_\w{20,}|xox[abposr]-[\w-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+|Bearer\s+[\w.~+/-]{8,})"
)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a parameter of this name holds a secret."""
    return _SECRET.search(name) is not None


def without_secrets(value: Any) -> Any:
    """Return a value without the parts whose names say that they are secret, and with plain URLs."""
    if isinstance(value, str):
        return plain_url(value) if _URL.fullmatch(value) else value
    if isinstance(value, Mapping):
        named = {str(name): item for name, item in value.items()}
        return {
            name: item if name in SCHEMAS else without_secrets(item)
            for name, item in named.items()
            if not _hides(name, item)
        }
    if isinstance(value, list | tuple):
        if hasattr(value, "_asdict"):
            return without_secrets(value._asdict())
        pairs = [item for item in value if isinstance(item, list | tuple) and len(item) == 2]
        return [without_secrets(item) for item in value if not (item in pairs and _hides(str(item[0]), item[1]))]
    return value


def _hides(name: str, value: Any) -> bool:
    if name.lower() in _ALWAYS:
        return True
    # A mapping with a type is a schema: it describes the values of that name.
    holds = isinstance(value, str | bytes | list | tuple) or (isinstance(value, Mapping) and "type" not in value)
    return holds and is_secret(name)


@lru_cache(maxsize=1024)
def plain_url(url: str) -> str:
    """Return a URL without user name, password and secret parameters, and without a final slash."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "&".join(part for part in parts.query.split("&") if part and not is_secret(part.partition("=")[0]))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), query, parts.fragment))


def masked(text: str) -> str:
    """Return a text in which stars replace whatever looks like a key or is named as one."""

    def hide(match: re.Match[str]) -> str:
        quote, name, between, other, _ = match.groups()
        return f"{quote}{name}{quote}{between}{other}***{other}" if is_secret(name) else match.group()

    return _KEY_IN_TEXT.sub("***", _NAMED_IN_TEXT.sub(hide, text))
