"""An interrupt at any instruction ends the block that it interrupts: the lock of a ``with`` is free again.

From Python 3.12 on, the compiler leaves some jumps of a loop out of the range that ends a block: those of a filter in
a comprehension, and those of a condition at the end of a loop. Python 3.13 takes interrupts there, and then neither
``__exit__`` nor ``finally`` runs. So such a loop stands in a function of its own, or filters with ``filter``.
"""

import ast
import dis
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import gptcache_magics as gm

CATCHES_ALL = {"BaseException", "KeyboardInterrupt", None}


class Block(NamedTuple):
    """The body of a block, as pairs of line and column."""

    line: int
    """Line at which the whole block begins."""
    begin: tuple[int, int]
    end: tuple[int, int]


def blocks(tree: ast.AST) -> Iterator[Block]:
    """Yield the blocks that do something about an interrupt."""
    for node in ast.walk(tree):
        ends = isinstance(node, ast.With | ast.AsyncWith)
        if isinstance(node, ast.Try):
            caught = {each.type and ast.unparse(each.type) for each in node.handlers}
            ends = bool(node.finalbody or caught & CATCHES_ALL)
        if ends:
            first, last = node.body[0], node.body[-1]
            yield Block(node.lineno, (first.lineno, first.col_offset), (last.end_lineno, last.end_col_offset))


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def open_jumps(source: str) -> Iterator[int]:
    """Yield the lines with a jump inside a block that an interrupt would leave without its end."""
    found = list(blocks(ast.parse(source)))
    for code in codes(compile(source, "source", "exec")):
        own = [block for block in found if block.line >= code.co_firstlineno]  # others are around this function
        ranges = dis.Bytecode(code).exception_entries
        for jump in dis.get_instructions(code):
            if jump.opname != "JUMP_BACKWARD" or any(each.start <= jump.offset < each.end for each in ranges):
                continue
            line, end_line, column, end_column = jump.positions
            if line and any(block.begin <= (line, column) and (end_line, end_column) <= block.end for block in own):
                yield line


def test_no_loop_of_ours_can_leave_a_block_open() -> None:
    modules = Path(gm.__file__).parent.rglob("*.py")
    found = {path.name: lines for path in modules if (lines := [*open_jumps(path.read_text())])}
    assert found == {}


def locks_in_python(tree: ast.AST) -> Iterator[str]:
    """Yield what takes a lock in Python code, where an interrupt may keep it: see ``gptcache_magics.flag``."""
    conditions = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called.rpartition(".")[2] in ("Event", "Semaphore", "BoundedSemaphore", "Barrier", "Queue"):
            yield called
        if called == "threading.Condition" and not node.args:
            yield "Condition()"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("threading.Condition"):
            conditions |= {ast.unparse(each) for each in node.targets}
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            yield from conditions & {ast.unparse(each.context_expr) for each in node.items}


def test_no_lock_of_ours_is_taken_in_python_code() -> None:
    modules = Path(gm.__file__).parent.rglob("*.py")
    found = {path.name: names for path in modules if (names := [*locks_in_python(ast.parse(path.read_text()))])}
    assert found == {}
