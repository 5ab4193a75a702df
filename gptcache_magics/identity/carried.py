"""The parts of messages that a request carries: everything else of a message does not reach the model.

What a class writes of a message into its requests was read from its package, and the audit (``tests/audit``) compares
it. A class that is not listed, a class of the user's and a package newer than the one that was read carry everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.identity.providers import provider_of

if TYPE_CHECKING:
    from gptcache_magics.identity.facts import Facts

__all__ = ["ALL_CARRIED", "PARTS", "READ", "STORED", "Carried", "Part", "carried_by"]

_CARRIED_IF: Final = {"use_previous_response_id": "id", "reuse_last_container": "container"}
"""Fields of models that send metadata of the previous answer with the next question, each with the metadata's name."""
_READS_PROVIDER: Final = frozenset({"anthropic", "fireworks", "google_genai"})
"""Providers whose classes convert an answer of another provider in another way."""
_MARK: Final = "output_version"
"""Metadata with the form of an answer's content."""
_READS_MARK: Final = frozenset({"anthropic", "groq", "mistralai", "ollama"})
"""Providers whose classes rewrite marked content whatever it is: a text becomes a block, or nothing is left of it."""
_FOREIGN_BLOCKS: Final = frozenset({"reasoning", "function_call"})
"""Blocks that Anthropic's class drops from the answers of other providers."""
_RESPONSE_ID: Final = "resp_"
"""Prefix of the id of a response of OpenAI's."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a message of one type that a request carries, beside its content and its tool calls."""

    extras: frozenset[str] = frozenset()
    """Names in ``additional_kwargs``."""
    beside_calls: frozenset[str] = frozenset()
    """Those that are not sent where the message has ``tool_calls``."""
    name: bool = False
    """Whether the message's name is sent."""
    status: bool = False
    """Whether the status of a tool's result is sent."""
    blocks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The fields of content blocks that are sent, by the type of the block; of another type, all are."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The parts of messages that the requests of one model carry."""

    metadata: frozenset[str] = frozenset()
    """The metadata of earlier answers, and the provider whose class reads who gave an answer.

    With ``output_version``, the mark of standard blocks counts on every content, else on such blocks only.
    """
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The parts by the type of the message; of another type, everything is carried."""
    ids: bool = True
    """Whether the ids of tool calls count as they are, and do not only tie a call to its result."""

    def metadata_of(self, metadata: Mapping[str, Any], content: Any) -> dict[str, Any]:
        """Return the part of an answer's metadata that the next request carries, or that changes how it is written."""
        kept: dict[str, Any] = {}
        if "id" in self.metadata and str(metadata.get("id", "")).startswith(_RESPONSE_ID):
            kept["id"] = metadata["id"]
        container = metadata.get("container")
        if "container" in self.metadata and isinstance(container, Mapping) and container.get("id"):
            kept["container"] = {"id": container["id"]}
        blocks = content if isinstance(content, list) else []
        v1 = metadata.get(_MARK) == "v1" and (bool(blocks) or _MARK in self.metadata)
        foreign = any(isinstance(block, Mapping) and block.get("type") in _FOREIGN_BLOCKS for block in blocks)
        if v1:
            kept[_MARK] = "v1"
        if (v1 or (foreign and "anthropic" in self.metadata) or self.metadata & {"fireworks", "google_genai"}) and (
            provider := metadata.get("model_provider")
        ):
            kept["model_provider"] = provider
        return kept


ALL_CARRIED: Final = Carried(frozenset((*_CARRIED_IF.values(), _MARK)))
"""Everything of messages that a model which no hook saw may send."""
STORED: Final = Carried(ALL_CARRIED.metadata | _READS_PROVIDER)
"""Everything that a stored prompt can still hold."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CALLS: Final = _names("tool_calls function_call")
_NAMED: Final = Part(_names("name"), name=True)
_EXTRA_NAME: Final = Part(_names("name"))
_TEXT: Final = {"text": _names("type text")}
_OF_OPENAI: Final = {
    "human": _NAMED,
    "system": Part(_names("name __openai_role__"), name=True),
    "ai": Part(
        _names("name audio") | _CALLS,
        beside_calls=_CALLS,
        name=True,
        blocks={**_TEXT, "thinking": _names("type"), "tool_use": _names("type")},
    ),
    "tool": Part(),
}
_ANY_OF_OPENAI: Final = Part(
    _CALLS
    | _names("name audio refusal reasoning tool_outputs type acknowledged_safety_checks")
    | _names("__openai_role__ __openai_function_call_ids__"),
    name=True,
    status=True,
)
_OF_RESPONSES: Final = dict.fromkeys(("human", "system", "ai", "tool"), _ANY_OF_OPENAI)
"""The Responses API sends the ids of items, and its classes read most that an answer holds."""
_OF_ANTHROPIC: Final = {"text": _names("type text cache_control citations")}
_THOUGHT: Final = {
    "thinking": _names("type thinking signature cache_control"),
    "redacted_thinking": _names("type data cache_control"),
    "tool_use": _names("type id name input partial_json caller toolset_name cache_control"),
}
_OF_GROQ: Final = {
    "human": _EXTRA_NAME,
    "system": _EXTRA_NAME,
    "ai": Part(_names("name") | _CALLS, beside_calls=_names("tool_calls")),
    "tool": _EXTRA_NAME,
}
PARTS: Final[Mapping[str, Mapping[str, Part]]] = {
    "langchain_openai.ChatOpenAI": _OF_OPENAI,
    "langchain_openai.AzureChatOpenAI": _OF_OPENAI,
    "langchain_deepseek.ChatDeepSeek": _OF_OPENAI,
    "langchain_xai.ChatXAI": _OF_OPENAI,
    "langchain_together.ChatTogether": _OF_OPENAI,
    "langchain_anthropic.ChatAnthropic": {
        "human": Part(blocks=_OF_ANTHROPIC),
        "system": Part(),
        "ai": Part(blocks={**_OF_ANTHROPIC, **_THOUGHT}),
        "tool": Part(status=True, blocks=_OF_ANTHROPIC),
    },
    "langchain_ollama.ChatOllama": {
        "human": Part(blocks=_TEXT),
        "system": Part(blocks=_TEXT),
        "ai": Part(_names("reasoning_content"), blocks={**_TEXT, "tool_use": _names("type")}),
        "tool": Part(blocks=_TEXT),
    },
    "langchain_groq.ChatGroq": _OF_GROQ,
    "langchain_fireworks.ChatFireworks": {
        **_OF_GROQ,
        "ai": Part(_names("name reasoning_content") | _CALLS, beside_calls=_names("tool_calls")),
    },
    "langchain_mistralai.ChatMistralAI": {
        "human": Part(),
        "system": Part(),
        "ai": Part(_names("prefix tool_calls"), beside_calls=_names("tool_calls")),
        "tool": Part(name=True),
    },
}
"""The parts of messages that the classes send, by class and type of message."""
READ: Final = {
    "langchain_anthropic": (1, 7),
    "langchain_deepseek": (1, 1),
    "langchain_fireworks": (1, 7),
    "langchain_groq": (1, 1),
    "langchain_mistralai": (1, 1),
    "langchain_ollama": (1, 1),
    "langchain_openai": (1, 7),
    "langchain_together": (0, 4),
    "langchain_xai": (1, 3),
}
"""The newest version of each package whose code and requests were compared with ``PARTS``."""


def carried_by(model: Any, facts: Facts, arguments: Mapping[str, Any]) -> Carried:
    """Return the parts of messages that the requests of a call carry."""
    kind, values = type(model), vars(model)
    found = [name for field, name in _CARRIED_IF.items() if values.get(field)]
    provider = provider_of(kind)
    parts = PARTS.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
    read = parts is not None and facts.known and _was_read(kind.__mro__)
    if provider in _READS_PROVIDER:
        found.append(provider)
    if not read or provider in _READS_MARK:
        found.append(_MARK)
    metadata = frozenset(found)
    if parts is None or not facts.known:
        return Carried(metadata)
    items = _sends_items(model, arguments)
    return Carried(metadata, (_OF_RESPONSES if items else parts) if read else {}, ids=items)


def _sends_items(model: Any, arguments: Mapping[str, Any]) -> bool:
    """Return whether a call of OpenAI's class uses the Responses API, whose items have ids that are sent."""
    asks = getattr(model, "_use_responses_api", None)
    try:
        return asks is not None and bool(asks({**model._default_params, **arguments}))
    except Exception:  # an argument of a form that its class does not take
        return True


@cache
def _was_read(bases: tuple[type, ...]) -> bool:
    """Return whether the packages of some classes are no newer than those that were read."""
    packages = {base.__module__.partition(".")[0] for base in bases}
    try:
        return all(_minor(version(each)) <= READ[each] for each in packages & READ.keys())
    except (PackageNotFoundError, ValueError):
        return False


def _minor(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])
