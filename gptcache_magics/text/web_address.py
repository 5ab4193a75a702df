"""Tell an address of the web from another place, and show one without its secrets."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, TypeGuard
from urllib.parse import unquote

from gptcache_magics.text.secret_names import is_doubtful

__all__ = ["is_web_address", "place_of_address", "shown_address", "without_secrets"]

HIDDEN: Final = "***"
_BEGINNING: Final = re.compile(r"https?://", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"""https?://[^\s'"<>]{1,2000}""", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=://)[^/?#]*@")


def is_web_address(place: object) -> TypeGuard[str]:
    """Return whether a place is a page or file of the web."""
    return isinstance(place, str) and _BEGINNING.match(place.lstrip()) is not None


def shown_address(address: str) -> str:
    """Return an address without its user, its query and its fragment: each may hold a secret."""
    before, question, _ = address.strip().partition("#")[0].partition("?")
    return _USER.sub("", before, count=1) + (f"?{HIDDEN}" if question else "")


def place_of_address(address: str) -> str:
    """Return the shown address, with a few digits that tell apart what a hidden query does."""
    query = address.strip().partition("#")[0].partition("?")[2]
    digits = f" ({blake2b(query.encode(), digest_size=4).hexdigest()})" if query else ""
    return shown_address(address) + digits


def without_secrets(text: str) -> str:
    """Return a text whose addresses name no user, and hide the values of a query that may be credentials."""
    return _ADDRESS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    before, question, query = _USER.sub(f"{HIDDEN}@", found.group(), count=1).partition("?")
    return before + question + "&".join(map(_value_hidden, query.split("&")))


def _value_hidden(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return HIDDEN if pair and pair != HIDDEN else pair
    return f"{name}={HIDDEN}" if value and is_doubtful(unquote(name)) else pair
