"""The calls that an audit makes of one class: each differs in one thing from a plain call, or from a neighbour."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import dataclass as schema_dataclass
from typing import Annotated, Any, Final, Literal, TypedDict

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, Field

from gptcache_magics.identity.carried import PARTS
from gptcache_magics.identity.providers import PROVIDERS, provider_of
from tests.audit.equivalent import BOOKKEEPING
from tests.audit.histories import histories_of
from tests.audit.subjects import Fields, Subject
from tests.audit.values import is_container, values_of

__all__ = ["Case", "cases_of"]

QUESTION: Final = "What is a tide?"


@dataclass(frozen=True)
class Case:
    """One call of a model of one class."""

    name: str
    """The field, argument or other thing that is varied."""
    label: str
    fields: Fields = field(default_factory=dict)
    arguments: Fields = field(default_factory=dict)
    assigned: Fields = field(default_factory=dict)
    """Fields that are set after the model was made."""
    environment: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    """Fields of the plain model that are left out."""
    bound: Callable[[Any], Any] | None = None
    """Makes the runnable to invoke, for tools and schemas."""
    prompt: Any = QUESTION
    asynchronous: bool = False
    same_as: str = ""
    """The label of a case that asks the same where both make the same request."""


def cases_of(subject: Subject, url: str, other_url: str, variables: Sequence[str]) -> Iterator[Case]:
    """Yield the calls of one class, the plain one first; ``variables`` are those of the environment that it reads."""
    yield Case("plain", "plain")
    yield Case("plain", "plain, awaited", asynchronous=True)
    yield from _field_cases(subject, url, other_url)
    yield from _environment_cases(subject, url, other_url, variables)
    yield from _argument_cases(subject)
    if subject.chat:
        yield from _tool_cases()
        yield from _message_cases(subject.kind.model_fields)
        yield from _history_cases(subject)
    yield from _harmless_cases(subject)


NOT_FIELDS: Final = {
    "cache": "chooses the cache",
    "callbacks": "LangChain's own",
    "custom_get_token_ids": "LangChain's own",
    "rate_limiter": "LangChain's own",
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 70 else f"{text[:67]}…"


def _field_cases(subject: Subject, url: str, other_url: str) -> Iterator[Case]:
    kind = subject.kind
    special = {**subject.values, **subject.clients(url, other_url)}
    for name, info in kind.model_fields.items():
        if name in NOT_FIELDS:
            continue
        given = info.alias or name
        is_url = subject.url in (name, info.alias)
        values = [f"{each}{subject.at}{more}" for each in (url, other_url) for more in ("", "/more")]
        if not is_url:
            values = special.get(name, values_of(info.annotation))
        for value in values:
            yield Case(name, f"{name}={_short(value)}", {given: value})
            if is_url or OF_CLIENTS.search(name):
                yield Case(name, f"{name}={_short(value)}, awaited", {given: value}, asynchronous=True)
        yield Case(name, f"{name}=None", {given: None})
        if not values:
            continue
        first, second = values[0], values[-1]
        for value in (first, second):
            yield Case(name, f"{name} assigned {_short(value)}", assigned={name: value})
        empty: list[Any] = [None, *([[], {}] if is_container(info.annotation) else []), second]
        for argument in dict.fromkeys([name, given]):
            for value in empty:
                label = f"{name}={_short(first)}, then {argument}={_short(value)}"
                yield Case(name, label, {given: first}, {argument: value})


def _environment_cases(subject: Subject, url: str, other_url: str, variables: Sequence[str]) -> Iterator[Case]:
    for name in variables:
        is_url = OF_ADDRESSES.search(name)
        values = ["x-variant: one", "x-variant: two"] if "HEADERS" in name else ["one", "two"]
        for value in [f"{each}{subject.at}" for each in (url, other_url)] if is_url else values:
            for without in ((), (subject.url,)) if is_url else ((),):
                label = f"{name}={value}{', without an address' if without else ''}"
                yield Case(name, label, environment={name: value}, without=without)


OF_CLIENTS: Final = re.compile("client|http|headers|query|url|base")
"""Names of fields that the client is made with: the client of asynchronous calls may be made with others."""
OF_ADDRESSES: Final = re.compile("URL|BASE|ENDPOINT|HOST")


def _argument_cases(subject: Subject) -> Iterator[Case]:
    fields = subject.kind.model_fields
    taken = {alias for name, info in fields.items() for alias in (name, info.alias)}
    for name, annotation in subject.arguments().items():
        values = subject.values.get(name, values_of(annotation))
        for value in values:
            yield Case(name, f"call {name}={_short(value)}", arguments={name: value})
            if "model_kwargs" in fields and name not in taken:
                yield Case(name, f"model_kwargs {name}={_short(value)}", {"model_kwargs": {name: value}})
        yield Case(name, f"call {name}=None", arguments={name: None})
        if values and "model_kwargs" in fields and name not in taken:
            for value in (None, [], {}, values[-1]):
                label = f"model_kwargs {name}={_short(values[0])}, then {name}={_short(value)}"
                yield Case(name, label, {"model_kwargs": {name: values[0]}}, {name: value})


# Tools and schemas


def _tool(description: str = "Search the atlas.", **properties: Any) -> Fields:
    properties = properties or {"place": {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return {"name": "search", "description": description, "parameters": parameters}


def _function(description: str, annotation: Any, default: Any = ...) -> Callable[..., str]:
    def search(place: Any) -> str:
        return place

    search.__doc__ = description
    search.__annotations__ = {"place": annotation, "return": str}
    if default is not ...:
        search.__defaults__ = (default,)
    return search


def _pydantic(purpose: str, annotation: Any, **info: Any) -> type[BaseModel]:
    namespace = {"__doc__": purpose, "__annotations__": {"place": annotation}, "__module__": __name__}
    return type("search", (BaseModel,), {**namespace, "place": Field(**info)})


def _typed(description: str, annotation: Any) -> Any:
    kind = TypedDict("search", {"place": annotation})  # noqa: UP013  (the annotation is a value)
    kind.__doc__ = description
    return kind


def _dataclass(description: str, annotation: Any) -> Any:
    namespace = {"__doc__": description, "__annotations__": {"place": annotation}, "__module__": __name__}
    return schema_dataclass(type("search", (), namespace))


class Inner(BaseModel):
    """Inner."""

    password: str = "open"


class OtherInner(BaseModel):
    """Inner."""

    password: str = "closed"


OtherInner.__name__ = OtherInner.__qualname__ = "Inner"

SCHEMAS: Final[dict[str, Any]] = {
    "json": _tool(),
    "json, description": _tool("Search the map."),
    "json, type": _tool(place={"type": "integer"}),
    "json, enum": _tool(place={"type": "string", "enum": ["Rome", "Oslo"]}),
    "json, other enum": _tool(place={"type": "string", "enum": ["Rome", "Bern"]}),
    "json, secret name": _tool(password={"type": "string", "description": "of the door"}),
    "json, secret name, other description": _tool(password={"type": "string", "description": "of the safe"}),
    "json, secret name, without type": _tool(api_key={"description": "of the door"}),
    "json, secret name, without type, other description": _tool(api_key={"description": "of the safe"}),
    "json, secret name, default": _tool(token={"type": "string", "default": "one"}),
    "json, secret name, other default": _tool(token={"type": "string", "default": "two"}),
    "json, enum of secret name": _tool(secret={"enum": ["one"]}),
    "json, other enum of secret name": _tool(secret={"enum": ["two"]}),
    "json, URL": _tool(place={"type": "string", "default": "https://one.example/?key=one"}),
    "json, other URL": _tool(place={"type": "string", "default": "https://one.example/?key=two"}),
    "function": _function("Search the atlas.", str),
    "function, description": _function("Search the map.", str),
    "function, type": _function("Search the atlas.", int),
    "function, literal": _function("Search the atlas.", Literal["Rome", "Oslo"]),
    "function, other literal": _function("Search the atlas.", Literal["Rome", "Bern"]),
    "function, default": _function("Search the atlas.", str, "Rome"),
    "function, other default": _function("Search the atlas.", str, "Oslo"),
    "pydantic": _pydantic("Search the atlas.", str),
    "pydantic, description": _pydantic("Search the map.", str),
    "pydantic, field's description": _pydantic("Search the atlas.", str, description="Any place."),
    "pydantic, other field's description": _pydantic("Search the atlas.", str, description="A town."),
    "pydantic, default": _pydantic("Search the atlas.", str, default="Rome"),
    "pydantic, other default": _pydantic("Search the atlas.", str, default="Oslo"),
    "pydantic, nested": _pydantic("Search the atlas.", Inner),
    "pydantic, other nested": _pydantic("Search the atlas.", OtherInner),
    "pydantic, bound": _pydantic("Search the atlas.", int, ge=1),
    "pydantic, other bound": _pydantic("Search the atlas.", int, ge=2),
    "TypedDict": _typed("Search the atlas.", Annotated[str, ..., "Any place."]),
    "TypedDict, description": _typed("Search the map.", Annotated[str, ..., "Any place."]),
    "TypedDict, field's description": _typed("Search the atlas.", Annotated[str, ..., "A town."]),
    "TypedDict, type": _typed("Search the atlas.", Annotated[int, ..., "Any place."]),
    "dataclass": _dataclass("Search the atlas.", str),
    "dataclass, description": _dataclass("Search the map.", str),
    "dataclass, type": _dataclass("Search the atlas.", int),
}

BIND_OPTIONS: Final[tuple[Fields, ...]] = (
    {"tool_choice": "any"},
    {"tool_choice": "auto"},
    {"tool_choice": "none"},
    {"tool_choice": "search"},
    {"tool_choice": {"type": "function", "function": {"name": "search"}}},
    {"tool_choice": {"type": "tool", "name": "search"}},
    {"strict": True},
    {"strict": False},
    {"parallel_tool_calls": False},
    {"parallel_tool_calls": True},
    {"temperature": 0.5},
)
STRUCTURED_OPTIONS: Final[tuple[Fields, ...]] = (
    {"method": "json_schema"},
    {"method": "json_schema", "strict": True},
    {"method": "json_schema", "strict": False},
    {"method": "json_mode"},
    {"method": "function_calling"},
    {"method": "function_calling", "strict": True},
    {"include_raw": True},
)


def _tool_cases() -> Iterator[Case]:
    def bound(tools: list[Any], **options: Any) -> Callable[[Any], Any]:
        return lambda model: model.bind_tools(tools, **options)

    def structured(schema: Any, **options: Any) -> Callable[[Any], Any]:
        return lambda model: model.with_structured_output(schema, **options)

    other = {"name": "draw", "description": "Draw.", "parameters": {"type": "object", "properties": {}}}
    for label, schema in SCHEMAS.items():
        yield Case("bind_tools", f"bind_tools {label}", bound=bound([schema]))
        for options in STRUCTURED_OPTIONS if label in ("json", "pydantic", "TypedDict") else STRUCTURED_OPTIONS[:1]:
            named = {"title": "search", **schema} if isinstance(schema, dict) else schema
            yield Case("structured", f"structured {label} {options}", bound=structured(named, **options))
    for tools in ([SCHEMAS["json"], other], [other, SCHEMAS["json"]], []):
        yield Case("bind_tools", f"bind_tools {[each['name'] for each in tools]}", bound=bound(tools))
    for options in BIND_OPTIONS:
        yield Case("bind_tools", f"bind_tools {options}", bound=bound([SCHEMAS["json"]], **options))

    by_content = [_tool("Fold.", place={"type": "string"}), other, _tool()]
    named = [{**tool, "name": name} for name, tool in zip(("fold", "draw", "search"), by_content, strict=True)]
    yield Case("bind_tools", "three tools", bound=bound(named))
    yield Case("bind_tools", "three tools, turned", bound=bound(named[::-1]), same_as="three tools")
    yield Case("bind_tools", "three tools, one of them other", bound=bound([*named[:2], _tool("Search the map.")]))
    yield Case("bind_tools", "two tools of one name", bound=bound([_tool(), _tool("Search the map.")]))
    yield Case("bind_tools", "two tools of one name, turned", bound=bound([_tool("Search the map."), _tool()]))


def _harmless_cases(subject: Subject) -> Iterator[Case]:
    """Yield calls with parameters that change no answer, in every place that takes them."""
    arguments = subject.arguments()
    takes_headers = "extra_headers" in arguments and PROVIDERS[provider_of(subject.kind)].takes_headers
    for header in ("x-request-id", "traceparent", "x-session-id") if takes_headers else ():
        yield Case("headers", f"header {header}", arguments={"extra_headers": {header: "1"}}, same_as="plain")
    tracked = {"model_kwargs": {"extra_headers": {"x-variant": "one"}}}
    if takes_headers and "model_kwargs" in subject.kind.model_fields:
        yield Case("headers", "headers of model_kwargs", tracked)
        yield Case("headers", "headers over model_kwargs", tracked, {"extra_headers": {"x-request-id": "1"}})
    for name in BOOKKEEPING.get(subject.provider, ()):
        value: Any = {"course": "one"} if name == "metadata" else "one"
        for fields, given in (
            ({}, {name: value}),
            ({"model_kwargs": {name: value}}, {}),
            ({"extra_body": {name: value}}, {}),
            ({"model_kwargs": {"extra_body": {name: value}}}, {}),
            ({}, {"extra_body": {name: value}}),
            ({name: value}, {}),
        ):
            if fields.keys() <= subject.kind.model_fields.keys():
                label = f"{name}: {_short(fields)} {_short(given)}"
                yield Case("bookkeeping", label, fields, given, same_as="plain")
                yield Case("bookkeeping", f"{label} and more", fields, {**given, "extra_body": {"place": "one"}})


# What a history carries


def _marked(turns: Callable[..., list[BaseMessage]], call: Fields) -> Iterator[tuple[str, list[BaseMessage]]]:
    """Yield answers with the mark of standard blocks and without it, on contents of each form."""
    block = {"type": "text", "text": "In Italy."}
    contents: dict[str, Any] = {"text": "In Italy.", "no text": "", "no blocks": [], "a block": [block]}
    marks: dict[str, Fields] = {
        "no mark": {},
        "v0": {"output_version": "v0"},
        "v1": {"output_version": "v1"},
        "v1 of OpenAI": {"output_version": "v1", "model_provider": "openai"},
        "v1 of Anthropic": {"output_version": "v1", "model_provider": "anthropic"},
    }
    for form, content in contents.items():
        for mark, metadata in marks.items():
            yield f"answer of {form}, {mark}", turns(AIMessage(content, response_metadata=metadata))
            asking = AIMessage(content, response_metadata=metadata, tool_calls=[call])
            yield f"call with {form}, {mark}", turns(asking, ToolMessage("Italy", tool_call_id="call_1"))


def _message_cases(fields: Mapping[str, Any]) -> Iterator[Case]:
    call = {"name": "search", "args": {"place": "Rome"}, "id": "call_1", "type": "tool_call"}
    result = ToolMessage("Rome is in Italy.", tool_call_id="call_1", name="search")
    url = "data:image/png;base64,aW1hZ2U="

    def looked_at(**image: str) -> list[BaseMessage]:
        return [HumanMessage([{"type": "text", "text": "Where?"}, {"type": "image_url", "image_url": image}])]

    def thought(**block: Any) -> list[BaseMessage]:
        return answered([block, {"type": "text", "text": "In Italy."}])

    def turns(*messages: BaseMessage) -> list[BaseMessage]:
        return [HumanMessage("Where is Rome?"), *messages, HumanMessage("And Oslo?")]

    def answered(content: Any = "In Italy.", **fields: Any) -> list[BaseMessage]:
        return turns(AIMessage(content, **fields))

    def used(name: str = "search", place: str = "Rome", number: str = "call_1", **fields: Any) -> list[BaseMessage]:
        asked = {**call, "name": name, "args": {"place": place}, "id": number}
        return turns(
            AIMessage("", tool_calls=[asked]), ToolMessage(**{"content": "Italy", "tool_call_id": number, **fields})
        )

    prompts: dict[str, Any] = {
        "text": "Where is Rome?",
        "message": [HumanMessage("Where is Rome?")],
        "block": [HumanMessage([{"type": "text", "text": "Where is Rome?"}])],
        "name": [HumanMessage("Where is Rome?", name="ada")],
        "other name": [HumanMessage("Where is Rome?", name="bob")],
        "id": [HumanMessage("Where is Rome?", id="message-1")],
        "additional_kwargs": [HumanMessage("Where is Rome?", additional_kwargs={"name": "ada"})],
        "system": [SystemMessage("Be brief."), HumanMessage("Where is Rome?")],
        "other system": [SystemMessage("Be kind."), HumanMessage("Where is Rome?")],
        "developer": [
            SystemMessage("Be brief.", additional_kwargs={"__openai_role__": "developer"}),
            HumanMessage("Where is Rome?"),
        ],
        "image": looked_at(url=url),
        "image, detail": looked_at(url=url, detail="low"),
        "other image": looked_at(url=url.replace("W", "X")),
        "cache control": [HumanMessage([{"type": "text", "text": "Where?", "cache_control": {"type": "ephemeral"}}])],
        "answer": answered(),
        "other answer": answered("In Europe."),
        "answer, id": answered(id="msg_1"),
        "answer, other id": answered(id="msg_2"),
        "answer, name": answered(name="ada"),
        "answer, usage": answered(usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
        "answer, response id": answered(response_metadata={"id": "resp_1"}),
        "answer, other response id": answered(response_metadata={"id": "resp_2"}),
        "answer, model": answered(response_metadata={"model_name": "one", "model_provider": "openai"}),
        "answer, container": answered(response_metadata={"container": {"id": "container_1"}}),
        "answer, other container": answered(response_metadata={"container": {"id": "container_2"}}),
        "answer, parsed": answered(additional_kwargs={"parsed": {"place": "Italy"}}),
        "answer, refusal": answered(additional_kwargs={"refusal": "No."}),
        "answer, reasoning": answered(additional_kwargs={"reasoning_content": "Hm."}),
        "answer, other reasoning": answered(additional_kwargs={"reasoning_content": "Ah."}),
        "answer, function call": answered(additional_kwargs={"function_call": {"name": "search", "arguments": "{}"}}),
        "answer, audio": answered(additional_kwargs={"audio": {"id": "audio_1"}}),
        "answer, other audio": answered(additional_kwargs={"audio": {"id": "audio_2"}}),
        "answer, blocks": answered([{"type": "text", "text": "In Italy."}]),
        "answer, block id": answered([{"type": "text", "text": "In Italy.", "id": "msg_1"}]),
        "answer, other block id": answered([{"type": "text", "text": "In Italy.", "id": "msg_2"}]),
        "answer, thinking": thought(type="thinking", thinking="Hm.", signature="one"),
        "answer, other signature": thought(type="thinking", thinking="Hm.", signature="two"),
        "answer, reasoning block": thought(type="reasoning", id="rs_1", summary=[]),
        "answer, other reasoning block": thought(type="reasoning", id="rs_2", summary=[]),
        **dict(_marked(turns, call)),
        "tool call": used(),
        "tool call, other argument": used(place="Oslo"),
        "tool call, other tool": used(name="find"),
        "tool call, other id": used(number="call_2"),
        "tool call, name of the result": turns(AIMessage("", tool_calls=[call]), result),
        "tool call, error": used(status="error"),
        "tool call, artifact": used(artifact={"place": "Italy"}),
        "tool call, other artifact": used(artifact={"place": "Norway"}),
        "tool call, result": used(content="Norway"),
        "tool call, id of the result": used(id="tool-1"),
        "tool call, extras of the result": used(additional_kwargs={"name": "ada"}),
    }  # fmt: skip
    for label, prompt in prompts.items():
        yield Case("message", f"message {label}", prompt=prompt)
        if label.startswith("answer"):
            yield Case(
                "message", f"message {label}, previous response", {"use_previous_response_id": True}, prompt=prompt
            )
            yield Case("message", f"message {label}, container", {"reuse_last_container": True}, prompt=prompt)


def _history_cases(subject: Subject) -> Iterator[Case]:
    for label, prompt, same_as in histories_of(subject.kind, extras=subject.path in PARTS):
        yield Case("history", f"history {label}", prompt=prompt, same_as=same_as and f"history {same_as}")
