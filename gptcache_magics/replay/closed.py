"""The network, and kernels of its own, which a notebook does not get while it is verified.

Both are refused by an audit hook for good. It affects neither other programs, such as ``!curl`` or a second Python, nor
libraries that open connections without Python. Programs that the notebook leaves behind are ended with the run.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

__all__ = ["VERIFYING", "KernelRefused", "NetworkClosed", "close", "end_processes", "refuse_kernels"]

VERIFYING: Final = "GPTCACHE_MAGICS_VERIFYING"
"""Environment variable of a verified notebook and of all programs that it starts; its value names the run."""
END_SECONDS: Final = 2
_NAMES: Final = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDING: Final = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_COMMANDS: Final = {"subprocess.Popen": 1, "os.posix_spawn": 1, "os.spawn": 2, "os.system": 0}
"""Events that start a program, with the place of its command line among the arguments."""
_STARTS_KERNEL: Final = re.compile(
    r"(?:^|[;&|(]|\S/)\s*(?:papermill|jupyter[ -](?:execute|run|console)|jupyter[ -]nbconvert\b.*\s--execute)\b"
    r"|\s-m\s+(?:ipykernel|papermill|jupyter (?:execute|run|console)|(?:jupyter )?nbconvert\b.*\s--execute)"
)


class NetworkClosed(OSError):
    """A connection or a host name lookup was refused."""


class KernelRefused(OSError):
    """A program that starts a kernel was refused."""


def close() -> list[str]:
    """Refuse connections, host name lookups and kernels from now on. Returns the list of the hosts refused."""
    tried: list[str] = []

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event in _COMMANDS:
            refuse_kernels(args[_COMMANDS[event]])
        elif event in _NAMES:
            _refuse_host(args[0], tried)
        elif event in _SENDING and args[0].family in (socket.AF_INET, socket.AF_INET6):
            _refuse_host(args[1][0] if args[1] else "a connected socket", tried)

    sys.addaudithook(refuse)
    return tried


def _refuse_host(host: str | bytes | None, tried: list[str]) -> None:
    if host is not None:  # None stands for this machine's own addresses
        name = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
        tried.append(name)
        raise NetworkClosed(f"The network is closed while a notebook is verified: {name} was not reached.")


def refuse_kernels(command: str | bytes | Iterable[str | bytes | os.PathLike[str]]) -> None:
    """Raise an error if a command line starts a kernel."""
    words = [command] if isinstance(command, str | bytes) else list(command)
    texts = [os.fsdecode(word) for word in words]
    # A shell gets a command line, other programs get words.
    line = texts[-1] if len(texts) == 1 or texts[1:-1] == ["-c"] else " ".join(texts)
    if _STARTS_KERNEL.search(line):
        raise KernelRefused(f"Kernels are not started while a notebook is verified: {line}")


def end_processes(run: str) -> None:
    """End what the notebook of a run has started, and what that has started."""
    try:
        import psutil
    except ImportError:  # comes with ipykernel, which scripts do not need
        return

    left = [each for each in psutil.process_iter() if _started_by(each, run)]
    for each in left:
        with suppress(psutil.Error):
            each.terminate()
    for each in psutil.wait_procs(left, END_SECONDS)[1]:
        with suppress(psutil.Error):
            each.kill()


def _started_by(process: Any, run: str) -> bool:
    import psutil

    try:
        return bool(process.pid != os.getpid() and process.environ().get(VERIFYING) == run)
    except (psutil.Error, OSError):  # it has ended, or is another user's
        return False
