"""A Jupyter kernel of a test's own, spoken to as a frontend does."""

import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import pandas as pd
from jupyter_client import KernelManager
from jupyter_client.manager import start_new_kernel

import gptcache_magics as gm

__all__ = ["SECONDS", "START", "Kernel", "Ran", "badges"]

SECONDS = 60
INTERRUPTS = 3
# IPython 7 writes a cell that a cell runs under the outer one's number, and prints an error into whichever cell runs.
NO_HISTORY_FILE = ["--HistoryManager.enabled=False"]
START = """
import asyncio, os, threading, time
from tests.support.shell import NumberedModel, ask
model = NumberedModel()
%load_ext gptcache_magics
%gptcache on
"""


@dataclass
class Ran:
    """The outcome of one cell."""

    count: int = 0
    status: str = ""
    error: str = ""
    """Name of the exception in the reply."""
    text: str = ""
    """Text that the cell wrote, and its last value."""
    shown: list[dict[str, str]] = field(default_factory=list)
    tracebacks: list[list[str]] = field(default_factory=list)
    expressions: dict[str, Any] = field(default_factory=dict)
    """The values of the request's own expressions."""


class Kernel:
    """A kernel, spoken to as a frontend does."""

    def __init__(self, folder: Path, start: str = START, **environment: str) -> None:
        self.folder, self._start = folder, start
        self.manager: KernelManager
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._replies: dict[str, dict[str, Any]] = {}
        env = {
            **os.environ,
            "IPYTHONDIR": str(folder / ".ipython"),
            "JPY_SESSION_NAME": str(folder / "analysis.ipynb"),
            **environment,
        }
        self.manager, self.client = start_new_kernel(
            SECONDS, "python3", cwd=str(folder), env=env, stderr=subprocess.DEVNULL, extra_arguments=NO_HISTORY_FILE
        )

    def __enter__(self) -> "Kernel":
        started = self.run(self._start)
        if started.status != "ok":
            self.__exit__()
        assert started.status == "ok", started.text
        return self

    def __exit__(self, *error: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(
        self,
        code: str,
        cell_id: str | None = None,
        *,
        silent: bool = False,
        subshell: str | None = None,
        **content: Any,
    ) -> str:
        """Send a cell; with ``cell_id`` as JupyterLab does, without as nbconvert and papermill do."""
        usual = {"silent": silent, "store_history": not silent, "allow_stdin": False, "stop_on_error": False}
        message = self.client.session.msg("execute_request", {"code": code, "user_expressions": {}, **usual, **content})
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def until(self, asked: str, text: str | None = None, seconds: float = SECONDS) -> Ran:
        """Read until the cell is done, or until it has written ``text``; it may be silent for ``seconds``."""
        ran = Ran()
        while True:
            kind, content = self._next(asked, seconds)
            if kind == "stream":
                ran.text += content["text"]
            elif kind == "execute_result":
                ran.text += content["data"]["text/plain"]
            elif kind == "display_data":
                ran.shown.append(content["data"])
            elif kind == "error":
                ran.tracebacks.append(content["traceback"])
            if (text is not None and text in ran.text) or (kind == "status" and content["execution_state"] == "idle"):
                break
        if text is None:
            done = self._reply(asked)
            ran.count, ran.status, ran.error = done.get("execution_count", 0), done["status"], done.get("ename", "")
            expressions = done.get("user_expressions", {})
            ran.expressions = {name: each.get("data", each) for name, each in expressions.items()}
        return ran

    def interrupt(self, asked: str) -> Ran:
        """Interrupt a cell until it ends, as a person does: Python drops an interrupt that comes in a finalizer."""
        for _ in range(INTERRUPTS):
            self.manager.interrupt_kernel()
            with suppress(Empty):
                return self.until(asked, seconds=SECONDS / INTERRUPTS)
        raise AssertionError(f"{INTERRUPTS} interrupts did not end the cell")

    def _reply(self, asked: str) -> dict[str, Any]:
        """Return the reply to a request; those to requests that run beside it are kept."""
        while asked not in self._replies:
            reply = self.client.get_shell_msg(timeout=SECONDS)
            self._replies[reply["parent_header"]["msg_id"]] = reply["content"]
        return self._replies.pop(asked)

    def run(self, code: str, cell_id: str | None = None, **content: Any) -> Ran:
        """Run a cell to its end."""
        return self.until(self.send(code, cell_id, **content))

    def subshell(self) -> str:
        """Make a subshell, whose cells run beside those of the kernel. Returns its id."""
        self.client.control_channel.send(self.client.session.msg("create_subshell_request"))
        return str(self.client.get_control_msg(timeout=SECONDS)["content"]["subshell_id"])

    def lookups(self, question: str) -> pd.DataFrame:
        """Return the lookups of questions that begin like this, oldest first, as this process reads them."""
        self.until(self.send("import gptcache_magics; gptcache_magics.stats(since='all')", silent=True))
        df = gm.lookups(at=self.folder / ".gptcache")
        return df[df["question"].str.startswith(question)][::-1]

    def _next(self, asked: str, seconds: float) -> tuple[str, dict[str, Any]]:
        """Return the next message about a request; those about requests that run beside it are kept."""
        while True:
            kept = self._kept.get(asked)
            message = kept.pop(0) if kept else self.client.get_iopub_msg(timeout=seconds)
            parent = message["parent_header"].get("msg_id", "")
            if parent == asked:
                return message["msg_type"], message["content"]
            self._kept.setdefault(parent, []).append(message)


def badges(ran: Ran) -> list[str]:
    """Return the lines of the cache under a cell, with ``0.0 s`` for every time that a model took."""
    lines = (data["text/plain"] for data in ran.shown if data["text/plain"].startswith("gptcache: "))
    return [re.sub(r"\b[\d.]+ m?s\b", "0.0 s", line) for line in lines]
