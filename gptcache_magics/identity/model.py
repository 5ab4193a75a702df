"""Read a live model: its name, its address, and every field that can change an answer.

A model is read again for each call, because it can be changed between two calls.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import orjson
from pydantic_core import PydanticUndefined

from gptcache_magics.identity.providers import (
    BASE_URLS,
    DEFAULT_URLS,
    LEFT_OUT,
    MODEL_NAMES,
    PER_CLASS,
    URL_VARIABLES,
)
from gptcache_magics.text.masking import plain_url, without_secrets
from gptcache_magics.text.secret_names import is_secret

__all__ = ["key_variables", "model_fields", "model_name", "plain_values", "url_from_environment"]

_CONTAINERS: Final = (dict, list, tuple, set, frozenset)


def model_name(model: Any, kwargs: Mapping[str, Any]) -> str:
    """Return the name that the call or the model gives, or an empty text."""
    values = vars(model)
    for value in (kwargs.get("model"), *map(values.get, MODEL_NAMES)):
        if isinstance(value, str) and value:
            return value
    return ""


def model_fields(model: Any) -> dict[str, Any]:
    """Return the fields that can change an answer and differ from the class's defaults, with those a user added."""
    values = vars(model)
    found: dict[str, Any] = {}
    for name, default in _field_defaults(cast(Hashable, type(model))):
        value = values.get(name)
        unset = default is None or default is PydanticUndefined
        if value is default or (unset and (value is None or (isinstance(value, _CONTAINERS) and not value))):
            continue
        if isinstance(value, (str, int, float, *_CONTAINERS)):
            if type(value) is type(default) and value == default:
                continue
            value = repr(value) if isinstance(value, float) and not isfinite(value) else without_secrets(value, name)
            value = plain_url(value) if name in BASE_URLS and isinstance(value, str) else value
            if name in BASE_URLS and value in DEFAULT_URLS:
                continue
        found[name] = value
    if getattr(model, "model_extra", None):
        found["model_extra"] = without_secrets(model.model_extra)
    return found


@lru_cache(maxsize=1024)
def _field_defaults(kind: Any) -> list[tuple[str, Any]]:
    left_out = LEFT_OUT.union(*(PER_CLASS.get(base.__name__, ()) for base in kind.__mro__))
    return [
        (name, field.default)
        for name, field in getattr(kind, "model_fields", {}).items()
        if name not in left_out and not is_secret(name)
    ]


def plain_values(model: Any, kwargs: Mapping[str, Any]) -> Hashable | None:
    """Return all that :func:`model_fields` and :func:`model_name` read, and the arguments, by content and type.

    Returns
    -------
    A value that is equal only where theirs are; None if a value is not plain data: the model must then be read in full.
    """
    kind = type(model)
    values = tuple(map(vars(model).get, _value_names(cast(Hashable, kind))))
    try:
        content = orjson.dumps((values, getattr(model, "model_extra", None), kwargs), option=_PLAIN)
    except TypeError:
        return None
    types = tuple(map(type, (*values, *kwargs.values())))
    if float in types and not all(isfinite(value) for value in (*values, *kwargs.values()) if isinstance(value, float)):
        return None  # JSON has the same word for NaN, infinity and None
    return kind, types, content


_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


@lru_cache(maxsize=1024)
def _value_names(kind: Any) -> tuple[str, ...]:
    return *(name for name, _ in _field_defaults(kind)), *MODEL_NAMES


def url_from_environment(model: Any) -> str:
    """Return the address that the model's client took from the environment, or an empty text."""
    package = type(model).__module__.partition(".")[0]
    if package not in URL_VARIABLES or any(map(vars(model).get, BASE_URLS)):
        return ""
    client = vars(model).get("root_client")  # holds the address that it was built with
    url = _client_url(client) if client is not None else os.environ.get(URL_VARIABLES[package], "")
    url = plain_url(url)
    return "" if url in DEFAULT_URLS else url


def _client_url(client: Any) -> str:
    url = _client_urls.get(client)
    if url is None:
        url = _client_urls[client] = str(getattr(client, "base_url", ""))
    return url


_client_urls: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def key_variables(model: Any) -> str:
    """Return the names of the environment variables that the model's class reads its key from."""
    kind = type(model)
    names = _key_variables.get(kind)
    if names is None:
        variables = getattr(model, "lc_secrets", {}).values()
        names = _key_variables[kind] = " ".join(sorted(each for each in variables if is_secret(each)))
    return names


_key_variables: WeakKeyDictionary[type, str] = WeakKeyDictionary()
