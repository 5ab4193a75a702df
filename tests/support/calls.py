"""Calls to make identities of: a model with fields of every kind, and values of every kind."""

import enum
import re
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import BaseModel, ConfigDict, SecretStr

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import Identity, identify

SECRET = "correct-horse-battery-staple"


def without_address(value: object) -> str:
    """Return a name for a case that is the same in every process."""
    value = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
    return re.sub(r" at 0x[0-9a-f]+", "", value if isinstance(value, str) else repr(value))


class Chat(BaseChatModel):
    """A chat model with fields of every kind."""

    model_config = ConfigDict(extra="allow")

    model: str = "small"
    temperature: float | None = 0.7
    max_tokens: int | None = None
    seed: int = 0
    strict: bool = False
    stop_words: list[str] = ["\n"]  # noqa: RUF012  (pydantic copies it)
    instructions: str = ""
    anything: Any = None
    base_url: str | None = None
    password: SecretStr | None = None
    max_retries: int = 2
    timeout: float | None = None
    streaming: bool = False
    use_previous_response_id: bool = False
    reuse_last_container: bool = False

    @property
    def _llm_type(self) -> str:
        return "chat"

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[])


class OtherChat(Chat):
    """Another class of model."""


class Color(enum.Enum):
    """Two members."""

    RED = "red"
    BLUE = "blue"


class Persona(BaseModel):
    """A pydantic object with a name like that of a field that a model's key leaves out."""

    name: str = "Ada"
    tags: list[str] = []
    api_key: SecretStr | None = None


@dataclass
class Login:
    """A dataclass with a secret in it."""

    user: str = "ada"
    password: str = ""
    more: dict[str, Any] = field(default_factory=dict)


class Plain:
    """An object that shows nothing of itself but its address."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        """Nothing."""


class Slotted:
    """An object that keeps its data in slots."""

    __slots__ = ("a",)

    def __init__(self, a: object) -> None:
        self.a = a


class Open(BaseModel, extra="allow"):
    """A pydantic object with a user's own fields."""

    name: str = "Ada"


Pair = namedtuple("Pair", ["user", "password"])


def identity(llm: Any = None, question: str = "prompt", **kwargs: Any) -> Identity:
    """Return the identity of a call with these arguments."""
    llm = llm if llm is not None else Chat()
    return identify(Call(llm, kwargs, isinstance(llm, BaseChatModel)), question)


def key(llm: Any = None, question: str = "prompt", **kwargs: Any) -> str:
    """Return the key of a call with these arguments."""
    return identity(llm, question, **kwargs).key


def key_of(*messages: BaseMessage, **fields: Any) -> str:
    """Return the key of a chat."""
    return key(Chat(**fields), dumps(list(messages)))


def suffixed(suffix: str) -> Callable[[str], str]:
    """Return a closure."""
    return lambda text: text + suffix


def schema(*properties: str) -> dict[str, Any]:
    """Return a tool with these properties."""
    described = {name: {"type": "string", "description": f"the {name}"} for name in properties}
    parameters = {"type": "object", "properties": described}
    return {"type": "function", "function": {"name": "login", "parameters": parameters}}
