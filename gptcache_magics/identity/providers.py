"""Facts about providers, in one file: addresses, fields that change no answer, finish reasons, classes, prices.

The name of a provider is that of its LangChain package: ``openai`` for ``langchain_openai``. To add a provider, add a
row to ``PROVIDERS`` and the names of its classes' fields to the sets below it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

__all__ = [
    "ANSWER_COUNTS",
    "ARRIVING",
    "BASE_URLS",
    "BOOKKEEPING",
    "CALLING",
    "CALL_LEFT_OUT",
    "CALL_PARAMETERS",
    "COMPLETE",
    "CUT_AT_LENGTH",
    "DECLARATIONS",
    "EXTRAS_OF_EMPTY",
    "FAILED",
    "FINISHING",
    "FINISH_REASONS",
    "FORMATS",
    "INPUT_TOKENS",
    "KEY_VARIABLE",
    "MODEL_NAMES",
    "OUTPUT_TOKENS",
    "PROVIDERS",
    "RESPONSE_STATUSES",
    "TEXT_BLOCKS",
    "UNSET_IF_EMPTY",
    "USUAL",
    "WITHHELD",
    "Provider",
    "finishing",
    "is_known",
    "left_out",
    "owner_of",
    "provider_of",
]


@dataclass(frozen=True, slots=True)
class Provider:
    """Facts about one provider."""

    chat: str = ""
    """Path of its chat model's class, for *Copy as Python*."""
    completion: str = ""
    """Path of its completion model's class."""
    urls: tuple[str, ...] = ()
    """Addresses that its client uses by default."""
    api_urls: tuple[str, ...] = ()
    """Further addresses at which SDKs ask it by default."""
    url_variable: str = ""
    """Environment variable that its client reads for the address when the model's field is unset."""
    headers_variable: str = ""
    """Environment variable that its client reads headers from."""
    takes_headers: bool = False
    """Whether its client takes ``extra_headers``, ``extra_query`` and ``extra_body``, and leaves out empty ones."""
    sends_timeout: bool = False
    """Whether its class writes the argument ``timeout`` into the request."""
    url_field: str = "base_url"
    """The model's field for the address, which every constructor also accepts as ``base_url``."""
    reads_profile: bool = False
    """Whether what LangChain knows about a model (its ``profile``) changes a request."""
    price_id: str = ""
    """Its name in genai-prices, if it differs."""
    key_variable: str = ""
    """Environment variable that its own client reads the key from, and libraries for several providers, too."""

    def is_at(self, url: str) -> bool:
        """Return whether SDKs ask it at an address by default."""
        return url in self.urls or url in self.api_urls


PROVIDERS: Final[dict[str, Provider]] = {
    "anthropic": Provider(
        chat="langchain_anthropic.chat_models.ChatAnthropic",
        urls=("https://api.anthropic.com",),
        headers_variable="ANTHROPIC_CUSTOM_HEADERS",
        reads_profile=True,
        takes_headers=True,
        url_field="anthropic_api_url",
        key_variable="ANTHROPIC_API_KEY",
    ),
    "aws": Provider(),
    "azure_openai": Provider(takes_headers=True, price_id="azure", key_variable="AZURE_OPENAI_API_KEY"),
    "cohere": Provider(
        urls=("https://api.cohere.com",), api_urls=("https://api.cohere.ai",), key_variable="CO_API_KEY"
    ),
    "deepseek": Provider(
        api_urls=("https://api.deepseek.com", "https://api.deepseek.com/v1"),
        takes_headers=True,
        key_variable="DEEPSEEK_API_KEY",
    ),
    "fireworks": Provider(
        urls=("https://api.fireworks.ai",),
        api_urls=("https://api.fireworks.ai/inference/v1",),
        takes_headers=True,
        key_variable="FIREWORKS_API_KEY",
    ),
    "google_genai": Provider(
        chat="langchain_google_genai.chat_models.ChatGoogleGenerativeAI",
        completion="langchain_google_genai.llms.GoogleGenerativeAI",
        urls=("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1"),
        api_urls=("https://generativelanguage.googleapis.com/v1beta",),
        price_id="google",
        key_variable="GEMINI_API_KEY",
    ),
    "google_vertexai": Provider(price_id="google"),
    "groq": Provider(
        chat="langchain_groq.chat_models.ChatGroq",
        urls=("https://api.groq.com",),
        api_urls=("https://api.groq.com/openai/v1",),
        takes_headers=True,
        url_field="groq_api_base",
        key_variable="GROQ_API_KEY",
    ),
    "mistralai": Provider(
        chat="langchain_mistralai.chat_models.ChatMistralAI",
        urls=("https://api.mistral.ai/v1",),
        sends_timeout=True,
        price_id="mistral",
        key_variable="MISTRAL_API_KEY",
    ),
    "litellm": Provider(),
    "ollama": Provider(
        chat="langchain_ollama.chat_models.ChatOllama",
        completion="langchain_ollama.llms.OllamaLLM",
        urls=("http://localhost:11434", "http://127.0.0.1:11434"),
        url_variable="OLLAMA_HOST",
    ),
    "openai": Provider(
        chat="langchain_openai.chat_models.base.ChatOpenAI",
        completion="langchain_openai.llms.base.OpenAI",
        urls=("https://api.openai.com/v1",),
        url_variable="OPENAI_BASE_URL",
        takes_headers=True,
        url_field="openai_api_base",
        key_variable="OPENAI_API_KEY",
    ),
    "perplexity": Provider(urls=("https://api.perplexity.ai",), key_variable="PERPLEXITY_API_KEY"),
    "together": Provider(
        api_urls=("https://api.together.xyz/v1", "https://api.together.ai/v1"),
        takes_headers=True,
        key_variable="TOGETHER_API_KEY",
    ),
    "xai": Provider(api_urls=("https://api.x.ai/v1",), takes_headers=True, price_id="x-ai", key_variable="XAI_API_KEY"),
}

USUAL: Final = frozenset(
    [
        *(path for provider in PROVIDERS.values() for path in (provider.chat, provider.completion) if path),
        *(f"langchain_core.language_models.fake_chat_models.{name}" for name in ("FakeListChatModel", "FakeChatModel")),
        *(
            "langchain_core.language_models.fake.FakeListLLM",
            "langchain_core.language_models.fake.FakeStreamingListLLM",
        ),
        *("langchain_openai.chat_models.azure.AzureChatOpenAI", "langchain_openai.llms.azure.AzureOpenAI"),
        *("langchain_anthropic.llms.AnthropicLLM", "langchain_deepseek.chat_models.ChatDeepSeek"),
        *("langchain_xai.chat_models.ChatXAI", "langchain_fireworks.chat_models.ChatFireworks"),
        *("langchain_fireworks.llms.Fireworks", "langchain_together.chat_models.ChatTogether"),
        *("langchain_together.llms.Together", "langchain_cohere.chat_models.ChatCohere"),
        *("langchain_perplexity.chat_models.ChatPerplexity", "langchain_litellm.chat_models.litellm.ChatLiteLLM"),
        "langchain_aws.chat_models.bedrock_converse.ChatBedrockConverse",
    ]
)
"""Classes that a portable key does not name: their provider has one class for chats and one for completions."""

MODEL_NAMES: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "repo_id", "model_path")
"""Fields that name the model, the likeliest first."""
BASE_URLS: Final = frozenset(
    [
        *("base_url", "openai_api_base", "anthropic_api_url", "api_base", "endpoint_url", "endpoint", "azure_endpoint"),
        *("groq_api_base", "fireworks_api_base", "together_api_base", "xai_api_base"),
    ]
)
"""Fields of the providers' classes that hold the provider's address."""
DECLARATIONS: Final = ("functionDeclarations", "function_declarations")
"""Fields of Google's tools that hold several functions, in the spellings of its clients."""
KEY_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN|SECRET)")
"""Name of an environment variable that a class of models reads its key from."""

_CLIENTS: Final = ("client", "async_client", "root_client", "root_async_client")
_PRIVATE_CLIENTS: Final = ("_client", "_async_client", "_sdk_client", "_async_sdk_client", "_client_cleanup")
"""Clients: their address, headers and query are read from them, see :mod:`gptcache_magics.identity.clients`."""

LEFT_OUT: Final[dict[str, frozenset[str]]] = {
    name: frozenset(fields)
    for name, fields in {
        "langchain_core.Runnable": ("name",),
        "langchain_core.RunnableSerializable": ("name",),
        "langchain_core.BaseLanguageModel": (
            *("cache", "verbose", "callbacks", "callback_manager", "tags", "metadata", "custom_get_token_ids"),
        ),
        # ``profile`` is what is known about the model; where it changes a request, it counts (``reads_profile``).
        "langchain_core.BaseChatModel": ("rate_limiter", "disable_streaming", "profile"),
        "langchain_core.BaseLLM": ("callback_manager",),
        "langchain_core.BaseTool": (
            *("verbose", "callbacks", "callback_manager", "tags", "metadata", "handle_tool_error"),
            "handle_validation_error",
        ),
        # langchain-core's fakes count their calls in ``i``.
        "langchain_core.FakeListChatModel": ("i", "sleep"),
        "langchain_core.FakeListLLM": ("i", "sleep"),
        "langchain_core.FakeStreamingListLLM": ("i", "sleep"),
        "langchain_core.FakeMessagesListChatModel": ("i", "sleep"),
        "langchain_openai.BaseChatOpenAI": (
            *_CLIENTS,
            *("http_socket_options", "max_retries", "openai_organization", "openai_proxy"),
            *("request_timeout", "stream_chunk_timeout", "stream_usage", "streaming", "tiktoken_model_name"),
        ),
        "langchain_openai.BaseOpenAI": (
            *_CLIENTS,
            *("batch_size", "max_retries", "openai_organization", "openai_proxy", "request_timeout", "streaming"),
            "tiktoken_model_name",
        ),
        "langchain_anthropic.ChatAnthropic": (
            *("anthropic_proxy", "default_request_timeout", "max_retries", "stream_usage", "streaming"),
        ),
        "langchain_anthropic._AnthropicCommon": (*_CLIENTS, "default_request_timeout", "max_retries", "streaming"),
        "langchain_ollama.ChatOllama": (*_PRIVATE_CLIENTS, "validate_model_on_init"),
        "langchain_ollama.OllamaLLM": (*_PRIVATE_CLIENTS, "validate_model_on_init"),
        "langchain_google_genai._BaseGoogleGenerativeAI": ("max_retries", "timeout", "_use_vertexai"),
        "langchain_google_genai.ChatGoogleGenerativeAI": (*_CLIENTS, *_PRIVATE_CLIENTS, "streaming"),
        "langchain_google_genai.GoogleGenerativeAI": _CLIENTS,
        "langchain_groq.ChatGroq": (*_CLIENTS, "max_retries", "request_timeout", "streaming"),
        "langchain_mistralai.ChatMistralAI": (*_CLIENTS, "max_retries", "streaming", "timeout"),
        "langchain_fireworks.ChatFireworks": (
            *(*_CLIENTS, *_PRIVATE_CLIENTS),
            *("max_retries", "request_timeout", "stream_usage", "streaming"),
        ),
        "langchain_fireworks.Fireworks": ("timeout",),
        "langchain_cohere.BaseCohere": (*_CLIENTS, "streaming"),
        "langchain_cohere.ChatCohere": ("_default_model_name",),
        "langchain_perplexity.ChatPerplexity": (*_CLIENTS, "max_retries", "request_timeout", "streaming"),
        "langchain_aws.ChatBedrockConverse": (
            *_CLIENTS,
            *("bedrock_client", "max_retries", "streaming", "timeout"),
        ),
        "langchain_aws.BedrockBase": (*_CLIENTS, "bedrock_client", "max_retries", "streaming", "timeout"),
        "langchain_litellm.ChatLiteLLM": (
            *_CLIENTS,
            *("max_retries", "organization", "request_timeout", "streaming"),
        ),
    }.items()
}
"""Fields that change how an answer arrives and not its content, by the class that declares them.

The audit (``tests/audit``) gives each field of each class two values and compares the requests.
"""

UNSET_IF_EMPTY: Final = frozenset({"default_metadata", "model_kwargs"})
"""Fields that the known classes themselves fill with an empty container where none is given."""

CALL_LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {
    "generate": frozenset(["messages", "prompts", "callbacks", "tags", "metadata", "run_name", "run_id"]),
    "stream": frozenset(),
    "events": frozenset(["input", "config"]),
}
"""Parameters of LangChain's own methods, which it does not hand to the model."""
FORMATS: Final = frozenset(["ls_structured_output_format", "structured_output_format"])
"""Arguments for LangSmith, which LangChain takes away before it asks the model."""
ARRIVING: Final = frozenset(["stream", "timeout"])
"""Arguments of the known providers' classes that change how the answer arrives."""

_OF_OPENAI: Final = frozenset(
    ["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "metadata"]
)
BOOKKEEPING: Final[Mapping[str, frozenset[str]]] = {
    # https://platform.openai.com/docs/api-reference/chat/create: who asks, where a prompt is cached, how fast an answer
    # comes and what it costs, and notes for OpenAI's own lists. "store" is none of them: it changes later requests.
    "openai": _OF_OPENAI,
    # https://learn.microsoft.com/azure/ai-services/openai/reference
    "azure_openai": _OF_OPENAI,
    # https://docs.anthropic.com/en/api/messages and /en/api/service-tiers: who asks, and how fast an answer comes
    "anthropic": frozenset(["metadata", "service_tier"]),
}
"""Parameters of requests that change no answer, by their provider's documentation: another value is the same call."""

CALL_PARAMETERS: Final = frozenset(
    {"function_call", "functions", "parallel_tool_calls", "response_format", "stop", "tool_choice", "tools"}
)
"""Parameters that are mostly arguments of the call and not fields of the model."""

FINISH_REASONS: Final = (
    "finish_reason",
    "stop_reason",
    "done_reason",
    "stopReason",
    "completionReason",
    "finishReason",
)
"""Names under which an answer says why it ended: OpenAI and most others, Anthropic, Ollama, Bedrock (three)."""
COMPLETE: Final = frozenset(
    [
        *("stop", "tool_calls", "function_call"),  # OpenAI and what speaks its protocol, Mistral, Groq, Google ("STOP")
        *("end_turn", "stop_sequence", "tool_use"),  # Anthropic, Bedrock
        *("complete", "tool_call"),  # Cohere, which also says STOP_SEQUENCE
        *("eos", "eos_token"),  # Together, Fireworks, Hugging Face and watsonx
        *("finish", "endoftext"),  # Bedrock: Titan, AI21
        *("completed", "done"),  # OpenAI's Responses API, Cerebras
    ]
)
"""Finish reasons that say that an answer is whole (lower case). Every other word counts as incomplete."""
CALLING: Final = frozenset({"tool_calls", "function_call", "tool_use", "tool_call"})
"""Finish reasons that say that the model calls a tool (lower case)."""
CUT_AT_LENGTH: Final = frozenset(
    ["length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"]
)
"""Finish reasons of an answer that is cut off (OpenAI, Anthropic, Google, Mistral, Ollama; lower case)."""
WITHHELD: Final = frozenset(
    [
        *("content_filter", "content-filter", "refusal", "safety"),
        *("recitation", "blocklist", "prohibited_content", "spii"),
    ]
)
"""Finish reasons of an answer that a filter withheld, all of it or its rest (lower case)."""
FAILED: Final = frozenset({"incomplete", "error", "error_toxic", "failed", "cancelled"})
"""Finish reasons of an answer that something else broke off (lower case)."""
RESPONSE_STATUSES: Final = frozenset({"completed", "incomplete", "failed", "cancelled", "queued", "in_progress"})
"""Values of ``status`` by which OpenAI's Responses API says why an answer ended, or that it has not."""

ANSWER_COUNTS: Final = ("n", "candidate_count")
"""Names of the number of answers that a call asks for: OpenAI and most others, Google."""

FINISHING: Final = {
    "langchain_anthropic.ChatAnthropic": False,
    "langchain_aws.ChatBedrockConverse": False,
    "langchain_cohere.ChatCohere": False,
    "langchain_fireworks.ChatFireworks": False,
    "langchain_google_genai.ChatGoogleGenerativeAI": False,
    "langchain_groq.ChatGroq": False,
    "langchain_litellm.ChatLiteLLM": False,
    "langchain_mistralai.ChatMistralAI": False,
    "langchain_ollama.ChatOllama": True,
    "langchain_ollama.OllamaLLM": True,
    "langchain_openai.BaseChatOpenAI": False,
    "langchain_openai.BaseOpenAI": False,
    "langchain_perplexity.ChatPerplexity": False,
}
"""Classes whose whole streams end with a finish reason, and whether ``invoke`` reads a stream, too.

Azure, DeepSeek, xAI and Together derive from OpenAI's. Another class may never give a reason: the end of its stream is
the end of the answer. So it is with LangChain's fakes, and with the completion classes that drop the reason, such as
``AnthropicLLM``.
"""

TEXT_BLOCKS: Final = frozenset({"text", "reasoning", "thinking"})
"""Types of content blocks that hold text only: a message of such blocks without text is empty."""
EXTRAS_OF_EMPTY: Final = frozenset({"refusal", "reasoning_content"})
"""Names in ``additional_kwargs`` that an empty message may carry: OpenAI, DeepSeek."""

INPUT_TOKENS, OUTPUT_TOKENS = "prompt_eval_count", "eval_count"
"""Names of Ollama's token counts in ``generation_info`` of completions; chat models have ``usage_metadata``."""


def provider_of(kind: type) -> str:
    """Return the provider's name, from the package of a class or of its nearest base."""
    provider = _providers.get(kind)
    if provider is None:
        provider = _providers[kind] = _provider_of(kind)
    return provider


_providers: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _provider_of(kind: type) -> str:
    for base in kind.__mro__:
        top, *rest = base.__module__.split(".")
        if top == "langchain_community" and len(rest) > 1:
            return str(rest[1])
        if top == "langchain_core" and "fake" in base.__module__:
            return "fake"
        if top.startswith("langchain_") and top != "langchain_core":
            provider = top.removeprefix("langchain_")
            return f"azure_{provider}" if base.__name__.startswith("Azure") else str(provider)
    return re.sub(r"^Chat|Chat$|LLM$", "", kind.__name__).lower() or kind.__name__.lower()


def finishing(kind: type) -> bool | None:
    """Return whether ``invoke`` of a class reads a stream; None if it is not known to end streams with a reason."""
    if kind not in _finishing:
        names = (f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in kind.__mro__)
        _finishing[kind] = next((FINISHING[name] for name in names if name in FINISHING), None)
    return _finishing[kind]


_finishing: WeakKeyDictionary[type, bool | None] = WeakKeyDictionary()


def owner_of(kind: type, name: str) -> type | None:
    """Return the class that declares a field."""
    for base in kind.__mro__:
        if name in vars(base).get("__annotations__", ()):
            return base
    return None


def left_out(kind: type, name: str) -> bool:
    """Return whether a field is known to change no answer."""
    owner = owner_of(kind, name) if name in _LEFT_OUT_OF_ONE else None
    return owner is not None and name in LEFT_OUT.get(f"{_package(owner)}.{owner.__name__}", ())


_LEFT_OUT_OF_ONE: Final = frozenset[str]().union(*LEFT_OUT.values())
"""The names of the fields that are left out of at least one class."""


def is_known(kind: type) -> bool:
    """Return whether a class is one of the classes whose fields and requests have been compared."""
    return _package(kind) in _KNOWN


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


_KNOWN: Final = frozenset({name.partition(".")[0] for name in LEFT_OUT} | {f"langchain_{name}" for name in PROVIDERS})
