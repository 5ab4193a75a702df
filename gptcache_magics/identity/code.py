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
from functools import cached_property, lru_cache, partial
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

from gptcache_magics.text.masking import HIDDEN

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["class_as_value", "function", "is_code", "is_installed", "members", "name_of", "tagged"]

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
_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_GETS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITES_ITEM: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_DEREF", *_READS})
"""Instructions that push one value."""
_KINDS: Final = {"NAME": "GLOBAL", "METHOD": "ATTR"}
_OURS: Final = __name__.partition(".")[0]
_MADE: Final = frozenset({"model_config", "model_fields", "model_computed_fields", "_abc_impl"})
"""Members that pydantic and ABCMeta give to a class."""


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
    return {HIDDEN: name_of(value), "data": _function(value, reader, all_cells=True)}


def _function(value: FunctionType, reader: Reader, *, all_cells: bool) -> Any:
    own, wrapped = not _is_foreign(value), getattr(value, "__wrapped__", None)
    if wrapped is not None and str(value.__globals__.get("__name__", "")).startswith(f"{_OURS}."):
        return _function(wrapped, reader, all_cells=all_cells)  # a method of a model, which this package wraps
    changed = _uses(value.__code__)[1]
    cells = {
        name: _cell(cell, reader, all_cells=all_cells)
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


def _cell(cell: Any, reader: Reader, *, all_cells: bool) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return {HIDDEN: "empty"}
    return _used(value, reader) if all_cells or _is_constant(value) else {HIDDEN: name_of(type(value))}


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
    """Return the functions and constants of a class and its bases, as far as a user wrote them."""
    bases = [base for base in kind.__mro__ if not is_installed(base.__module__)]
    found: list[dict[str, Any]] = [dict(_functions(base)) for base in bases]
    changed = frozenset[str]().union(*(_uses(each.__code__)[1] for each in _plain_functions(found)))
    return [
        [name_of(base), content]
        for base, functions in zip(bases, found, strict=True)
        if (content := _members(base, functions, changed, reader))
    ]


def _members(base: type, functions: Mapping[str, Any], changed: frozenset[str], reader: Reader) -> dict[str, Any]:
    content = {name: [_function(part, reader, all_cells=False) for part in parts] for name, parts in functions.items()}
    for name, value in vars(base).items():
        if name in _MADE or f"ATTR {name}" in changed or (name.startswith("__") and name.endswith("__")):
            continue
        if _is_constant(value) and name not in functions:
            content[name] = _used(value, reader)
    return content


def _functions(base: type) -> Iterator[tuple[str, list[FunctionType]]]:
    for name, value in vars(base).items():
        if isinstance(value, property):
            parts: list[Any] = [value.fget, value.fset]
        elif isinstance(value, cached_property):
            parts = [value.func]
        else:
            part = getattr(value, "__func__", value)
            # A method that this package wraps, or functools.lru_cache, is no function.
            parts = [part if isinstance(part, FunctionType) else getattr(part, "__wrapped__", part)]
        functions = [part for part in parts if isinstance(part, FunctionType)]
        if any(not _is_foreign(each) or hasattr(each, "__wrapped__") for each in functions):
            yield name, functions


def _is_foreign(function: FunctionType) -> bool:
    return is_installed(str(function.__globals__.get("__name__", "")))


def _plain_functions(found: list[dict[str, Any]]) -> Iterator[FunctionType]:
    for functions in found:
        for parts in functions.values():
            yield from (getattr(part, "__wrapped__", part) for part in parts)
