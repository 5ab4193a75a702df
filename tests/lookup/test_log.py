"""The logger ``gptcache_magics``: what it tells, once, and what it never tells."""

import logging
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings

import gptcache_magics as gm
from gptcache_magics.store.sqlite import connections
from tests.support.processes import run
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, ask

SECRET = "the words of a prompt"


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gptcache_magics")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return level and message of each record of the logger."""
    return [(each.levelname, each.message) for each in caplog.records if each.name.startswith("gptcache_magics")]


def test_nothing_is_logged_of_hits_and_misses(on: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        ask(SECRET)
    gm.stats()

    assert told(caplog) == []


def test_a_store_error_is_logged_once_for_each_text(on: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(on)
    on.write_text("no folder")
    for number in range(3):
        ask(f"{SECRET} {number}")
    gm.current().ledger.flush()
    logged = told(caplog)

    assert {level for level, _ in logged} == {"WARNING"}
    assert len(logged) == len(set(logged))
    assert any("storing an answer" in message and str(on) in message for _, message in logged)
    assert gm.current().ledger.failures > len(logged)
    assert SECRET not in caplog.text
    gm.stats(reset=True)
    ask(SECRET)
    assert len(told(caplog)) > len(logged)


class Broken(Embeddings):
    """An embedder whose error quotes what it was given."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if any(SECRET in text for text in texts):
            raise ValueError(f"cannot embed {texts}")
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_an_error_that_quotes_a_prompt_is_logged_without_it(on: Path, caplog: pytest.LogCaptureFixture) -> None:
    gm.on(match="semantic", embedder=Broken(), wait=True)
    ask(f"What do {SECRET} mean in this case?")

    assert ("WARNING", "EmbedderFailed while matching by meaning. More: %gptcache status") in told(caplog)
    assert SECRET not in caplog.text
    assert SECRET in str(gm.status().warnings)


def test_a_bypass_is_logged_with_its_kind_and_model(
    on: Path, caplog: pytest.LogCaptureFixture, server: ProviderServer
) -> None:
    server.model("ChatOpenAI", cache=False).invoke(SECRET)
    with gm.using(mode="bypass"):
        ask(SECRET)

    assert told(caplog) == [("INFO", "bypass (cache=False): gpt-4o-mini"), ("INFO", "bypass (mode): small-model")]
    assert SECRET not in caplog.text


def test_a_wait_for_a_locked_file_is_logged(on: Path, caplog: pytest.LogCaptureFixture) -> None:
    ask("opens the file")
    other = sqlite3.connect(on / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ask(SECRET)  # gives up
    other.execute("ROLLBACK")
    other.close()

    waits = [message for _, message in told(caplog) if message.startswith("slow lock")]
    expected = rf"slow lock: waited [1-9]\d*\.\d s in vain for {re.escape(str(on / 'cache.db'))}"
    assert waits
    assert all(re.fullmatch(expected, wait) for wait in waits)


def test_a_wait_that_ends_well_is_logged_if_it_was_long(
    on: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("opens the file")
    assert told(caplog) == []
    monkeypatch.setattr(connections, "SLOW_SECONDS", 0.0)
    ask(SECRET)

    assert {message.split(": waited")[0] for _, message in told(caplog)} == {"slow lock"}
    assert all(message.endswith(f" for {on / 'cache.db'}") for _, message in told(caplog))


class Raising(logging.Handler):
    """A handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the user's handler")


def test_a_handler_that_fails_is_not_in_the_way(on: Path) -> None:
    logger, handler = logging.getLogger("gptcache_magics"), Raising()
    logger.addHandler(handler)
    try:
        with gm.using(mode="bypass"):
            assert ask(SECRET).startswith("answer ")
        shutil.rmtree(on)
        on.write_text("no folder")
        assert NumberedModel().invoke("another").text.startswith("answer ")
    finally:
        logger.removeHandler(handler)


def test_without_any_configuration_nothing_is_printed(tmp_path: Path) -> None:
    script = (
        "import os, sys, gptcache_magics as gm\nfrom tests.support.shell import ask\nfolder = sys.argv[1]\n"
        "gm.on(folder)\nos.rename(folder, folder + '-moved')\nopen(folder, 'w').close()\n"
        "ask('q')\nwith gm.using(mode='bypass'): ask('q')\nprint(gm.current().ledger.failures > 0)"
    )
    ran = run("-c", script, tmp_path / "store", folder=tmp_path)

    assert (ran.returncode, ran.stdout) == (0, "True\n")
    assert "while" not in ran.stderr
    assert "bypass" not in ran.stderr
