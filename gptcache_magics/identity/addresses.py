"""The addresses that keys hold: without credentials, and without a port that a local server got by chance.

A server that this process starts has another port in each run. Keys and files hold the digest of its model in place of
its address.
"""

from __future__ import annotations

from typing import Final

from gptcache_magics.text.masking import plain_url

__all__ = ["LOCAL", "address", "name_local_server"]

LOCAL: Final = "local:"
"""Beginning of the name of a server that this process started."""
_names: Final[dict[str, str]] = {}
"""Names of the servers of this process, by their addresses."""


def name_local_server(url: str, digest: str) -> None:
    """Let keys hold the digest of a model's file in place of the address of the server that this process started."""
    _names[plain_url(url)] = LOCAL + digest


def address(url: str) -> str:
    """Return an address as keys hold it."""
    plain = plain_url(url)
    return _names.get(plain, plain)
