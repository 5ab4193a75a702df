"""The part that OpenAI's chats and completions share: an answer of choices, a stream that ends with ``[DONE]``."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import orjson

from gptcache_magics.protocols.base import Incomplete, Json, Protocol
from gptcache_magics.protocols.events import ends_done, event, events, is_done
from gptcache_magics.protocols.json_values import count, loads
from gptcache_magics.store.records import Usage

__all__ = ["OpenAIChoices", "wants_usage", "without_usage"]


class OpenAIChoices(Protocol):
    """An API whose answers are choices.

    The ``usage`` of a kept answer is null where a stream told no tokens because its request did not ask for them. Such
    an answer serves streams that do not ask either. A server that tells nobody leaves the field out.
    """

    provider: ClassVar[str] = "openai"
    asked_with: ClassVar[str]
    """The field of a request that holds what is asked."""

    def parameters(self, body: Json) -> Json:
        left_out = {self.asked_with, "model", *self.arriving}
        return {name: value for name, value in body.items() if name not in left_out}

    def usage(self, whole: Json) -> Usage:
        used = whole.get("usage")
        if not isinstance(used, dict):
            return Usage()
        sent, said = count(used.get("prompt_tokens")), count(used.get("completion_tokens"))
        thought = count(_detail(used, "completion_tokens_details", "reasoning_tokens")) or 0
        if sent is not None and said is not None and used.get("total_tokens") == sent + said + thought:
            said += thought  # xAI counts them apart, and others within
        read = _detail(used, "prompt_tokens_details", "cached_tokens")
        if read is None:  # DeepSeek has a word of its own for what it read again
            read = used.get("prompt_cache_hit_tokens")
        written = count(_detail(used, "prompt_tokens_details", "cache_write_tokens"))
        return Usage(sent, said, count(read) or None, written or None)

    def kept(self, whole: Json, body: Json) -> Json:
        return without_usage(whole) if self.lacks(whole, body) else whole

    def lacks(self, whole: Json, body: Json) -> bool:
        return _asks_for_usage(body) and whole.get("usage", "") is None

    def fold(self, raw: bytes) -> Json:
        head: Json = {}
        choices: dict[int, Json] = {}
        for _, data in events(raw):
            if is_done(data):
                break
            piece = loads(data)
            if not isinstance(piece, dict) or piece.get("error"):
                raise Incomplete("an error in the stream")
            # Azure leaves it blank where it says what its filter found.
            head.update(
                {name: each for name, each in piece.items() if name != "choices" and (each or name not in head)}
            )
            for part in piece.get("choices") or ():
                place = part.get("index") or 0
                self._add(choices.setdefault(place, {"index": place}), part)
        if not choices or not all(each.get("finish_reason") for each in choices.values()):
            raise Incomplete("no finish reason")
        whole = {**head, "choices": [self._whole(choices[each]) for each in sorted(choices)]}
        told = _told_usage(whole)
        if isinstance(whole.get("x_groq"), dict):
            whole["x_groq"] = without_usage(whole["x_groq"])
        return {**whole, "usage": told}

    @abstractmethod
    def _add(self, choice: Json, part: Json) -> None:
        """Add a piece of a choice to what came of it before."""

    def _whole(self, choice: Json) -> Json:
        """Return a choice of which every piece has come."""
        return choice

    @staticmethod
    def _ending(head: Json, whole: Json, body: Json) -> bytes:
        """Return the end of the stream that says a whole answer."""
        used = event({**head, "choices": [], "usage": whole.get("usage")}) if wants_usage(body) else b""
        return used + b"data: [DONE]\n\n"

    def ended(self, tail: bytes) -> bool:
        return ends_done(tail)

    def settled(self, raw: bytes, body: Json) -> bool:
        """Return whether a stream that folds says all, though its reader left it before its end, or right behind it.

        A finish reason is believed if an earlier piece of the choice came without one: some servers say it in each
        piece.
        """
        pieces = list[Json]()
        for _, data in events(raw):
            if is_done(data):
                return True
            pieces.append(orjson.loads(data))
        parts = [part for piece in pieces for part in piece.get("choices") or ()]
        begun = {part.get("index") or 0 for part in parts if not part.get("finish_reason")}
        if not begun.issuperset(part.get("index") or 0 for part in parts):
            return False
        return not wants_usage(body) or any(piece.get("usage") for piece in pieces)


def wants_usage(body: Json) -> bool:
    """Return whether a request asks for the tokens at the end of the stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def without_usage(said: Json) -> Json:
    """Return an answer, or a part of one, without what it says of the tokens."""
    return {name: value for name, value in said.items() if name != "usage"}


def _asks_for_usage(body: Json) -> bool:
    """Return whether a request asks for the tokens: each for a whole answer does."""
    return not body.get("stream") or wants_usage(body)


def _told_usage(whole: Json) -> Any:
    """Return the tokens that a stream tells; None if it tells none.

    Groq tells them beside its request's id, and Moonshot with a choice.
    """
    places = [whole, whole.get("x_groq"), *whole["choices"]]
    told = (place.get("usage") for place in places if isinstance(place, dict))
    return next((used for used in told if isinstance(used, dict)), None)


def _detail(used: Json, name: str, of: str) -> Any:
    details = used.get(name)
    return details.get(of) if isinstance(details, dict) else None
