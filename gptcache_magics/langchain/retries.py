"""Learn which questions are asked again because their answer would not do: a retry must reach the model.

There are two signs. ``with_retry`` and a LangGraph node with a retry policy run one thing several times, so a question
that an earlier attempt asked is a retry. And a parser that fails on an answer marks it, so the next identical question
is a retry, unless the answer went into another prompt before, as a fixing parser does it.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from itertools import islice
from typing import Any, Final
from weakref import WeakSet

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables.config import var_child_runnable_config

from gptcache_magics import fork, generations
from gptcache_magics.langchain.wraps import Choose, Make, Method
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.store.protocol import Store

__all__ = ["CLASSES", "FailedAnswers", "ask"]

LOOKED_THROUGH: Final = 200
"""Latest lookups whose answers are compared with one that a parser failed on."""
LONG_ENOUGH: Final = 8
"""Characters from which a text is known again within a prompt or a longer answer."""
NODES: Final = 1_000
"""LangGraph nodes that are remembered."""
MARKED: Final = 1_000
"""Answers that no parser could read, as far as they are remembered."""

Ask = Callable[[], tuple[int, bool]]

ATTEMPTS: ContextVar[Attempts | None] = ContextVar("gptcache_magics_attempts", default=None)

_lock = threading.RLock()
"""Guards the attempts, and the nodes and answers that are remembered."""
_nodes: dict[tuple[str, Any], Attempts] = {}
_failed: WeakSet[FailedAnswers] = WeakSet()
_last = threading.local()
"""The exception that was heard of last: it passes through several methods of one parser."""


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


fork.in_child(_renew)


class Attempts:
    """The attempts of one thing that is tried again, with the questions of each."""

    def __init__(self, outer: Attempts | None = None) -> None:
        self.outer, self.number = outer, 0
        self._asked: dict[str, list[int]] = {}
        """Sample numbers of each question, in the order in which an attempt asked it."""
        self._times: dict[str, int] = {}

    def begin(self, number: int | None = None) -> None:
        """Begin the next attempt, or that with a number if it has not begun."""
        with _lock:
            number = self.number + 1 if number is None else number
            if number != self.number:
                self.number, self._times = number, {}

    def ask(self, key: str, outer: Ask) -> tuple[int, bool]:
        """Return the sample number of a question, and whether an earlier attempt asked it."""
        with _lock:
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
    if runtime is None:
        return None
    info = getattr(runtime, "execution_info", None)
    number = getattr(info, "node_attempt", None)
    if info is None or not isinstance(number, int):
        return None
    node = info.task_id, getattr(info, "node_first_attempt_time", None)
    with _lock:
        attempts = _nodes.setdefault(node, Attempts())
        if len(_nodes) > NODES:
            del _nodes[next(iter(_nodes))]
        attempts.begin(number)
    return attempts


def _trying(method: Method) -> Callable[..., Any]:
    """Wrap a method of ``RunnableRetry``, which makes attempts."""

    @contextmanager
    def attempts() -> Iterator[None]:
        token = ATTEMPTS.set(Attempts(ATTEMPTS.get()))
        try:
            yield
        finally:
            ATTEMPTS.reset(token)

    return _around(method, lambda self: attempts())


def _attempted(method: Method) -> Callable[..., Any]:
    """Wrap a method of the base class that ``RunnableRetry`` calls once for each attempt."""

    def begin(self: Any) -> Any:
        attempts = ATTEMPTS.get()
        if attempts is not None:
            from langchain_core.runnables.retry import RunnableRetry  # imported by now

            if isinstance(self, RunnableRetry):
                attempts.begin()
        return nullcontext()

    return _around(method, begin)


def _around(method: Method, context: Callable[[Any], AbstractContextManager[None]]) -> Callable[..., Any]:
    """Make a wrapper that runs a method in a context, and is a coroutine function if the method is one."""

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with context(self) if method.wraps.active else nullcontext():
            return method.function(self, *args, **kwargs)

    async def awrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with context(self) if method.wraps.active else nullcontext():
            return await method.function(self, *args, **kwargs)

    return awrapper if inspect.iscoroutinefunction(method.function) else wrapper


def _reading(method: Method) -> Callable[..., Any]:
    """Wrap a method that parses an answer: a failure marks the answer."""

    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method.function(self, *args, **kwargs)
        except Exception as error:
            if method.wraps.active and not kwargs.get("partial") and getattr(_last, "error", None) is not error:
                _last.error = error
                _parser_failed(args[0] if args else next(iter(kwargs.values()), None))
            raise

    return read


def _parser_failed(answer: Any) -> None:
    """Tell every cache that an answer could not be read: a text, a message, generations or the input of a tool."""
    with _lock:
        caches = list(_failed)
    for each in caches:
        each.note(answer)


class FailedAnswers:
    """The answers of one cache that a parser failed on."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger, self._store = ledger, store
        self._marked: dict[str, list[str]] = {}
        """Texts of the answer, by the key of the question: a later prompt that has one of them carries the answer."""
        with _lock:
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
                for generation in generations.decode(found.answer):
                    if _equal(generation, answer):
                        with _lock:
                            self._marked[key] = _traces(generation)
                            if len(self._marked) > MARKED:
                                del self._marked[next(iter(self._marked))]
                        return
        except Exception as error:
            self._ledger.failed(error, "comparing an answer that could not be parsed")

    def asked(self, key: str, prompt: str) -> bool:
        """Return whether the answer to a question could not be read; let go of answers that its prompt carries."""
        if not self._marked:
            return False
        if key in self._marked:
            return True
        carried = [other for other, traces in list(self._marked.items()) if any(trace in prompt for trace in traces)]
        with _lock:
            for other in carried:
                self._marked.pop(other, None)
        return False

    def replaced(self, key: str) -> None:
        """Let go of an answer: the model gave another one."""
        if self._marked:
            with _lock:
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
    if not isinstance(text, str) or not (text := text.strip()):
        return False
    return text == generation.text.strip() or (len(text) >= LONG_ENOUGH and text in generation.text)


def _arguments(calls: list[Any]) -> list[Any]:
    return [(call["name"], call["args"]) for call in calls]


def _traces(generation: Generation) -> list[str]:
    """Return the texts by which a later prompt is known that carries an answer."""
    calls = getattr(getattr(generation, "message", None), "tool_calls", [])
    text = generation.text.strip()
    texts = [text, json.dumps(text)[1:-1]] if len(text) >= LONG_ENOUGH else []
    return [*texts, *(str(call["id"]) for call in calls if call.get("id"))]


RUNS: Final = ("invoke", "ainvoke", "batch", "abatch")
PARSES: Final = dict.fromkeys(("parse", "parse_result"), _reading)


def _own(makers: Mapping[str, Make]) -> Choose:
    """Return what wraps methods of one class, and none of the classes below it."""
    return lambda kind, base: makers if kind is base else {}


CLASSES: Final[dict[str, dict[str, Choose]]] = {
    "langchain_core.runnables.retry": {
        "RunnableBindingBase": _own(dict.fromkeys(RUNS, _attempted)),
        "RunnableRetry": _own(dict.fromkeys(RUNS, _trying)),
    },
    "langchain_core.output_parsers.base": {"BaseLLMOutputParser": lambda kind, base: PARSES},
    "langchain.agents.structured_output": {
        "ProviderStrategyBinding": _own(PARSES),
        "OutputToolBinding": _own(PARSES),
    },
}
"""Classes of each module that tell that a question is asked again."""
