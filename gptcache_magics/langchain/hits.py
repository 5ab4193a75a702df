"""Let a hit look like the answer that it repeats, where LangChain writes into it or drops its mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.wraps import Choose, Method
from gptcache_magics.marks import mark_of, set_mark

__all__ = ["CLASSES", "as_it_came", "marked"]


def as_it_came(call: ModelCall, result: Any) -> Any:
    """Return the result of ``generate``, in which hits look like the answers that they repeat.

    LangChain writes ``total_cost`` into the usage of a hit, and joins the chunks of one without their mark.
    """
    for generation, usage in call.served:
        vars(generation.message)["usage_metadata"] = usage
    if call.marks:
        for answers in result.generations:
            for generation in answers:
                marked(call, generation.message)
    return result


def marked(call: ModelCall, message: Any) -> Any:
    """Return a message or chunk after setting its mark, if it is that of a hit."""
    mark = call.marks.get(message.id) if call.marks else None
    if mark is not None:
        set_mark(message, mark)
    return message


def _add(method: Method) -> Callable[..., Any]:
    """Let a sum of chunks have the mark of the first hit among them."""

    def wrapper(self: Any, other: Any) -> Any:
        joined: Any = method.function(self, other)
        others = other if isinstance(other, list | tuple) else [other]
        mark = next(filter(None, map(mark_of, [self, *others])), None) if method.wraps.active else None
        if mark is not None and hasattr(joined, "response_metadata"):
            set_mark(joined, mark)
        return joined

    return wrapper


CLASSES: Final[dict[str, dict[str, Choose]]] = {
    "langchain_core.messages.ai": {
        "AIMessageChunk": lambda kind, base: {"__add__": _add} if kind is base else {},
    }
}
"""The class whose sums keep the mark of a hit; a class below it adds with it."""
