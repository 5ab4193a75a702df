"""OpenAI's completions of a prompt, which servers of one's own (vLLM, LM Studio, llama.cpp) speak, too.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.events import event, pieces_of
from gptcache_magics.protocols.json_values import joined
from gptcache_magics.protocols.messages import message, sent_with, usage_metadata
from gptcache_magics.protocols.openai_choices import OpenAIChoices

__all__ = ["OpenAICompletions"]


class OpenAICompletions(OpenAIChoices):
    """Completions."""

    name: ClassVar[str] = "openai-completions"
    api: ClassVar[str] = "completions"
    asked_with: ClassVar[str] = "prompt"

    def fits(self, path: str) -> str | None:
        plain = path.endswith("/completions") and not path.endswith(("/chat/completions", "/fim/completions"))
        return path.removesuffix("/completions") if plain else None

    def messages(self, body: Json) -> list[Json]:
        prompt = body.get("prompt")
        if isinstance(prompt, str):
            return [message("human", prompt, {})]
        if not isinstance(prompt, list) or not prompt:
            raise NotRead("it has no prompt")
        texts = [each if isinstance(each, str) else "" for each in prompt]
        return [message("human", texts, {"prompt": prompt})]

    def asking(self, messages: Sequence[Json]) -> Json:
        return {"prompt": sent_with(messages[0]).get("prompt", messages[0]["content"])}

    def answers(self, whole: Json) -> list[Json]:
        usage, found = usage_metadata(self.usage(whole)), list[Json]()
        for choice in whole["choices"]:
            reason = {"response_metadata": {"finish_reason": choice.get("finish_reason")}}
            found.append({"content": choice["text"], **reason, **(usage if not found else {})})
        return found

    def _add(self, choice: Json, part: Json) -> None:
        choice.setdefault("text", "")
        grown = {name: joined(choice.get(name), part.get(name)) for name in ("text", "logprobs")}
        choice.update({name: value for name, value in part.items() if value is not None or name not in choice})
        choice.update(grown)

    def unfold(self, whole: Json, body: Json) -> bytes:
        head = {name: value for name, value in whole.items() if name not in ("choices", "usage")}
        parts = list[bytes]()
        for choice in whole["choices"]:
            for piece in pieces_of(choice["text"]):
                begun = {**choice, "text": piece, "finish_reason": None, "logprobs": None}
                parts.append(event({**head, "choices": [begun]}))
            parts.append(event({**head, "choices": [{**choice, "text": ""}]}))
        return b"".join(parts) + self._ending(head, whole, body)

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        return {**whole, "choices": [{**each, "text": change(each["text"])} for each in whole["choices"]]}

    def with_text(self, whole: Json, text: str) -> Json:
        first, *others = whole["choices"]
        return {**self.kept(whole, {}), "choices": [{**first, "text": text}, *others]}
