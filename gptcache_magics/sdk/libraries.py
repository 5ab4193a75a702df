"""The libraries that call models over HTTP: how each names itself, and what of its requests counts in a key."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

from gptcache_magics.identity.providers import BOOKKEEPING, PROVIDERS
from gptcache_magics.text.masking import without_secrets
from gptcache_magics.text.secret_names import is_tracking

__all__ = [
    "Library",
    "bookkeeping_at",
    "headers_that_count",
    "library_behind",
    "library_of",
    "provider_at",
    "query_that_counts",
]


@dataclass(frozen=True, slots=True)
class Library:
    """A library, by the ``User-Agent`` of its requests."""

    name: str
    """Its name on PyPI, which tables show as the face."""
    provider: str = ""
    """The provider whose library it is, for addresses that are nobody's."""
    key_variable: str = ""
    """Environment variable that it reads its key from, whoever's model it asks; empty for that of the provider."""

    @property
    def speaks_one_api(self) -> bool:
        """Whether all that it sends goes to servers of models: one that speaks many sends its logs elsewhere, too."""
        return bool(self.provider or self.key_variable)


LIBRARIES: Final = {
    "openai": Library("openai", key_variable="OPENAI_API_KEY"),
    "azureopenai": Library("openai", "azure_openai"),
    "anthropic": Library("anthropic", "anthropic"),
    "google-genai-sdk": Library("google-genai", "google_genai"),
    "mistral-client-python": Library("mistralai", "mistralai"),
    "groq": Library("groq", "groq"),
    "cohere": Library("cohere", "cohere"),
    "ollama-python": Library("ollama", "ollama"),
    "litellm": Library("litellm"),
    "lm15": Library("dspy"),
    "dspy": Library("dspy"),
    "pydantic-ai": Library("pydantic-ai"),
}
"""The libraries by the first word of their ``User-Agent``: in small letters, without ``Async`` before it."""
_FIRST_WORD: Final = re.compile(r"\s*(?:async)?([\w.-]+)", re.I)
_TRANSPORT: Final = frozenset(
    ["accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"]
)
"""Headers that say how a request travels; ``accept`` only says whether pieces are wanted."""
_OF_LIBRARIES: Final = re.compile(r"x-(stainless|fern)-.*|x-goog-request-params|x-server-timeout")
"""Headers that name the library and the machine, repeat the path, or say how long to wait."""
_PAYING: Final = frozenset({"openai-organization", "openai-project", "x-goog-user-project"})
"""Headers that say who pays: another account gets the same answers."""
_GENERATED: Final = ("x-stainless-lang", "x-fern-language")
"""Headers of the libraries that are generated from an API's description, whatever ``User-Agent`` a user has set."""
_ARRIVING: Final = frozenset({"alt"})
"""Values of a query that say in which form the answer comes."""


@lru_cache(maxsize=64)
def library_of(user_agent: str, more: tuple[str, ...] = ()) -> Library | None:
    """Return the library that names itself so; None for a client that is none, unless it is among ``more``."""
    word = _FIRST_WORD.match(user_agent)
    name = word[1].lower() if word is not None else ""
    found = LIBRARIES.get(name)
    if found is not None:
        return found
    return Library(name) if name and name in more else None


def library_behind(headers: Mapping[str, str], provider: str) -> Library | None:
    """Return the provider's library of a request that gives itself another name; None for a client that is none."""
    name = provider if any(name in headers for name in _GENERATED) else ""
    return LIBRARIES.get(name)


@lru_cache(maxsize=256)
def provider_at(host: str) -> str | None:
    """Return the provider that has a host; None for a host that is nobody's, such as a server of one's own."""
    found = _HOSTS.get(host)
    if found is None:
        found = next((provider for end, provider in _ENDS.items() if host.endswith(end)), None)
    return found


def bookkeeping_at(host: str) -> frozenset[str]:
    """Return the parameters that change no answer of the provider at a host; a server of one's own may act on them."""
    return BOOKKEEPING.get(provider_at(host) or "", frozenset())


_HOSTS: Final = {
    urlsplit(url).hostname: name
    for name, provider in PROVIDERS.items()
    for url in (*provider.urls, *provider.api_urls)
    if "127.0.0.1" not in url
}
_ENDS: Final = {
    ".api.openai.com": "openai",  # of a region
    ".openai.azure.com": "azure_openai",
    ".services.ai.azure.com": "azure_openai",
    "aiplatform.googleapis.com": "google_vertexai",
    ".anthropic.com": "anthropic",
}


def headers_that_count(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of a request that may change its answer, without credentials and what only tracks it."""
    kept: dict[str, str] = {}
    for given, value in headers:
        if name := _counted_name(given):
            kept[name] = f"{kept[name]}, {value}" if name in kept else value  # as HTTP joins them
    counted: Mapping[str, Any] = without_secrets(kept, "headers")
    return {**counted}


@lru_cache(maxsize=1024)
def _counted_name(given: str) -> str:
    """Return the name of a header in small letters; empty for one that never counts."""
    name = given.lower()
    left_out = name in _TRANSPORT or name in _PAYING or _OF_LIBRARIES.fullmatch(name) or is_tracking(name)
    return "" if left_out else name


def query_that_counts(pairs: Collection[tuple[str, str]]) -> list[list[str]]:
    """Return the values of a query that may change an answer, without credentials."""
    if not pairs:
        return []
    kept = sorted(([name, value] for name, value in pairs if name not in _ARRIVING), key=itemgetter(0))
    counted: list[list[str]] = without_secrets(kept, "query_params")
    return counted
