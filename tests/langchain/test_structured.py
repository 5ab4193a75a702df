"""Structured output: a hit gives the object of the live call, parsed once from the text that the model sent."""

import asyncio
import json
from typing import Annotated, Any, Literal

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

import gptcache_magics as gm
from tests.support.models import Reply
from tests.support.provider_server import Json, ProviderServer

pytestmark = pytest.mark.usefixtures("cache")

METHODS = [
    ("ChatOpenAI", "json_schema"),
    ("ChatOpenAI", "function_calling"),
    ("ChatOpenAI", "json_mode"),
    ("ChatAnthropic", "json_schema"),
    ("ChatAnthropic", "function_calling"),
    ("ChatOllama", "json_schema"),
    ("ChatOllama", "function_calling"),
]
QUESTION = "Reply in JSON."
validations: list[Any] = []


class Share(BaseModel):
    """A share, which its validator changes."""

    share: float

    @field_validator("share")
    @classmethod
    def of_one(cls, value: float) -> float:
        """Return a percentage as a fraction."""
        validations.append(value)
        return value / 100


class Aliased(BaseModel):
    """A text under another name."""

    text: str = Field(validation_alias=AliasChoices("the-text", "theText"))


class Excluded(BaseModel):
    """A text that dumps leave out."""

    text: str = Field(exclude=True)
    count: int


class Login(BaseModel):
    """A secret."""

    password: SecretStr


class Loud(BaseModel):
    """A text that is dumped in other words."""

    text: str

    @field_serializer("text")
    def loud(self, text: str) -> str:
        """Return the text in capitals."""
        return text.upper()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        """Length of the text."""
        return len(self.text)


class Private(BaseModel):
    """A text with a private attribute."""

    text: str
    _seen: list[str] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any, /) -> None:
        """Keep the text."""
        self._seen.append(self.text)


class Frozen(BaseModel):
    """A set that cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    words: frozenset[str]
    pair: tuple[int, ...] = Field(default_factory=tuple)


class Cat(BaseModel):
    """A cat."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """A dog."""

    kind: Literal["dog"]
    tricks: list[str]


class Pets(BaseModel):
    """Pets of two kinds."""

    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    best: "Cat | None" = None


class Stripped(BaseModel):
    """A text without the label that the model puts before it."""

    text: Annotated[str, BeforeValidator(lambda text: text.removeprefix("A: "))]

    @model_validator(mode="before")
    @classmethod
    def unwrapped(cls, data: Any) -> Any:
        """Return the fields of the answer."""
        return data["answer"]


@dataclass
class Point:
    """A point."""

    x: int
    y: int = 0


class Typed(TypedDict):
    """A typed dictionary."""

    answer: str


SCHEMAS: list[tuple[Any, Json]] = [
    (Share, {"share": 1.5}),
    (Aliased, {"the-text": "Hi"}),
    (Excluded, {"text": "Hi", "count": 2}),
    (Login, {"password": "hunter2"}),
    (Loud, {"text": "Hi"}),
    (Private, {"text": "Hi"}),
    (Frozen, {"words": ["a", "b"], "pair": [1, 2], "more": {"a": 1}}),
    (Pets, {"pets": [{"kind": "dog", "tricks": ["sit"]}, {"kind": "cat", "lives": 9}], "best": None}),
    (Stripped, {"answer": {"text": "A: A: Hi"}}),
    (Typed, {"answer": "Hi"}),
    ({"title": "Answer", "description": "One.", **Reply.model_json_schema()}, {"answer": "Hi"}),
]


def parsers(server: ProviderServer, text: Json, schema: Any, **options: Any) -> Any:
    """Return a model of OpenAI that answers with ``text`` as ``schema``."""
    server.text = json.dumps(text)
    return server.model("ChatOpenAI").with_structured_output(schema, method="json_schema", **options)


@pytest.mark.parametrize("responses", [False, True], ids=["completions", "responses"])
@pytest.mark.parametrize(("schema", "text"), SCHEMAS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_object_that_the_sdk_parsed_comes_back_equal(
    server: ProviderServer, schema: Any, text: Json, responses: bool
) -> None:
    server.text = json.dumps(text)
    llm = server.model("ChatOpenAI", use_responses_api=responses)
    reader = llm.with_structured_output(schema, method="json_schema", strict=False)
    raw = llm.with_structured_output(schema, method="json_schema", strict=False, include_raw=True)
    bought, *hits = reader.invoke(QUESTION), reader.invoke(QUESTION), asyncio.run(reader.ainvoke(QUESTION))
    whole = raw.invoke(QUESTION)

    assert server.calls == 1
    for hit in (*hits, whole["parsed"]):
        assert type(hit) is type(bought)
        assert hit == bought
        assert vars(hit) == vars(bought) if isinstance(hit, BaseModel) else True
    assert whole["parsing_error"] is None
    with gm.using(mode="bypass"):
        live = raw.invoke(QUESTION)
    assert whole["raw"].additional_kwargs == live["raw"].additional_kwargs
    assert whole["raw"].content == live["raw"].content or responses  # ids of blocks


def test_each_hit_is_validated_once(server: ProviderServer) -> None:
    reader = parsers(server, {"share": 1.5}, Share)
    validations.clear()
    answers = [reader.invoke(QUESTION).share for _ in range(3)]

    assert answers == [0.015] * 3
    assert validations == [1.5] * 3


def test_a_stream_and_an_invoke_give_the_same_object(server: ProviderServer) -> None:
    reader = parsers(server, {"share": 1.5}, Share)
    streamed = list(reader.stream(QUESTION))[-1]
    again = list(reader.stream(QUESTION))[-1]

    assert streamed == again == reader.invoke(QUESTION) == Share.model_construct(share=0.015)
    assert server.calls == 1


def test_an_object_shares_nothing_with_that_of_another_hit(server: ProviderServer) -> None:
    reader = parsers(server, {"pets": [{"kind": "dog", "tricks": ["sit"]}]}, Pets)
    for _ in range(3):
        reader.invoke(QUESTION).pets[0].tricks.append("roll")

    assert reader.invoke(QUESTION).pets[0].tricks == ["sit"]


@pytest.mark.parametrize("schema", [Reply, Point], ids=["pydantic", "dataclass"])
def test_a_schema_that_is_bound_by_hand_parses_too(server: ProviderServer, schema: Any) -> None:
    server.text = json.dumps({"answer": "Hi", "x": 1})
    llm = server.model("ChatOpenAI").bind(response_format=schema)
    bought, hit = (llm.invoke(QUESTION).additional_kwargs["parsed"] for _ in range(2))

    assert type(hit) is schema
    assert hit == bought
    assert server.calls == 1


def test_a_text_that_no_longer_fits_asks_the_model(server: ProviderServer) -> None:
    class Fussy(Reply):
        """A reply with a validator that changes its mind."""

        @field_validator("answer")
        @classmethod
        def accepted(cls, answer: str) -> str:
            """Return the answer, if it is accepted."""
            assert answer in accepted
            return answer

    accepted = {"Hi"}
    reader = parsers(server, {"answer": "Hi"}, Fussy)
    reader.invoke(QUESTION)
    accepted.clear()
    server.text = json.dumps({"answer": "Ho"})
    accepted.add("Ho")

    assert reader.invoke(QUESTION).answer == "Ho"
    assert server.calls == 2


def test_an_edited_answer_is_parsed_as_it_is_now(on: object, server: ProviderServer) -> None:
    reader = parsers(server, {"answer": "Hi"}, Reply)
    reader.invoke(QUESTION)
    [entry] = gm.entries().index
    gm.edit(entry, '{"answer": "Ho"}')

    assert reader.invoke(QUESTION) == Reply(answer="Ho")


def test_a_refusal_is_raised_each_time(server: ProviderServer) -> None:
    server.finish_reason = "content_filter"
    reader = parsers(server, {"answer": "Hi"}, Reply)
    for _ in range(2):
        with pytest.raises(Exception, match="content filter"):
            reader.invoke(QUESTION)

    assert server.calls == 2


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.parametrize("dumped", [False, True], ids=["as it is", "dumped and loaded"])
def test_a_history_with_a_raw_answer_hits(server: ProviderServer, name: str, method: str, dumped: bool) -> None:
    llm = server.model(name)
    reader = llm.with_structured_output(Reply, method=method, include_raw=True)
    calls = []
    for _ in range(3):
        raw = reader.invoke(QUESTION)["raw"]
        if dumped:
            raw = loads(dumps(raw), allowed_objects=[AIMessage], ignore_unserializable_fields=True)
        assert isinstance(raw, AIMessage)
        llm.invoke([HumanMessage(QUESTION), raw, HumanMessage("Why?")])
        calls.append(server.calls)

    assert calls == [2, 2, 2]


def test_an_object_in_another_cache_is_parsed_with_and_without_ours(server: ProviderServer) -> None:
    stock = InMemoryCache()
    reader = parsers(server, {"share": 1.5}, Share)
    ours = [gm.GPTCache(wrapped=stock, store=":memory:") for _ in range(2)]
    # LangChain's llm_string has only the name of a class, so ours may not serve what the other cache stored.
    for cache, calls in ((stock, 1), (ours[0], 2), (ours[1], 2), (stock, 2)):
        set_llm_cache(cache)
        assert reader.invoke(QUESTION).share == 0.015
        assert server.calls == calls


def test_an_object_in_another_cache_answers_only_the_class_that_it_is_of(server: ProviderServer) -> None:
    stock = InMemoryCache()

    def answer(text: Json, kind: Any) -> Any:
        return parsers(server, text, create_model("Named", answer=(kind, ...))).invoke(QUESTION).answer

    set_llm_cache(stock)
    assert answer({"answer": "1"}, str) == "1"
    set_llm_cache(gm.GPTCache(wrapped=stock, store=":memory:"))
    assert answer({"answer": 1}, int) == 1
    assert server.calls == 2
