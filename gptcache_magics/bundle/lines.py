"""Write and read one line of a bundle: a configuration or an entry as JSON.

Unset fields are left out of a line. A bundle may come from a stranger, so every field is checked before it is taken,
and the key of an entry must be the one that its prompt has: a reader who sees one question must not get the answer
served to another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

import orjson

from gptcache_magics import chunks, generations
from gptcache_magics.bundle.forms import answer_bytes, answer_form, dumps, messages_of, object_of, parsed
from gptcache_magics.finish import check_storable, incomplete
from gptcache_magics.generations import CHUNKED
from gptcache_magics.identity.canonical import dumps as canonical_json
from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.key import key_of
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.identity.volatile import RULES, shape_of
from gptcache_magics.store.protocol import Configuration, Entry, EntryRow, Usage
from gptcache_magics.store.reasons import NotStorable
from gptcache_magics.text.masking import shown, without_secrets
from gptcache_magics.text.messages import chat_messages, serialised
from gptcache_magics.text.secret_names import is_secret

__all__ = [
    "MASKED_PROMPT",
    "configuration_from",
    "configuration_line",
    "count_of",
    "entry_from",
    "entry_line",
    "fields_of",
    "key_in",
    "line_of",
    "masked_key",
    "number_of",
    "text_of",
]

MASKED_PROMPT: Final = "masked-prompt"
"""Tag of an entry whose prompt held text that looks like a key: no call matches it."""

KEPT: Final = "cut off"
"""Value of the field ``kept`` of an entry whose answer is incomplete; without it, such an answer is refused."""

KINDS: Final = frozenset({"entry", "configuration", "embedding", "embedder", "miss"})
"""Fields that say what a line is."""
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_counts: Final = attrgetter(*_TOKENS)
_KEY: Final = re.compile("[0-9a-f]{32}")
_VARIABLE: Final = re.compile("[A-Z][A-Z0-9_]{0,99}")
_LARGEST: Final = 2.0**33
"""The year 2242 in seconds since the epoch: pandas ends in 2262."""


# Writing


def configuration_line(configuration: Configuration) -> bytes:
    """Return a configuration as JSON, without a line break."""
    call = configuration.call_parameters
    return dumps(
        {
            "configuration": configuration.key,
            "provider": configuration.provider,
            "model": configuration.model,
            "label": configuration.label,
            **_given(
                temperature=configuration.temperature,
                parameters=object_of(configuration.parameters),
                portable=configuration.portable,
                environment=configuration.environment.split(),
            ),
            **({} if call is None else {"call_parameters": object_of(call)}),
        }
    )


def entry_line(entry: Entry) -> bytes:
    """Return an entry as JSON, without a line break. Question and digest are left out: the prompt gives them."""
    return line_of(entry, messages_of(entry.prompt), answer_form(entry.answer))


def line_of(entry: Entry | EntryRow, messages: list[Any] | None, answer: Any) -> bytes:
    """Return an entry as JSON, without a line break, from the readable forms of its prompt and its answer."""
    counts = zip(_TOKENS, _counts(entry if isinstance(entry, EntryRow) else entry.usage), strict=True)
    return dumps(
        {
            "entry": entry.key,
            **({"prompt": entry.prompt} if messages is None else {"messages": messages}),
            "answer": answer,
            "created": entry.created,
            **_given(
                seconds=entry.seconds,
                usage={name: number for name, number in counts if number is not None},
                finish_reason=entry.finish_reason,
                kept=KEPT if _is_incomplete(entry.finish_reason) else "",
                sample=entry.sample,
                edited=bool(entry.edited),
                tags=entry.tags.split(),
                ignore=entry.ignored.split(),
            ),
            "configuration": entry.configuration,
        }
    )


@lru_cache(maxsize=256)
def _is_incomplete(finish_reason: str) -> bool:
    return bool(incomplete(finish_reason))


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set; zero seconds and a temperature of zero are."""
    return {name: value for name, value in fields.items() if value or isinstance(value, float)}


# Reading: a ValueError says what is wrong with a line


def fields_of(line: bytes) -> dict[str, Any]:
    """Return the fields of a line, of which one of ``KINDS`` says what the line is."""
    try:
        fields = parsed(line)
        if not isinstance(fields, dict) or dumps(fields) != line.strip():  # not as it is written here
            json.loads(line, object_pairs_hook=_once)
    except _Twice:
        raise
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(fields, dict) or not KINDS & fields.keys():
        raise ValueError("neither an entry nor a configuration")
    return fields


class _Twice(ValueError):
    """A name that an object has twice: a person may read one value and a program the other."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _Twice("an object has a name twice")
    return fields


def configuration_from(fields: Mapping[str, Any]) -> Configuration:
    """Return a configuration after checking every field."""
    environment = fields.get("environment", [])
    if not isinstance(environment, list):
        raise ValueError("'environment' is not a list")
    # Such a variable may be set to a placeholder, so only the names of keys are taken.
    variables = [name for name in environment if isinstance(name, str) and _VARIABLE.fullmatch(name)]
    return Configuration(
        key=key_in(fields, "configuration"),
        provider=text_of(fields, "provider"),
        model=text_of(fields, "model"),
        label=text_of(fields, "label"),
        temperature=number_of(fields, "temperature", -_LARGEST),
        parameters=_object(fields, "parameters") or "{}",
        portable=key_in(fields, "portable") if fields.get("portable") else "",
        environment=" ".join(name for name in variables if is_secret(name)),
        call_parameters=_object(fields, "call_parameters"),
    )


def _object(fields: Mapping[str, Any], name: str) -> str | None:
    """Return the JSON text of an object; None if the field is missing."""
    if name not in fields:
        return None
    value = fields[name]
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError(f"'{name}' is not an object")
    # An earlier version, or a stranger, may have written credentials down.
    return orjson.dumps(shown(without_secrets(found)), option=orjson.OPT_SORT_KEYS).decode()


def entry_from(fields: Mapping[str, Any]) -> tuple[Entry, bool]:
    """Return an entry after checking every field and decoding its answer, and whether its key fits its prompt."""
    prompt = fields["prompt"] if "prompt" in fields else _read_messages(fields)
    if not isinstance(prompt, str):
        raise ValueError("'prompt' is not a text")
    if {"prompt", "messages"} <= fields.keys():
        raise ValueError("it has a 'prompt' and 'messages'")
    try:
        seen, _, question, _ = canonical(prompt, STORED)
    except Exception as error:  # messages of a form that models do not take
        raise ValueError("the prompt cannot be read") from error
    tags, usage, edited = fields.get("tags", []), fields.get("usage", {}), fields.get("edited", False)
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.split() == [tag] for tag in tags):
        raise ValueError("'tags' is not a list of words")
    ignored = fields.get("ignore", [])
    if not isinstance(ignored, list) or not all(rule in RULES for rule in ignored):
        raise ValueError(f"'ignore' is not a list of {', '.join(RULES)}")
    if not isinstance(usage, dict):
        raise ValueError("'usage' is not an object")
    if not isinstance(edited, bool):
        raise ValueError("'edited' is neither true nor false")
    created = number_of(fields, "created")
    if created is None:
        raise ValueError("'created' is missing")
    entry = Entry(
        key=key_in(fields, "entry"),
        configuration=key_in(fields, "configuration"),
        prompt=prompt,
        question=question,
        answer=_read_answer(fields),
        created=created,
        seconds=number_of(fields, "seconds"),
        usage=Usage(*(count_of(usage, name) for name in _TOKENS)),
        finish_reason=text_of(fields, "finish_reason"),
        prompt_digest=_digest(seen),
        sample=count_of(fields, "sample") or 0,
        edited=edited,
        tags=_valid(f" {' '.join(tags)} ", "tags") if tags else "",
        shape=shape_of(prompt) if ignored else "",
        ignored="".join(f"{rule} " for rule in ignored),
    )
    messages = chat_messages(prompt)  # as an earlier version stored them, which left other fields out
    as_written = seen if messages is None else canonical_json(messages)
    if entry.key in (key_of(entry.configuration, each, entry.sample) for each in (seen, as_written)):
        return entry, True
    text = prompt.encode("utf-8", "surrogatepass")  # of a completion model, whatever it looks like
    if entry.key == key_of(entry.configuration, text, entry.sample):
        return replace(entry, question=prompt, prompt_digest=_digest(text)), True
    return replace(entry, prompt_digest="", shape=""), entry.key == masked_key(entry)


def _digest(seen: bytes) -> str:
    return blake2b(seen, digest_size=8).hexdigest()


def masked_key(entry: Entry) -> str:
    """Return the key of an entry whose prompt is masked, made of what the file shows. No call has it."""
    content = f"masked\0{entry.configuration}\0{entry.created!r}\0{entry.sample}\0{entry.prompt}"
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _read_messages(fields: Mapping[str, Any]) -> str:
    if not isinstance(fields.get("messages"), list):
        raise ValueError("'prompt' is missing")
    try:
        return serialised(fields["messages"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("'messages' does not hold messages") from error


def _read_answer(fields: Mapping[str, Any]) -> bytes:
    answer = fields.get("answer")
    if answer is None:
        raise ValueError("'answer' is missing")
    try:
        data = answer_bytes(answer)
        kept = check_storable(generations.decode(data, validate=True), keep=fields.get("kept") == KEPT)
    except NotStorable as refusal:
        raise ValueError(refusal.reason.detail) from refusal
    except Exception as error:  # whatever a class of LangChain raises for its arguments
        raise ValueError("the answer cannot be read") from error
    stated = str(fields.get("finish_reason", ""))
    if kept != (stated if incomplete(stated) else ""):
        raise ValueError("'finish_reason' is not that of the answer")
    return chunks.checked(data) if data[:1] == CHUNKED else data


def key_in(fields: Mapping[str, Any], name: str) -> str:
    """Return a key among the fields of a line. Raises ``ValueError`` for anything else."""
    value = fields.get(name)
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError(f"'{name}' is not 32 hexadecimal digits")
    return value


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a text among the fields of a line; empty without one. Raises ``ValueError`` for anything else."""
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is not a text")
    return _valid(value, name)


def _valid(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"'{name}' is not valid Unicode") from None
    return text


def number_of(fields: Mapping[str, Any], name: str, lowest: float = 0.0) -> float | None:
    """Return a number among the fields of a line; None without one. Raises ``ValueError`` for anything else."""
    value = fields.get(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not lowest <= value <= _LARGEST:
        raise ValueError(f"'{name}' is not a valid number")
    return float(value)


def count_of(fields: Mapping[str, Any], name: str) -> int | None:
    """Return a count among the fields of a line; None without one. Raises ``ValueError`` for anything else."""
    value = fields.get(name)
    if value is not None and (type(value) is not int or not 0 <= value < 2**53):
        raise ValueError(f"'{name}' is not a valid whole number")
    return value
