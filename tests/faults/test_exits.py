"""The ways in which a process ends: each answer that a call has returned is found again."""

import os
from pathlib import Path

import pytest

import gptcache_magics as gm
from tests.support.processes import run

pytestmark = pytest.mark.slow
SCRIPT = """
import asyncio, atexit, gc, os, signal, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import gptcache_magics as gm
from tests.support.shell import ask
gm.on("store")
ask("first")
{end}
"""
EXITS = {
    "its end": "",
    "sys.exit": "sys.exit()",
    "sys.exit with a message": "sys.exit('done')",
    "quit": "import site; quit(3)",
    "an error": "1 / 0",
    "an interrupt": "raise KeyboardInterrupt",
    "an error in a thread": "threading.Thread(target=lambda: 1 / 0).start()",
    "exit in a thread": "threading.Thread(target=sys.exit).start()",
    "off": "gm.off()",
    "off and another on": "gm.off(); gm.on('store')",
    "os._exit": "os._exit(0)",
    "os._exit in a thread": "threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(9)",
    "os.abort": "os.abort()",
    "another program": "os.execv(sys.executable, [sys.executable, '-c', ''])",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
    "SIGINT": "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)",
    "SIGHUP": "os.kill(os.getpid(), signal.SIGHUP); time.sleep(9)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "a full stack": "def f(): f()\nf()",
    "no memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, (1, 1)); bytearray(10**9)",
    "an error in a loop": "async def f(): 1 / 0\nasyncio.run(f())",
}
LATE = {
    "while a thread asks": "threading.Thread(target=ask, args=('late',)).start()",
    "while a pool asks": "ThreadPoolExecutor(2).submit(ask, 'late')",
    "in an exit handler": "atexit.register(ask, 'late')",
    "in an exit handler after off": "gm.off(); gm.on('store'); atexit.register(ask, 'late')",
}
"""Ends during which a question is asked."""
if os.name == "nt":
    for name in ("SIGHUP", "SIGKILL", "no memory", "another program"):
        del EXITS[name]


@pytest.mark.parametrize("end", EXITS)
def test_an_answer_outlives_each_way_to_end(tmp_path: Path, end: str) -> None:
    run("-c", SCRIPT.format(end=EXITS[end]), folder=tmp_path)
    assert list(gm.entries(at=tmp_path / "store")["question"]) == ["first"]


@pytest.mark.parametrize("end", LATE)
def test_an_answer_that_comes_at_the_end_is_kept(tmp_path: Path, end: str) -> None:
    done = run("-c", SCRIPT.format(end=LATE[end]), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert set(gm.entries(at=tmp_path / "store")["question"]) == {"first", "late"}
