"""Ways in which two requests may differ and yet ask the same: requests are compared modulo these and nothing else."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

__all__ = ["BOOKKEEPING", "EQUIVALENT", "reduced"]

Json = dict[str, Any]

BOOKKEEPING: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(names.split())
    for name, names in {
        "openai": "user safety_identifier prompt_cache_key prompt_cache_retention service_tier metadata",
        "anthropic": "metadata service_tier",
    }.items()
}

_TOLD: Final = re.compile(r"\[(Called \S+) with parameters: (\{.*\})\]", re.DOTALL)


def _renumbered(body: Json, provider: str) -> None:
    """Number the ids of tool calls by first use; an id that stands anywhere else stays as it is."""
    places = [(holder, name) for holder, name in _ids(body) if isinstance(holder[name], str) and holder[name]]
    ids = [holder[name] for holder, name in places]
    for holder, name in places:
        holder[name] = ""
    rest = json.dumps(body)
    numbers = {each: f"call {at}" for at, each in enumerate(dict.fromkeys(ids)) if each not in rest}
    for (holder, name), each in zip(places, ids, strict=True):
        holder[name] = numbers.get(each, each)


def _ids(value: Any) -> Iterator[tuple[Json, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, dict):
        names = [name for name in ("tool_call_id", "tool_use_id") if name in value]
        if "id" in value and (value.get("type") in ("function", "tool_use") or "function" in value):
            names.append("id")
        yield from ((value, name) for name in names)
        for item in value.values():
            yield from _ids(item)


def _sorted(body: Json, provider: str) -> None:
    """Sort tools, unless two have one name; Google's are in one of the request's tools, AWS's in a configuration."""
    for tool in (*(body.get("tools") or ()), body.get("toolConfig")):
        if isinstance(tool, dict):
            _sorted(tool, provider)
    for name in ("tools", "functions", "functionDeclarations"):
        tools = body.get(name)
        if isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools):
            specs = [tool.get("function") or tool.get("toolSpec") or tool for tool in tools]
            names = [
                tool.get("name") or spec.get("name") or tool.get("type")
                for tool, spec in zip(tools, specs, strict=True)
            ]
            if len({*names}) == len(names):
                body[name] = sorted(tools, key=lambda tool: json.dumps(tool, sort_keys=True))


def _parsed(value: Any, provider: str) -> None:
    """Parse the JSON text of the arguments of tools; AWS's class writes a sentence around it where no tool is bound."""
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        _parsed(item, provider)
    if isinstance(value, dict) and isinstance(value.get("arguments"), str):
        with suppress(ValueError):
            value["arguments"] = {"parsed": json.loads(value["arguments"])}
    if isinstance(value, dict) and isinstance(value.get("text"), str) and (told := _TOLD.fullmatch(value["text"])):
        with suppress(ValueError):
            value["text"] = [told[1], json.loads(told[2])]


def _without_bookkeeping(body: Json, provider: str) -> None:
    for name in BOOKKEEPING.get(provider, ()):
        body.pop(name, None)


EQUIVALENT: Final[Mapping[str, tuple[Callable[[Any, str], None], str]]] = {
    "ids of tool calls": (_renumbered, "an id ties a call to its result and says nothing else"),
    "order of tools": (_sorted, "a set of tools, each with a name of its own, has no order"),
    "order of arguments": (_parsed, "the members of a JSON object have no order; one class writes them as text"),
    "bookkeeping": (_without_bookkeeping, "the provider documents that they do not change the answer"),
}
"""Rules that change a request's body in place, each with its reason."""


def reduced(request: str, names: Iterable[str], provider: str) -> str:
    """Return a request modulo the equivalences of these names."""
    *rest, body = json.loads(request)
    if isinstance(body, dict):
        for name in names:
            EQUIVALENT[name][0](body, provider)
    return json.dumps([*rest, body], sort_keys=True)
