"""The configuration of a call: the model with everything about it and the call that can change an answer.

A configuration is read from the live model for each call, because LangChain's ``llm_string`` is a snapshot that may not
even name the model. A configuration is remembered under the model's values, which are compared by content each time.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, cast

import orjson

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.canonical import ADDRESS, dumps
from gptcache_magics.identity.label import label_of
from gptcache_magics.identity.model import key_variables, model_fields, model_name, plain_values, url_from_environment
from gptcache_magics.identity.providers import BASE_URLS, CALL_LEFT_OUT, MODEL_NAMES, provider_of
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import HIDDEN, shown, without_secrets
from gptcache_magics.text.secret_names import is_secret

__all__ = ["configuration_of", "configuration_of_llm_string"]

REMEMBERED: Final = 512
"""Number of configurations to remember; a notebook has a few."""


def configuration_of(call: Call) -> Configuration:
    """Return the configuration of a call, as its model and arguments are now."""
    model = call.model
    kwargs = {
        name: value
        for name, value in call.kwargs.items()
        if value is not None and name not in CALL_LEFT_OUT and not is_secret(name)
    }
    url = url_from_environment(model)
    values = plain_values(model, kwargs)
    if values is None:  # some values are not plain data: read the model in full
        return _configuration(model, kwargs, url)
    known = _known.get((url, values))
    if known is None:
        if len(_known) >= REMEMBERED:
            _known.clear()
        known = _known[url, values] = _configuration(model, kwargs, url)
    return known


_known: dict[tuple[str, Hashable], Configuration] = {}


def _configuration(model: Any, kwargs: dict[str, Any], url: str) -> Configuration:
    kind = type(model)
    kwargs = {name: without_secrets(value, name) for name, value in kwargs.items()}
    fields = model_fields(model)
    name = model_name(model, kwargs)
    if url:
        fields["base_url"] = url
    content = dumps([f"{kind.__module__}.{kind.__qualname__}", name, fields, kwargs])
    return configuration_from_json(
        content, provider_of(cast(Hashable, kind)), name or kind.__name__, key_variables(model)
    )


@lru_cache(maxsize=REMEMBERED)
def configuration_from_json(content: bytes, provider: str, model: str, environment: str) -> Configuration:
    """Return the configuration that canonical JSON describes.

    Parameters
    ----------
    content
        JSON of class, model name, fields and arguments: everything that can change an answer.
    environment
        Names of the variables that the model's class reads its key from, with spaces between them.
    """
    _, _, fields, kwargs = orjson.loads(content)
    parameters = {**fields, **kwargs}
    temperature = parameters.get("temperature")
    for name in MODEL_NAMES:
        if parameters.get(name) == model:
            del parameters[name]
    elsewhere = {name: value for name, value in parameters.items() if not _is_address(name, value)}
    parameters = shown(parameters)
    return Configuration(
        key=blake2b(content, digest_size=16).hexdigest(),
        provider=provider,
        model=model,
        label=label_of(model, parameters),
        temperature=float(temperature) if isinstance(temperature, int | float) else None,
        parameters=_json(parameters),
        portable=blake2b(
            orjson.dumps([provider, model, elsewhere], option=orjson.OPT_SORT_KEYS), digest_size=16
        ).hexdigest(),
        environment=environment,
        call_parameters=_json(shown({name: fields.get(name) for name in kwargs})),
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _is_address(name: str, value: Any) -> bool:
    return name in BASE_URLS or (isinstance(value, str) and "://" in value)


@lru_cache(maxsize=64)
def configuration_of_llm_string(llm_string: str) -> tuple[Configuration, bool]:
    """Return the known facts about a model that no hook saw, and whether its name is among them."""
    scrubbed = ADDRESS.sub("", llm_string)
    named = re.search(r"""["'](?:model_name|model|model_id)["'](?:: |, )["']([^"']+)["']""", scrubbed)
    kind = re.search(r"""["']_type["'], ["']([^"']+)["']""", scrubbed)
    model = named.group(1) if named else kind.group(1) if kind else "unknown"
    digest = blake2b(b"llm_string\0" + scrubbed.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    parameters = dumps({"llm_string": HIDDEN}).decode()  # it may hold anything, in a form that cannot be read
    return Configuration(digest, "", model, model, None, parameters), named is not None
