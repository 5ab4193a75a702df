"""One lookup on its way: what is asked, and what came of it so far."""

from __future__ import annotations

from dataclasses import dataclass

from gptcache_magics.identity import key as identity
from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import Identity
from gptcache_magics.settings import Scope, Settings
from gptcache_magics.store.protocol import Near

__all__ = ["PendingLookup", "identify", "identity_of_answer"]


@dataclass(slots=True, eq=False)
class PendingLookup:
    """One lookup on its way."""

    call: Call | None
    identity: Identity
    prompt: str
    llm_string: str
    scope: Scope
    looked: int = 0
    """How many flights had landed before the answer was looked for."""
    seconds: float = 0.0
    reason: str = ""
    failed: bool = False
    near: Near | None = None
    """The stored question that is most similar, if it was looked for."""
    trouble: Exception | None = None
    """What matching by meaning failed with; the lookup went on without."""


def identify(call: Call | None, prompt: str, llm_string: str, scope: Scope, settings: Settings) -> Identity:
    """What a lookup asks; where identical calls are to have different answers, which of them."""
    if call is None:
        return _sampled(identity.identify_by_llm_string(prompt, llm_string), scope, settings)
    before = call.identities.setdefault((prompt, llm_string), [])
    if not before or scope.several:
        before.append(_sampled(identity.identify(call, prompt), scope, settings))
    return before[-1]


def identity_of_answer(call: Call | None, prompt: str, llm_string: str, settings: Settings) -> Identity:
    """What an answer answers."""
    asked = call.identities.get((prompt, llm_string)) if call is not None else None
    if call is None or not asked:
        return identify(call, prompt, llm_string, Scope(), settings)
    return next((who for who in asked if who.key in call.misses), asked[-1])


def _sampled(who: Identity, scope: Scope, settings: Settings) -> Identity:
    return who.sample(settings.sample(who.key, scope.samples)) if scope.samples and scope.several else who
