"""Checks of the SDKs: what of them is wrapped, which calls went past the cache, and what cannot be reached."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

from gptcache_magics.commands._checks import Check
from gptcache_magics.errors import StoreError
from gptcache_magics.sdk import google_async, hooks
from gptcache_magics.store.protocol import team_behind
from gptcache_magics.store.reasons import Kind, sentence
from gptcache_magics.text.amounts import byte_size, counted

if TYPE_CHECKING:
    from gptcache_magics.langchain.cache import GPTCache

__all__ = ["embeddings", "out_of_reach", "past", "wraps"]

WRAPS: Final = "SDKs"
SENDERS: Final = ("httpx", "httpx2")
_OUT_OF_REACH: Final = (
    (("botocore",), "Bedrock through boto3", "LangChain's ChatBedrockConverse uses the cache"),
    (
        ("vertexai", "google.cloud.aiplatform", "google.generativeai"),
        "Google over gRPC",
        "google-genai uses the cache: genai.Client(vertexai=True)",
    ),
    (
        ("openai.resources.realtime.realtime", "openai.resources.beta.realtime.realtime"),
        "OpenAI's realtime models over websockets",
        "chat completions and responses use the cache",
    ),
    (
        ("dashscope", "together.abstract", "fireworks.client", "qianfan", "voyageai"),
        "clients that send with requests or aiohttp",
        "openai with the base_url of such a provider uses the cache",
    ),
)
"""Modules whose calls are not seen, what they ask, and what to do."""


def wraps(cache: GPTCache | None, *, turned_on: bool) -> Check:
    """Check that what sends the requests of SDKs is wrapped while they use the cache, and only then."""
    names = [*hooks.installed(), *google_async.installed()]
    if not turned_on:
        if names:
            return Check(WRAPS, False, f"{_listed(names)} wrapped although the cache is off", "Restart the kernel")
        if cache is None:
            return Check(WRAPS, True, "nothing is wrapped, as the cache is off")
        return Check(WRAPS, True, "left alone: the GPTCache was set by hand", "Cache them, too: %gptcache on")
    assert cache is not None
    if cache.settings.options.only is not None:
        only = cache.settings.options.only
        return Check(
            WRAPS, True, f"left alone: only {only} uses the cache", "Cache them, too: %gptcache on --only none"
        )
    if not cache.settings.config.sdks:
        again = "Cache them: %config GPTCacheMagics.sdks = True"
        return Check(WRAPS, True, "left alone: GPTCacheMagics.sdks is False", again)
    over = hooks.wrapped_over()
    missing = [name for name in SENDERS if name in sys.modules and not _has(name, [*names, *over])]
    if missing:
        hint = "Restart the kernel, then %gptcache on"
        return Check(WRAPS, False, f"{' and '.join(missing)} imported and not wrapped", hint)
    finding = f"{_listed(names)} wrapped" if names else "none that sends over HTTP is imported yet"
    if not over:
        return Check(WRAPS, True, finding)
    finding = "; ".join(
        [*([finding] if names else []), *(f"{by} has wrapped over {name}" for name, by in over.items())]
    )
    hint = "If lookups lack calls of SDKs, wrap over that: %gptcache off, then %gptcache on"
    return Check(WRAPS, True, finding, hint)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _has(module: str, names: list[str]) -> bool:
    return any(name.startswith(f"{module}.") for name in names)


def past(cache: GPTCache) -> Check:
    """Check for calls of this run that were seen going past the cache, by library and reason."""
    recent = [*cache.ledger.recent]
    seen: dict[str, Counter[str]] = {}
    for each in recent:
        if each.outcome == "bypass" and each.reason is not None and not each.refusal and each.reason.kind != Kind.MODE:
            seen.setdefault(each.face, Counter())[sentence(each.reason).removeprefix("not cached: ")] += 1
    parts = [f"{face}: {_counts(reasons)}" for face, reasons in sorted(seen.items())]
    if not parts:
        return Check("calls past the cache", True, "none was seen in this run")
    finding = "; ".join(parts)
    if cache.ledger.noted > len(recent):
        finding += f" (in the last {counted(len(recent), 'lookup')})"
    hint = "They are paid for each time, and mode replay refuses them. Each of them: %gptcache lookups --outcome bypass"
    return Check("calls past the cache", False, finding, hint)


def _counts(reasons: Counter[str]) -> str:
    return ", ".join(f"{number:,} × {reason}" for reason, number in reasons.most_common())


def embeddings(cache: GPTCache) -> Check:
    """Check whether embeddings are kept, and tell what the store holds of them."""
    number, size = cache.store.count_embeddings()
    team = team_behind(cache.store)
    place = "the store" if team is None else "this folder"
    parts = [f"{counted(number, 'embedding')} in {place}, {byte_size(size)}"] if number else []
    if not cache.settings.options.embeddings:
        return Check("embeddings", True, ", ".join(["not kept", *parts]), "Keep them, too: %gptcache on --embeddings")
    if team is None:
        return Check("embeddings", True, ", ".join(["kept", *parts]))
    kept = "kept here and in the team's store" if team.shares else "kept here; the role may only read the team's store"
    trouble = team.trouble
    try:
        there, taken = team.embeddings_there() if not trouble else (0, 0)
        parts += [f"{counted(there, 'embedding')} at the team, {byte_size(taken)}"] if there else []
    except StoreError as error:
        trouble = str(error)
    parts += [f"the team's cannot be counted: {trouble}"] if trouble else []
    return Check("embeddings", True, ", ".join([kept, *parts]))


def out_of_reach() -> Check | None:
    """Return what is imported whose calls no cache of this package sees; None if nothing is."""
    imported = sys.modules.keys()
    found = [(what, hint) for modules, what, hint in _OUT_OF_REACH if not imported.isdisjoint(modules)]
    if not found:
        return None
    hint = "; ".join(hint for _, hint in found)
    return Check("out of reach", True, f"calls of {', '.join(what for what, _ in found)}", hint[0].upper() + hint[1:])
