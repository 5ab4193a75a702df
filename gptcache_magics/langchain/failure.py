"""Learn from the error of a failed call what the call cost: a provider charges for an answer that nobody could read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gptcache_magics.store.protocol import Usage

__all__ = ["NOTHING", "charged"]

NOTHING: Final = Usage(0, 0)
NOT_REACHED: Final = ("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "PoolTimeout", "gaierror")
"""Errors of Python and of HTTP clients before anything was sent."""
REFUSED: Final = 400
"""The least HTTP status of a request that got an error in place of an answer, for which no provider charges."""

NAMES: Final = (("input", "prompt"), ("output", "completion"))
"""Names of the tokens in OpenAI's newer interface and in the older one."""


def charged(error: BaseException) -> Usage:
    """Return the tokens that a failed call is charged for, as far as its error tells.

    OpenAI's classes attach the response to the error of an answer that they cannot parse.
    """
    for each in _chain(error):
        response = getattr(each, "response", None)
        status = getattr(response, "status_code", getattr(each, "status_code", None))
        if type(each).__name__ in NOT_REACHED or (isinstance(status, int) and status >= REFUSED):
            return NOTHING
        if response is not None and (usage := _usage_in(response)) is not None:
            return usage
    return Usage()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _usage_in(response: Any) -> Usage | None:
    """Return the tokens that a response of OpenAI's two interfaces names; None if it names none."""
    try:
        tokens = response.json()["usage"]
        sent, received = (_either(tokens, f"{new}_tokens", f"{old}_tokens") for new, old in NAMES)
        details = _either(tokens, "input_tokens_details", "prompt_tokens_details") or {}
        read = details.get("cached_tokens")
    except Exception:  # whatever kind of response it is
        return None
    known = isinstance(sent, int) and isinstance(received, int)
    return Usage(sent, received, read if isinstance(read, int) and read else None) if known else None


def _either(tokens: Mapping[str, Any], name: str, other: str) -> Any:
    return tokens.get(name, tokens.get(other))
