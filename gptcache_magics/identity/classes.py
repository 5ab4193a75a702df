"""A class by its schema and its members."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, partial, partialmethod, reduce
from operator import or_
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.identity.bytecode import Touched, touched, uses
from gptcache_magics.identity.functions import annotations_of, is_code, is_key, used
from gptcache_magics.identity.origin import is_findable, is_foreign, is_installed, name_of, original
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["class_as_value", "counting", "has_functions", "members", "replaced"]

_MADE: Final = frozenset(
    [
        *("model_config", "model_fields", "model_computed_fields", "_abc_impl", "__abstractmethods__", "__annotate__"),
        *("__annotations__", "__class_vars__", "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__"),
        *("__firstlineno__", "__match_args__", "__module__", "__orig_bases__", "__parameters__", "__qualname__"),
        *("__private_attributes__", "__signature__", "__static_attributes__", "__type_params__", "__weakref__"),
    ]
)
"""Members that Python, pydantic, dataclass and ABCMeta give to a class."""


def class_as_value(kind: type, reader: Reader) -> Any:
    """Return a class: the schema that a provider is sent, or the members that the user gave it."""
    schema = _schema(kind)
    own = not is_installed(kind.__module__) or not is_findable(kind)
    code = members(kind, reader) if own else []
    if schema is not None:
        if not code and schema.get("title") == kind.__name__:
            return schema
        return {HIDDEN: name_of(kind), "data": [schema, code]}
    described = [kind.__doc__, annotations_of(kind, reader), _options(kind), code] if own else None
    return {HIDDEN: name_of(kind), "data": described}


def _schema(kind: Any) -> dict[str, Any] | None:
    for method in ("model_json_schema", "schema"):
        if callable(getattr(kind, method, None)):
            try:
                schema = getattr(kind, method)()
            except Exception:  # a class without a JSON schema
                continue
            if isinstance(schema, dict):
                return schema
    return None


def _options(kind: Any) -> list[Any]:
    """Return what typing and enum keep about a class."""
    required = sorted(getattr(kind, "__required_keys__", ()))
    return [required, [*getattr(kind, "__members__", ())], [name_of(base) for base in kind.__bases__]]


def members(kind: type, reader: Reader) -> list[Any]:
    """Return the members of a class and its bases, as far as a user wrote them.

    Raises
    ------
    Unreadable
        If a member cannot be read to its data. The message names the class and the member.
    """
    counted = counting(kind, reader)
    found = [[name_of(base), _members(base, counted, reader)] for base in _own_bases(kind)]
    return [each for each in found if each[1]]


def replaced(kind: type) -> dict[str, Any]:
    """Return what the user has put into installed classes among the bases of a class, by the name of its place."""
    return {
        f"{name_of(base)}.{name}": member
        for base in kind.__mro__
        if base is not object and is_installed(base.__module__)
        for name, member in vars(base).items()
        if any(map(_is_own, _parts(member)))
    }


def _is_own(part: Any) -> bool:
    """Return whether the user wrote a function, or stands a mock in its place."""
    part = original(part)
    return type(part).__module__ == "unittest.mock" or (isinstance(part, FunctionType) and not is_foreign(part))


def has_functions(kind: type) -> bool:
    """Return whether a user wrote functions of a class or of one of its bases."""
    own = (base for base in kind.__mro__ if not is_installed(base.__module__))
    return any(
        is_code(original(part))
        for base in own
        for name, member in vars(base).items()
        if name not in _MADE
        for part in _parts(member)
    )


def _members(base: type, counted: frozenset[str], reader: Reader) -> dict[str, Any]:
    content = {}
    for name, value in _written(base):
        if name in counted or is_key(name, value):
            continue
        try:
            content[name] = [used(part, reader) for part in _parts(value)]
        except Unreadable as error:
            raise Unreadable(f"{base.__qualname__}.{name}: {error}") from None
    return content


def _written(base: type) -> Iterator[tuple[str, Any]]:
    """Yield the members of a class that its author wrote, with their names."""
    for name, member in vars(base).items():
        if name not in _MADE and not name.startswith("__pydantic_"):
            yield name, member


def _parts(member: Any) -> list[Any]:
    """Return what a member of a class consists of: the functions of a property, the function of a method."""
    if isinstance(member, property):
        return [member.fget, member.fset, member.fdel]
    if isinstance(member, classmethod | staticmethod):
        return [member.__func__]
    return [member.func] if isinstance(member, cached_property) else [member]


def counting(kind: type, reader: Reader) -> frozenset[str]:
    """Return the names of attributes that count what happened.

    A number that a method of the user adds to is a count, although an answer may name it. So is what the methods of a
    model set or change and never read; of another object, the model may read it.
    """
    if kind not in reader.counting:
        reader.counting[kind] = _counting(kind)
    return reader.counting[kind]


def _counting(kind: type) -> frozenset[str]:
    found: dict[int, FunctionType] = {}
    for base in _own_bases(kind):
        for _, member in _written(base):
            for part in _parts(member):
                _collect(part, found)
    read, changed, counted = reduce(or_, (touched(each.__code__) for each in found.values()), Touched())
    return (changed - read) | counted if hasattr(kind, "generate_prompt") else counted


def _own_bases(kind: type) -> list[type]:
    made_by: type = type(kind)
    return [base for base in (*kind.__mro__, *made_by.__mro__) if not is_installed(base.__module__)]


def _collect(part: Any, found: dict[int, FunctionType]) -> None:
    """Add a function to those found, and the functions that it wraps, encloses or calls."""
    part = original(part)
    if id(part) in found:
        return
    if isinstance(part, FunctionType):
        found[id(part)] = part
        for cell in part.__closure__ or ():
            with suppress(ValueError):  # not filled yet
                _collect(cell.cell_contents, found)
        for name, *_ in () if is_foreign(part) else uses(part.__code__)[0]:
            _collect(part.__globals__.get(name), found)
    if isinstance(part, partial | partialmethod):
        _collect(part.func, found)
    elif is_code(part):
        for name in ("__func__", "__wrapped__"):
            _collect(getattr(part, name, None), found)
