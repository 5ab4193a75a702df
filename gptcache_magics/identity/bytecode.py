"""What the instructions of a function read and change."""

from __future__ import annotations

import dis
from functools import lru_cache
from itertools import takewhile
from types import CodeType
from typing import Final, TypeAlias

__all__ = ["IMPORT", "touches", "uses"]

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
_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_GETS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITES_ITEM: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_DEREF", *_READS})
"""Instructions that push one value."""
_KINDS: Final = {"NAME": "GLOBAL", "METHOD": "ATTR"}


@lru_cache(maxsize=1024)
def uses(code: CodeType) -> tuple[frozenset[Path], frozenset[str]]:
    """Return what code reads from its module, and the names whose values it changes itself.

    Returns
    -------
    The paths that are read: ``("prompts", "SYSTEM")`` for ``prompts.SYSTEM``, and ``(IMPORT, ".prompts", "SYSTEM")``
    for ``from .prompts import SYSTEM`` within the function. A changed name has its kind before it, as in ``GLOBAL N``:
    an attribute may have the name of a global. A function that counts its calls in a global does not become another
    function by that. In doubt a name is not changed.
    """
    read: set[Path] = set()
    changed: set[str] = set()
    steps = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PRECALL")]
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
            changed.add(_kind_and_name(steps[at - 1]))
        in_place = [(step.opname, step.arg) for step in steps[at : at + 2]] == [("COPY", 2)] * 2
        if at > 1 and (each.opname in _WRITES_ITEM or in_place) and steps[at - 1].opname in _LOADS:
            changed.add(_kind_and_name(steps[at - 2]))  # the container; the item's name lies over it
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = uses(constant)
            read |= inner[0]
            changed |= inner[1]
    return frozenset(read), frozenset(changed)


def _kind_and_name(step: dis.Instruction) -> str:
    kind = step.opname.rpartition("_")[2]
    return f"{_KINDS.get(kind, kind)} {step.argval}"


@lru_cache(maxsize=1024)
def touches(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
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
            inner = touches(constant)
            read |= inner[0]
            changed |= inner[1]
    return frozenset(read), frozenset(changed)
