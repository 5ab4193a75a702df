"""Tell whether the answer that another cache returns is the one that was stored for this very request.

Some caches answer a similar question, some return the text of a damaged row, some keep only a part of an answer. So
each generation that we give to another cache carries a proof in ``generation_info``: digests of the request and of the
whole answer, and its place in the answer. A cache that LangChain has filled before has answers without a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson
from langchain_core.outputs import ChatGeneration, Generation

__all__ = ["NAME", "Unproved", "checked", "is_proved", "proved"]

NAME: Final = "gptcache"
"""Key of the proof in ``generation_info``."""


class Unproved(Exception):
    """The answer is to another request, or it is not as it was stored."""

    def __init__(self, *, another: bool) -> None:
        super().__init__()
        self.another = another
        """Whether it is the answer to another request."""


def proved(answer: Sequence[Generation], prompt: str, llm_string: str) -> list[Generation]:
    """Return copies of an answer that carry the proof."""
    request, digest, number = _digest(prompt, llm_string), _digest(*map(_content, answer)), len(answer)
    return [
        each.model_copy(
            update={
                "generation_info": {**(each.generation_info or {}), NAME: f"{request} {digest} {place} of {number}"}
            }
        )
        for place, each in enumerate(answer, 1)
    ]


def is_proved(answer: Sequence[Generation]) -> bool:
    """Return whether an answer carries a proof."""
    return any(NAME in (each.generation_info or {}) for each in answer)


def checked(answer: Sequence[Generation], prompt: str, llm_string: str) -> list[Generation]:
    """Return an answer without its proof, in the order in which it was stored; a Redis hash may change that.

    Raises
    ------
    Unproved
        If the proof is that of another request, or not that of this answer.
    """
    places: dict[int, Generation] = {}
    proofs = set[tuple[str, str, str]]()
    for each in answer:
        info = dict(each.generation_info or {})
        words = str(info.pop(NAME, "")).split()
        if len(words) != 5 or not words[2].isdecimal():
            raise Unproved(another=False)
        proofs.add((words[0], words[1], words[4]))
        places[int(words[2])] = each.model_copy(update={"generation_info": info or None})
    request, digest, number = proofs.pop()
    if request != _digest(prompt, llm_string):
        raise Unproved(another=True)
    stored = [places[place] for place in sorted(places)]
    if proofs or number != str(len(stored)) or digest != _digest(*map(_content, stored)):
        raise Unproved(another=False)
    return stored


def _content(generation: Generation) -> str:
    """Return what has to come back as it was, in one form whatever a JSON parser does to it."""
    fields: Any = generation.text
    if isinstance(generation, ChatGeneration):
        fields = {name: value for name, value in generation.message if value}
        usage = fields.get("usage_metadata")
        if isinstance(usage, dict):  # LangChain writes a cost of 0 into what a cache in memory keeps
            fields["usage_metadata"] = {name: value for name, value in usage.items() if name != "total_cost"}
    info = generation.generation_info or {}
    data = [type(generation).__name__, fields, {name: value for name, value in info.items() if name != NAME}]
    return orjson.dumps(data, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def _digest(*texts: str) -> str:
    digest = blake2b(digest_size=12)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
