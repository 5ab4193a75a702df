"""Mask text that looks like a key in prompts and answers before it reaches a bundle."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import orjson

from gptcache_magics.bundle.forms import parsed, slow
from gptcache_magics.bundle.lines import MASKED_PROMPT, masked_key
from gptcache_magics.generations import CHUNKED, FAST
from gptcache_magics.protocols.wire import WIRE, unwired, wire
from gptcache_magics.store.protocol import Entry
from gptcache_magics.text.masking import masked
from gptcache_magics.text.secret_names import is_secret

__all__ = ["MASKED_ANSWER", "is_clean", "without_secrets"]

MASKED_ANSWER: Final = "masked-answer"
"""Tag of an entry whose answer held text that looks like a key."""

_NOT_SECRET: Final = re.compile(r"^logprobs$|signatures?(__)?$")
"""A "token" among log probabilities is a piece of a word, and a provider signs its thoughts."""


def without_secrets(entry: Entry) -> Entry:
    """Return the entry with text that looks like a key masked, and tagged so.

    An entry whose prompt was masked gets the key of ``masked_key``. A key made of the old one would let a short
    password be guessed.
    """
    prompt, answer = _masked_prompt(entry.prompt), _masked_answer(entry.answer)
    if answer != entry.answer:
        entry = replace(entry, answer=answer, tags=_tagged(entry.tags, MASKED_ANSWER))
    if prompt != entry.prompt:
        entry = replace(entry, prompt=prompt, tags=_tagged(entry.tags, MASKED_PROMPT))
    return replace(entry, key=masked_key(entry)) if MASKED_PROMPT in entry.tags.split() else entry


def _masked_prompt(prompt: str) -> str:
    if prompt.startswith("[{"):
        try:
            messages = parsed(prompt)
            hidden = _hidden(messages)
            return prompt if hidden == messages else json.dumps(hidden)
        except (ValueError, RecursionError):
            pass
    return masked(prompt)


def _masked_answer(data: bytes) -> bytes:
    """Return an answer with its secrets masked; a streamed one that has some loses its chunks, which may cut them."""
    if data[:1] == CHUNKED:
        whole = data.partition(b"\n")[2]
        hidden = _masked_answer(whole)
        return data if hidden == whole else hidden
    try:
        if data[:1] == WIRE:
            protocol, answer = unwired(data)
            shown = _hidden(answer)
            return data if shown == answer else wire(protocol.name, orjson.dumps(shown))
        if data[:1] == FAST:
            rows = orjson.loads(data[1:])
            hidden = _hidden(rows)
            return data if hidden == rows else FAST + orjson.dumps(hidden)
        objects = [json.loads(text) for text in json.loads(data[1:])]
        hidden = _hidden(objects)
        # As texts: a value that holds a NaN does not equal itself.
        return data if json.dumps(hidden) == json.dumps(objects) else slow(hidden)
    except (ValueError, TypeError, RecursionError):
        return masked(data.decode()).encode()


def _hidden(value: Any, name: str = "") -> Any:
    """Return the JSON value with every text masked that looks like a key or has the name of one."""
    if isinstance(value, str):
        return "***" if value and name and is_secret(name) else masked(value)
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, dict):
        return {key: item if _is_not_secret(key) else _hidden(item, key) for key, item in value.items()}
    return value


def is_clean(*values: Any) -> bool:
    """Return whether no text of JSON values can be masked, by looking at all of them at once."""
    texts: list[str] = []
    if not _collected([*values], texts):
        return False
    text = "\n".join(texts)
    return masked(text) == text


def _collected(value: Any, texts: list[str]) -> bool:
    """Append the texts of a JSON value. Return False if one has the name of a key."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        return False not in [_collected(item, texts) for item in value]
    elif isinstance(value, dict):
        for name, item in value.items():
            if not item or type(item) in (bool, int, float) or _is_not_secret(name):
                continue
            if isinstance(item, str):
                if is_secret(name):
                    return False
                texts.append(item)
            elif not _collected(item, texts):
                return False
    return True


@lru_cache(maxsize=1024)
def _is_not_secret(name: str) -> bool:
    return _NOT_SECRET.search(name) is not None


def _tagged(tags: str, tag: str) -> str:
    return f" {' '.join(dict.fromkeys([*tags.split(), tag]))} "
