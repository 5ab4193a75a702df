"""A process that asks models until its parent has had enough, and notes each answer that the cache acknowledged.

Its arguments are a folder, a name, a seed and what to do. The notes go to the file of that name, one line of JSON each.
A note is written after the call has returned, so a noted answer is on disk, whatever happens next.
"""

import asyncio
import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import ValidationError

import gptcache_magics as gm
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.settings import CELL, Cell
from gptcache_magics.store.reasons import Kind
from tests.support.embedder import Embedder
from tests.support.processes import obey_file_modes

CHANCES: Final = {
    **{"invoke": 40, "stream": 15, "ainvoke": 4, "refresh": 6, "semantic": 6},
    **{"stats": 2, "lookups": 1, "why": 1, "panel": 1, "tag": 2},
}
"""What a worker does, and how often."""
TABLES: Final[dict[str, Callable[[], object]]] = {
    "stats": gm.stats,
    "lookups": gm.lookups,
    "why": lambda: gm.why()._repr_html_(),
    "panel": lambda: gm.panel(static=True),
    "tag": lambda: gm.tag("seen", *gm.entries().index[:1]),
}
WORDINGS: Final = ("How do I cook dish number {} of {} for dinner", "How can I cook dish number {} of {} for dinner")
"""Two ways to ask the same."""


TEAM: Final = "FAULTS_TEAM"
"""Environment variable with the address of a team's store to work on."""


class Model(SimpleChatModel):
    """A model whose answer names its prompt, and is another one each time."""

    model: str = "faulty-world"

    @property
    def _llm_type(self) -> str:
        return "faulty-world"

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        return f"{messages[-1].content} = {os.urandom(4).hex()} {'x' * 500}"

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        pieces = self._call(messages).partition(" = ")
        for piece in pieces:
            last = {"finish_reason": "stop"} if piece is pieces[-1] else None
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=piece, response_metadata=last or {}), generation_info=last
            )


def head(answer: str) -> str:
    """Return an answer without the letters that make it long."""
    return answer.rstrip("x ")


class Interrupted(KeyboardInterrupt):
    """Raised by a signal at any instruction."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and the errors in whose handling each was raised."""
    while error:
        yield error
        error = error.__context__


class Worker:
    """One process on a store that others use, too."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        self.folder, self.name, self.random = folder, name, random.Random(seed)
        self.model = Model()
        self.notes = os.open(folder / f"{name}.notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.number = 0
        self.kind, self.since = "", 0.0
        """What this worker is doing, and since when."""
        self.inside = self.interrupted = self.done = False

    def note(self, kind: str, prompt: str = "", answer: str = "") -> None:
        """Write one line at once. It stays short, because files may have a limit."""
        line = {"since": self.since, "at": time.monotonic(), "kind": kind, "prompt": prompt, "answer": head(answer)}
        os.write(self.notes, json.dumps(line).encode() + b"\n")

    def ask(self, prompt: str, way: str = "invoke", wordings: tuple[str, ...] = ()) -> str:
        """Ask the model, and check that the answer is one to this prompt, or to a prompt in other words."""
        if way == "stream":
            answer = "".join(str(chunk.content) for chunk in self.model.stream(prompt))
        elif way == "ainvoke":
            answer = str(asyncio.run(self.model.ainvoke(prompt)).content)
        elif way == "refresh":
            with gm.using(mode="refresh"):
                answer = str(self.model.invoke(prompt).content)
        else:
            answer = str(self.model.invoke(prompt).content)
        if not answer.startswith(tuple(f"{each} = " for each in wordings or (prompt,))) or len(answer) < 500:
            self.note("wrong", prompt, answer)
        return answer

    def ask_in_other_words(self) -> tuple[str, str]:
        """Ask a question in one of two wordings. Return the wording that was answered, and the answer."""
        number = self.random.randrange(self.number + 1)
        wordings = tuple(each.format(number, self.name) for each in WORDINGS)
        answer = self.ask(self.random.choice(wordings), wordings=wordings)
        return answer.partition(" = ")[0], answer

    def show(self, table: str) -> None:
        """Read a table as a notebook does."""
        with suppress(CommandError):  # nothing to show yet, or the entry is cleared by now
            TABLES[table]()

    def kept(self) -> bool:
        """Return whether the last answer is stored, as the cache says. One that waits for a locked file counts."""
        last = gm.current().ledger.recent[-1]
        refused = last.mode == "readonly" or (last.reason and last.reason.kind in (Kind.ERROR, Kind.NOT_STORED))
        return last.outcome == "hit" or not refused or "locked" in last.reason.detail

    def prompt(self) -> str:
        """Return a prompt of this worker: a new one, or an earlier one again."""
        self.number += 1
        return f"{self.name} {self.random.randrange(self.number) if self.number % 3 else self.number}"

    def step(self, *, clears: bool) -> None:
        """Do something that a notebook does, and note it when it is done."""
        chances = {**CHANCES, "clear": int(clears)}
        kind = self.kind = self.random.choices([*chances], [*chances.values()])[0]
        prompt, answer, self.since = self.prompt(), "", time.monotonic()
        if kind == "refresh":
            self.note("begin refresh", prompt)
        CELL.set(Cell())  # each step is a cell, with which a block ends that an interrupt kept from ending
        self.inside = True
        if kind == "clear":
            gm.clear(yes=True)
        elif kind in TABLES:
            self.show(kind)
        elif kind == "semantic":
            prompt, answer = self.ask_in_other_words()
        else:
            answer = self.ask(prompt, kind)
        kept = not answer or self.kept()
        self.inside = False
        done = kind if kind in ("clear", "refresh", *TABLES) else "answer"
        self.note(done if kept else "not stored", prompt, answer)

    def interrupt(self, _: int, frame: FrameType | None) -> None:
        """Raise, if the cache or the model is at work. A second one may come before the first is noted."""
        if self.inside and frame and frame.f_code is not Worker.work.__code__:
            self.interrupted = True
            raise Interrupted

    def work(self, *, clears: bool = False) -> None:
        """Work until the parent says stop."""
        threading.Thread(target=self.listen, daemon=True).start()
        for way in ("invoke", "stream", "ainvoke", "refresh"):  # imports libraries, some of which cannot be interrupted
            self.ask("to begin with", way)
        self.ask_in_other_words()
        for table in TABLES:
            self.show(table)
        signal.signal(signal.SIGINT, self.interrupt)
        signal.signal(signal.SIGALRM, self.interrupt)
        print("working", flush=True)
        while not self.done:
            self.interrupted = False
            try:
                self.step(clears=clears)
            except (Interrupted, KeyboardInterrupt, Exception) as error:
                self.inside = False
                # sqlite3 drops what a handler raises in its own code, and a KeyboardInterrupt stands for it.
                # While LangChain makes a generation, pydantic takes an interrupt for a message of a wrong class.
                # And asyncio.run may end with an error of its own after one, when it closes its event loop; Python 3.13
                # may even take the loop for running ever after (test_open_jumps says why).
                asyncio._set_running_loop(None)
                heard = self.interrupted and any(
                    isinstance(each, Interrupted | KeyboardInterrupt | ValidationError) for each in causes(error)
                )
                other = "refused" if isinstance(error, StoreError) else "error"
                stopped = "clear" if self.kind == "clear" else "interrupted"  # it may have cleared
                self.note(stopped if heard else other, answer=f"{type(error).__name__}: {error}")

    def listen(self) -> None:
        """Wait for the parent's word."""
        sys.stdin.readline()
        self.done = True

    def check(self) -> dict[str, object]:
        """Return what works after all that has happened."""
        current = gm.current()
        CELL.set(Cell())
        final = f"{self.name} at last"
        same = self.ask(final) == self.ask(final)
        asks = [lambda n=n: self.ask(f"{self.name} {n}") for n in range(8)]
        others = [threading.Thread(target=ask, daemon=True) for ask in asks]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join(10)
        if any(thread.is_alive() for thread in others):
            faulthandler.dump_traceback()
        too_many = 0
        with suppress(StoreError):  # where the store is gone, tables say so
            entries = gm.entries()["hits"]  # first, for the other process may write its last lookups just now
            hits = gm.lookups(since="all").query("outcome == 'hit'").groupby("entry").size()
            too_many = int((entries - hits.reindex(entries.index).fillna(0)).clip(lower=0).sum())
        off = gm.off()
        return {
            "same": same,
            "hanging": sum(thread.is_alive() for thread in others),
            "failures": current.ledger.failures,
            "last error": current.ledger.last_error,
            "too many hits": too_many,
            "off": off.startswith("Cache off") and get_llm_cache() is None,
        }


def hammering(worker: Worker, number: int) -> list[threading.Thread]:
    """Start threads that do what a worker does, until it has heard the parent's word."""
    threading.Thread(target=worker.listen, daemon=True).start()

    def hammer(number: int) -> None:
        own = Worker(worker.folder, f"{worker.name}-{number}", number)
        while not worker.done:
            own.step(clears=False)

    threads = [threading.Thread(target=hammer, args=(each,), daemon=True) for each in range(number)]
    for thread in threads:
        thread.start()
    return threads


def join(worker: Worker, threads: list[threading.Thread]) -> None:
    """Wait for threads, and note those that hang."""
    for thread in threads:
        thread.join(30)
        if thread.is_alive():
            worker.note("hang", answer="a thread of the parent")


def crowds(worker: Worker) -> None:
    """Use the cache in six threads."""
    threads = hammering(worker, 6)
    print("working", flush=True)
    join(worker, threads)


def forks(worker: Worker) -> None:
    """Fork in two threads while eight use the cache; each child looks up, updates and turns off."""
    threads = hammering(worker, 8)
    threads.append(threading.Thread(target=fork_again_and_again, args=(worker, "another thread"), daemon=True))
    threads[-1].start()
    print("working", flush=True)
    fork_again_and_again(worker, "the main thread")
    join(worker, threads)


def fork_again_and_again(worker: Worker, place: str) -> None:
    """Fork one child after the other, as long as the worker works."""
    for number in range(10_000):
        if worker.done:
            break
        time.sleep(worker.random.random() / 10)
        child = os.fork()
        if not child:
            signal.alarm(30)
            faulthandler.dump_traceback_later(20)
            try:
                name = f"child {number} of {place} of {worker.name}"
                own = Worker(worker.folder, name, number)
                answer = own.ask(name)
                if gm.current().ledger.recent[-1].outcome != "error" and own.ask(name) == answer:
                    own.note("answer", name, answer)
                gm.off()
            except BaseException as error:
                worker.note("error", answer=f"in a child: {type(error).__name__}: {error}")
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            worker.note("hang" if os.WIFSIGNALED(status) else "error", answer=f"a child ended with {status}")


def cancels(worker: Worker) -> None:
    """Cancel tasks at random; those that ask the same must get an answer."""
    threading.Thread(target=worker.listen, daemon=True).start()

    async def rounds() -> None:
        while not worker.done:
            prompts = [worker.prompt() for _ in range(4)]
            tasks = [asyncio.create_task(worker.model.ainvoke(prompts[n % 4])) for n in range(12)]
            await asyncio.sleep(worker.random.random() / 50)
            for task in worker.random.sample(tasks, 6):
                task.cancel()
            _, pending = await asyncio.wait(tasks, timeout=30)
            if pending:
                worker.note("hang", answer=f"{len(pending)} tasks")
                return
            for number, task in enumerate(tasks):
                if not task.cancelled():
                    worker.note("answer", prompts[number % 4], str(task.result().content))

    print("working", flush=True)
    asyncio.run(rounds())


def main(folder: str, name: str, seed: str, what: str) -> None:
    """Work, and print what works at the end."""
    faulthandler.enable()
    obey_file_modes()
    worker = Worker(Path(folder), name, int(seed))
    os.environ["GPTCACHE_MAGICS_STORE"] = f"{folder}/store"  # the folder before a team's store
    gm.on(os.environ.get(TEAM), match="semantic", embedder=Embedder(), wait=True)
    todo: dict[str, Callable[[], None]] = {
        "work": worker.work,
        "clear": lambda: worker.work(clears=True),
        "threads": lambda: crowds(worker),
        "fork": lambda: forks(worker),
        "cancel": lambda: cancels(worker),
    }
    todo[what]()
    print("idle", flush=True)
    sys.stdin.readline()
    print(json.dumps(worker.check()), flush=True)
