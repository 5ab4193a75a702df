"""Who said what in a stored prompt, and the first message in which two prompts differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Difference", "Message", "conversation", "first_difference"]

CHAT_PROMPT: Final = '[{"lc"'


class Message(NamedTuple):
    """One message of a prompt."""

    role: str
    text: str
    """What was said and which tools were called."""
    seen: str
    """All that the model may see of it."""


class Difference(NamedTuple):
    """A message that two prompts do not share."""

    where: str
    """``the system message``, ``message 3 (ai)``."""
    old: str
    new: str


def conversation(prompt: str | bytes) -> list[Message]:
    """The messages of a prompt as the store has it; a single one of role ``prompt`` if it is no chat."""
    if isinstance(prompt, bytes):
        prompt = prompt.decode("utf-8", "surrogatepass")
    if prompt.startswith(CHAT_PROMPT):
        try:
            return [_message(each["kwargs"]) for each in json.loads(prompt)]
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    return [Message("prompt", prompt, prompt)]


def first_difference(old: list[Message], new: list[Message]) -> Difference | None:
    """The first message that one prompt has and the other has not; None if the model sees the same."""
    start = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a.seen != b.seen), None)
    if start is None:
        if len(old) == len(new):
            return None
        start = min(len(old), len(new))
    longer, other = (new, old) if len(new) >= len(old) else (old, new)
    # A message more in one of them, as an added system message, is the difference; not all that it moves.
    moved = len(longer) != len(other) and [m.seen for m in longer[start + 1 :]][: len(other) - start] == [
        m.seen for m in other[start:]
    ]
    a = old[start] if start < len(old) and not (moved and longer is new) else None
    b = new[start] if start < len(new) and not (moved and longer is old) else None
    one = b or a
    assert one is not None
    return Difference(_where(start, one.role), a.text if a else "", b.text if b else "")


def _where(at: int, role: str) -> str:
    return "the system message" if role == "system" else f"message {at + 1} ({role})"


def _message(kwargs: Mapping[str, Any]) -> Message:
    content = kwargs.get("content")
    blocks = content if isinstance(content, list) else [content]
    said = [
        block if isinstance(block, str) else block.get("text") or f"[{block.get('type', '?')}]"
        for block in blocks
        if block
    ]
    calls = [
        f"{call.get('name')}({json.dumps(call.get('args'), ensure_ascii=False)})"
        for call in kwargs.get("tool_calls") or ()
    ]
    seen = json.dumps({name: value for name, value in kwargs.items() if value}, sort_keys=True)
    return Message(str(kwargs.get("type") or "message"), "\n".join([*map(str, said), *calls]), seen)
