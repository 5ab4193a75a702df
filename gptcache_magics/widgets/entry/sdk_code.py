"""Code that makes the call of an SDK again, in the SDK's own words.

The libraries that speak OpenAI's API (litellm, groq, mistralai and others) are written as ``openai`` with their
address: that call has the same key, so their entry answers it. The code is sure to be right where the request that it
makes has the digest of the stored one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.ordered import ordered
from gptcache_magics.identity.providers import BASE_URLS, PROVIDERS, Provider
from gptcache_magics.protocols.base import Json, Protocol
from gptcache_magics.protocols.wire import unwired
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.store.records import parameters_of
from gptcache_magics.text.masking import HIDDEN
from gptcache_magics.text.messages import chat_messages
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.entry.literals import Name, arguments, without_keys

__all__ = ["sdk_code"]

AZURE: Final = re.compile(r"(https?://[^/]+)/openai(/.*)?")
VERTEX: Final = re.compile(
    r"https://(?:[\w-]+-)?aiplatform\.googleapis\.com/(v\w+)/projects/([^/]+)/locations/([^/]+)/publishers/google"
)
VERSION: Final = re.compile(r"(.*)/(v\d\w*)")
EARLIER: Final = "2023-06-01"
"""The ``anthropic-version`` of each anthropic that has no constant for it."""
CAPITAL: Final = re.compile(r"(?<!^)([A-Z])")
CHAT: Final = (
    "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
    "max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty reasoning_effort "
    "response_format seed service_tier stop store temperature tool_choice tools top_logprobs top_p user"
)
RESPONSES: Final = (
    "input instructions model include max_output_tokens metadata parallel_tool_calls previous_response_id reasoning "
    "service_tier store temperature text tool_choice tools top_p truncation user"
)
COMPLETIONS: Final = (
    "prompt model best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop suffix "
    "temperature top_p user"
)
MESSAGES: Final = (
    "messages model max_tokens metadata service_tier stop_sequences system temperature thinking tool_choice tools "
    "top_k top_p"
)
OLLAMA_CHAT: Final = "messages model tools think logprobs top_logprobs format options"
OLLAMA_GENERATE: Final = (
    "prompt model suffix system template context raw think logprobs top_logprobs format options images"
)
COHERE: Final = (
    "messages model tools strict_tools documents citation_options response_format safety_mode max_tokens "
    "stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking "
    "priority raw_prompting"
)


@dataclass(frozen=True, slots=True)
class _SDK:
    """How one SDK is called."""

    provider: str
    client: str
    call: str
    takes: str
    """Names of arguments with spaces between; what else a request has goes into ``rest``."""
    url: str = "base_url"
    key: str = "api_key"
    rest: tuple[str, ...] = ("extra_headers", "extra_query", "extra_body")
    """Arguments for headers, a query and further fields."""
    line: str = ""

    @property
    def imports(self) -> str:
        return self.line or f"import {self.client.partition('.')[0]}"


SDKS: Final = {
    "openai-chat": _SDK("openai", "openai.OpenAI", "chat.completions.create", CHAT),
    "openai-responses": _SDK("openai", "openai.OpenAI", "responses.create", RESPONSES),
    "openai-completions": _SDK("openai", "openai.OpenAI", "completions.create", COMPLETIONS),
    "anthropic-messages": _SDK("anthropic", "anthropic.Anthropic", "messages.create", MESSAGES),
    "ollama-chat": _SDK("ollama", "ollama.Client", "chat", OLLAMA_CHAT, url="host", key="", rest=()),
    "ollama-generate": _SDK("ollama", "ollama.Client", "generate", OLLAMA_GENERATE, url="host", key="", rest=()),
    "cohere-chat": _SDK("cohere", "cohere.ClientV2", "chat", COHERE, rest=()),
    "gemini": _SDK(
        "google_genai", "genai.Client", "models.generate_content", "", rest=(), line="from google import genai"
    ),
}
"""The SDKs by the names of protocols."""


@dataclass(slots=True)
class _Asked:
    """What a stored request was made of."""

    model: str
    body: Json
    """The fields of the request but for the model."""
    url: str
    """The address; empty for that of the SDK."""
    headers: Json
    query: Json
    variable: str
    """Environment variable of the key; empty for that of the SDK."""
    remarks: list[str] = field(default_factory=list)


def sdk_code(entry: Entry, asked: Configuration) -> str:
    """Return code that makes the call of an SDK that this entry answers, without keys."""
    protocol, whole = unwired(entry.answer)
    try:
        found = _asked(entry, asked, protocol)
        if protocol.lacks(whole, found.body):
            found.body["stream"] = True
        return _code(SDKS[protocol.name], entry, found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # of a bundle that nobody's SDK has made
        return "# The request cannot be written down: its messages are none of this API.\n"


def _code(sdk: _SDK, entry: Entry, found: _Asked) -> str:
    if entry.sample:
        number = entry.sample + 1
        found.remarks.append(f"Answer {number} of several to this call: ask in a cell under %%gptcache --samples.")
    client, given = _gemini(found) if sdk.provider == "google_genai" else _plain(sdk, found)
    kind = "openai.AzureOpenAI" if "azure_endpoint" in client else sdk.client
    if found.variable and sdk.key:
        client = {sdk.key: Name(f'os.environ["{found.variable}"]'), **client}
    code = [
        *(["import os"] if found.variable and sdk.key else []),
        sdk.imports,
        "",
        *(f"# {' '.join(printable(remark).split())}" for remark in found.remarks),
        f"client = {kind}({', '.join(arguments(client))})",
        f"answer = client.{sdk.call}(",
        *(f"    {argument}," for argument in arguments(given, 4)),
        ")",
        "",
    ]
    return "\n".join(code)


def _asked(entry: Entry, asked: Configuration, protocol: Protocol) -> _Asked:
    """Return what a stored request was made of."""
    parameters = parameters_of(asked.parameters)
    names = parameters_of(asked.call_parameters or "{}").keys()
    sent = _in_order({name: each for name, each in parameters.items() if name in names})
    fields = {name: each for name, each in parameters.items() if name not in names}
    url = next((str(fields[name]) for name in BASE_URLS if name in fields), "")
    remarks = []
    content = dumps([f"http.{protocol.name}", asked.model, fields, ordered(sent)])
    if blake2b(content, digest_size=16).hexdigest() != asked.key:
        remarks.append(f"Not sure to be the same: a part of the request is not stored ({HIDDEN}) or cannot be written.")
    messages = [each["kwargs"] for each in chat_messages(entry.prompt) or ()]
    body = {**protocol.asking(messages), **sent}
    shown: Json = without_keys(body)
    if shown != body:
        remarks.append("A text that looked like a key is ***, so this code asks something else.")
    provider, own = PROVIDERS.get(asked.provider, Provider()), PROVIDERS[SDKS[protocol.name].provider]
    if not url and provider is not own:
        url = next(iter(provider.urls), "")
    version = str(fields.get("api", "")).removeprefix(protocol.api).strip()
    if not url and version:
        url = "/".join([*provider.urls[:1], version])
    variable = next(iter(asked.environment.split()), "")
    query: Json = {}
    for name, value in fields.get("query_params") or ():
        query[name] = [*query[name], value] if isinstance(query.get(name), list) else value
    return _Asked(
        model=asked.model,
        body=shown,
        url=url,
        headers={name: each for name, each in (fields.get("headers") or {}).items() if not _is_default(name, each)},
        query=query,
        variable="" if variable == own.key_variable else variable,
        remarks=remarks,
    )


def _is_default(header: str, value: Any) -> bool:
    """Return whether the SDK that is imported sends this header by itself; an SDK of another version may not."""
    constants = sys.modules.get("anthropic._constants")
    version = getattr(constants, "ANTHROPIC_API_VERSION", EARLIER) if constants is not None else None
    return header == "anthropic-version" and value == version


def _plain(sdk: _SDK, found: _Asked) -> tuple[Json, Json]:
    """Return the arguments of a client and those of its call."""
    client: Json = {sdk.url: found.url} if found.url else {}
    azure = AZURE.fullmatch(found.url) if sdk.provider == "openai" and "api-version" in found.query else None
    if azure is not None:
        client = {"azure_endpoint": azure[1], "api_version": found.query.pop("api-version")}
    body = {"model": found.model, **found.body}
    takes = sdk.takes.split()
    given = {name: each for name, each in body.items() if name in takes}
    beside = {name: each for name, each in body.items() if name not in takes}
    if sdk.rest:
        more = dict(zip(sdk.rest, (found.headers, found.query, beside), strict=True))
        return client, {**given, **{name: each for name, each in more.items() if each}}
    if sdk.provider == "cohere":
        options = {"additional_headers": found.headers, "additional_body_parameters": beside}
        if options := {name: each for name, each in options.items() if each}:
            given["request_options"] = options
        beside = {}
    elif found.headers:
        client["headers"] = found.headers
    if left := [*beside, *found.query]:
        found.remarks.append(f"Not sure to be the same: {sdk.call} does not take {', '.join(left)}.")
    return client, given


def _gemini(found: _Asked) -> tuple[Json, Json]:
    """Return the arguments of a client of Google's and those of its call, whose configuration is flat."""
    options: Json = {}
    client: Json = {}
    if (vertex := VERTEX.fullmatch(found.url)) is not None:
        options["api_version"] = vertex[1]
        client = {"vertexai": True, "project": vertex[2], "location": vertex[3]}
    elif found.url:
        version = VERSION.fullmatch(found.url)
        server = found.url if version is None else version[1]
        if server not in PROVIDERS["google_genai"].urls:
            options["base_url"] = server
        if version is not None:
            options["api_version"] = version[2]
    if found.headers:
        options["headers"] = found.headers
    if options:
        client["http_options"] = options
    body = {**found.body}
    config = dict(_snake({**body.pop("generationConfig", {}), **{n: v for n, v in body.items() if n != "contents"}}))
    given: Json = {"model": found.model, "contents": body["contents"]}
    return client, {**given, **({"config": config} if config else {})}


def _snake(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield CAPITAL.sub(lambda letter: f"_{letter[1].lower()}", name), value


def _in_order(value: Any) -> Any:
    """Return JSON with the properties of schemas in the order that their schema names elsewhere."""
    if isinstance(value, list):
        return [_in_order(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _in_order(each) for name, each in value.items()}
    properties = made.get("properties")
    if isinstance(properties, dict):
        for names in (made.get("property_ordering"), made.get("propertyOrdering"), made.get("required")):
            if isinstance(names, list) and sorted(map(str, names)) == sorted(properties):
                made["properties"] = {name: properties[name] for name in names}
                break
    return made
