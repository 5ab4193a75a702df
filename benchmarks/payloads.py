"""Payloads of the benchmarks: chat prompts and answers of a notebook's size, and the model that asks.

A prompt is the JSON that LangChain makes of a system and a human message; an answer is what ``ChatOpenAI`` returns,
about 1.9 kB as LangChain serialises it. The same number always gives the same text.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

__all__ = ["answer", "llm_string", "messages", "model", "prompt", "text_of_answer"]

NOWHERE: Final = "http://127.0.0.1:9/v1"
_MARK: Final = "QUESTION"
_TEXT: Final = (
    "alpha beta gamma delta notebook cache token model answer question data frame column row plot matrix vector index"
    " query result value error retry latency cost"
)


def words(seed: int, characters: int) -> str:
    """Return words of at least this many characters."""
    chosen = random.Random(seed).choices(_TEXT.split(), k=characters // 4)
    while len(" ".join(chosen[:-1])) >= characters:
        chosen.pop()
    return " ".join(chosen)


def messages(question: str) -> list[SystemMessage | HumanMessage]:
    """Return a chat of one question."""
    return [SystemMessage(content=f"You are a careful analyst. {words(1, 200)}"), HumanMessage(content=question)]


def prompt(number: int) -> str:
    """Return what LangChain hands to ``lookup`` for a chat."""
    return _template().replace(_MARK, f"Question {number}: {words(number, 300)}")


@lru_cache(maxsize=1)
def _template() -> str:
    return dumps(messages(_MARK))


def text_of_answer(number: int) -> str:
    """Return the text of ``answer(number)``."""
    return f"Answer {number}: {words(number * 7 + 1, 420)}"


def answer(number: int) -> list[Generation]:
    """Return what LangChain hands to ``update``."""
    message = AIMessage(
        content=text_of_answer(number),
        id=f"run-{number:032x}",
        response_metadata={
            "token_usage": {"completion_tokens": 120, "prompt_tokens": 180, "total_tokens": 300},
            "model_name": "gpt-4o-mini-2024-07-18",
            "system_fingerprint": "fp_0123456789",
            "finish_reason": "stop",
            "logprobs": None,
        },
        usage_metadata={
            "input_tokens": 180,
            "output_tokens": 120,
            "total_tokens": 300,
            "input_token_details": {"cache_read": 0, "audio": 0},
            "output_token_details": {"reasoning": 0, "audio": 0},
        },
    )
    return [ChatGeneration(message=message, generation_info={"finish_reason": "stop", "logprobs": None})]


def model(base_url: str = NOWHERE) -> ChatOpenAI:
    """Return the model that asks."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="gpt-4o-mini",
        api_key="sk-benchmark",  # type: ignore[arg-type]
        base_url=base_url,
        temperature=0.0,
        top_p=0.9,
        seed=7,
        timeout=60.0,
        max_retries=0,
    )


@lru_cache(maxsize=1)
def llm_string() -> str:
    """Return what LangChain hands to ``lookup`` beside the prompt, read off a call of ``model()``."""
    from langchain_core.caches import BaseCache

    class Stop(Exception):
        """Raised instead of calling the model."""

    class Reader(BaseCache):
        def lookup(self, prompt: str, llm_string: str) -> None:
            raise Stop(llm_string)

        def update(self, prompt: str, llm_string: str, return_val: object) -> None: ...
        def clear(self, **kwargs: object) -> None: ...

    asked = model()
    asked.cache = Reader()
    try:
        asked.invoke("What is the llm_string?")
    except Stop as read:
        return str(read)
    raise AssertionError("the model was called")
