"""The server of the audit, and the table of its outcome."""

import functools
import socket
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from tests.audit.audit import HEADER
from tests.audit.wire import Wire


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was compared, class by class; the rows may come from other processes."""
    reports = [each for kind in ("passed", "failed", "xfailed") for each in terminalreporter.stats.get(kind, ())]
    rows = [row for each in reports for name, row in each.user_properties if name == "audit"]
    if rows:
        terminalreporter.section("requests and keys")
        terminalreporter.write_line(HEADER)
        for row in sorted(rows):
            terminalreporter.write_line(row)


@pytest.fixture(scope="session")
def wire() -> Iterator[Wire]:
    """Start one server for all audits."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch, certificates_read_once: None) -> None:
    """Refuse to look up any other host, and make clients quickly: each would read all of AWS's files."""
    resolve = socket.getaddrinfo

    def loopback(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", None):
            raise socket.gaierror(f"{host} is not on loopback")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", loopback)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # its import would download prices
    if find_spec("botocore"):
        loaders = import_module("botocore.loaders")
        load = functools.cache(loaders.JSONFileLoader().load_file)
        monkeypatch.setattr(loaders.JSONFileLoader, "load_file", lambda self, path: load(path))
