"""Find the names that the instructions of a function read and change."""

from __future__ import annotations

import dis
from functools import lru_cache, reduce
from itertools import takewhile
from operator import or_
from types import CodeType
from typing import Final, NamedTuple, TypeAlias

__all__ = ["IMPORT", "Touched", "touched", "uses"]

IMPORT: Final = "import"
"""The first part of a path that a function imports by itself; no global has this name."""
Path: TypeAlias = tuple[str, ...]

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
_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"})
_GETS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITES_ITEM: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", *_READS})
"""Instructions that push one value."""
_NUMBERS: Final = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_KINDS: Final = {"NAME": "GLOBAL", "METHOD": "ATTR"}


@lru_cache(maxsize=1024)
def uses(code: CodeType) -> tuple[frozenset[Path], frozenset[str]]:
    """Return what code reads from its module and from around it, and the names whose values it changes itself.

    Returns
    -------
    The paths that are read: ``("prompts", "SYSTEM")`` for ``prompts.SYSTEM``, and ``(IMPORT, ".prompts", "SYSTEM")``
    for ``from .prompts import SYSTEM`` within the function. A changed name has its kind before it, as in ``GLOBAL N``:
    an attribute may have the name of a global. A function that counts its calls in a global does not become another
    function by that. In doubt a name is not changed.
    """
    read: set[Path] = set()
    changed: set[str] = set()
    steps = _steps(code)
    for at, each in enumerate(steps):
        if each.opname in _READS:
            attributes = takewhile(lambda step: step.opname in _GETS, steps[at + 1 :])
            read.add((each.argval, *(step.argval for step in attributes)))
        if each.opname == "IMPORT_NAME":
            module = "." * steps[at - 2].argval + each.argval
            read.update([(IMPORT, module, name) for name in steps[at - 1].argval or ()] or [(IMPORT, module)])
        if each.opname in _WRITES:
            changed.add(_kind_and_name(each))
        if at and each.opname in _GETS and each.argval in _CHANGING:
            item = at > 2 and steps[at - 1].opname == "BINARY_SUBSCR" and steps[at - 2].opname in _LOADS
            changed.add(_kind_and_name(steps[at - 3 if item else at - 1]))
        in_place = [(step.opname, step.arg) for step in steps[at : at + 2]] == [("COPY", 2)] * 2
        if at > 1 and (each.opname in _WRITES_ITEM or in_place) and steps[at - 1].opname in _LOADS:
            changed.add(_kind_and_name(steps[at - 2]))  # the container; the item's name lies over it
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = uses(constant)
            read |= inner[0]
            changed |= inner[1]
    return frozenset(read), frozenset(changed)


def _steps(code: CodeType) -> list[dis.Instruction]:
    """Return the instructions that do something in every version of Python."""
    return [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PRECALL")]


def _kind_and_name(step: dis.Instruction) -> str:
    kind = step.opname.rpartition("_")[2]
    return f"{_KINDS.get(kind, kind)} {step.argval}"


class Touched(NamedTuple):
    """Names of attributes."""

    read: frozenset[str] = frozenset()
    """Those that code may read."""
    changed: frozenset[str] = frozenset()
    """Those that code sets or changes in place."""
    counted: frozenset[str] = frozenset()
    """Those that code adds a whole number to: ``self.calls += 1``."""

    def __or__(self, other: object) -> Touched:
        return Touched(*map(frozenset.union, self, other)) if isinstance(other, Touched) else NotImplemented


@lru_cache(maxsize=1024)
def touched(code: CodeType) -> Touched:
    """Return the names of the attributes that code reads and changes, of whatever object."""
    read = {each for each in code.co_consts if isinstance(each, str)}  # getattr(self, "calls")
    changed: set[str] = set()
    counted: set[str] = set()
    steps = _steps(code)
    for at, step in enumerate(steps):
        if "_ATTR" not in step.opname and step.opname not in _GETS:
            continue
        does = [each.opname for each in steps[at - 1 : at + 4]]
        in_place = does[0] == "COPY" or does[3:] == ["COPY"] * 2
        added = steps[at + 1].opname in _GETS and steps[at + 1].argval in _COUNTING
        (changed if in_place or added or step.opname in _WRITES else read).add(step.argval)
        if does[2] in _NUMBERS and type(steps[at + 1].argval) is int and steps[at + 2].argrepr in ("+", "+="):
            counted.update(each.argval for each in steps[at + 3 : at + 7] if each.opname == "STORE_ATTR")
    found = Touched(frozenset(read), frozenset(changed), frozenset(counted))
    inner = (touched(each) for each in code.co_consts if isinstance(each, CodeType))
    return reduce(or_, inner, found)
