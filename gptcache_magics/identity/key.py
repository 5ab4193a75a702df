"""Identify a call by a key: two calls with the same key may share an answer.

LangChain hands a cache two strings. Neither is enough: ``llm_string`` may not name the model (``ChatOllama``), is a
snapshot of the first use (a changed ``temperature`` keeps it) and leaves out the arguments of a completion call;
``prompt`` carries ids and usage figures that differ between an answer from the model and the same answer from a cache.
So the configuration is read from the live model for each call, and the prompt is reduced to what the model sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final

from gptcache_magics.identity.call import Call, ReadCall
from gptcache_magics.identity.carried import ALL_CARRIED, Carried
from gptcache_magics.identity.configuration import configuration_of_llm_string, read
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.store.reasons import Kind, Reason

__all__ = ["Identity", "identify", "identify_by_llm_string", "key_of"]

KEY_VERSION: Final = b"1"
REMEMBERED: Final = 1_000
LONG_PROMPT: Final = 16_000
"""Most characters of a remembered prompt, so that all remembered prompts take at most about 50 MB."""

NOT_SERIALISED: Final = b'"type":"not_implemented"'
"""Beginning of what LangChain writes for a value that it cannot serialise; its ``repr`` may leave most data out."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of one lookup, with the parts that it is made of."""

    key: str
    """blake2b-128 over key version, configuration, canonical prompt and, from the second on, the sample's number."""
    configuration: Configuration
    written: str | Callable[[], str]
    """The prompt, or what writes it: a hit does not need it."""
    question: str
    """Text of the last human message, or the prompt itself."""
    seen: bytes
    """The canonical prompt: the part that the model sees."""
    reason: Reason | None = None
    """A warning about this identity, such as that the model is unknown."""
    number: int = 0
    """Number of the sample, for identical calls that get different answers."""
    unreduced: Callable[[], Identity] | None = None
    """Identifies the call as the first versions did; None if the key is the same. Called only after a miss."""

    @property
    def prompt(self) -> str:
        """The prompt as stock GPTCache would see it, without what differs between a model's and a cache's answer."""
        return self.written if isinstance(self.written, str) else self.written()

    @property
    def prompt_digest(self) -> str:
        """blake2b-64 over the canonical prompt."""
        return blake2b(self.seen, digest_size=8).hexdigest()

    @property
    def earlier(self) -> Identity | None:
        """The identity that the first versions gave the call; they counted what does not reach the model, too."""
        return self.unreduced().sample(self.number) if self.unreduced is not None else None

    def sample(self, number: int) -> Identity:
        """Return the identity of a further sample of this call; number 0 is this one."""
        return replace(self, key=key_of(self.configuration.key, self.seen, number), number=number) if number else self


def key_of(configuration: str, seen: bytes, number: int = 0) -> str:
    """Return the exact key of a canonical prompt under the key of a configuration, and of a further sample of it."""
    key = blake2b(KEY_VERSION + bytes.fromhex(configuration) + seen, digest_size=16)
    if number:
        key = blake2b(b"%s sample %d" % (key.digest(), number), digest_size=16)
    return key.hexdigest()


def identify(call: Call, prompt: str) -> Identity:
    """Return the identity of one prompt of a call, which is read at its first prompt."""
    if call.read is None:
        call.read = read(call)
    identity = _remembered if len(prompt) <= LONG_PROMPT else _identity_in_call
    return identity(call.read, prompt, call.chat)


def _identity_in_call(call: ReadCall, prompt: str, chat: bool) -> Identity:
    configuration, reduced = call.configuration, call.earlier is not None
    if chat:
        seen, plain, question, reduced_prompt = canonical(prompt, call.carried)
        reduced |= reduced_prompt
        if NOT_SERIALISED in seen:
            raise Unreadable("a value in a message that is not JSON")
    else:
        seen, plain, question = prompt.encode("utf-8", "surrogatepass"), prompt, prompt
    identity = _identity(configuration, seen, plain, question)
    if not reduced:
        return identity
    earlier = ReadCall(call.earlier or configuration, Carried(call.carried.metadata))
    return replace(identity, unreduced=partial(_identity_in_call, earlier, prompt, chat))


_remembered: Final = lru_cache(maxsize=REMEMBERED)(_identity_in_call)


def identify_by_llm_string(prompt: str, llm_string: str) -> Identity:
    """Return the identity of a lookup that no hook saw: only ``llm_string`` describes its model."""
    configuration, named = configuration_of_llm_string(llm_string)
    seen, plain, question, _ = canonical(prompt, ALL_CARRIED)
    return _identity(configuration, seen, plain, question, None if named else Reason(Kind.MODEL_UNKNOWN))


def _identity(
    configuration: Configuration, seen: bytes, prompt: str, question: str, reason: Reason | None = None
) -> Identity:
    return Identity(key_of(configuration.key, seen), configuration, prompt, question, seen, reason)
