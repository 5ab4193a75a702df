"""Interrupts at a chosen instruction."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

__all__ = ["interrupted_after"]


@contextmanager
def interrupted_after(steps: int, module: ModuleType) -> Iterator[None]:
    """Raise KeyboardInterrupt once, before an instruction of the module's code."""

    def trace(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        nonlocal steps
        frame.f_trace_opcodes = frame.f_code.co_filename == module.__file__
        if event == "opcode":
            steps -= 1
            if not steps:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
