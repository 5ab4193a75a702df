"""Tell which models of LangChain ask their provider with an SDK that sends with httpx.

Where such a model goes past LangChain's cache, the request that it sends is looked up. So nothing goes past.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["declines", "sends_with_httpx"]

PACKAGES: Final = frozenset(
    [
        *("langchain_anthropic", "langchain_deepseek", "langchain_google_genai", "langchain_groq", "langchain_ollama"),
        *("langchain_openai", "langchain_xai"),
    ]
)
"""The packages whose classes send so, each tried."""
BASES: Final = ("langchain_core", "builtins")


def sends_with_httpx(model: Any, *methods: str) -> bool:
    """Return whether all of these methods of a model are those of a class that sends with httpx."""
    makers = [kind.__module__.partition(".")[0] for name in methods if (kind := _maker(type(model), name))]
    own = [maker for maker in makers if maker not in BASES]
    return bool(own) and PACKAGES.issuperset(own)


def declines(model: Any, cache: object) -> bool:
    """Return whether a model is not to use ``cache``: its field ``cache`` is False, or another cache."""
    own = getattr(model, "cache", None)
    return own is not None and own is not True and own is not cache


def _maker(kind: type, name: str) -> type | None:
    """Return the class that a method comes from."""
    return next((each for each in kind.__mro__ if name in vars(each)), None)
