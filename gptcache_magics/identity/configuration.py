"""What makes two configurations the same: everything about a model and a call that can change an answer.

It is read from the live model, afresh for each call, because a model can be changed between two calls and LangChain's
``llm_string`` is a snapshot that may not even name the model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping
from functools import lru_cache, partial
from hashlib import blake2b
from math import isfinite
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import orjson
from pydantic_core import PydanticUndefined

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.label import BASE_URLS, MODEL_NAMES, configuration_from_json, provider_of
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import SCHEMAS, is_secret, masked, plain_url, without_secrets

__all__ = ["configuration_of", "configuration_of_llm_string", "dumps", "model_name"]

LEFT_OUT: Final = frozenset(
    [
        "max_retries",
        "timeout",
        "request_timeout",
        "default_request_timeout",
        "streaming",
        "disable_streaming",
        "stream_usage",
        "stream_chunk_timeout",
        "include_response_headers",
        "profile",
        "name",
        "cache",
        "verbose",
        "callbacks",
        "callback_manager",
        "tags",
        "metadata",
        "custom_get_token_ids",
        "rate_limiter",
        "client",
        "async_client",
        "root_client",
        "root_async_client",
        "http_client",
        "http_async_client",
        "http_socket_options",
        "openai_proxy",
        "anthropic_proxy",
        "openai_organization",
        "organization",
        "batch_size",
        "tiktoken_model_name",
        "validate_model_on_init",
        "max_concurrency",
    ]
)
"""Fields that change how an answer comes, not what it says."""

PER_CLASS: Final[dict[str, frozenset[str]]] = {
    "FakeListChatModel": frozenset({"i", "sleep"}),
    "FakeListLLM": frozenset({"i", "sleep"}),
    "FakeStreamingListLLM": frozenset({"i", "sleep"}),
    "FakeMessagesListChatModel": frozenset({"i", "sleep"}),
}
"""Further fields to leave out, by class name: langchain-core's fakes count their calls in ``i``."""

CALL_LEFT_OUT: Final = frozenset(
    [
        "callbacks",
        "config",
        "tags",
        "metadata",
        "run_name",
        "run_id",
        "ls_structured_output_format",
        "structured_output_format",
        "stream",
        "timeout",
    ]
)
"""Arguments of ``generate`` that never reach the model, or change only how it answers."""

DEFAULT_URLS: Final = frozenset(
    {"https://api.openai.com/v1", "https://api.anthropic.com", "http://localhost:11434", "http://127.0.0.1:11434"}
)
ENVIRONMENT_URLS: Final = {"langchain_openai": "OPENAI_BASE_URL", "langchain_ollama": "OLLAMA_HOST"}
"""Variables that a provider's own client reads for its address when the model's field is unset."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)


def configuration_of(call: Call) -> Configuration:
    """The configuration of a call, as its model and arguments are now."""
    model, kind = call.model, type(call.model)
    kwargs = {
        name: value if name in SCHEMAS else without_secrets(value)
        for name, value in call.kwargs.items()
        if value is not None and name not in CALL_LEFT_OUT and not is_secret(name)
    }
    fields = _fields(model)
    name = model_name(model, kwargs)
    url = _environment_url(model)
    if url:
        fields["base_url"] = url
    content = dumps([f"{kind.__module__}.{kind.__qualname__}", name, fields, kwargs])
    return configuration_from_json(
        content, provider_of(cast(Hashable, kind)), name or kind.__name__, _environment(model)
    )


def _environment(model: Any) -> str:
    """Names of the variables that the model's class reads its key from."""
    kind = type(model)
    names = _environments.get(kind)
    if names is None:
        variables = getattr(model, "lc_secrets", {}).values()
        names = _environments[kind] = " ".join(sorted(each for each in variables if is_secret(each)))
    return names


_environments: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _fields(model: Any) -> dict[str, Any]:
    """Every field that can change an answer and is not as its class has it, with the fields a user added."""
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
            value = repr(value) if isinstance(value, float) and not isfinite(value) else without_secrets(value)
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


@lru_cache(maxsize=64)
def configuration_of_llm_string(llm_string: str) -> tuple[Configuration, bool]:
    """All that is known of a model that no hook saw, and whether its name is."""
    scrubbed = _ADDRESS.sub("", llm_string)
    named = re.search(r"""["'](?:model_name|model|model_id)["'](?:: |, )["']([^"']+)["']""", scrubbed)
    kind = re.search(r"""["']_type["'], ["']([^"']+)["']""", scrubbed)
    model = named.group(1) if named else kind.group(1) if kind else "unknown"
    digest = blake2b(b"llm_string\0" + scrubbed.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    parameters = dumps({"llm_string": masked(scrubbed)[:2000]}).decode()
    return Configuration(digest, "", model, model, None, parameters), named is not None


def model_name(model: Any, kwargs: Mapping[str, Any]) -> str:
    """The model's own name for itself, or an empty text."""
    values = vars(model)
    for value in (kwargs.get("model"), *map(values.get, MODEL_NAMES)):
        if isinstance(value, str) and value:
            return value
    return ""


def _environment_url(model: Any) -> str:
    package = type(model).__module__.partition(".")[0]
    if package not in ENVIRONMENT_URLS or any(map(vars(model).get, BASE_URLS)):
        return ""
    client = vars(model).get("root_client")  # holds the address it was made with
    url = _client_url(client) if client is not None else os.environ.get(ENVIRONMENT_URLS[package], "")
    url = plain_url(url)
    return "" if url in DEFAULT_URLS else url


def _client_url(client: Any) -> str:
    url = _client_urls.get(client)
    if url is None:
        url = _client_urls[client] = str(getattr(client, "base_url", ""))
    return url


_client_urls: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def dumps(value: Any) -> bytes:
    """JSON with sorted keys, the same for equal values in every process."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except (TypeError, ValueError):
        return orjson.dumps(_portable(value), option=options)


def _portable(value: Any) -> Any:
    """What orjson refuses, in a form it takes: integers over 64 bits, lone surrogates, keys that are no text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_portable(str(name)): _portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else str(value)
    return value if value is None or isinstance(value, bool | float) else _portable(_plain(value))


def _plain(value: Any) -> Any:
    """What tells an object from another one of its kind, without its address."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "get_secret_value"):
        return None
    if isinstance(value, type):
        return _schema(value)
    if isinstance(value, set | frozenset):
        return sorted(_ADDRESS.sub("", repr(item)) for item in value)
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if hasattr(type(value), "model_fields") and hasattr(value, "generate_prompt"):  # a language model within another
        return [kind, model_name(value, {}), _fields(value)]
    if isinstance(value, partial):
        return [kind, _plain(value.func), value.args, value.keywords]
    if isinstance(value, MethodType):
        return [kind, _plain(value.__func__), _plain(value.__self__)]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        kept = _plain_state([cells, value.__defaults__, value.__kwdefaults__], 1)
        return [value.__module__, value.__qualname__, _plain_state(value.__code__, 1), kept]
    return _plain_state(value, 3)


def _schema(kind: type) -> Any:
    try:
        return kind.model_json_schema()  # type: ignore[attr-defined]
    except Exception:  # no pydantic class, or one that has no JSON schema
        return f"{kind.__module__}.{kind.__qualname__}"


def _plain_state(value: Any, depth: int) -> Any:
    """The data that an object holds, so many objects deep; of what lies deeper only the kind."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return without_secrets({str(name): _plain_state(item, depth) for name, item in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain_state(item, depth) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if isinstance(value, CodeType):  # without the file it comes from, which a notebook names by its process
        return [value.co_code.hex(), value.co_names, _plain_state(value.co_consts, depth)]
    if isinstance(value, type | ModuleType):
        return [getattr(value, "__module__", ""), value.__name__]
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if depth == 0:
        return kind
    if isinstance(value, FunctionType | MethodType | partial):
        return _plain(value)
    state = {**getattr(value, "__dict__", {}), **(getattr(value, "model_extra", None) or {})}
    slots = [
        name for base in type(value).__mro__ for name in getattr(base, "__slots__", ()) if not name.startswith("__")
    ]
    state.update({name: getattr(value, name) for name in slots if hasattr(value, name)})
    shown = _ADDRESS.sub("", repr(value)) if not state else ""
    return [kind, shown, without_secrets({name: _plain_state(item, depth - 1) for name, item in state.items()})]
