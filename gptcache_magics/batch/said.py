"""Read the text of an answer, whichever library gave it."""

from __future__ import annotations

from typing import Any

from gptcache_magics.text.unicode import readable

__all__ = ["said"]


def said(answer: Any) -> Any:
    """Return the text of a message of LangChain or of an SDK's answer; anything else as it is."""
    text = answer if isinstance(answer, str) else _text(answer)
    return readable(text) if isinstance(text, str) else answer


def _text(answer: Any) -> str | None:
    choices = getattr(answer, "choices", None)
    if isinstance(choices, list) and choices:  # of openai, mistralai, groq and litellm
        answer = getattr(choices[0], "message", choices[0])
    if getattr(answer, "tool_calls", None):  # the text alone would lose them
        return None
    content = getattr(answer, "content", None)
    texts = (getattr(answer, name, None) for name in ("output_text", "text"))  # openai's responses; gemini, LangChain
    text = next((each for each in (content, *texts) if isinstance(each, str)), None)
    if text is None and isinstance(content, list):  # of anthropic
        text = "".join(each.text for each in content if isinstance(getattr(each, "text", None), str))
    return text
