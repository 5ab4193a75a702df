"""Functions and classes by what they do, and whose they are.

The code of a user changes while the user works: a function or a class counts with its instructions, constants,
defaults, annotations and the names that it uses. Line and file do not count. The code of an installed package counts
by its name only.
"""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache, partial, partialmethod
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = [
    *("class_as_value", "function", "has_functions", "is_code", "is_installed", "members", "name_of", "original"),
    "tagged",
]

_BUILTIN: Final = (
    *(BuiltinFunctionType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType),
    *(MethodWrapperType, WrapperDescriptorType),
)
_CONSTANTS: Final = (str, int, float, complex, bytes, tuple, frozenset, list, dict, set, type(None), range)
_CHANGING: Final = frozenset(
    [
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put"),
        *("put_nowait", "remove", "reverse", "setdefault", "sort", "update"),
    ]
)
"""Methods that change a container."""
_WRITES: Final = frozenset(f"{does}_{what}" for does in ("STORE", "DELETE") for what in ("GLOBAL", "DEREF", "ATTR"))
_COUNTING: Final = frozenset(["add", "append", "appendleft", "clear", "discard", "extend", "insert", "update"])
"""Methods that change a container and tell nothing of it."""
_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_GETS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITES_ITEM: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_DEREF", *_READS})
"""Instructions that push one value."""
_KINDS: Final = {"NAME": "GLOBAL", "METHOD": "ATTR"}
_OURS: Final = __name__.partition(".")[0]
_MADE: Final = frozenset(
    [
        *("model_config", "model_fields", "model_computed_fields", "_abc_impl", "__abstractmethods__", "__annotate__"),
        *("__annotations__", "__class_vars__", "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__"),
        *("__firstlineno__", "__match_args__", "__module__", "__orig_bases__", "__parameters__", "__qualname__"),
        *("__private_attributes__", "__signature__", "__static_attributes__", "__type_params__", "__weakref__"),
    ]
)
"""Members that Python, pydantic, dataclass and ABCMeta give to a class."""


def name_of(kind: Any) -> str:
    """Return module and qualified name of a class or a function."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def tagged(kind: type, data: Any) -> Any:
    """Return the data of a value that is not JSON data, with the name of its class."""
    return {HIDDEN: name_of(kind), "data": data}


@lru_cache(maxsize=4096)
def is_installed(module: str) -> bool:
    """Return whether a module belongs to Python or to an installed package, and not to the user."""
    top = module.partition(".")[0]
    if top == "__main__":  # also where a package runs it, as in python -m pytest
        return False
    if top in sys.stdlib_module_names or top in ("builtins", _OURS):
        return True
    found = sys.modules.get(top)
    paths = [getattr(found, "__file__", None), *getattr(found, "__path__", ())]
    return any(path and any(part in path for part in _PACKAGES) for path in paths)


_PACKAGES: Final = ("site-packages", "dist-packages", sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


def is_code(value: Any) -> bool:
    """Return whether a value is a function, a method or the like."""
    return isinstance(value, (FunctionType, MethodType, CodeType, *_BUILTIN)) or (
        callable(value) and isinstance(getattr(value, "__wrapped__", None), FunctionType)
    )


def function(value: Any, reader: Reader) -> Any:
    """Return what a function does."""
    if isinstance(value, MethodType):
        return tagged(MethodType, [reader.plain(value.__func__), reader.plain(value.__self__)])
    if isinstance(value, CodeType):
        return tagged(CodeType, _instructions(value, reader))
    if isinstance(value, _BUILTIN):
        of = getattr(value, "__self__", None)
        of = None if isinstance(of, type | type(sys)) else reader.plain(of)
        kind = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
        owner = name_of(kind) if isinstance(kind, type) else getattr(value, "__module__", "")
        return {HIDDEN: f"{owner}.{value.__qualname__}", "data": of}
    if not isinstance(value, FunctionType):  # functools.lru_cache
        return tagged(type(value), reader.plain(value.__wrapped__))
    return {HIDDEN: name_of(value), "data": _function(value, reader)}


def original(value: Any) -> Any:
    """Return the function below what this package has put into a class, or the value itself."""
    made_by = value.__globals__.get("__name__") if isinstance(value, FunctionType) else type(value).__module__
    if not str(made_by).startswith(f"{_OURS}.") or not hasattr(value, "__wrapped__"):
        return value
    return original(value.__wrapped__)


def _function(value: FunctionType, reader: Reader) -> Any:
    own, wrapped = not _is_foreign(value), getattr(value, "__wrapped__", None)
    changed = _uses(value.__code__)[1]
    cells = {
        name: _cell(name, cell, reader)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
        if f"DEREF {name}" not in changed
    }
    data = [cells, reader.plain(value.__defaults__), reader.plain(value.__kwdefaults__)]
    if wrapped is not None:
        data.append(reader.plain(wrapped))
    if own or "<" in value.__qualname__:
        data.append(_instructions(value.__code__, reader))
    if own:
        data += [_annotations(value, reader), value.__doc__, dict(_globals(value, reader))]
    return data


def _cell(name: str, cell: Any, reader: Reader) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return {HIDDEN: "empty"}
    if name == "__class__":  # super(): the class or a base, which counts with its own members
        return {HIDDEN: name_of(value)}
    return _used(value, reader)


def _used(value: Any, reader: Reader) -> Any:
    """Return what code refers to: a class of an installed package by its name."""
    if isinstance(value, type) and is_installed(value.__module__) and _is_findable(value):
        return {HIDDEN: name_of(value)}
    return reader.plain(value)


def _annotations(value: Any, reader: Reader) -> Any:
    return {name: _used(each, reader) for name, each in getattr(value, "__annotations__", {}).items()}


def _instructions(code: CodeType, reader: Reader) -> Any:
    numbers = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    return [code.co_code.hex(), numbers, names, [reader.plain(each) for each in code.co_consts]]


def _globals(value: FunctionType, reader: Reader) -> Iterator[tuple[str, Any]]:
    """Yield the functions, classes and constants of the user's module that a function reads."""
    read, changed = _uses(value.__code__)
    for name in sorted(read):
        found = value.__globals__.get(name)
        if f"GLOBAL {name}" not in changed and name in value.__globals__ and _is_constant(found):
            yield name, _used(found, reader)


def _is_constant(value: Any, depth: int = 8) -> bool:
    """Return whether a value that code refers to is code itself or plain data."""
    if isinstance(value, type | FunctionType | MethodType | partial):
        return True
    if type(value) not in _CONSTANTS or not depth:
        return type(value) is bool
    if isinstance(value, Mapping):
        return all(_is_constant(each, depth - 1) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_constant(each, depth - 1) for each in value)
    return True


@lru_cache(maxsize=1024)
def _uses(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the globals that code reads, and the names whose values it changes itself.

    A changed name has its kind before it, as in ``GLOBAL N``: an attribute may have the name of a global. A function
    that counts its calls in a global does not become another function by that. In doubt a name is not changed.
    """
    read, changed = set(), set()
    steps = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PRECALL")]
    for at, each in enumerate(steps):
        if each.opname in _READS:
            read.add(each.argval)
        if each.opname in _WRITES:
            changed.add(_kind_and_name(each))
        if at and each.opname in _GETS and each.argval in _CHANGING:
            changed.add(_kind_and_name(steps[at - 1]))
        in_place = [(step.opname, step.arg) for step in steps[at : at + 2]] == [("COPY", 2)] * 2
        if at > 1 and (each.opname in _WRITES_ITEM or in_place) and steps[at - 1].opname in _LOADS:
            changed.add(_kind_and_name(steps[at - 2]))  # the container; the item's name lies over it
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _uses(constant)
            read |= inner[0]
            changed |= inner[1]
    return frozenset(read), frozenset(changed)


def _kind_and_name(step: dis.Instruction) -> str:
    kind = step.opname.rpartition("_")[2]
    return f"{_KINDS.get(kind, kind)} {step.argval}"


# Classes


def class_as_value(kind: type, reader: Reader) -> Any:
    """Return a class: the schema that a provider is sent, or the members that the user gave it."""
    schema = _schema(kind)
    own = not is_installed(kind.__module__) or not _is_findable(kind)
    code = members(kind, reader) if own else []
    if schema is not None:
        if not code and schema.get("title") == kind.__name__:
            return schema
        return {HIDDEN: name_of(kind), "data": [schema, code]}
    described = [kind.__doc__, _annotations(kind, reader), _options(kind), code] if own else None
    return {HIDDEN: name_of(kind), "data": described}


def _is_findable(kind: type) -> bool:
    """Return whether a class stands where its name says: one that a function made has any module's name."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


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
    made_by: type = type(kind)
    bases = [base for base in (*kind.__mro__, *made_by.__mro__) if not is_installed(base.__module__)]
    counting = _counting(bases)
    found = [[name_of(base), _members(base, counting, reader)] for base in bases]
    return [each for each in found if each[1]]


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


def _members(base: type, counting: frozenset[str], reader: Reader) -> dict[str, Any]:
    content = {}
    for name, value in vars(base).items():
        if name in _MADE or name in counting or name.startswith("__pydantic_"):
            continue
        try:
            content[name] = [_used(part, reader) for part in _parts(value)]
        except Unreadable as error:
            raise Unreadable(f"{base.__qualname__}.{name}: {error}") from None
    return content


def _parts(member: Any) -> list[Any]:
    """Return what a member of a class consists of: the functions of a property, the function of a method."""
    if isinstance(member, property):
        return [member.fget, member.fset, member.fdel]
    if isinstance(member, classmethod | staticmethod):
        return [member.__func__]
    return [member.func] if isinstance(member, cached_property) else [member]


def _counting(bases: list[type]) -> frozenset[str]:
    """Return the names of members that the methods of classes change and do not read, such as a count of calls."""
    found: dict[int, FunctionType] = {}
    for base in bases:
        for member in vars(base).values():
            for part in _parts(member):
                _collect(part, found)
    touched = [_touches(each.__code__) for each in found.values()]
    nothing = frozenset[str]()
    return nothing.union(*(changed for _, changed in touched)) - nothing.union(*(read for read, _ in touched))


def _collect(part: Any, found: dict[int, FunctionType]) -> None:
    """Add a function to those found, and the functions that it wraps or encloses."""
    part = original(part)
    if id(part) in found:
        return
    if isinstance(part, FunctionType):
        found[id(part)] = part
        for cell in part.__closure__ or ():
            with suppress(ValueError):  # not filled yet
                _collect(cell.cell_contents, found)
    if isinstance(part, partial | partialmethod):
        _collect(part.func, found)
    elif is_code(part):
        for name in ("__func__", "__wrapped__"):
            _collect(getattr(part, name, None), found)


@lru_cache(maxsize=1024)
def _touches(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of attributes that code may read, and of those that it changes: ``self.calls += 1``."""
    read = {each for each in code.co_consts if isinstance(each, str)}  # getattr(self, "calls")
    changed: set[str] = set()
    steps = [each for each in dis.get_instructions(code) if each.opname != "CACHE"]
    for before, step, after in zip(steps, steps[1:], steps[2:], strict=False):
        if "_ATTR" not in step.opname and step.opname not in _GETS:
            continue
        added = before.opname == "COPY" or (after.opname in _GETS and after.argval in _COUNTING)
        (changed if added or step.opname in _WRITES else read).add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _touches(constant)
            read |= inner[0]
            changed |= inner[1]
    return frozenset(read), frozenset(changed)


def _is_foreign(function: FunctionType) -> bool:
    return is_installed(str(function.__globals__.get("__name__", "")))
