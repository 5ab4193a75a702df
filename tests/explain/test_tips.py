"""What to type next: it works, and takes nothing away of what is on."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

import gptcache_magics as gm
from gptcache_magics.explain.causes import Explanation
from gptcache_magics.explain.parameters import changes
from gptcache_magics.explain.tips import next_command
from tests.explain.test_causes import configured
from tests.support.provider_server import ProviderServer


def command() -> str:
    """Return the command that ``why`` says to type next."""
    found = re.search(r"next\s+%gptcache (.*)", repr(gm.why()))
    assert found is not None
    return found[1]


def test_a_tip_to_ignore_keeps_the_rules_that_are_on(on: Path, server: ProviderServer) -> None:
    gm.on(ignore="id")
    llm = server.model("ChatOpenAI")
    for second in (1, 2):
        llm.invoke(f"Write a report for the ticket {uuid4()} now.")
        llm.invoke(f"The clock says 10:20:0{second} so greet the user, please.")
    assert command() == "on --ignore id,time"
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss, match=re.escape("%gptcache on --ignore id,time")):
        llm.invoke("The clock says 10:20:09 so greet the user, please.")


def test_a_tip_raises_a_limit_and_never_lowers_it(on: Path) -> None:
    gm.on(max_size="3GB", budget="9usd")
    running = gm.current().ledger
    assert next_command(Explanation("evicted", "", ""), running) == "%gptcache on --max-size 6GB"
    assert next_command(Explanation("budget reached", "", ""), running) == "%gptcache on --budget 18.00usd"
    assert next_command(Explanation("mode", "", ""), running) == ""
    gm.on(max_size="none", budget="none", mode="refresh")
    assert next_command(Explanation("evicted", "", ""), running) == ""
    assert next_command(Explanation("budget reached", "", ""), running) == ""
    assert next_command(Explanation("mode", "", ""), running) == "%gptcache mode auto"


def test_the_model_that_is_named_by_its_file_is_shown_on_both_sides() -> None:
    one = configured("tiny.gguf", model_path="tiny.gguf@293d854312f1ab14")
    other = configured("missing.gguf")
    there = [change.text for change in changes(one, other)]
    assert there == ["model tiny.gguf → missing.gguf", "model_path tiny.gguf@293d854312f1ab14 → missing.gguf"]
    assert changes(other, one)[1].text == "model_path missing.gguf → tiny.gguf@293d854312f1ab14"
    assert [each.text for each in changes(configured("a"), configured("b"))] == ["model a → b"]


def test_an_id_of_a_tool_call_that_counts_is_shown(on: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    for id in ("a", "c"):
        called = AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": id}])
        llm.invoke([HumanMessage("q"), called, ToolMessage("r1", tool_call_id=id)])
    told = repr(gm.why())
    assert 'tool_calls.1.id "[-a-]{+c+}"' in told
    assert "also stands elsewhere in the prompt" in told


def test_a_message_that_was_added_or_removed_is_called_so(on: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    asked = [HumanMessage("Which day is it?"), AIMessage("Monday."), AIMessage("Or Tuesday.")]
    for messages in (asked[:2], asked, asked[:1]):
        llm.invoke(messages)
    reasons = list(gm.lookups()["reason"])
    assert reasons[:2] == ["message 2 (ai) removed", "message 3 (ai) added"]
    assert "message 3 (ai) was added." in repr(gm.why(2))
