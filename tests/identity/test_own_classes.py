"""Of a class that nobody has compared with its requests, everything counts."""

import threading
from functools import cached_property
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import PrivateAttr

from tests.support.calls import Chat, key


class Persona(BaseChatModel):
    """A model of a user, with names that the providers' classes use for something else."""

    client: Any = None
    organization: str = ""
    max_retries: int = 2
    timeout: float | None = None
    streaming: bool = False
    batch_size: int = 1
    _who: str = PrivateAttr("pirate")
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "persona"

    @cached_property
    def words(self) -> list[str]:
        """Something computed from the rest."""
        return [self._who]

    def _generate(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError


class Identified(Persona):
    """A model that says by itself what identifies it."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"said": SAID[0]}


class Defaults(Persona):
    """A model that says by itself what it sends."""

    @property
    def _default_params(self) -> dict[str, Any]:
        return {"said": SAID[0]}


SAID = {0: "one"}


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "another"},
        {"organization": "acme"},
        {"max_retries": 3},
        {"timeout": 1.0},
        {"streaming": True},
        {"batch_size": 2},
    ],
)
def test_every_field_counts(fields: dict[str, Any]) -> None:
    assert key(Persona(**fields)) == key(Persona(**fields)) != key(Persona())


def test_arguments_that_a_provider_would_not_see_count() -> None:
    assert len({key(Persona(), **kwargs) for kwargs in ({}, {"stream": True}, {"timeout": 7})}) == 3


def test_private_and_added_attributes_count() -> None:
    one, two, three = Persona(), Persona(), Persona()
    two._who = "poet"
    vars(three)["added"] = "poet"

    assert len({key(each) for each in (one, two, three)}) == 3
    assert one.words == ["pirate"]
    assert key(one) == key(Persona())


@pytest.mark.parametrize("kind", [Identified, Defaults])
def test_what_a_class_says_of_itself_counts(kind: type[Persona], monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(kind())
    monkeypatch.setitem(SAID, 0, "two")

    assert key(kind()) != before


class Mine(ChatOpenAI):
    """A provider's class with something added."""

    persona: str = "pirate"
    _who: str = PrivateAttr("pirate")


def test_a_subclass_counts_what_it_adds_and_leaves_out_what_its_base_leaves_out() -> None:
    def mine(**fields: Any) -> Mine:
        return Mine(model="small", api_key="key", **fields)

    other = mine()
    other._who = "poet"

    assert len({key(mine()), key(other), key(mine(persona="poet"))}) == 3
    assert key(mine()) == key(mine(max_retries=7, timeout=3, streaming=True, organization="acme"))


def test_a_client_that_a_model_holds_counts_with_its_address_and_headers() -> None:
    def holding(**options: Any) -> str:
        return key(Chat(anything=OpenAI(**{"api_key": "one", **options})))

    assert holding() == holding(api_key="two")
    assert len({holding(), holding(base_url="http://a/v1"), holding(default_headers={"X-Persona": "poet"})}) == 3
