"""Different values for a parameter, made from its annotation."""

import enum
import inspect
import itertools
import types
import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr
from typing_extensions import is_typeddict

__all__ = ["is_container", "parameters_of", "values_of"]

MOST: Final = 24
"""Most values of one parameter."""
DEPTH: Final = 4
"""Depth to which values are nested."""

PLAIN: Final[dict[Any, list[Any]]] = {
    bool: [True, False],
    int: [3, 7],
    float: [0.25, 0.75],
    str: ["one", "two", ""],
    bytes: [b"one", b"two"],
    SecretStr: ["key-one", "key-two"],
    object: ["one", {"place": "one"}, {"place": "two"}, {"place": {"inner": "one"}}, {"place": {"inner": "two"}}],
    type(None): [],
}
PLAIN[Any] = PLAIN[object]
DICTS: Final = frozenset({dict, Mapping, typing.Mapping, typing.Dict})  # noqa: UP006
LISTS: Final = frozenset({list, set, Sequence, Iterable, Collection, tuple})


def values_of(annotation: Any, depth: int = 0) -> list[Any]:
    """Return a few different values, the empty one among them; an empty list for an annotation that is not known."""
    if depth > DEPTH:
        return []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Required, NotRequired):
        return values_of(arguments[0], depth)
    if origin in (Union, types.UnionType):
        return _taken([values_of(each, depth) for each in arguments])
    if origin is Literal:
        return list(arguments[:4])
    if annotation in PLAIN:
        return list(PLAIN[annotation])
    if origin in DICTS or annotation in DICTS:
        return [*_dicts(arguments, depth), {}][:MOST]
    if origin in LISTS or annotation in LISTS:
        return [*_lists(arguments, depth), []][:MOST]
    if not isinstance(annotation, type):
        return []
    if is_typeddict(annotation):
        hints = _hints(annotation)
        return _objects(hints, {name for name in hints if _is_required(annotation, hints[name])}, depth)
    if issubclass(annotation, enum.Enum):
        return list(annotation)[:4]
    if issubclass(annotation, BaseModel):
        return _models(annotation, depth)
    return []


def is_container(annotation: Any) -> bool:
    """Return whether an annotation takes mappings or sequences."""
    return any(isinstance(value, list | dict) for value in values_of(annotation))


def _taken(choices: list[list[Any]]) -> list[Any]:
    """Return values of each list in turn."""
    rounds = itertools.zip_longest(*choices, fillvalue=Ellipsis)
    return [value for each in rounds for value in each if value is not Ellipsis][:MOST]


def _dicts(arguments: tuple[Any, ...], depth: int) -> list[Any]:
    names, inner = arguments or (str, object)
    keys = [value for value in values_of(names, depth + 1) if value != "" and isinstance(value, Hashable)][:2]
    keys = keys or ["place"]
    found = [{keys[0]: value} for value in values_of(inner, depth + 1)]
    return [*found, *(dict.fromkeys(keys, first) for first in values_of(inner, DEPTH)[:1])]


def _lists(arguments: tuple[Any, ...], depth: int) -> list[Any]:
    if len(arguments) > 1 and Ellipsis not in arguments:
        return [
            list(value) for value in itertools.islice(itertools.product(*(values_of(each) for each in arguments)), 2)
        ]
    items = values_of(arguments[0] if arguments else str, depth + 1)
    return [*([item] for item in items), *([items[:2]] if len(items) > 1 else [])]


def _objects(hints: Mapping[str, Any], required: set[str], depth: int) -> list[Any]:
    """Return objects with the required names, and for each name objects that differ in it."""
    base = {}
    for name in hints:
        if name in required:
            choices = values_of(hints[name], depth + 1)
            if not choices:
                return []
            base[name] = choices[0]
    found = [base] if base else []
    for name, hint in hints.items():
        choices = values_of(hint, depth + 1)
        found += [{**base, name: value} for value in (choices[1:3] if name in required else choices[:2])]
    return found if depth == 0 else found[:MOST]


def _is_required(kind: Any, hint: Any) -> bool:
    """Return whether a name must be given; ``__required_keys__`` is wrong where annotations are text."""
    if kind.__total__:
        return get_origin(hint) is not NotRequired
    return get_origin(hint) is Required


def _models(kind: type[BaseModel], depth: int) -> list[Any]:
    hints = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    required = {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}
    found = []
    for value in _objects(hints, required, depth):
        try:
            found.append(kind.model_validate(value))
        except ValueError:
            continue
    return found


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return get_type_hints(kind, include_extras=True)
    except Exception:  # a name that is imported for type checkers only
        return dict.fromkeys(kind.__annotations__, object)


def parameters_of(method: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a method's parameters by name."""
    try:
        hints = get_type_hints(method, include_extras=True)
    except Exception:
        hints = {}
    names = [each for each in inspect.signature(method).parameters.values() if each.kind is not each.VAR_KEYWORD]
    return {each.name: hints.get(each.name, object) for each in names if each.name != "self"}
