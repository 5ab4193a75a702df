"""LangChain's own description of a model and a call, and whether it says everything.

``llm_string`` may not name the model (``ChatOllama``) and is a snapshot of the model's first use. An answer that is
stored under one is right only where everything that counts is named in it. That of a completion names neither the
arguments of the call nor the server, so it never says everything.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

import orjson

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.canonical import Reader
from gptcache_magics.identity.configuration import arguments_of
from gptcache_magics.identity.facts import facts_of
from gptcache_magics.identity.model import behaviour, fields, model_name
from gptcache_magics.identity.providers import MODEL_NAMES
from gptcache_magics.identity.unreadable import Unreadable

__all__ = ["names"]


def names(llm_string: str, call: Call) -> bool:
    """Return whether ``llm_string`` names the model of a call and everything that counts, as they are now."""
    if not call.chat:
        return False
    try:
        said, arguments = _read(llm_string)
        reader = Reader()
        model, given = call.model, arguments_of(call)
        counted, facts = fields(model, reader), facts_of(type(model))
        if not facts.known or behaviour(model, reader) or not _says_class(said, model):
            return False
        name = model_name(model, given)
        if name and name not in [*map(said.get, MODEL_NAMES), arguments.get("model")]:
            return False
        now = {**dict(facts.counted), **{name: vars(model).get(name) for name, _ in facts.counted}}
        return (
            all(name in said and _same(said[name], value) for name, value in counted.items())
            and all(name not in now or _same(value, reader.plain(now[name])) for name, value in said.items())
            and all(name in arguments and _same(arguments[name], reader.plain(given[name])) for name in given)
        )
    except (Unreadable, ValueError, SyntaxError, TypeError, AttributeError, RecursionError, MemoryError):
        return False  # of a form that cannot be read


def _read(llm_string: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is said about the model and about the arguments. Raises ``ValueError`` and others."""
    if llm_string.startswith("{"):
        model, end = json.JSONDecoder().raw_decode(llm_string)
        arguments = dict(ast.literal_eval(llm_string[end:].removeprefix("---")))
        return {"lc_id": model["id"], **model["kwargs"]}, arguments
    said = dict(ast.literal_eval(llm_string))
    return said, said


def _says_class(said: Mapping[str, Any], model: Any) -> bool:
    if "lc_id" in said:
        return bool(said["lc_id"] == model.lc_id())
    return bool(said.get("_type") == model._llm_type)


def _same(one: Any, two: Any) -> bool:
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(one, option=options) == orjson.dumps(two, option=options)
