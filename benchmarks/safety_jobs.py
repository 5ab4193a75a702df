"""The child processes of ``safety``: one cache in one folder, one job, one line of JSON.

``python safety_jobs.py CACHE FOLDER JOB [NUMBER ...]``
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from langchain_core.caches import BaseCache
from payloads import answer, prompt, text_of_answer
from peers import BARE, OURS, make

LLM_STRING: Final = "[('model', 'gpt-4o-mini'), ('stop', None)]"
THINKING_SECONDS: Final = 0.5
Result = dict[str, Any]


def write(cache: BaseCache, first: str, number: str) -> Result:
    """Update this many entries."""
    return {"errors": _write(cache, range(int(first), int(first) + int(number)))}


def write_and_wait(cache: BaseCache, first: str, number: str) -> Result:
    """Update this many entries, say so, and wait for the kill."""
    write(cache, first, number)
    print("written", flush=True)
    time.sleep(60)
    return {}


def count(cache: BaseCache, first: str, number: str) -> Result:
    """Look up this many entries."""
    return {"found": _count(cache, range(int(first), int(first) + int(number)))}


def threads(cache: BaseCache, workers: str, number: str) -> Result:
    """Update and look up in several threads, each its own entries."""
    each = int(number)

    def work(worker: int) -> int:
        return sum(_write(cache, [n]) + (_count(cache, [n]) == 0) for n in range(worker * each, (worker + 1) * each))

    with ThreadPoolExecutor(int(workers)) as pool:
        errors = sum(pool.map(work, range(int(workers))))
    return {"found": _count(cache, range(int(workers) * each)), "errors": errors}


def clear(cache: BaseCache) -> Result:
    """Clear, then look up."""
    _write(cache, [1])
    cache.clear()
    return {"lookup": "still there" if _count(cache, [1]) else "miss"}


def calls(cache: BaseCache, how: str) -> Result:
    """Ask one prompt several times at once, and count what reaches the model."""
    from langchain_core.globals import set_llm_cache
    from langchain_core.language_models.chat_models import SimpleChatModel

    reached, lock = [0], threading.Lock()

    class Thinking(SimpleChatModel):
        model: str = "thinking"

        @property
        def _llm_type(self) -> str:
            return "thinking"

        def _call(self, *args: Any, **kwargs: Any) -> str:
            with lock:
                reached[0] += 1
            time.sleep(THINKING_SECONDS)
            return "an answer"

    chat, errors = Thinking(), []
    set_llm_cache(cache)

    def ask(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            errors.append(type(error).__name__)

    if how == "threads":
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, [lambda: chat.invoke("a prompt")] * 16))
    elif how == "batch":
        ask(lambda: chat.batch(["a prompt"] * 8))
    else:
        ask(lambda: asyncio.run(chat.abatch(["a prompt"] * 8)))
    return {"calls": reached[0], "error": errors[0] if errors else ""}


def _write(cache: BaseCache, numbers: Iterable[int]) -> int:
    errors = 0
    for number in numbers:
        try:
            cache.update(prompt(number), LLM_STRING, answer(number))
        except Exception:
            errors += 1
    return errors


def _count(cache: BaseCache, numbers: Iterable[int]) -> int:
    found = 0
    for number in numbers:
        try:
            hit = cache.lookup(prompt(number), LLM_STRING)
            found += hit is not None and hit[0].text == text_of_answer(number)
        except Exception:
            continue
    return found


JOBS: Final[dict[str, Callable[..., Result]]] = {
    job.__name__: job for job in (write, write_and_wait, count, threads, clear, calls)
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    name, folder, job, *numbers = sys.argv[1:]
    made = make(BARE if name == OURS else name, Path(folder))
    print(json.dumps(JOBS[job](made, *numbers)), flush=True)
