"""A function by what it does: its instructions, its constants, and what it reads from its module.

The code of a user changes while the user works, so all of it counts: defaults, annotations, closures and the names
that it uses. Line and file do not count. The code of an installed package counts by its name only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec, resolve_name
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.identity.bytecode import IMPORT, touched, uses
from gptcache_magics.identity.origin import is_findable, is_foreign, is_installed, name_of, tagged
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN
from gptcache_magics.text.secret_names import is_secret

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["annotations_of", "function", "is_code", "is_key", "used"]

_EVALUATES: Final = frozenset({"eval", "exec", "globals", "f_globals", "__globals__"})
_IMPORTS: Final = frozenset({"import_module", "__import__", "modules"})
"""Names with which code finds a global or a module that a text names."""
_OF_THE_NOTEBOOK: Final = frozenset({"In", "Out", "get_ipython"})
LONGEST_CODE: Final = 10_000
"""Characters of a text that is looked through for names."""
_BUILTIN: Final = (
    *(BuiltinFunctionType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType),
    *(MethodWrapperType, WrapperDescriptorType),
)


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


def _function(value: FunctionType, reader: Reader) -> Any:
    own, wrapped = not is_foreign(value), getattr(value, "__wrapped__", None)
    read, changed = uses(value.__code__)
    reader.counted |= touched(value.__code__).counted if own else frozenset()
    cells = {
        name: _cell(cell, sorted(path for path in read if path[0] == name) or [(name,)], reader)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
        if f"DEREF {name}" not in changed
    }
    data = [cells, reader.plain(value.__defaults__), reader.plain(value.__kwdefaults__)]
    if wrapped is not None:
        data.append(reader.plain(wrapped))
    if own or "<" in value.__qualname__:
        data.append(_instructions(value.__code__, reader))
    if own:
        named = _named(value, value.__code__, reader)
        around = {**dict(_globals(value, reader)), **dict(named)}
        data += [annotations_of(value, reader), value.__doc__, around, _attributes(value, reader)]
    return data


def _attributes(value: FunctionType, reader: Reader) -> Any:
    """Return what the user has put on a function, but for counts."""
    return {
        name: used(each, reader)
        for name, each in vars(value).items()
        if name != "__wrapped__" and not (name in reader.counted and type(each) is int) and not is_key(name, each)
    }


def _named(value: FunctionType, code: CodeType, reader: Reader) -> Iterator[tuple[str, Any]]:
    """Yield the globals and modules that code names in a text: ``globals()["STYLE"]``, ``import_module("prompts")``."""
    evaluates, imports = (not names.isdisjoint(code.co_names) for names in (_EVALUATES, _IMPORTS))
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _named(value, each, reader)
        elif isinstance(each, str) and (evaluates or imports):
            if evaluates:
                for name in sorted(_names(each) & value.__globals__.keys() - _OF_THE_NOTEBOOK):
                    yield f"named {name}", _of(value.__globals__[name], [name], reader)
            if imports and _is_module(each):
                yield f"module {each}", _of(_imported(each, value), [each], reader)


@lru_cache(maxsize=1024)
def _names(text: str) -> frozenset[str]:
    """Return the names in a text that is code; none for other texts."""
    try:
        code = ast.parse(text if len(text) <= LONGEST_CODE else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(each.id for each in ast.walk(code) if isinstance(each, ast.Name))


def _is_module(text: str) -> bool:
    """Return whether a text is the name of a module that is or can be imported."""
    if text in sys.modules:
        return True
    first = text.lstrip(".").partition(".")[0]
    return first.isidentifier() and (first in sys.modules or find_spec(first) is not None)


def is_key(name: str, value: Any) -> bool:
    """Return whether a text in a user's code is a credential: a rotated one is the same code."""
    return isinstance(value, str) and is_secret(name)


def _cell(cell: Any, paths: Sequence[Sequence[str]], reader: Reader) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return {HIDDEN: "empty"}
    if paths[0][0] == "__class__":  # super(): the class or a base, which counts with its own members
        return {HIDDEN: name_of(value)}
    return {".".join(path): _of(value, path, reader) for path in paths}


def used(value: Any, reader: Reader) -> Any:
    """Return what code refers to: a class of an installed package by its name."""
    if isinstance(value, type) and is_installed(value.__module__) and is_findable(value):
        return {HIDDEN: name_of(value)}
    return reader.plain(value)


def annotations_of(value: Any, reader: Reader) -> Any:
    """Return the annotations of a class or of a function."""
    return {name: used(each, reader) for name, each in getattr(value, "__annotations__", {}).items()}


def _instructions(code: CodeType, reader: Reader) -> Any:
    numbers = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    return [code.co_code.hex(), numbers, names, [reader.plain(each) for each in code.co_consts]]


def _globals(value: FunctionType, reader: Reader) -> Iterator[tuple[str, Any]]:
    """Yield what a function reads from its module, and from other modules of the user."""
    read, changed = uses(value.__code__)
    for path in sorted(read):
        if f"GLOBAL {path[0]}" in changed or path[0] == "get_ipython":  # the notebook, with all that is in it
            continue
        name = ".".join(path)
        try:
            if path[0] == IMPORT:
                yield name, _of(_imported(path[1], value), path[1:], reader)
            elif path[0] in value.__globals__:
                yield name, _of(value.__globals__[path[0]], path, reader)
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None


def _of(found: Any, path: Sequence[str], reader: Reader) -> Any:
    """Return what code refers to: of an object or a module of the user the part that the path names, or all of it."""
    for name in path[1:]:
        values = getattr(found, "__dict__", {})
        if isinstance(found, type) or (isinstance(found, ModuleType) and is_installed(found.__name__)):
            break
        if _is_own_module(found) and name not in values:
            raise Unreadable(f"{found.__name__}.{name} is not there yet")
        if name not in values:
            break  # a method or a property, which may read all of the object
        found = values[name]
    if _is_own_module(found):
        return {
            name: used(each, reader)
            for name, each in vars(found).items()
            if not (isinstance(each, ModuleType) or is_key(name, each) or (name[:2] == name[-2:] == "__"))
        }
    return None if is_key(path[-1], found) else used(found, reader)


def _is_own_module(value: Any) -> bool:
    return isinstance(value, ModuleType) and not is_installed(value.__name__)


def _imported(name: str, function: FunctionType) -> ModuleType | None:
    """Return the module of the user that a function imports when it is called; None for an installed one."""
    try:
        name = resolve_name(name, str(function.__globals__.get("__package__") or ""))
    except ImportError:  # the import fails, too
        return None
    if is_installed(name):
        return None
    if name not in sys.modules:
        raise Unreadable(f"{name} is not imported yet")
    return sys.modules[name]
