"""Write JSON values as Python source, without keys and without characters that nobody sees."""

from __future__ import annotations

import re
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any, Final

from gptcache_magics.text.masking import masked
from gptcache_magics.text.secret_names import is_secret

__all__ = ["COLUMNS", "Name", "arguments", "flat", "literal", "without_keys"]

COLUMNS: Final = 88
_SIGNED: Final = re.compile(r"(thought_?)?signature", re.I)
"""Names of what a provider signs its thoughts with."""


class Name(str):
    """A name in the code, which is written without quotes."""

    __slots__ = ()


def without_keys(value: Any) -> Any:
    """Return a value without whatever looks like a key or is named as one; stored parameters have none."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: _without_key(name, item) for name, item in value.items()}
    return [without_keys(item) for item in value] if isinstance(value, list) else value


def arguments(values: Mapping[str, Any], indent: int = 0) -> list[str]:
    """Return named arguments. A name from a bundle is foreign: only an identifier is written as a keyword."""
    return [
        f"{name}={literal(value, indent)}"
        if name.isidentifier() and not iskeyword(name)
        else f"**{literal({name: value}, indent)}"
        for name, value in values.items()
    ]


def _without_key(name: str, value: Any) -> Any:
    if isinstance(value, str) and is_secret(name):
        return value if _SIGNED.fullmatch(name) else "***"
    return without_keys(value)


def literal(value: Any, indent: int = 0) -> str:
    """Return a value as Python source, over several lines if it is long."""
    inside, before = " " * (indent + 4), " " * indent
    if isinstance(value, str) and not isinstance(value, Name):
        pieces = value.splitlines(keepends=True)
        if len(value) <= COLUMNS - indent or len(pieces) < 2:
            return _quoted(value)
        return "(\n" + "".join(f"{inside}{_quoted(piece)}\n" for piece in pieces) + f"{before})"
    short = flat(value)
    if not isinstance(value, list | dict) or not value or len(short) <= COLUMNS - indent:
        return short
    if isinstance(value, dict):
        items = [f"{_quoted(str(name))}: {literal(item, indent + 4)}" for name, item in value.items()]
    else:
        items = [literal(item, indent + 4) for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return first + "\n" + "".join(f"{inside}{item},\n" for item in items) + before + last


def flat(value: Any) -> str:
    """Return a value as Python source in one line."""
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(str(name))}: {flat(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flat, value)) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    """Return a text in double quotes if that needs no escape; escape invisible characters."""
    written = repr(text)
    return written if '"' in text else f'"{written[1:-1]}"'
