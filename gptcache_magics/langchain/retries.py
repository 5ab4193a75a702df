"""Learn which questions are asked again because their answer would not do: a retry must reach the model.

There are two signs. ``with_retry`` and a LangGraph node with a retry policy run one thing several times, so a question
that an earlier attempt asked is a retry. And a parser that fails on an answer marks it, so the next identical question
is a retry, unless the answer went into another prompt before, as a fixing parser does it.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, Final, cast
from weakref import WeakSet

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables.config import var_child_runnable_config

from gptcache_magics import generations
from gptcache_magics.engines import safe_import
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.store.protocol import Store

__all__ = ["FailedAnswers", "ask", "install", "release"]

LOOKED_THROUGH: Final = 200
"""Latest lookups whose answers are compared with one that a parser failed on."""
LONG_ENOUGH: Final = 8
"""Characters from which a text in a prompt is taken for the answer that it equals."""
NODES: Final = 1_000
"""LangGraph nodes that are remembered."""
PARSING: Final = ("parse", "parse_result")
STRATEGIES: Final = ("ProviderStrategyBinding", "OutputToolBinding")
"""Classes with which LangChain's agents parse structured answers."""
MARKED: Final = 1_000
"""Answers that no parser could read, as far as they are remembered."""

Ask = Callable[[], tuple[int, bool]]
Make = Callable[[Callable[..., Any], str], Callable[..., Any]]

ATTEMPTS: ContextVar[Attempts | None] = ContextVar("gptcache_magics_attempts", default=None)

_wrappers: WeakSet[Any] = WeakSet()
_installed = False
_nodes: dict[tuple[str, Any], Attempts] = {}
_failed: WeakSet[FailedAnswers] = WeakSet()
_last = threading.local()
"""The exception that was heard of last: it passes through several methods of one parser."""


def install() -> None:
    """Wrap ``with_retry`` and every parser, once they are imported."""
    global _installed
    _installed = True
    for name, wrap in MODULES.items():
        safe_import.on_import(name, wrap)


def release() -> None:
    """Put the originals back. Where another library has wrapped over ours, ours passes calls through."""
    global _installed
    _installed = False
    for name in MODULES:
        for kind in _classes(sys.modules.get(name)):
            for method, function in list(vars(kind).items()):
                if method == "__init_subclass__" and getattr(function, "__func__", None) in _wrappers:
                    delattr(kind, method)
                elif isinstance(function, FunctionType) and function in _wrappers:
                    setattr(kind, method, cast(Any, function).__wrapped__)


def _classes(module: Any) -> Iterator[type]:
    """Yield the classes of a module that are wrapped, and those below them."""
    for name in ("RunnableRetry", "RunnableBindingBase", "BaseLLMOutputParser", *STRATEGIES):
        kind = getattr(module, name, None)
        if kind is not None:
            yield from (kind, *(_below(kind) if name == "BaseLLMOutputParser" else ()))


def _below(kind: Any) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _wrap(kind: type, make: Make, names: tuple[str, ...]) -> None:
    for name in names:
        original = vars(kind).get(name)
        if isinstance(original, FunctionType) and original not in _wrappers:
            setattr(kind, name, _wrapper(original, make(original, name)))


def _wrapper(original: Any, inner: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return (inner if _installed else original)(*args, **kwargs)

    _wrappers.add(wrapper)
    return wrapper


def _wrap_retry(module: ModuleType) -> None:
    """Wrap ``with_retry``: its own methods, and those of its base class, which run one attempt."""
    if _installed:
        names = ("invoke", "ainvoke", "batch", "abatch")
        _wrap(module.RunnableRetry, _trying, names)
        _wrap(module.RunnableBindingBase, _counting(module.RunnableRetry), names)


def _wrap_parsers(module: ModuleType) -> None:
    base = module.BaseLLMOutputParser
    if not _installed:
        return
    for kind in (base, *_below(base)):
        _wrap(kind, _reading, PARSING)
    if "__init_subclass__" not in vars(base):

        def made(cls: Any, /, **kwargs: Any) -> None:
            super(base, cls).__init_subclass__(**kwargs)
            if _installed:
                _wrap(cls, _reading, PARSING)

        _wrappers.add(made)
        base.__init_subclass__ = classmethod(made)


def _wrap_agents(module: ModuleType) -> None:
    for name in STRATEGIES if _installed else ():
        _wrap(getattr(module, name), _reading, PARSING)


class Attempts:
    """The attempts of one thing that is tried again, with the questions of each."""

    def __init__(self, outer: Attempts | None = None) -> None:
        self.outer, self.number = outer, 0
        self._asked: dict[str, list[int]] = {}
        """Sample numbers of each question, in the order in which an attempt asked it."""
        self._times: dict[str, int] = {}
        self._lock = threading.Lock()

    def begin(self, number: int | None = None) -> None:
        """Begin the next attempt, or that with a number if it has not begun."""
        with self._lock:
            number = self.number + 1 if number is None else number
            if number != self.number:
                self.number, self._times = number, {}

    def ask(self, key: str, outer: Ask) -> tuple[int, bool]:
        """Return the sample number of a question, and whether an earlier attempt asked it."""
        with self._lock:
            asked, time = self._asked.setdefault(key, []), self._times.get(key, 0)
            self._times[key] = time + 1
            if time < len(asked):
                return asked[time], True
            number, again = outer()
            asked.append(number)
            return number, again


def ask(key: str, sample: Callable[[], int]) -> tuple[int, bool]:
    """Return the sample number of a question, and whether an earlier attempt of what runs now asked it.

    Parameters
    ----------
    sample
        Returns the next sample number: a retry keeps the number of the answer that would not do.
    """
    attempts, node = ATTEMPTS.get(), _node()
    if attempts is None and node is None:
        return sample(), False
    asking: Ask = lambda: (sample(), False)  # noqa: E731
    for each in (*([node] if node else ()), *reversed(list(_outwards(attempts)))):
        asking = partial(each.ask, key, asking)
    return asking()


def _outwards(attempts: Attempts | None) -> Iterator[Attempts]:
    while attempts is not None:
        yield attempts
        attempts = attempts.outer


def _node() -> Attempts | None:
    """Return the attempts of the LangGraph node that runs, if any."""
    config = var_child_runnable_config.get()
    runtime = config["configurable"].get("__pregel_runtime") if config and "configurable" in config else None
    info = getattr(runtime, "execution_info", None)
    number = getattr(info, "node_attempt", None)
    if info is None or not isinstance(number, int):
        return None
    node = info.task_id, getattr(info, "node_first_attempt_time", None)
    attempts = _nodes.get(node)
    if attempts is None:
        attempts = _nodes.setdefault(node, Attempts())
        while len(_nodes) > NODES:
            _nodes.pop(next(iter(_nodes)), None)
    attempts.begin(number)
    return attempts


def _trying(original: Callable[..., Any], method: str) -> Callable[..., Any]:
    """Wrap a method of ``RunnableRetry``, which makes attempts."""

    def method_(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = ATTEMPTS.set(Attempts(ATTEMPTS.get()))
        try:
            return original(self, *args, **kwargs)
        finally:
            ATTEMPTS.reset(token)

    async def amethod(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = ATTEMPTS.set(Attempts(ATTEMPTS.get()))
        try:
            return await original(self, *args, **kwargs)
        finally:
            ATTEMPTS.reset(token)

    return amethod if method.startswith("a") else method_


def _counting(retry: type) -> Make:
    """Return the wrap of a method of the base class that ``retry`` calls once for each attempt."""

    def make(original: Callable[..., Any], method: str) -> Callable[..., Any]:
        def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            attempts = ATTEMPTS.get()
            if attempts is not None and isinstance(self, retry):
                attempts.begin()
            return original(self, *args, **kwargs)

        return counted

    return make


def _reading(original: Callable[..., Any], method: str) -> Callable[..., Any]:
    """Wrap a method that parses an answer: a failure marks the answer."""

    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except Exception as error:
            if not kwargs.get("partial") and getattr(_last, "error", None) is not error:
                _last.error = error
                _parser_failed(args[0] if args else next(iter(kwargs.values()), None))
            raise

    return read


def _parser_failed(answer: Any) -> None:
    """Tell every cache that an answer could not be read: a text, a message, generations or the input of a tool."""
    for each in list(_failed):
        each.note(answer)


class FailedAnswers:
    """The answers of one cache that a parser failed on."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger, self._store = ledger, store
        self._marked: dict[str, list[str]] = {}
        """What a later prompt with the answer has in it, by the key of the question."""
        _failed.add(self)

    def note(self, answer: Any) -> None:
        """Mark the latest answer that equals ``answer``."""
        try:
            if isinstance(answer, list) and answer:
                answer = answer[0]
            for lookup in islice(reversed(self._ledger.recent.copy()), LOOKED_THROUGH):
                key = lookup.asked or lookup.key
                if key is None or lookup.key is None or key in self._marked:
                    continue
                found = self._store.recall(lookup.key)
                if found is None:
                    continue
                for generation in generations.decode(found.answer, fresh=False):
                    if _equal(generation, answer):
                        self._marked[key] = _traces(generation)
                        if len(self._marked) > MARKED:
                            self._marked.pop(next(iter(self._marked)), None)
                        return
        except Exception as error:
            self._ledger.failed(error, "comparing an answer that could not be parsed")

    def asked(self, key: str, prompt: str) -> bool:
        """Return whether the answer to a question could not be read; let go of answers that its prompt carries."""
        if not self._marked:
            return False
        if key in self._marked:
            return True
        for other, traces in list(self._marked.items()):
            if any(trace in prompt for trace in traces):
                self._marked.pop(other, None)
        return False

    def replaced(self, key: str) -> None:
        """Let go of an answer: the model gave another one."""
        if self._marked:
            self._marked.pop(key, None)


def _equal(generation: Generation, answer: Any) -> bool:
    """Return whether a stored answer is the one that a parser was given."""
    calls = getattr(getattr(generation, "message", None), "tool_calls", [])
    if isinstance(answer, ChatGeneration):
        answer = answer.message
    if isinstance(answer, BaseMessage):
        theirs = getattr(answer, "tool_calls", [])
        return _arguments(calls) == _arguments(theirs) and generation.text == str(answer.text)
    if isinstance(answer, dict):
        return any(call["args"] == answer for call in calls)
    text = answer.text if isinstance(answer, Generation) else answer
    return isinstance(text, str) and bool(text.strip()) and text.strip() in generation.text


def _arguments(calls: list[Any]) -> list[Any]:
    return [(call["name"], call["args"]) for call in calls]


def _traces(generation: Generation) -> list[str]:
    """Return the texts by which a later prompt is known that carries an answer."""
    calls = getattr(getattr(generation, "message", None), "tool_calls", [])
    text = generation.text.strip()
    texts = [text, json.dumps(text)[1:-1]] if len(text) >= LONG_ENOUGH else []
    return [*texts, *(str(call["id"]) for call in calls if call.get("id"))]


MODULES: Final = {
    "langchain_core.runnables.retry": _wrap_retry,
    "langchain_core.output_parsers.base": _wrap_parsers,
    "langchain.agents.structured_output": _wrap_agents,
}
"""Modules whose classes tell that a question is asked again, and what wraps them."""
