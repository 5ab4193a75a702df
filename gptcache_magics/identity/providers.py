"""Facts about providers, in one file: addresses, fields that change no answer, finish reasons, classes, prices.

The name of a provider is that of its LangChain package: ``openai`` for ``langchain_openai``. To add a provider, add a
row to ``PROVIDERS`` and the names of its classes' fields to the sets below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

__all__ = [
    *("ANSWER_COUNTS", "BASE_URLS", "CALL_LEFT_OUT", "CALL_PARAMETERS", "CUT_OFF", "DEFAULT_URLS"),
    *(
        "COMPLETE",
        "EXTRAS_OF_EMPTY",
        "FINISH_REASONS",
        "FINISHING",
        "INPUT_TOKENS",
        "KEY_VARIABLE",
        "LEFT_OUT",
        "MODEL_NAMES",
    ),
    *(
        "OUTPUT_TOKENS",
        "PER_CLASS",
        "PREVIOUS_RESPONSE",
        "PROVIDERS",
        "RESPONSE_ID",
        "RESPONSE_STATUSES",
        "TEXT_BLOCKS",
        "URL_VARIABLES",
    ),
    *("Provider", "finishing", "provider_of"),
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
    url_variable: str = ""
    """Environment variable that its client reads for the address when the model's field is unset."""
    url_field: str = "base_url"
    """The model's field for the address, which every constructor also accepts as ``base_url``."""
    price_id: str = ""
    """Its name in genai-prices, if it differs."""


PROVIDERS: Final[dict[str, Provider]] = {
    "anthropic": Provider(
        chat="langchain_anthropic.chat_models.ChatAnthropic",
        urls=("https://api.anthropic.com",),
        url_field="anthropic_api_url",
    ),
    "azure_openai": Provider(price_id="azure"),
    "google_genai": Provider(
        chat="langchain_google_genai.chat_models.ChatGoogleGenerativeAI",
        completion="langchain_google_genai.llms.GoogleGenerativeAI",
        price_id="google",
    ),
    "google_vertexai": Provider(price_id="google"),
    "groq": Provider(chat="langchain_groq.chat_models.ChatGroq", url_field="groq_api_base"),
    "mistralai": Provider(chat="langchain_mistralai.chat_models.ChatMistralAI", price_id="mistral"),
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
        url_field="openai_api_base",
    ),
    "xai": Provider(price_id="x-ai"),
}

DEFAULT_URLS: Final = frozenset(url for provider in PROVIDERS.values() for url in provider.urls)
URL_VARIABLES: Final = {
    f"langchain_{name}": provider.url_variable for name, provider in PROVIDERS.items() if provider.url_variable
}
"""``url_variable`` of each provider by its LangChain package, which several providers may share."""

MODEL_NAMES: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "repo_id", "model_path")
"""Fields that name the model, the likeliest first."""
BASE_URLS: Final = frozenset(
    {"base_url", "openai_api_base", "anthropic_api_url", "api_base", "endpoint_url", "endpoint"}
)
"""Fields that hold the provider's address."""
KEY_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN|SECRET)")
"""Name of an environment variable that a class of models reads its key from."""

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
"""Fields of a model that change how an answer arrives and not its content."""

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
"""Arguments of ``generate`` that never reach the provider, or change only how the answer arrives."""

CALL_PARAMETERS: Final = frozenset(
    {"function_call", "functions", "parallel_tool_calls", "response_format", "stop", "tool_choice", "tools"}
)
"""Parameters that are mostly arguments of the call and not fields of the model."""

PREVIOUS_RESPONSE: Final = "use_previous_response_id"
"""Field of OpenAI's models that sends the id of the previous answer instead of the conversation."""
RESPONSE_ID: Final = "resp_"
"""Prefix of such an id."""

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
CUT_OFF: Final = frozenset(
    [
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_length",
        "model_context_window_exceeded",
        "incomplete",
        "content_filter",
        "content-filter",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "refusal",
        "error",
        "error_toxic",
        "failed",
        "cancelled",
    ]
)
"""Finish reasons of an answer that is cut off or withheld (OpenAI, Anthropic, Google, Mistral, Ollama; lower case)."""
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


@lru_cache(maxsize=1024)
def provider_of(kind: Any) -> str:
    """Return the provider's name, from the package of a class or of its nearest base."""
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


@lru_cache(maxsize=1024)
def finishing(kind: Any) -> bool | None:
    """Return whether ``invoke`` of a class reads a stream; None if it is not known to end streams with a reason."""
    names = (f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in kind.__mro__)
    return next((FINISHING[name] for name in names if name in FINISHING), None)
