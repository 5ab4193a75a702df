"""Tell by a name whether its value is a credential: ``databricks_token``, ``Helicone-Auth``, ``accountKey``.

A name is read word by word, in any spelling: ``max_tokens``, ``tokenizer``, ``author`` and ``keyword`` are ordinary.
Four answers are possible. A *secret* never counts in a key and is never stored, wherever it stands. A *doubtful* name
(``code``, ``session``, ``style_key``) is a secret in a header or a query. Elsewhere it may be a parameter that changes
the answer, so its value counts, but is not shown. A *hidden* name (``pem``, ``env``) counts everywhere, and is not
shown. A *tracking* header changes with each call and never the answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["changes_answers", "is_doubtful", "is_hidden", "is_secret", "is_tracking"]

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def _words_in(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRETS: Final = _words_in(
    "apikey apikeys auth authentication authkey authorization authtoken bearer connectionstring connstr cookie "
    "cookies cred credential credentials creds csrf hmac jwt kennwort oauth passcode passphrase passwd password "
    "passwords passwort pat pwd sas secret secrets sig signature xsrf"
)
"""Words that make every name a secret."""

_JOINED: Final = re.compile(
    r".*(api|access|account|auth|client|master|private|secret|session|shared|signing|storage|subscription)(key|token)s?"
    r"|.+(secret|password|passwd|passphrase|credentials?)"
)
"""Words that are several words written as one: ``clientsecret``."""

_KEYS: Final = _words_in(
    "access account admin api apim auth client consumer decryption deploy deployment encryption function functions "
    "gateway hmac host license master portkey private publishable root secret server service session shared signing "
    "ssh storage subscription virtual webhook ai anthropic aws azure cerebras cloudflare cohere databricks deepseek "
    "fireworks google groq helicone hf huggingface langchain langfuse langsmith litellm mistral nvidia ollama openai "
    "openrouter perplexity pinecone tavily together watsonx xai"
)
"""Words that make ``key`` a secret."""

_TOKENS: Final = _words_in(
    "assistant audio begin bos boundary budget cls completion continuation delimiter end eos first image input last "
    "mask max min new next num output pad page per prefix previous prompt role sep separator special start stop "
    "suffix system think thinking tool top total trigger unk"
)
"""Words that make ``token`` a piece of a text, a number of pieces or a place in a list."""
_AFTER_TOKEN: Final = _words_in("provider getter value string secret file path url uri env")

_DOUBTFUL: Final = _words_in("code dsn key keys nonce otp pass pin salt se session sid sign skoid sktid sv ticket")

_HIDDEN: Final = _words_in("assertion env environ pass passe pem pw sk tkn tok tokens userpass")
_ALSO_HIDDEN: Final = re.compile(
    r".*(app_?key|key_?file|service_?account|(primary|secondary)_?key|mot_?de_?passe|contraseña|senha|schlüssel|пароль|密码|密钥|パスワード).*",
    re.IGNORECASE,
)
"""Further names under which a credential may stand, and words for a password in other languages."""

_ORDINARY: Final = _words_in(
    "area country currency error exit lang language locale postal region source status zip answer cache chat context "
    "foreign group history index input json map memory message messages metadata output partition primary prompt "
    "question shard sort text"
)
"""Words that make ``code`` and ``key`` ordinary."""

_TRACKING: Final = re.compile(
    r"x-stainless-.*"  # the SDK, its version, the machine, the number of the attempt
    r"|(x-)?(request|correlation|trace|span|client-request|ms-client-request|amzn-trace|amz-invocation)-id|amz-sdk-.*"
    r"|traceparent|tracestate|x-(trace|span|b3)|baggage|x-b3-.*|x-cloud-trace-context|x-datadog-.*"
    r"|sentry-trace|uber-trace-id"
    r"|(x-)?idempotency-key|idempotency"  # tells two attempts of one call apart
    r"|(x-)?(amz-)?user-agent|x-goog-api-client|x-client-(name|version|info)|referer|http-referer|origin|x-title"
    r"|helicone-(request|session|user|property)-.*|langsmith-trace|x-langfuse-.*|x-portkey-(trace-id|metadata)"
    r"|date|x-amz-date|x-ms-date|connection|keep-alive|content-length|accept-encoding",
    re.IGNORECASE,
)
"""Headers that say who asks, when and from where: gateways and observability read them, models do not."""

_CHANGING: Final = frozenset({"anthropic-beta", "anthropic-version", "openai-beta", "api-version", "beta"})


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a value of this name is a credential wherever it stands."""
    words = _words(name)
    if not _SECRETS.isdisjoint(words) or any(map(_JOINED.fullmatch, words)):
        return True
    for at, word in enumerate(words):
        before, after = words[at - 1] if at else "", words[at + 1] if at + 1 < len(words) else ""
        if word in ("key", "keys") and before in _KEYS:
            return True
        if word == "token" and before not in _TOKENS and (not after or after in _AFTER_TOKEN):
            return True
        if word.endswith("token") and word.removesuffix("token") not in _TOKENS | {""}:  # databrickstoken
            return True
        if word == "tokens" and before in ("access", "api", "auth", "bearer", "refresh", "secret", "session"):
            return True
        if word in ("connection", "conn") and after in ("string", "str"):
            return True
    return False


@lru_cache(maxsize=4096)
def is_doubtful(name: str) -> bool:
    """Return whether a value of this name may be a credential, and is one in a header or a query."""
    words = [word for word in _words(name) if word != "x"]
    if not words or is_secret(name):
        return bool(words)
    before = words[-2] if len(words) > 1 else ""
    return "session" in words or (words[-1] in _DOUBTFUL and before not in _ORDINARY | _TOKENS)


@lru_cache(maxsize=4096)
def is_hidden(name: str) -> bool:
    """Return whether a value of this name may be a credential, so that it is not shown."""
    if is_doubtful(name) or _ALSO_HIDDEN.fullmatch(name):
        return True
    before, last = ["", "", *_words(name)][-2:]
    return last in _HIDDEN and before not in _TOKENS


@lru_cache(maxsize=1024)
def is_tracking(header: str) -> bool:
    """Return whether a header of this name changes with each call and never the answer."""
    return _TRACKING.fullmatch(header.replace("_", "-")) is not None


def changes_answers(header: str) -> bool:
    """Return whether a header or a query value is documented to change answers, and is shown for that."""
    return header.lower().replace("_", "-") in _CHANGING


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
