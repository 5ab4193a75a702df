"""What makes two calls the same.

LangChain hands a cache two strings. Neither is enough: ``llm_string`` may not name the model (``ChatOllama``), is a
snapshot of the first use (a changed ``temperature`` keeps it) and leaves out the arguments of a completion call;
``prompt`` carries ids and usage figures that differ between an answer from the model and the same answer from a cache.
So the configuration is read from the live model, afresh for each call, and the prompt reduced to what the model sees.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

import orjson

from gptcache_magics.settings import Call
from gptcache_magics.stores.base import Configuration

__all__ = ["Identity", "identify", "identify_by_llm_string", "without_secrets"]

KEY_VERSION: Final = b"1"

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

SCHEMAS: Final = frozenset({"tools", "functions", "response_format", "format"})
"""Arguments that describe data and hold none: a property named ``password`` is no password."""

MODEL_NAMES: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "repo_id", "model_path")
BASE_URLS: Final = frozenset(
    {"base_url", "openai_api_base", "anthropic_api_url", "api_base", "endpoint_url", "endpoint"}
)
DEFAULT_URLS: Final = frozenset(
    {"https://api.openai.com/v1", "https://api.anthropic.com", "http://localhost:11434", "http://127.0.0.1:11434"}
)
ENVIRONMENT_URLS: Final = {"langchain_openai": "OPENAI_BASE_URL", "langchain_ollama": "OLLAMA_HOST"}
"""Variables that a provider's own client reads for its address when the model's field is unset."""

_SECRET = re.compile(
    r"(api|access|auth|secret|private|subscription)[-_]?key|(access|auth|api|ad|hf|hub|bearer|session|security|refresh"
    r"|authorization)[-_]?token|^token$|secret|passw|credential|authorization|cookie",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_CHAT_PROMPT = '[{"lc"'


@dataclass(frozen=True, slots=True)
class Identity:
    """What one lookup asks for."""

    key: bytes
    """blake2b-128 over key version, configuration and canonical prompt."""
    configuration: Configuration
    prompt: str
    """The prompt as stock GPTCache would see it, without what differs between a model's and a cache's answer."""
    question: str
    """What a person asked: the text of the last human message, or the prompt itself."""
    reason: str = ""
    """A warning about this identity, such as ``model unknown``."""


def identify(call: Call, prompt: str) -> Identity:
    """The identity of one prompt of a call. The configuration of the call is taken at its first prompt.

    Raises
    ------
    TypeError
        If a parameter of the model cannot be told from another one.
    """
    if call.configuration is None:
        call.configuration = _configuration(call)
    configuration = call.configuration
    if not call.chat:
        return Identity(_key(configuration.key, _bytes(prompt)), configuration, prompt, prompt)
    keep_ids = bool(vars(call.model).get("use_previous_response_id"))
    canonical, stock, question = _canonical(prompt, keep_ids)
    return Identity(_key(configuration.key, canonical), configuration, stock, question)


def identify_by_llm_string(prompt: str, llm_string: str) -> Identity:
    """The identity of a lookup that no hook saw: all that is known of the model is LangChain's ``llm_string``."""
    scrubbed = _ADDRESS.sub("", llm_string)
    named = re.search(r"""["'](?:model_name|model|model_id)["'](?:: |, )["']([^"']+)["']""", scrubbed)
    kind = re.search(r"""["']_type["'], ["']([^"']+)["']""", scrubbed)
    model = named.group(1) if named else kind.group(1) if kind else "unknown"
    digest = blake2b(b"llm_string\0" + _bytes(scrubbed), digest_size=16).digest()
    parameters = orjson.dumps({"llm_string": _mask(scrubbed)[:2000]}).decode()
    configuration = Configuration(digest, "", model, model, None, parameters)
    canonical, stock, question = _canonical(prompt, keep_ids=True)
    return Identity(_key(digest, canonical), configuration, stock, question, "" if named else "model unknown")


def model_name(model: Any, kwargs: Mapping[str, Any]) -> str:
    """The model's own name for itself, or an empty text."""
    values = vars(model)
    for value in (kwargs.get("model"), *map(values.get, MODEL_NAMES)):
        if isinstance(value, str) and value:
            return value
    return ""


def without_secrets(value: Any) -> Any:
    """The same containers without the texts whose name says that they are secret."""
    if isinstance(value, Mapping):
        plain = {str(name): item for name, item in value.items()}
        return {k: without_secrets(v) for k, v in plain.items() if not (_is_secret(k) and isinstance(v, str | bytes))}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _key(configuration: bytes, prompt: bytes) -> bytes:
    return blake2b(KEY_VERSION + configuration + prompt, digest_size=16).digest()


# The configuration of a call


def _configuration(call: Call) -> Configuration:
    model, kind = call.model, type(call.model)
    kwargs = {
        name: value if name in SCHEMAS else without_secrets(value)
        for name, value in call.kwargs.items()
        if value is not None and name not in CALL_LEFT_OUT and not _is_secret(name)
    }
    fields = _fields(model)
    name = model_name(model, kwargs)
    url = _environment_url(model)
    if url:
        fields["base_url"] = url
    content = _dumps([f"{kind.__module__}.{kind.__qualname__}", name, fields, kwargs])
    return _described(content, _provider(kind.__module__, kind.__name__), name or kind.__name__)


@lru_cache(maxsize=4096)
def _described(content: bytes, provider: str, model: str) -> Configuration:
    _, _, fields, kwargs = orjson.loads(content)
    parameters = {**fields, **kwargs}
    temperature = parameters.get("temperature")
    temperature = float(temperature) if isinstance(temperature, int | float) else None
    for name in MODEL_NAMES:
        if parameters.get(name) == model:
            del parameters[name]
    text = _mask(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS).decode())
    key = blake2b(content, digest_size=16).digest()
    return Configuration(key, provider, model, _label(model, parameters), temperature, text)


def _label(model: str, parameters: dict[str, Any]) -> str:
    parts = [model]
    for name, value in sorted(parameters.items()):
        if name == "temperature":
            parts.insert(1, f"T {value:g}" if isinstance(value, int | float) else f"T {value}")
        elif name == "tools" and isinstance(value, list):
            parts.append(f"{len(value)} tool{'s' if len(value) != 1 else ''}")
        elif name in ("response_format", "format"):
            parts.append("structured")
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 24):
            parts.append(f"{name} {value}")
        else:
            parts.append(name)
    return " · ".join(parts if len(parts) <= 6 else [*parts[:6], "…"])


@lru_cache(maxsize=1024)
def _provider(module: str, name: str) -> str:
    """The provider's name, from the package a class comes from: ``langchain_openai`` is ``openai``."""
    top, *rest = module.split(".")
    if top == "langchain_core":
        return "fake" if "fake" in module else "langchain"
    if top == "langchain_community" and len(rest) > 1:
        return rest[1]
    if top.startswith("langchain_"):
        provider = top.removeprefix("langchain_")
        return f"azure_{provider}" if name.startswith("Azure") else provider
    return re.sub(r"^Chat|Chat$|LLM$", "", name).lower() or name.lower()


def _fields(model: Any) -> dict[str, Any]:
    """Every field that can change an answer and is not as its class has it, with the fields a user added."""
    values = vars(model)
    found: dict[str, Any] = {}
    for name, default in _field_defaults(cast(Hashable, type(model))):
        value = values.get(name)
        if value is None or value is default:
            continue
        if type(value) in (str, int, float, bool):
            if value == default and type(value) is type(default):
                continue
            if isinstance(value, str) and "://" in value:
                value = _url(value)
                if name in BASE_URLS and value in DEFAULT_URLS:
                    continue
        elif isinstance(value, Mapping | list | tuple | set | frozenset):
            if not value or value == default:
                continue
            value = without_secrets(value)
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
        if name not in left_out and not _is_secret(name)
    ]


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _environment_url(model: Any) -> str:
    package = type(model).__module__.partition(".")[0]
    if package not in ENVIRONMENT_URLS or any(map(vars(model).get, BASE_URLS)):
        return ""
    client = vars(model).get("root_client")  # holds the address it was made with
    url = _url(str(getattr(client, "base_url", None) or os.environ.get(ENVIRONMENT_URLS[package]) or ""))
    return "" if url in DEFAULT_URLS else url


@lru_cache(maxsize=1024)
def _url(url: str) -> str:
    """A URL without user name, password and secret parameters, and without a final slash."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "&".join(part for part in parts.query.split("&") if part and not _is_secret(part.partition("=")[0]))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), query, ""))


def _dumps(value: Any) -> bytes:
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except (TypeError, ValueError):  # integers over 64 bits, lone surrogates
        text = json.dumps(value, default=_plain, sort_keys=True, skipkeys=True)
        return orjson.dumps(json.loads(text, parse_int=str), option=options)


def _plain(value: Any) -> Any:
    """What tells an object from another one of its kind, without its address."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "get_secret_value"):
        return None
    if isinstance(value, type):
        schema = getattr(value, "model_json_schema", None)
        return schema() if schema is not None else f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if hasattr(type(value), "model_fields"):
        return [kind, model_name(value, {}), _fields(value)]
    code = getattr(value, "__code__", None)
    if code is not None:
        return [value.__module__, value.__qualname__, code.co_code.hex(), _ADDRESS.sub("", repr(code.co_consts))]
    plain = {k: v for k, v in getattr(value, "__dict__", {}).items() if isinstance(v, str | int | float | bool)}
    return [kind, _ADDRESS.sub("", repr(value)), without_secrets(plain)]


# The prompt


def _canonical(prompt: str, keep_ids: bool) -> tuple[bytes, str, str]:
    """The bytes that identify a prompt, the prompt as stock GPTCache should see it, and what a person asked."""
    messages = _parsed(prompt)
    if messages is None:
        return _bytes(prompt), prompt, prompt
    changed = False
    question = None
    for message in messages:
        kwargs = message["kwargs"]
        if message["id"][-1] == "HumanMessage" or question is None:
            question = kwargs.get("content")
        metadata = kwargs.pop("response_metadata", None)
        changed |= bool(metadata)
        if keep_ids and metadata and str(metadata.get("id", "")).startswith("resp_"):
            kwargs["response_metadata"] = {"id": metadata["id"]}
        for name in ("id", "usage_metadata", "tool_call_chunks", "chunk_position"):
            changed |= kwargs.pop(name, None) is not None
        if message["id"][-1].endswith("MessageChunk"):
            message["id"][-1] = message["id"][-1].removesuffix("Chunk")
            kwargs["type"] = str(kwargs.get("type", "")).removesuffix("MessageChunk").lower()
            changed = True
    return _dumps(messages), json.dumps(messages) if changed else prompt, _text(question)


def _bytes(prompt: str) -> bytes:
    return prompt.encode("utf-8", "surrogatepass")


def _parsed(prompt: str) -> list[dict[str, Any]] | None:
    """The messages of a chat prompt as LangChain serialises them, or None if it is anything else."""
    if not prompt.startswith(_CHAT_PROMPT):
        return None
    try:
        messages = orjson.loads(prompt)
    except ValueError:
        try:
            messages = json.loads(prompt)
        except ValueError:
            return None
    if all(isinstance(m, dict) and isinstance(m.get("kwargs"), dict) and m.get("id") for m in messages):
        return messages  # type: ignore[no-any-return]
    return None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [
        block if isinstance(block, str) else block.get("text") or f"[{block.get('type', '?')}]" for block in blocks
    ]
    return "\n".join(texts)


_KEY_IN_TEXT = re.compile(r"\b(sk-[\w-]{8,}|xai-[\w-]{8,}|gsk_\w{8,}|hf_\w{8,}|AIza[\w-]{20,}|Bearer\s+[\w.~+/-]{8,})")


def _mask(text: str) -> str:
    """The text with whatever looks like a key replaced."""
    return _KEY_IN_TEXT.sub("***", text)
