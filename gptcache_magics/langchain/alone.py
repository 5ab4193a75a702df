"""Ask a provider by its class's own method, outside of every call that LangChain's cache is asked about.

What the method sends with httpx is looked up where it is sent, unless its model is not to use the cache: then it is
part of a call, and passes. An SDK's error that says a refusal of the cache becomes the ``CacheMiss`` that it was.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any, Self, cast

from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.closing import Inner
from gptcache_magics.lookup.running import within

__all__ = ["Within", "ask"]


class Within:
    """Chunks that are made within a call: what sends for them is part of it, what their reader does is not."""

    def __init__(self, call: ModelCall, chunks: Any) -> None:
        self._call, self._chunks = call, chunks

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with within(self._call):
            return next(self._chunks)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        with within(self._call):
            return await anext(self._chunks)


def ask(method: Callable[[], Any], call: ModelCall | None) -> Any:
    """Return what a method makes, or an iterator or awaitable of it.

    Parameters
    ----------
    call
        The call that what is sent is part of; None if it is to be looked up.
    """
    with _refusing(), _part_of(call):
        made = method()
    if inspect.isawaitable(made):
        return _awaited(made, call)
    if hasattr(made, "__anext__"):
        return _apieces(made, call)
    return _pieces(made, call) if hasattr(made, "__next__") else made


async def _awaited(made: Awaitable[Any], call: ModelCall | None) -> Any:
    with _refusing(), _part_of(call):
        return await made


def _pieces(made: Iterator[Any], call: ModelCall | None) -> Iterator[Any]:
    with _refusing(), closing(cast(Any, made)), _running(call):
        yield from made if call is None else Within(call, made)


async def _apieces(made: AsyncGenerator[Any, None], call: ModelCall | None) -> AsyncIterator[Any]:
    with _refusing(), _running(call):
        async with Inner(made) as pieces:
            async for piece in pieces if call is None else Within(call, pieces):
                yield piece


@contextmanager
def _part_of(call: ModelCall | None) -> Iterator[None]:
    if call is None:
        yield
        return
    with call.running, within(call):
        yield


def _running(call: ModelCall | None) -> Any:
    return nullcontext() if call is None else call.running


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        from gptcache_magics.lookup.refusal import refusal_in  # %gptcache help does not wait for it

        refusal = refusal_in(error)
        if refusal is None:
            raise
        raise refusal from None
