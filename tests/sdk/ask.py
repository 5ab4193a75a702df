"""Ask a model through an SDK."""

import openai

__all__ = ["ask"]


def ask(client: openai.OpenAI, question: str, **fields: object) -> str:
    """Return what a model of OpenAI's, or the cache, answers."""
    messages = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, **fields)  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)
