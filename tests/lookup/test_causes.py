"""Each miss gets its cause after the call: in tables, by groups, and without being in the way."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

import gptcache_magics as gm
from gptcache_magics.store.protocol import Period
from gptcache_magics.store.sqlite import connections
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import ask
from tests.support.waiting import wait_until

QUESTION = "What is the tallest mountain of Asia?"


def causes() -> list[str]:
    """Return the reasons of all lookups, oldest first."""
    return list(gm.lookups()["reason"][::-1])


def test_the_reason_of_each_miss_is_its_cause(on: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    brief, rude = ([SystemMessage(f"Be {how}."), HumanMessage(QUESTION)] for how in ("brief", "rude"))
    llm.invoke(brief)
    llm.invoke(rude)
    llm.bind(temperature=0.5).invoke(rude)
    server.model("ChatOpenAI", model="gpt-4o").invoke(rude)
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "search", "description": "Searches.", "parameters": schema}}
    llm.bind_tools([tool]).invoke(rude)
    gm.remove(grep="brief")
    llm.invoke(brief)
    llm.invoke(brief)
    assert causes() == [
        "asked for the first time",
        "the system message differs",
        "another parameter: temperature (default) → 0.5",
        "another model: model gpt-4o-mini → gpt-4o",
        "other tools: tools added: search",
        "removed",
        "",
    ]


def test_a_miss_whose_answer_is_never_stored_says_so_each_time(on: Path, server: ProviderServer) -> None:
    server.finish_reason = "length"
    llm = server.model("ChatOpenAI")
    llm.invoke(QUESTION)
    gm.lookups()
    server.finish_reason = None
    llm.invoke(QUESTION)
    assert [each.split(":")[0] for each in causes()] == ["not stored", "not stored before"]


def test_figures_by_cause_add_up(on: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    for question, temperature in itertools.product(("one", "two"), (0.0, 1.0)):
        llm.bind(temperature=temperature).invoke(question)
    llm.bind(temperature=0.0).invoke("one")
    gm.stats()  # before the answer is replaced, and its time with it
    with gm.using(mode="refresh"):
        llm.bind(temperature=0.0).invoke("one")
    by_cause, total = gm.stats("cause"), gm.stats("total").iloc[0]

    assert by_cause["lookups"].to_dict() == {"first time": 2, "another parameter": 2, "hit": 1, "mode": 1}
    assert by_cause.index.name == "cause"
    for name in ("lookups", "hits", "misses", "paid_usd", "saved_usd", "errors"):
        assert by_cause[name].sum() == pytest.approx(total[name])


@pytest.mark.slow
def test_causes_are_found_without_being_asked_for(on: Path) -> None:
    ask("question")
    store = gm.current().store
    wait_until(lambda: [row.reason_kind for row in store.lookups(Period())] == ["first time"])


def test_off_finds_the_causes_of_its_run(on: Path) -> None:
    ask("question")
    gm.off()
    assert gm.lookups(at=on)["reason"].tolist() == ["asked for the first time"]


def test_a_call_is_not_explained_while_its_cell_waits(on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = gm.current().ledger
    monkeypatch.setattr(ledger, "explain", lambda *_: pytest.fail("a cell ends with this"))
    ask("question")
    ledger.flush()
    assert ledger.recent[-1].reason.kind == "new"
    monkeypatch.undo()


def test_a_cause_that_cannot_be_written_is_written_later(on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    ask("question")
    ledger = gm.current().ledger
    ledger.flush()
    with closing(sqlite3.connect(on / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.explain()
        assert ledger.locked
    assert causes() == ["asked for the first time"]
    assert ledger.failures == 0


ENDS_AT_ONCE = """
import os, sys
import gptcache_magics as gm
from tests.support.shell import ask
gm.on(sys.argv[1])
ask("What is the tallest mountain of Asia? Answer number 1")
ask("What is the tallest mountain of Asia? Answer number 2")
gm.current().ledger.flush()
os._exit(0)
"""


@pytest.mark.parametrize("reader", ["shell", "stats", "lookups"])
def test_the_causes_of_a_process_that_ended_at_once_are_found_by_the_next_reader(tmp_path: Path, reader: str) -> None:
    store = tmp_path / "store"
    output_of(ENDS_AT_ONCE, store, folder=tmp_path)
    with closing(sqlite3.connect(store / "cache.db")) as db:
        assert db.execute("SELECT DISTINCT reason_kind FROM lookup").fetchall() == [("new",)]

    if reader == "shell":
        program = "import sys; from gptcache_magics.__main__ import main; sys.exit(main(sys.argv[1:]))"
        shown = output_of(program, "stats", "--by", "cause", "--at", store, folder=tmp_path)
        assert "first time" in shown
        assert "other words" in shown
    elif reader == "stats":
        assert gm.stats(by="cause", at=store)["misses"].to_dict() == {"first time": 1, "other words": 1}
    else:
        assert gm.lookups(at=store)["reason"].str.split(":").str[0].tolist() == [
            "other words",
            "asked for the first time",
        ]
    with closing(sqlite3.connect(store / "cache.db")) as db:
        kinds = db.execute("SELECT reason_kind FROM lookup ORDER BY number").fetchall()
    assert kinds == [("first time",), ("other words",)]


def test_a_locked_store_is_shown_as_it_is(tmp_path: Path) -> None:
    store = tmp_path / "store"
    output_of(ENDS_AT_ONCE, store, folder=tmp_path)
    with closing(sqlite3.connect(store / "cache.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert gm.stats(by="cause", at=store)["misses"].sum() == 2
        db.execute("ROLLBACK")
    assert gm.stats(by="cause", at=store).index.sort_values().tolist() == ["first time", "other words"]
