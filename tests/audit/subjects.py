"""The provider classes that are audited: how each is made, and what its SDK takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import httpx
from langchain_core.language_models import BaseChatModel
from packaging.version import Version

from gptcache_magics.identity.carried import PARTS, READ
from gptcache_magics.identity.providers import provider_of
from tests.audit.equivalent import BOOKKEEPING
from tests.audit.values import parameters_of

__all__ = ["HEAVY", "MAIN", "Subject"]

KEY: Final = "sk-test-0123456789abcdef"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """One class of models, with the fields that let it reach the loopback server."""

    path: str
    """Its package and name."""
    model: str
    url: str
    """The field for its address; empty if it has none."""
    at: str = ""
    """What its client puts between the address and its own paths."""
    fields: Fields = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    """The methods of its SDK, and types whose fields are arguments of one, each as ``module:qualified.name``."""
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    """Values of fields and arguments whose annotation does not tell valid ones."""
    clients: Callable[[str, str], Mapping[str, list[Any]]] = lambda url, other_url: {}
    """Values that need the addresses of the server: clients of the SDK."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that every call needs; ``{url}`` in a value is the address of the server."""
    variant: str = ""
    least: int = 100
    """Fewest calls that must be compared."""
    unreadable: frozenset[str] = frozenset({"client", "async_client"})
    """Fields and arguments with values that cannot be read to their data: such a call goes past the cache."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Answers by the end of the path."""

    def __str__(self) -> str:
        return f"{self.path.rpartition('.')[2]}{f' ({self.variant})' if self.variant else ''}"

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return find_spec(self.path.partition(".")[0]) is not None

    @property
    def kind(self) -> Any:
        """The class."""
        package, name = self.path.rsplit(".", 1)
        return getattr(import_module(package), name)

    @property
    def equivalent(self) -> list[str]:
        """The names of the ways in which requests of this class may differ and yet ask the same."""
        names = ["order of tools", "order of arguments"]
        if self.numbers_ids:
            names.append("ids of tool calls")
        return [*names, "bookkeeping"] if self.provider in BOOKKEEPING else names

    @property
    def provider(self) -> str:
        """The provider whose documentation holds for its requests."""
        return provider_of(self.kind).removeprefix("azure_")

    @property
    def numbers_ids(self) -> bool:
        """Whether the parts of messages that it sends are known, so that ids of tool calls are numbered."""
        return self.path in PARTS and not self.fields.get("use_responses_api")

    @property
    def thrifty(self) -> bool:
        """Whether all is known that it does not send of messages: of older packages it is not."""
        package = self.path.partition(".")[0]
        known = self.numbers_ids and bool(PARTS[self.path]["ai"].blocks)
        return known and Version(version(package)).release[:2] == READ[package]

    @property
    def chat(self) -> bool:
        """Whether it is asked with messages."""
        return issubclass(self.kind, BaseChatModel)

    def base(self, url: str) -> Fields:
        """Return the fields of a model that asks the server at ``url``."""
        return {"model": self.model, **self.fields, **({self.url: f"{url}{self.at}"} if self.url else {})}

    def variables(self, url: str) -> dict[str, str]:
        """Return the variables that every call needs."""
        return {name: value.format(url=url) for name, value in self.environment.items()}

    def arguments(self) -> Fields:
        """Return the annotations of the SDK's arguments by name."""
        found: Fields = {}
        for path in self.methods:
            module, _, name = path.partition(":")
            method = reduce(getattr, name.split("."), import_module(module))
            fields = getattr(method, "model_fields", None)
            found |= {each: fields[each].annotation for each in fields} if fields else parameters_of(method)
        return {name: annotation for name, annotation in found.items() if name not in NOT_ARGUMENTS}


NOT_ARGUMENTS: Final = frozenset({"messages", "prompt", "input", "contents", "model", "stream", "config", "message"})
"""What LangChain passes itself, and what would turn the call into one of another kind."""


def _clients(make: Callable[..., Any]) -> list[Any]:
    return [make(headers={"x-variant": "one"}), make(headers={"x-variant": "two"}), make(params={"variant": "one"})]


HTTP_CLIENTS: Final = {"http_client": _clients(httpx.Client), "http_async_client": _clients(httpx.AsyncClient)}
CLIENT_KWARGS: Final = [
    {"headers": {"x-variant": "one"}},
    {"headers": {"x-variant": "two"}},
    {"params": {"variant": "one"}},
    {"params": {"variant": "two"}},
    {"headers": {"Authorization": "Bearer one"}},
    {"headers": {"Authorization": "Bearer two"}},
    {"timeout": 5.0},
    {},
]
OPENAI: Final = {"api_key": KEY, "max_retries": 0}
OPENAI_VALUES: Final = {
    **HTTP_CLIENTS,
    "reasoning": [{"effort": "low"}, {"effort": "high"}, {"effort": "low", "summary": "auto"}, {}],
    "disabled_params": [{"parallel_tool_calls": None}, {"temperature": None}, {}],
    "context_management": [[{"type": "compaction"}], [{"type": "compaction", "compact_threshold": 7}], []],
    "output_version": ["v0", "responses/v1", "v1"],
}


def _openai_clients(url: str, other_url: str) -> Mapping[str, list[Any]]:
    """Return clients of the OpenAI SDK that send different requests, first the one that a class makes itself."""
    from openai import AsyncOpenAI, OpenAI

    def clients(make: Any) -> list[Any]:
        options: list[Fields] = [{}, {"default_headers": {"x-variant": "one"}}, {"default_query": {"variant": "one"}}]
        options += [
            {"http_client": client} for client in _clients(httpx.Client if make is OpenAI else httpx.AsyncClient)
        ]
        made = [make(api_key=KEY, max_retries=0, base_url=f"{url}/v1", **each) for each in options]
        return [*made, make(api_key=KEY, max_retries=0, base_url=f"{other_url}/v1")]

    return {
        "client": [each.chat.completions for each in clients(OpenAI)],
        "async_client": [each.chat.completions for each in clients(AsyncOpenAI)],
        "root_client": clients(OpenAI),
        "root_async_client": clients(AsyncOpenAI),
    }


def _openai_completion_clients(url: str, other_url: str) -> Mapping[str, list[Any]]:
    found = _openai_clients(url, other_url)
    return {name: [each.completions for each in found[f"root_{name}"]] for name in ("client", "async_client")}


AZURE: Final = {"api_key": KEY, "api_version": "2024-10-21", "max_retries": 0}

CHAT_COMPLETION: Final = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "An answer."}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
OPENAI_LIKE: Final = {"/chat/completions": CHAT_COMPLETION}

MAIN: Final = (
    Subject(
        "langchain_openai.ChatOpenAI",
        "gpt-4o-mini",
        "base_url",
        least=600,
        at="/v1",
        fields=OPENAI,
        methods=("openai.resources.chat.completions:Completions.create",),
        values=OPENAI_VALUES,
        clients=_openai_clients,
        answers=OPENAI_LIKE,
    ),
    Subject(
        "langchain_openai.ChatOpenAI",
        "gpt-4o-mini",
        "base_url",
        least=600,
        at="/v1",
        fields={**OPENAI, "use_responses_api": True},
        methods=("openai.resources.responses:Responses.create",),
        values=OPENAI_VALUES,
        clients=_openai_clients,
        variant="responses",
    ),
    Subject(
        "langchain_openai.AzureChatOpenAI",
        "gpt-4o-mini",
        "azure_endpoint",
        least=600,
        fields=AZURE,
        methods=("openai.resources.chat.completions:Completions.create",),
        values=OPENAI_VALUES,
        clients=_openai_clients,
        answers=OPENAI_LIKE,
    ),
    Subject(
        "langchain_openai.OpenAI",
        "gpt-3.5-turbo-instruct",
        "base_url",
        least=250,
        at="/v1",
        fields=OPENAI,
        methods=("openai.resources.completions:Completions.create",),
        values=OPENAI_VALUES,
        clients=_openai_completion_clients,
    ),
    Subject(
        "langchain_openai.AzureOpenAI",
        "gpt-3.5-turbo-instruct",
        "azure_endpoint",
        least=250,
        fields=AZURE,
        methods=("openai.resources.completions:Completions.create",),
        values=OPENAI_VALUES,
        clients=_openai_completion_clients,
    ),
    Subject(
        "langchain_anthropic.ChatAnthropic",
        "claude-haiku-4-5",
        "base_url",
        least=350,
        fields=OPENAI,
        methods=(
            "anthropic.resources.messages:Messages.create",
            "anthropic.resources.beta.messages:Messages.create",
        ),
        values={
            "thinking": [
                {"type": "enabled", "budget_tokens": 2000},
                {"type": "enabled", "budget_tokens": 3000},
                {"type": "disabled"},
                {"type": "adaptive"},
                {},
            ],
            "output_config": [{"effort": "low"}, {"effort": "high"}, {}],
            "mcp_servers": [
                [{"type": "url", "name": "one", "url": "https://mcp.example/one"}],
                [{"type": "url", "name": "one", "url": "https://mcp.example/two"}],
                [{"type": "url", "name": "two", "url": "https://mcp.example/one"}],
                [],
            ],
        },
    ),
    Subject(
        "langchain_ollama.ChatOllama",
        "llama3",
        "base_url",
        least=300,
        methods=("ollama:Client.chat", "ollama:Options"),
        values=dict.fromkeys(("client_kwargs", "async_client_kwargs", "sync_client_kwargs"), CLIENT_KWARGS),
    ),
    Subject(
        "langchain_ollama.OllamaLLM",
        "llama3",
        "base_url",
        least=150,
        methods=("ollama:Client.generate", "ollama:Options"),
        values=dict.fromkeys(("client_kwargs", "async_client_kwargs", "sync_client_kwargs"), CLIENT_KWARGS),
    ),
)

OPENAI_ARGUMENTS: Final = ("openai.resources.chat.completions:Completions.create",)
_on_openais_client = partial(
    Subject,
    at="/v1",
    fields=OPENAI,
    methods=OPENAI_ARGUMENTS,
    values=OPENAI_VALUES,
    clients=_openai_clients,
    answers=OPENAI_LIKE,
)

GENERATE_CONTENT: Final = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "An answer."}]}, "finishReason": "STOP", "index": 0}
    ],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
    "modelVersion": "m",
}
CONVERSE: Final = {
    "output": {"message": {"role": "assistant", "content": [{"text": "An answer."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 1},
}
COHERE: Final = {
    "id": "1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "An answer."}]},
    "usage": {"tokens": {"input_tokens": 1, "output_tokens": 2}},
}

HEAVY: Final = (
    Subject(
        "langchain_google_genai.ChatGoogleGenerativeAI",
        "gemini-2.5-flash",
        "base_url",
        fields={"api_key": KEY, "max_retries": 1},
        methods=(
            "langchain_google_genai:ChatGoogleGenerativeAI._prepare_request",
            "google.genai.types:GenerateContentConfig",
        ),
        answers={":generateContent": GENERATE_CONTENT},
    ),
    Subject(
        "langchain_groq.ChatGroq",
        "llama-3.1-8b-instant",
        "base_url",
        fields=OPENAI,
        methods=("groq.resources.chat.completions:Completions.create",),
        values=HTTP_CLIENTS,
        answers=OPENAI_LIKE,
    ),
    Subject(
        "langchain_mistralai.ChatMistralAI",
        "mistral-small-latest",
        "base_url",
        at="/v1",
        fields=OPENAI,
        methods=OPENAI_ARGUMENTS,
        answers=OPENAI_LIKE,
    ),
    _on_openais_client("langchain_deepseek.ChatDeepSeek", "deepseek-chat", "base_url"),
    _on_openais_client("langchain_xai.ChatXAI", "grok-4", "base_url"),
    Subject(
        "langchain_fireworks.ChatFireworks",
        "accounts/fireworks/models/gpt-oss-120b",
        "base_url",
        fields=OPENAI,
        methods=("fireworks.resources.chat.completions:CompletionsResource.create",),
        answers=OPENAI_LIKE,
    ),
    _on_openais_client("langchain_together.ChatTogether", "meta-llama/Llama-3-8b-chat-hf", "base_url"),
    Subject(
        "langchain_cohere.ChatCohere",
        "command-r-plus",
        "base_url",
        fields={"cohere_api_key": KEY},
        unreadable=frozenset({"client", "async_client", "model"}),
        methods=("cohere.v2.client:V2Client.chat",),
        answers={"/v2/chat": COHERE},
    ),
    Subject(
        "langchain_perplexity.ChatPerplexity",
        "sonar",
        "",
        fields=OPENAI,
        methods=("perplexity.resources.chat.completions:CompletionsResource.create",),
        environment={"PERPLEXITY_BASE_URL": "{url}"},
        answers=OPENAI_LIKE,
    ),
    Subject(
        "langchain_aws.ChatBedrockConverse",
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "base_url",
        fields={
            "region_name": "us-east-1",
            "aws_access_key_id": "AKIA0123456789ABCDEF",
            "aws_secret_access_key": KEY,
            "max_retries": 0,
        },
        methods=("langchain_aws:ChatBedrockConverse._converse_params",),
        unreadable=frozenset({"client", "bedrock_client"}),
        answers={"/converse": CONVERSE},
    ),
    Subject(
        "langchain_litellm.ChatLiteLLM",
        "openai/gpt-4o-mini",
        "api_base",
        at="/v1",
        fields=OPENAI,
        methods=("litellm:completion",),
        answers=OPENAI_LIKE,
    ),
)
"""Classes whose packages are installed by ``make audit`` only."""
