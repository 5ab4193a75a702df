"""``%gptcache why`` as a person meets it: after real calls, typed in a shell, in each form it is shown."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.lib.pretty import pretty
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

import gptcache_magics as gm
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.explain.view import Why
from gptcache_magics.store.protocol import Found
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.models import weather
from tests.support.provider_server import Model, ProviderServer
from tests.support.shell import NumberedModel, Typist, ask

REPORT = "Summarise the 2023 report in three sentences."
NEWER = "Summarise the 2024 report in three sentences."


@pytest.fixture
def magic(magic: Typist) -> Typist:
    """Type lines and cells while the cache is on."""
    magic.told("on")
    magic.ip.run_cell("from tests.support.shell import NumberedModel, ask")
    return magic


def cause() -> str:
    return str(gm.why().explanation.cause)


# Real calls that missed


@tool
def search(query: str) -> str:
    """Find something."""
    return "found"


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("class_name", ["ChatOpenAI", "ChatAnthropic", "ChatOllama"])
def test_a_changed_parameter_of_a_provider(server: ProviderServer, class_name: str) -> None:
    server.model(class_name, temperature=0.2).invoke(REPORT)
    server.model(class_name, temperature=0.9).invoke(REPORT)

    assert cause() == "another parameter"
    assert "changed  temperature 0.2 → 0.9" in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_a_changed_model_of_a_provider(server: ProviderServer) -> None:
    server.model("ChatOpenAI").invoke(REPORT)
    server.model("ChatOpenAI", model="gpt-4o").invoke(REPORT)

    assert cause() == "another model"
    assert "model gpt-4o-mini → gpt-4o" in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_changed_tools_of_a_provider(server: ProviderServer) -> None:
    model = server.model("ChatOpenAI")
    for tools in ([], [search], [search, weather], [weather]):
        (model.bind_tools(tools) if tools else model).invoke(REPORT)

    told = [change.text for number in (2, 3) for change in nearest_of(number).changes]
    assert told == ["tools added: search", "tools added: weather"]
    assert gm.why(4).explanation.cause == "other tools"


def nearest_of(number: int) -> Any:
    return gm.why(number).explanation.nearest


@pytest.mark.usefixtures("on")
def test_a_changed_base_url_of_a_provider(server: ProviderServer) -> None:
    server.model("ChatOpenAI").invoke(REPORT)
    other = server.openai_url.replace("127.0.0.1", "localhost")
    server.model("ChatOpenAI", base_url=other).invoke(REPORT)

    assert cause() == "another base URL"
    assert f"base URL {server.openai_url} → {other}" in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_a_changed_system_prompt_and_an_earlier_turn(server: ProviderServer) -> None:
    model: Model = server.model("ChatOpenAI")
    model.invoke([SystemMessage("Be brief."), HumanMessage(REPORT)])
    model.invoke([SystemMessage("Be thorough."), HumanMessage(REPORT)])
    assert cause() == "another context"
    assert "words    Be [-brief-]{+thorough+}." in repr(gm.why())

    before = [SystemMessage("Be brief."), HumanMessage("Hi")]
    model.invoke([*before, AIMessage("Hello"), HumanMessage(NEWER)])
    model.invoke([*before, AIMessage("Good day"), HumanMessage(NEWER)])
    assert "message 3 (ai) differs" in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_the_second_step_of_an_agent(server: ProviderServer) -> None:
    model: Model = server.model("ChatOpenAI").bind_tools([search])
    called = model.invoke(REPORT)
    model.invoke([HumanMessage(REPORT), called, ToolMessage("found", tool_call_id=called.tool_calls[0]["id"])])

    assert cause() == "another context"
    assert "message 2 (ai) was added" in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_an_answer_that_was_cut_off(server: ProviderServer) -> None:
    server.finish_reason = "length"
    model: Model = server.model("ChatOpenAI")
    model.invoke(REPORT)
    assert cause() == "not stored"
    assert "Its answer was not stored, so the next call misses as well: cut off at max_tokens (length)." in repr(
        gm.why()
    )
    assert "also     asked for the first time" in repr(gm.why())

    model.invoke(REPORT)
    assert cause() == "not stored"
    assert "Lookup 1 asked the same, but its answer was not stored: cut off at max_tokens (length)." in repr(gm.why())


@pytest.mark.usefixtures("on")
def test_a_call_that_failed(server: ProviderServer) -> None:
    server.fail_next(1)
    model: Model = server.model("ChatOpenAI")
    with pytest.raises(Exception, match="fails with 500"):
        model.invoke(REPORT)
    model.invoke(REPORT)

    assert cause() == "no answer yet"


@pytest.mark.usefixtures("on")
def test_a_hit_says_what_it_saved(server: ProviderServer) -> None:
    model: Model = server.model("ChatOpenAI")
    model.invoke(REPORT)
    model.invoke(REPORT)

    entry = gm.entries().index[0]
    assert cause() == "hit"
    saved = next(line for line in repr(gm.why()).splitlines() if line.startswith("  saved"))
    assert re.match(r"  saved    <\$0\.0001, [\d.]+ m?s, ", saved)
    assert " tokens in, " in saved
    assert repr(gm.why()).endswith(f"next     %gptcache show {entry}")
    assert REPORT in repr(gm.show(entry))


@pytest.mark.usefixtures("on")
def test_a_hit_says_that_its_answer_was_edited() -> None:
    ask(REPORT)
    ask(REPORT)
    gm.edit(gm.entries().index[0], "a better answer")
    ask(REPORT)
    assert gm.why(2).explanation.sentence.endswith(" and replaced since.")
    assert gm.why(3).explanation.sentence.endswith(" and edited.")


@pytest.mark.usefixtures("on")
def test_removed_and_cleared_entries() -> None:
    for take_away in (lambda: gm.remove(*gm.entries().index), gm.clear):
        ask(REPORT)
        take_away()
        ask(REPORT)
        assert cause() == "removed"


@pytest.mark.usefixtures("on")
def test_a_store_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: SQLiteStore, key: str) -> Found | None:
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "get", broken)
        ask(REPORT)

    assert cause() == "error"
    assert "the disk is gone" in repr(gm.why())
    assert repr(gm.why()).endswith("next     %gptcache")


@pytest.mark.usefixtures("on")
def test_a_lookup_that_no_hook_saw() -> None:
    cache = gm.current()
    assert cache is not None
    cache.lookup(REPORT, "[('stop', None)]")

    assert cause() == "model unknown"


@pytest.mark.usefixtures("on")
def test_answers_that_a_users_own_gptcache_keeps(tmp_path: Path) -> None:
    from gptcache.manager.factory import manager_factory

    gm.off()
    gm.on(init=lambda cache: cache.init(data_manager=manager_factory("map", data_dir=str(tmp_path / "map"))))
    for question in (REPORT, REPORT, NEWER):
        ask(question)

    assert [gm.why(number).explanation.cause for number in (1, 2, 3)] == ["first time", "hit", "first time"]
    assert "not in this store" in repr(gm.why(2))


# The command line


def test_the_default_is_the_last_miss_of_the_last_cell(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r})")
    magic.cell(f"ask({NEWER!r}); ask('Who wrote Faust?'); ask({REPORT!r})")
    magic.cell("1 + 1")
    assert isinstance(magic("why"), Why)
    assert magic("why").explanation.question == "Who wrote Faust?"

    magic.cell(f"ask({REPORT!r})")
    assert magic("why").explanation.cause == "hit"
    assert magic("why").explanation.number == 5


def test_a_number_is_one_of_the_lookups_table(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r}); ask({NEWER!r})")
    magic.told("off")
    magic.told("on")

    assert magic("why 2").explanation.cause == "other words"  # of an earlier run
    assert repr(magic("why 2")) == repr(gm.why(2)) == repr(gm.why("2")) == repr(magic("why #2"))
    assert magic.refused("why 3") == "No lookup has the number 3. The newest is 2. All: %gptcache lookups --since all"
    assert "number 0" in magic.refused("why 0")


def test_a_text_is_the_newest_lookup_of_it(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r}); ask({NEWER!r}); ask('{NEWER} Please.')")

    assert magic(f'why "{NEWER}"').explanation.number == 2
    assert magic(f"why {NEWER}").explanation.number == 2
    assert magic('why "2024 report"').explanation.number == 3
    assert gm.why(REPORT).explanation.number == 1


def test_a_text_that_nobody_asked_shows_what_is_recorded(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r})")

    shown = repr(magic('why "Summarise the 2025 report in three sentences."'))
    assert shown.startswith("No recent lookup asked that: the closest recorded question is 98% the same.")
    assert "Summarise the [-2023-]{+2025+} report" in shown
    assert magic("why Who wrote Faust").explanation.nearest is None


def test_a_text_in_a_variable(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r}); ask('12')")

    assert gm.why(var=REPORT).explanation.number == 1
    assert gm.why(var="12").explanation.number == 2
    for given in ({"var": 12}, {"var": ["12"]}):
        with pytest.raises(CommandError, match="--var names a text"):
            gm.why(**given)  # type: ignore[arg-type]
    with pytest.raises(CommandError, match="replaces the words"):
        gm.why(REPORT, var=REPORT)


def test_only_lookups_of_a_model(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r}); ask({NEWER!r}, 'large-model'); ask('Who wrote Faust?')")

    assert magic("why -m large-model").explanation.number == 2
    assert magic("why report -m small-model").explanation.number == 1
    assert "No model 'larg-model' in this store. Did you mean 'large-model'" in magic.refused("why -m larg-model")


def test_a_store_that_is_not_on(magic: Typist) -> None:
    magic.cell(f"ask({REPORT!r}); ask({NEWER!r})")
    shown = repr(magic("why"))
    magic.told("off")

    assert "The cache is off" in magic.refused("why")
    assert repr(magic("why --at .gptcache")) == f"{shown} --at .gptcache"  # the next command works while it is off
    magic(repr(magic("why --at .gptcache")).rpartition("%gptcache ")[2])
    assert repr(magic("why 1 --at .gptcache")) == repr(gm.why(1, at=".gptcache"))


def test_without_lookups_one_sentence_says_so(magic: Typist) -> None:
    for line in ("", "1"):
        assert magic.refused(f"why {line}").startswith("No lookups yet.")
    assert "nothing like it is recorded" in repr(magic("why Who wrote Faust?"))


@pytest.mark.parametrize("line", ["--vary x", "--at nowhere", "-m", "-m x -m y"])
def test_a_wrong_line_is_refused_in_one_sentence(magic: Typist, line: str) -> None:
    assert magic.refused(f"why {line}")


# How it is shown


HOSTILE = "tall </td><script>alert(1)</script> \x1b[2J\u202e sk-0123456789abcdef"


@pytest.mark.usefixtures("on")
def test_hostile_text_is_neutralised_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(f"{REPORT} {HOSTILE}", "a<b>\x1b[2J")
    ask(f"{NEWER} {HOSTILE}", "a<b>\x1b[2J")

    assert cause() == "other words"
    monkeypatch.setattr(sys, "stdout", Terminal())
    for shown in (repr(gm.why()), pretty(gm.why()), gm.why()._repr_html_()):
        assert "2024" in shown
        assert "\\x1b[2J" in shown
        for hostile in ("\x1b[2J", "\u202e", "sk-01234"):
            assert hostile not in shown
    assert "<script" not in gm.why()._repr_html_()
    assert "a<b>" not in gm.why()._repr_html_()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("on")
def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(REPORT)
    ask(NEWER)
    assert pretty(gm.why()) == repr(gm.why())

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m[-2023-]\x1b[0m\x1b[32m{+2024+}\x1b[0m" in pretty(gm.why())
    assert "\x1b" not in repr(gm.why())
    monkeypatch.setenv("NO_COLOR", "1")
    assert pretty(gm.why()) == repr(gm.why())


@pytest.mark.usefixtures("on")
def test_the_plain_form_reads_from_top_to_bottom() -> None:
    ask(REPORT)
    ask(NEWER)

    first, second = gm.entries().index[::-1]
    assert first != second
    assert repr(gm.why()).splitlines() == [
        "Other words: 2023 → 2024",
        "Lookup 2 (small-model), miss. Asked in other words: the closest question is 98% the same.",
        f"  asked    {NEWER}",
        f"  stored   {REPORT}",
        "  words    Summarise the [-2023-]{+2024+} report in three sentences.",
        f"  closest  {first} (small-model)",
        f"  next     %gptcache show {first}",
    ]


@pytest.mark.usefixtures("on")
def test_the_html_form_marks_the_words() -> None:
    ask(REPORT)
    ask(NEWER)

    shown = gm.why()._repr_html_()
    assert ">2023</del><ins " in shown
    assert ">2024</ins>" in shown
    assert "var(--jp-content-font-color1,inherit)" in shown


@pytest.mark.usefixtures("on")
def test_an_explanation_of_long_prompts_is_short() -> None:
    for year in (2023, 2024):
        NumberedModel().invoke([HumanMessage(f"{'word ' * 50_000}{year}{' word' * 50_000}")])

    shown = repr(gm.why())
    assert "[-2023-]{+2024+}" in shown
    assert len(shown) < 5_000
