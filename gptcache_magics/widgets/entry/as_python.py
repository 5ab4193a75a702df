"""Code that makes the same call again: the model with its parameters, the messages and the call.

A store keeps the parameters of a model and of its call in one mapping, the names of those that the call gave, and a
digest over both. The code is right when the request that it makes has the digest of the stored one. Version 0.1 did not
store the names: for its entries the digest also says which parameters are the call's.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import combinations
from typing import Any, Final

from langchain_core import messages as lc_messages
from langchain_core.messages import BaseMessage

from gptcache_magics.identity.addresses import LOCAL
from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.prompt import canonical, prompt_of
from gptcache_magics.identity.providers import CALL_PARAMETERS, MODEL_NAMES, PROVIDERS, Provider
from gptcache_magics.protocols.wire import WIRE
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.store.records import parameters_of
from gptcache_magics.text.messages import CLASSES, chat_messages
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.entry.literals import COLUMNS, Name, arguments, flat, literal, without_keys
from gptcache_magics.widgets.entry.schema_class import SchemaClass
from gptcache_magics.widgets.entry.sdk_code import sdk_code

__all__ = ["as_python"]

CHARACTERS: Final = 200_000
"""Most characters of code; nobody reads longer code."""
MOST_GUESSED: Final = 12
"""Most parameters of an entry of version 0.1 for which every split between model and call is tried."""
NAMES: Final = MODEL_NAMES[:2]
"""Fields that name the model in the classes that can be written down."""

_OURS: Final = ("answer", "llm", "messages", "os", "prompt", "Any", "BaseModel", "Field", "Literal")
"""Names that the code gives or imports itself."""

_Parameters = dict[str, Any]


def as_python(entry: Entry, asked: Configuration) -> str:
    """Return code that makes the call that this entry answers, without keys.

    Parameters
    ----------
    asked
        The entry's configuration.
    """
    if entry.answer[:1] == WIRE:
        return _short_enough(sdk_code(entry, asked))
    messages = chat_messages(entry.prompt)
    provider = PROVIDERS.get(asked.provider, Provider())
    path = provider.completion if messages is None else provider.chat
    imports: list[str] = []
    remarks: list[str] = []
    asked_for: Any = entry.prompt if messages is None else messages
    shown = without_keys(asked_for)
    if shown != asked_for:
        remarks.append("A text that looked like a key is ***, so this code asks something else.")
    if messages is None:
        variable, given = "prompt", literal(shown)
    else:
        variable, given = "messages", _messages(shown, imports, remarks)
    model, call = _model(provider, path, asked, imports, remarks)
    if entry.sample:
        remarks.append(f"Answer {entry.sample + 1} of several to this call: ask in a cell under %%gptcache --samples.")
    code = "\n".join(
        [
            *sorted(imports, key=lambda line: (line.startswith("from"), line)),
            *([""] if imports else []),
            *(f"# {' '.join(printable(remark).split())}" for remark in remarks),
            *model,
            f"{variable} = {given}",
            f"{'' if model else '# '}answer = llm.invoke({', '.join([variable, *call])})",
            "",
        ]
    )
    return _short_enough(code)


def _short_enough(code: str) -> str:
    if len(code) > CHARACTERS:
        return f"# This conversation makes {len(code):,} characters of code: too long to show.\n"
    return code


def _messages(messages: list[dict[str, Any]], imports: list[str], remarks: list[str]) -> str:
    kinds = {str(message["id"][-1]) for message in messages}
    if foreign := kinds - set(CLASSES.values()):
        remarks.append(f"Messages of classes that are not LangChain's own: {', '.join(sorted(foreign))}.")
        return literal([message["kwargs"] for message in messages])
    imports.append(f"from langchain_core.messages import {', '.join(sorted(kinds))}")
    lines = []
    for message in messages:
        kind, fields = str(message["id"][-1]), dict(message["kwargs"])
        short = _short(fields)
        if _seen(kind, short) == dumps([message]):
            fields = short
        content = literal(fields.pop("content", ""), 4)
        given = [content, *arguments(fields, 4)]
        lines.append(f"    {kind}({', '.join(given)}),\n")
    return f"[\n{''.join(lines)}]"


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a message that need to be written."""
    kept = {name: value for name, value in fields.items() if value not in ([], {}, "") or name == "content"}
    if kept.get("status") == "success":
        del kept["status"]
    kept.pop("type", None)
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [
            {name: value for name, value in call.items() if (name, value) != ("type", "tool_call")}
            for call in kept["tool_calls"]
        ]
    return kept


def _seen(kind: str, fields: dict[str, Any]) -> bytes:
    """Return the canonical form of a message made from these fields; empty if it cannot be made."""
    try:
        message: BaseMessage = getattr(lc_messages, kind)(**fields)
        return canonical(prompt_of([message]), STORED)[0]
    except Exception:  # of any kind: then all fields are written out
        return b""


def _model(
    provider: Provider, path: str, asked: Configuration, imports: list[str], remarks: list[str]
) -> tuple[list[str], list[str]]:
    """Return the lines that make the model, and the arguments of the call."""
    if not path:
        remarks.append(f"Make the model as {asked.label!r} was made, then ask it.")
        return [], []
    splits = [*_splits(asked)]
    # The model's name is not among its parameters. Its field is unset where the name is the class's default.
    named = [({name: asked.model} | fields, call) for fields, call in splits for name in NAMES]
    exact = next((split for split in splits + named if _key(path, asked.model, *split) == asked.key), None)
    fields, call = exact or splits[0]
    if exact is None:
        remarks.append("Not sure to be the same: the class or a parameter of the model cannot be written down.")
    local = str(fields.get(provider.url_field)).startswith(LOCAL)
    if local:  # the function knows name, address and key
        path = "gptcache_magics.local_model"
        fields = {name: value for name, value in fields.items() if name not in (provider.url_field, *NAMES)}
    name = path.rpartition(".")[2]
    lines = _with_class(name, call if "response_format" in call else fields, imports, remarks)
    if provider.url_variable and provider.url_field != "base_url" and "base_url" in fields:
        # Taken from the environment: as an argument it would be another configuration.
        imports.append("import os")
        lines.append(f'os.environ["{provider.url_variable}"] = {literal(fields.pop("base_url"))}')
    imports.append(f"from {path.partition('.')[0]} import {name}")
    if asked.environment and not local:
        remarks.append(f"The key is read from {' or '.join(asked.environment.split())}.")
    if not local and not {**fields, **call}.keys() & {*NAMES}:
        fields = {"model": asked.model} | fields
    short_names = {provider.url_field: "base_url", "model_name": "model"}
    given = arguments({short_names.get(field, field): value for field, value in fields.items()}, 4)
    short = f"llm = {name}({', '.join(given)})"
    if len(short) <= COLUMNS and "\n" not in short:
        lines.append(short)
    else:
        lines += [f"llm = {name}(", *(f"    {argument}," for argument in given), ")"]
    return lines, arguments(call)


def _with_class(name: str, parameters: _Parameters, imports: list[str], remarks: list[str]) -> list[str]:
    """Return the lines of the class that ``response_format`` was, and put its name in the place of its schema.

    Parameters
    ----------
    name
        Name of the model's class, which the class may not have.
    """
    schema = parameters.get("response_format")
    if not isinstance(schema, dict) or "properties" not in schema:
        return []
    try:
        made = SchemaClass(schema, flat)
    except ValueError:
        made = None
    if made is None or made.names & {*CLASSES.values(), *_OURS, name}:
        remarks.append("response_format was a class, and this is its schema: with it, the model is asked again.")
        return []
    imports += [f"from {module} import {', '.join(sorted(names))}" for module, names in made.imports.items() if names]
    parameters["response_format"] = Name(made.name)
    return ["", *made.lines]


def _splits(asked: Configuration) -> Iterator[tuple[_Parameters, _Parameters]]:
    """Yield the parameters of the model and those of the call; where this is unknown each possible split."""
    parameters = parameters_of(asked.parameters)
    if asked.call_parameters is not None:
        replaced = parameters_of(asked.call_parameters)
        own = {name: value for name, value in replaced.items() if value is not None}
        # A parameter that names the model is not stored among the others.
        call = {name: parameters.pop(name, asked.model) for name in replaced}
        yield parameters | own, call
        return
    likely = CALL_PARAMETERS & parameters.keys()
    most = len(parameters) if len(parameters) <= MOST_GUESSED else 0
    for number in range(most + 1):
        for change in combinations(sorted(parameters), number):
            of_call = likely.symmetric_difference(change)
            call = {name: value for name, value in parameters.items() if name in of_call}
            yield {name: value for name, value in parameters.items() if name not in of_call}, call


def _key(path: str, model: str, fields: _Parameters, call: _Parameters) -> str:
    """Return the configuration's key of a call of a model of this class."""
    return blake2b(dumps([path, model, fields, call]), digest_size=16).hexdigest()
