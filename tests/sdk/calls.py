"""Every way in which a library can be asked, as calls by their names: each returns what its user sees of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from pydantic import BaseModel

__all__ = ["TOOLS", "Call", "City", "Library", "messages", "run", "said", "seen", "text_of"]

Call = Callable[[str], Any]
"""Asks one question."""
Library = Callable[[str], dict[str, Call]]
"""Returns the calls of a library that asks the server at an address."""

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "description": "w", "parameters": SCHEMA}}]


class City(BaseModel):
    """What a call asks for."""

    city: str


def messages(question: str) -> Any:
    """Return a conversation of one question."""
    return [{"role": "user", "content": question}]


def run(awaited: Awaitable[Any]) -> Any:
    """Wait for an answer in an event loop of its own."""

    async def wait() -> Any:
        return await awaited

    return asyncio.run(wait())


def seen(value: Any) -> Any:
    """Return everything of an object of a library, to be compared."""
    if hasattr(value, "model_dump"):
        return value.model_dump(warnings=False)
    if isinstance(value, list | tuple):
        return [seen(each) for each in value]
    return value


def said(pieces: Iterable[Any]) -> str:
    """Return the text that comes in pieces, some of which have none."""
    return "".join(piece or "" for piece in pieces)


def text_of(chunks: Iterable[Any]) -> str:
    """Return the text of a stream in OpenAI's words."""
    return said(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
