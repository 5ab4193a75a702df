"""Every command as a person types it, wrong input, completion, settings, unloading."""

import gc
import importlib
import inspect
import json
import pkgutil
import re
import sqlite3
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from IPython.core import completer
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from langchain_community.cache import SQLiteCache
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.language_models import BaseChatModel, BaseLLM

import gptcache_magics as gm
from gptcache_magics import commands
from gptcache_magics.commands._parser import summary, words
from gptcache_magics.errors import CommandError
from gptcache_magics.langchain import hooks
from gptcache_magics.notebook.completion import completions
from gptcache_magics.settings import NOTEBOOK
from gptcache_magics.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from tests.support.processes import output_of
from tests.support.shell import NumberedModel, Typist, ask, fresh_shell
from tests.support.waiting import wait_until

HEAVY = ("gptcache", "langchain", "langchain_core", "langchain_community", "pandas", "numpy", "ipywidgets", "anywidget")
OFF = "The cache is off. Turn it on: %gptcache on, or read a store: %gptcache stats --at .gptcache"
METHODS = [(kind, name) for kind in (BaseChatModel, BaseLLM) for name in ("generate", "agenerate", "stream", "astream")]


@pytest.fixture
def used(magic: Typist) -> Typist:
    """Type lines after two misses and a hit of ``small-model`` and a miss of ``large-model``."""
    magic.told("on")
    for question in ("What is the capital of France?", "How tall is Etna?", "How tall is Etna?"):
        ask(question)
    ask("What is the capital of Peru?", "large-model")
    return magic


def asked(df: pd.DataFrame) -> list[str]:
    """Return the questions of a frame, oldest first."""
    return [str(question) for question in df["question"][::-1]]


def id_of(question: str) -> str:
    """Return the id of the entry with this question."""
    return str(gm.entries(grep=question).index[0])


# Loading and unloading


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import gptcache_magics", HEAVY),
        ("shell.run_line_magic('load_ext', 'gptcache_magics')", HEAVY),
        ("shell.run_line_magic('load_ext', 'gptcache_magics'); shell.run_line_magic('gptcache', 'help on')", HEAVY),
        ("shell.run_line_magic('load_ext', 'gptcache_magics'); shell.run_line_magic('gptcache', 'help')", HEAVY),
        ("shell.run_line_magic('load_ext', 'gptcache_magics'); shell.run_line_magic('gptcache', 'status')", HEAVY),
        (
            "shell.run_line_magic('load_ext', 'gptcache_magics'); shell.run_line_magic('gptcache', 'on')",
            ("gptcache", "langchain_community", "pandas", "ipywidgets", "anywidget"),
        ),
    ],
    ids=["import", "load", "help on", "help", "status", "on"],
)
def test_nothing_heavy_is_imported_before_a_command_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, absent: tuple[str, ...]
) -> None:
    start = "import sys; from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell(); "
    end = f"; print('imported:', [name for name in {absent!r} if name in sys.modules])"
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    assert output_of(start + code + end, folder=tmp_path).splitlines()[-1] == "imported: []"


def registered(shell: InteractiveShell) -> list[object]:
    """Return all that the extension has in a shell."""
    callbacks = [each for name in ("pre_run_cell", "post_run_cell") for each in shell.events.callbacks[name]]
    matchers = getattr(shell.Completer, "custom_matchers", [])
    everything = [*callbacks, *matchers, *shell.configurables, *shell.magics_manager.magics["line"].values()]
    return [each for each in everything if "gptcache" in f"{each!r} {getattr(each, '__module__', '')}"]


def test_loading_twice_registers_everything_once(ip: InteractiveShell) -> None:
    before = registered(ip)
    ip.run_line_magic("load_ext", "gptcache_magics")
    gm.load_ipython_extension(ip)

    assert before
    assert registered(ip) == before


def test_unloading_takes_everything_away_and_turns_the_cache_off(used: Typist) -> None:
    panel = used("panel")
    used.ip.run_line_magic("unload_ext", "gptcache_magics")

    assert registered(used.ip) == []
    assert "GPTCacheMagics" not in used.ip.magics_manager.registry
    assert gm.current() is None
    assert get_llm_cache() is None
    panel._painter.thread.join(20)
    assert not panel._painter.thread.is_alive()
    gm.unload_ipython_extension(used.ip)
    with pytest.raises(UsageError, match="not found"):
        used.ip.run_line_magic("gptcache", "")


def test_an_unloaded_extension_can_be_loaded_again(used: Typist) -> None:
    used.ip.run_line_magic("unload_ext", "gptcache_magics")
    used.ip.run_line_magic("load_ext", "gptcache_magics")

    assert used.told("on") == "Cache on: .gptcache, 3 entries."
    assert "1 hit" in used.cell("from tests.support.shell import ask; _ = ask('How tall is Etna?')")


def test_reloading_turns_the_cache_off_and_keeps_what_was_stored(used: Typist) -> None:
    used.ip.run_line_magic("reload_ext", "gptcache_magics")

    assert used().cache == "off"
    assert len(used("entries --at .gptcache")) == 3


# on and off


def test_on_says_where_and_repeating_it_changes_nothing(magic: Typist, tmp_path: Path) -> None:
    line = "Cache on: .gptcache, 0 entries. Run a cell twice, then %gptcache panel"
    assert magic.told("on").rstrip(".") == line
    cache = gm.current()
    ask("How tall is Etna?")

    assert magic.told("on").startswith("Cache on: .gptcache, 1 entry")
    assert magic.told("on .gptcache").startswith("Cache on: .gptcache, 1 entry")
    assert magic.told(f"on {tmp_path / '.gptcache'}").startswith("Cache on: .gptcache, 1 entry")
    assert gm.current() is get_llm_cache() is cache


def test_on_in_memory_leaves_nothing_on_the_disk(magic: Typist, tmp_path: Path) -> None:
    assert magic.told("on :memory:").startswith("Cache on: :memory:, 0 entries")
    ask("How tall is Etna?")

    assert len(magic("entries")) == 1
    assert not list(tmp_path.rglob("cache.db"))


@pytest.mark.parametrize("place", ["answers", "'my answers'", "deep/er/answers", "~/answers"])
def test_on_takes_any_folder(magic: Typist, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    magic.told(f"on {place}")

    assert (tmp_path / place.strip("'").replace("~", "home") / "cache.db").is_file()


def test_on_takes_a_gptcache_set_up_by_a_notebook_function(magic: Typist) -> None:
    magic.cell(
        "from gptcache.manager.factory import manager_factory\n"
        "def set_up(cache_obj): cache_obj.init(data_manager=manager_factory('map', data_dir='mapped'))\n"
        "%gptcache on --init set_up"
    )

    assert ask("How tall is Etna?") == ask("How tall is Etna?")
    assert list(magic("lookups")["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("previous", [None, InMemoryCache(), "sqlite"], ids=["none", "memory", "sqlite"])
def test_off_puts_back_the_previous_cache_and_every_method_of_langchain(
    magic: Typist, tmp_path: Path, previous: BaseCache | str | None
) -> None:
    if previous == "sqlite":
        previous = SQLiteCache(str(tmp_path / "langchain.db"))
    assert not isinstance(previous, str)
    set_llm_cache(previous)
    methods = [vars(kind)[name] for kind, name in METHODS]
    aside = f"{type(previous).__name__} set aside (off restores it)"

    assert (aside in magic.told("on")) is (previous is not None)
    assert all(vars(kind)[name] is not method for (kind, name), method in zip(METHODS, methods, strict=True))
    ask("How tall is Etna?")
    line = magic.told("off")

    assert line.startswith("Cache off. This run: 1 miss")
    assert (f"{type(previous).__name__} is back" in line) is (previous is not None)
    assert get_llm_cache() is previous
    assert all(vars(kind)[name] is method for (kind, name), method in zip(METHODS, methods, strict=True))
    assert magic.told("off") == "The cache is off already."


def test_a_cache_installed_later_is_reported_and_taken_over_by_on(used: Typist, tmp_path: Path) -> None:
    later = SQLiteCache(str(tmp_path / "langchain.db"))
    set_llm_cache(later)

    assert used().cache != "on"
    assert "SQLiteCache replaced this cache as LangChain's global cache. Take it back: %gptcache on" in repr(used())
    assert "3 entries" in used.told("on")
    assert get_llm_cache() is gm.current()
    assert used().warnings == "none"
    used.told("off")
    assert get_llm_cache() is None


def test_off_does_not_touch_a_cache_installed_later(magic: Typist) -> None:
    previous, later = InMemoryCache(), InMemoryCache()
    set_llm_cache(previous)
    magic.told("on")
    set_llm_cache(later)

    assert "is back" not in magic.told("off")
    assert get_llm_cache() is later


def test_off_and_on_again_keeps_the_answers(used: Typist) -> None:
    stored = ask("How tall is Etna?")
    used.told("off")
    assert ask("How tall is Etna?") != stored
    assert used.told("on").rstrip(".") == "Cache on: .gptcache, 3 entries"

    assert ask("How tall is Etna?") == stored
    assert len(used("lookups")) == 1
    assert len(used("lookups --since all")) == 6


# Each command


def test_the_bare_magic_is_status_in_six_lines(used: Typist) -> None:
    status = used()

    lines = repr(status).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Cache", "Store", "Mode", "Match", "This run", "Warnings"]
    assert lines == repr(used("status")).splitlines()
    assert re.search(r"\.gptcache \(3 entries, \d+ B\)", lines[1])
    assert "1 hit, 3 misses" in lines[4]
    frame = status.to_frame()
    assert list(frame.columns) == ["cache", "store", "mode", "match", "run", "warnings", "team", "not_stored"]
    assert frame["cache"].tolist() == ["on"]


def test_status_says_how_to_turn_a_cache_on_that_is_off(magic: Typist) -> None:
    assert "Turn it on: %gptcache on" in repr(magic("status"))


def test_status_counts_every_lookup_of_a_long_run(magic: Typist) -> None:
    magic.told("on :memory:")
    cache = gm.current()
    assert cache is not None
    for _ in range(10_050):
        cache.ledger.note("bypass", None, 0.0)

    assert magic("stats --by total")["lookups"].tolist() == [10_050]
    assert "10050 bypassed" in magic().run.replace(",", "")


def test_tables_are_returned_and_not_printed(used: Typist) -> None:
    assert used("stats")["lookups"].to_dict() == {"small-model": 3, "large-model": 1}
    assert used("stats --by total")["hits"].tolist() == [1]
    assert used("stats -m large-model")["misses"].to_dict() == {"large-model": 1}
    assert used("models")["entries"].to_dict() == {"large-model": 1, "small-model": 2}
    assert asked(used("entries"))[-1] == "What is the capital of Peru?"
    assert asked(used("entries --grep CAPITAL")) == ["What is the capital of France?", "What is the capital of Peru?"]
    assert asked(used("entries -m large-model")) == ["What is the capital of Peru?"]
    assert asked(used("entries --sort hits -n 1")) == ["How tall is Etna?"]
    assert used("lookups").index.tolist() == [4, 3, 2, 1]
    assert used("lookups -n 2").index.tolist() == [4, 3]
    assert used("lookups --outcome hit").index.tolist() == [3]
    assert used("lookups -m small-model --outcome miss").index.tolist() == [2, 1]


def test_a_table_can_be_assigned_and_shows_nothing_then(used: Typist) -> None:
    assert used.cell("df = %gptcache stats --by model") == ""

    assert isinstance(used.ip.user_ns["df"], pd.DataFrame)
    pd.testing.assert_frame_equal(used.ip.user_ns["df"], gm.stats())


@pytest.mark.parametrize("line", ["entries --grep {x}", "entries --grep '{x}'", "entries --grep [$]x"])
def test_free_text_is_taken_as_it_is_typed(used: Typist, line: str) -> None:
    used.ip.user_ns["x"] = "capital"
    ask("What do {x} and $x mean?")

    used.cell(f"df = %gptcache {line}")

    assert asked(used.ip.user_ns["df"]) == asked(used(line)) == ["What do {x} and $x mean?"]


@pytest.mark.parametrize("line", ["# is it on", "status # is it on", "status  #  'as the README has it"])
def test_a_comment_after_the_line_is_not_read(used: Typist, line: str) -> None:
    assert repr(used(line)) == repr(used("status"))
    assert len(used("entries --grep '[#x] ?no'  # nothing")) == 0


def test_tables_are_about_this_run_unless_asked_otherwise(used: Typist) -> None:
    reset = used.told("stats --reset")

    assert reset == "Figures reset: a new run begins now. Nothing was deleted: %gptcache stats --since all"
    assert len(used("lookups")) == len(used("stats")) == 0
    assert used().run == "no lookups yet"
    assert [len(used(f"lookups --since {since}")) for since in ("all", "1h", "7d", "2w", "30m")] == [4] * 5
    assert len(used("stats --since all")) == 2


@pytest.mark.parametrize("line", ["stats --by total", "lookups", "entries", "models", "panel --static"])
def test_a_store_can_be_read_whether_it_is_on_or_not(used: Typist, line: str) -> None:
    used.told("stats --reset")
    there = repr(used(f"{line} --at .gptcache"))
    used.told("off")

    assert repr(used(f"{line} --at .gptcache")).replace("off, at", "auto, at") == there
    assert used().cache == "off"


def test_show_tells_the_conversation_the_answer_and_the_cost(used: Typist) -> None:
    shown = repr(used(f"show {id_of('Etna')}"))

    assert "human: How tall is Etna?" in shown
    assert f"answer: {ask('How tall is Etna?')}" in shown
    assert "1 hit; paid: tokens unknown" in shown
    assert "small-model" in shown
    raw = repr(used(f"show {id_of('Etna')} --raw")).splitlines()
    assert json.loads(raw[0])[0]["kwargs"]["content"] == "How tall is Etna?"
    assert ask("How tall is Etna?") in raw[1]


@pytest.mark.parametrize("cut", [16, 8, 4])
def test_an_entry_is_named_by_the_beginning_of_its_id(used: Typist, cut: int) -> None:
    entry = id_of("Etna")[:cut]

    assert used.told(f"pin {entry}") == "1 entry pinned."
    assert used.told(f"pin {entry.upper()}") == "1 entry pinned."
    assert asked(used("entries --pinned")) == ["How tall is Etna?"]


HUGE = 10**20
WRONG_VALUES: dict[str, tuple[Callable[[], object], str]] = {
    "why": (lambda: gm.why(HUGE), f"No lookup has the number {HUGE}."),
    "why, thousands of digits": (lambda: gm.why("9" * 5_000), "No lookup has the number 9"),
    "label": (lambda: gm.label(HUGE, "wrong"), f"No lookup has the number {HUGE}."),
    "entries": (lambda: gm.entries(limit=HUGE), "limit takes at most 1,000,000,000,000."),
    "lookups": (lambda: gm.lookups(limit=HUGE), "limit takes at most 1,000,000,000,000."),
    "pin": (lambda: gm.pin(5), "An id is a text, such as 'a41f'. Got 5."),
    "pin in a list": (lambda: gm.pin([5]), "An id is a text, such as 'a41f'. Got 5."),
    "pin nothing": (lambda: gm.pin([]), "pin: say which entries: ids, "),
    "remove": (lambda: gm.remove(5), "An id is a text, such as 'a41f'. Got 5."),
    "remove, older": (lambda: gm.remove(older=5), "--older takes a time such as 30d."),
    "tag": (lambda: gm.tag(5, "x"), "A tag is a text of one word, such as 'lesson-1'. Got 5."),
    "tag an id": (lambda: gm.tag("x", 5), "An id is a text, such as 'a41f'. Got 5."),
    "model": (lambda: gm.entries(model=5), "No model '5' in this store."),
    "grep": (lambda: gm.entries(grep=5), "grep is a regular expression, such as 'capital of'. Got 5."),
}


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_value_of_the_wrong_size_or_type_gets_one_sentence(wrong: str) -> None:
    ask, sentence = WRONG_VALUES[wrong]
    with pytest.raises(CommandError, match=f"^{re.escape(sentence)}"):
        ask()


def test_typed_numbers_have_any_number_of_digits(used: Typist) -> None:
    for line, sentence in {
        f"entries -n {'9' * 5_000}": "entries: -n takes at most 1,000,000,000,000.",
        f"lookups --cell {'0' * 5_000}": "--cell takes the number beside a cell",
        f"why {HUGE - 1}": f"No lookup has the number {HUGE - 1}.",
    }.items():
        with pytest.raises(UsageError, match=re.escape(sentence)):
            used.told(line)


def test_remove_takes_an_index_of_ids(used: Typist) -> None:
    number = len(gm.entries())
    assert gm.remove(gm.entries().index[:1]).startswith("1 entry removed")
    assert len(gm.entries()) == number - 1


def test_entries_are_pinned_and_tagged_and_freed_of_it(used: Typist) -> None:
    etna, peru = id_of("Etna"), id_of("Peru")

    assert used.told(f"pin {etna} {peru}") == "2 entries pinned."
    assert used.told(f"unpin {peru}") == "1 entry unpinned."
    assert used("entries")["pinned"][[etna, peru]].tolist() == [True, False]
    assert used.told(f"tag lesson-1 {etna} {peru}") == "2 entries tagged lesson-1."
    assert used.told(f"tag draft {etna}") == "1 entry tagged draft."
    assert used("entries")["tags"][[etna, peru]].tolist() == ["lesson-1 draft", "lesson-1"]
    assert asked(used("entries --tag draft")) == ["How tall is Etna?"]
    assert "Did you mean 'lesson-1'? Tags: draft, lesson-1." in used.refused("entries --tag lesson")
    assert used.told(f"tag --clear {etna}") == "1 entry without tags now."
    assert used("entries --tag lesson-1").index.tolist() == [peru]
    assert "pinned" in repr(used(f"show {etna}"))


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ("-m large-model", ["What is the capital of France?", "How tall is Etna?"]),
        ("--grep capital", ["How tall is Etna?"]),
        ("--grep capital -m small-model", ["How tall is Etna?", "What is the capital of Peru?"]),
        ("--older 0d", []),
        ("--unused 0m", []),
        ("--older 1d", None),
        ("--tag nosuch", None),
    ],
)
def test_remove_takes_what_fits_every_condition_and_undo_brings_it_back(
    used: Typist, which: str, left: list[str] | None
) -> None:
    before = used("entries")
    listed = used(f"remove {which} --dry-run")
    pd.testing.assert_frame_equal(used("entries"), before)

    said = used.told(f"remove {which}")

    if left is None:
        assert said == "Nothing to remove."
        assert len(listed) == 0
        return
    assert asked(used("entries")) == left
    assert asked(listed) == [question for question in asked(before) if question not in left]
    number = f"{len(listed)} {'entry' if len(listed) == 1 else 'entries'}"
    assert re.fullmatch(rf"{number} removed, \d+ B\. Bring (it|them) back: %gptcache undo", said)
    assert ("Bring it back" in said) == (len(listed) == 1)
    assert used.told("undo") == f"{number} came back."
    pd.testing.assert_frame_equal(used("entries"), before)
    assert used.told("undo") == "Nothing to bring back."


def test_a_pinned_entry_is_removed_only_by_its_id_or_with_the_whole_store(used: Typist) -> None:
    etna = id_of("Etna")
    used.told(f"pin {etna}")

    assert etna not in used("remove --older 0d --dry-run").index
    used.told("remove --older 0d")
    assert used("entries").index.tolist() == [etna]
    assert used.told("remove --grep Etna") == "Nothing to remove. 1 pinned entry stays; --pinned removes it."
    assert used.told(f"remove {etna}").startswith("1 entry removed")
    used.told("undo")
    assert used("entries")["pinned"].tolist() == [True]
    assert used.told("clear").startswith("1 entry removed")


@pytest.mark.parametrize("pattern", ["content", "human", "langchain", "constructor", "lc", "kwargs"])
def test_grep_does_not_find_what_only_the_serialized_prompt_says(used: Typist, pattern: str) -> None:
    assert len(used(f"entries --grep {pattern}")) == 0
    assert used.told(f"remove --grep {pattern} --yes") == "Nothing to remove."


@pytest.mark.parametrize(
    "pattern", ["Straße", "straße$", "'\"quoted\"'", "'earlier question'", "'^Where does'", "'line.two'"]
)
def test_grep_reads_the_words_of_a_conversation(used: Typist, pattern: str) -> None:
    messages = [
        ("system", 'Be "quoted" and brief.\nline two'),
        ("human", "An earlier question"),
        ("ai", "An answer"),
        ("human", "Where does it end? In the Straße"),
    ]
    NumberedModel().invoke(messages)

    assert asked(used(f"entries --grep {pattern}")) == ["Where does it end? In the Straße"]


def test_a_removed_entry_misses_and_one_that_came_back_hits(used: Typist) -> None:
    stored = ask("How tall is Etna?")
    used.told(f"remove {id_of('Etna')}")
    used.told("undo")
    assert ask("How tall is Etna?") == stored

    used.told(f"remove {id_of('Etna')}")
    newer = ask("How tall is Etna?")
    assert newer != stored
    assert used.told("undo") == "Nothing to bring back."
    assert ask("How tall is Etna?") == newer  # what was stored since is kept


def test_clear_empties_the_store_and_keeps_the_lookups(used: Typist) -> None:
    listed = used("clear --dry-run")
    assert len(listed) == 3

    assert re.fullmatch(r"3 entries removed, \d+ B\. Bring them back: %gptcache undo", used.told("clear"))
    assert len(used("entries")) == 0
    assert len(used("lookups")) == 4
    newer = ask("How tall is Etna?")
    assert used.told("undo") == "2 entries came back."
    assert ask("How tall is Etna?") == newer


def test_clear_with_log_removes_the_lookups_too(used: Typist) -> None:
    said = used.told("clear --log")

    assert "4 lookups removed" in said
    assert said.endswith("%gptcache undo")
    assert len(used("lookups --since all")) == len(used("entries")) == 0
    assert used.told("undo") == "3 entries came back."


@pytest.mark.parametrize("line", ["clear", "clear --log", "remove --grep question", "remove -m small-model"])
def test_more_than_twenty_entries_need_a_yes(magic: Typist, line: str) -> None:
    magic.told("on :memory:")
    for number in range(21):
        ask(f"question {number}")

    assert magic.refused(line) == "This removes 21 entries. Add --yes, or --dry-run to list them."
    assert len(magic(f"{line} --dry-run")) == len(magic("entries")) == len(magic("lookups")) == 21
    assert "21 entries removed" in magic.told(f"{line} --yes")
    assert magic.told("undo") == "21 entries came back."


def test_panel_gives_a_widget_or_a_table_without_one(used: Typist) -> None:
    assert "1 of 4 lookups" in repr(used("panel --static"))
    panel = used("panel --tab Lookups")
    assert "text/plain" in panel._repr_mimebundle_()
    panel.close()


def test_a_closed_panel_is_not_kept_for_the_life_of_the_kernel(used: Typist) -> None:
    panels = [weakref.ref(used("panel")) for _ in range(3)]
    used.told("off")
    gc.collect()

    assert [panel() for panel in panels] == [None, None, None]


# Help


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_is_explained_with_an_example_that_parses(magic: Typist, name: str) -> None:
    help, example = summary(commands.function(name)), commands.command(name).EXAMPLE
    parser = commands.parser(name)
    text = repr(magic(f"help {name}"))

    assert f"%gptcache {name} " in repr(magic("help"))
    assert help.endswith(".")
    assert help in text.replace("\n", " ")
    assert f"Example: {example}" in text
    assert all(option in text for action in parser._actions for option in action.option_strings)
    assert repr(magic(f"{name} --help")) == repr(magic(f"{name} -h")) == text
    before, _, line = example.partition("%gptcache")
    assert before in ("", "df = ")
    command, *rest = words(line) or ["status"]
    assert command == name
    parser.parse(rest, {"df": [], "llm": len})  # the notebook has what map names


@pytest.mark.parametrize("line", ["--help", "-h"])
def test_the_bare_option_helps_too(magic: Typist, line: str) -> None:
    assert repr(magic(line)) == repr(magic("help"))


def test_the_question_mark_names_the_first_commands(magic: Typist) -> None:
    shown = magic.cell("%gptcache?")

    assert all(f"%gptcache {name}" in shown for name in ("on", "off", "stats", "panel", "help"))


# Wrong input


@pytest.mark.parametrize(
    "line",
    [
        *("stats", "models", "entries", "lookups", "show a4", "panel", "panel --static", "pin a4", "unpin a4"),
        *("tag lesson a4", "remove a4", "remove", "clear", "clear --dry-run", "undo", "stats --reset"),
    ],
)
def test_a_command_that_needs_the_cache_says_so_while_it_is_off(magic: Typist, tmp_path: Path, line: str) -> None:
    assert magic.refused(line) == OFF
    assert not (tmp_path / ".gptcache").exists()


A_FILE = (
    "notes.txt is a file, not a store. A store is a folder such as .gptcache; the name of a bundle ends in .jsonl, "
    "and %gptcache load takes one of any name."
)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("stat", "No sub-command 'stat'. Did you mean 'stats' or 'status'? All: %gptcache help"),
        ("help stat", "No sub-command 'stat'. Did you mean 'stats' or 'status'? All: %gptcache help"),
        ("xyz", "No sub-command 'xyz'. All: %gptcache help"),
        ("on --inti f", "on: no option '--inti'. Did you mean '--init'? Example: %gptcache on"),
        ("on --init nosuch", "--init names a function of this notebook. There is no 'nosuch'."),
        ("on a b", "on: too many words: b. Put quotes around a name with spaces. Example: %gptcache on"),
        ("off now", "off: too many words: now. Example: %gptcache off"),
        (
            "on notes.txt",
            A_FILE,
        ),
        (
            "stats --at notes.txt",
            A_FILE,
        ),
        ("on mysql://db/a", "No store for mysql:// addresses. A store is a folder, :memory: or https://…/lesson.jsonl"),
        ("stats --at empty", "There is no store in empty. A store is a folder with a cache.db, such as .gptcache"),
        ("entries --at nosuch", "There is no store in nosuch. A store is a folder with a cache.db, such as .gptcache"),
        ("entries --grep 'a b", "entries --grep 'a b: no closing quotation. Close the quotation mark."),
    ],
)
def test_a_wrong_line_is_answered_with_one_sentence(magic: Typist, tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "notes.txt").write_text("my notes")
    (tmp_path / "empty").mkdir()

    assert magic.refused(line) == sentence
    assert gm.current() is None
    assert get_llm_cache() is None
    assert (tmp_path / "notes.txt").read_text() == "my notes"
    assert not list((tmp_path / "empty").iterdir())
    assert not (tmp_path / "nosuch").exists()


MODELS = "Models: large-model, small-model."
BY = "model, configuration, face, cell, notebook, day, cause, author, total"
SINCE = "--since takes run, today, all, or a time such as 1h or 7d. Got"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("stats --sinse 1h", "stats: no option '--sinse'. Did you mean '--since'? Example: …"),
        ("stats --wide --wide", "stats: --wide is given 2 times. Give it once."),
        ("stats --by cell --by=model", "stats: --by is given 2 times. Give it once."),
        ("stats -m small-model --model large-model", "stats: --model is given 2 times. Give it once."),
        ("stats --by cel", f"stats: --by takes {BY}. Got 'cel'. Did you mean 'cell'? Example: …"),
        ("stats --by", "stats: --by needs a value. Example: …"),
        ("lookups -n", "lookups: --limit needs a value. Example: …"),
        ("stats cell", "stats: too many words: cell. Example: …"),
        ("stats --since yesterday", f"stats: {SINCE} 'yesterday'. Example: %gptcache stats --since 1h"),
        ("stats --since 1x", f"stats: {SINCE} '1x'. Example: %gptcache stats --since 1h"),
        ("stats --since ²h", f"stats: {SINCE} '²h'. Example: %gptcache stats --since 1h"),
        ("lookups --since 99999999999d", f"lookups: {SINCE} '99999999999d'. Example: %gptcache lookups --since 1h"),
        ("remove --older soon", "remove: --older takes a time such as 30d. Got 'soon'. Example: …"),
        ("remove --unused 99999999999d", "remove: --unused takes a time such as 90d. Got '99999999999d'. Example: …"),
        ("on --ttl 7", "on: --ttl takes a time such as 12h or 7d. Got '7'. Example: %gptcache on --ttl 12h"),
        ("on --budget abc", "on: --budget takes US dollars …. Got 'abc'. Example: %gptcache on --budget 2usd"),
        ("on --only x", "on: --only takes langchain, none. Got 'x'. Example: %gptcache on --only langchain"),
        ("on --ignore x", "on: --ignore takes id, …. Got 'x'. Example: %gptcache on --ignore id"),
        ("on --embeddings=x", "on: --embeddings takes yes or no. Got 'x'. Example: %gptcache on --embeddings"),
        ("stats --wide=3", "stats: --wide takes no value. Got '3'. Example: %gptcache stats --wide"),
        ("load a.jsonl --from x", "load: --from takes …. Example: %gptcache load lesson.jsonl --from bundle"),
        ("entries --tag leson", "No entry has the tag 'leson'. Tag some: %gptcache tag lesson-1 a41f"),
        ("save a.jsonl --tag leson", "No entry has the tag 'leson'. Tag some: %gptcache tag lesson-1 a41f"),
        ("tag lesson 777", "No entry has the id '777'. All …entries. The lookup with that number: %gptcache why 777"),
        ("lookups -n 0", "lookups: -n takes a whole number above 0. Got '0'. Example: …"),
        ("lookups -n -3", "lookups: -n takes a whole number above 0. Got '-3'. Example: …"),
        ("lookups -n ²", "lookups: -n takes a whole number above 0. Got '²'. Example: …"),
        ("entries -n 1.5", "entries: -n takes a whole number above 0. Got '1.5'. Example: …"),
        ("lookups --cell x", "lookups: --cell takes the number beside a cell, such as 12, or last. Got 'x'. …"),
        (
            "lookups --outcome mis",
            "lookups: --outcome takes hit, miss, bypass, error. Got 'mis'. Did you mean 'miss'? Example: …",
        ),
        (
            "panel --tab models",
            "panel: --tab takes Models, Lookups, Entries, Charts, Tuning. Got 'models'. Did you mean 'Models'? …",
        ),
        (
            "stats -m smal-model",
            f"No model 'smal-model' in this store. Did you mean 'small-model' or 'large-model'? {MODELS}",
        ),
        ("lookups -m nosuch", f"No model 'nosuch' in this store. {MODELS}"),
        ("entries -m nosuch", f"No model 'nosuch' in this store. {MODELS}"),
        ("remove -m nosuch", f"No model 'nosuch' in this store. {MODELS}"),
        ("entries --sort hitz", "entries: no column 'hitz'. Did you mean 'hits'? Columns: …"),
        ("entries --grep [", "entries: --grep takes a regular expression. Got '[': …. Example: …"),
        ("remove --grep (", "remove: --grep takes a regular expression. Got '(': …"),
        ("show", "show: say which entry: ids, --model, … All ids: %gptcache entries. Example: %gptcache show a41f"),
        ("pin", "pin: say which entries: ids, --model, … All ids: %gptcache entries. Example: %gptcache pin a41f"),
        (
            "unpin",
            "unpin: say which entries: ids, --model, … All ids: %gptcache entries. Example: %gptcache unpin a41f",
        ),
        (
            "tag",
            "tag: missing: TAG, and then ids or options that select entries. Example: %gptcache tag lesson-1 a41f 77c2",
        ),
        ("tag lesson-1", "tag: no entry is named for the tag 'lesson-1'. Example: %gptcache tag lesson-1 a41f 77c2"),
        ("tag 'two words' 0", "A tag is one word, such as lesson-1. Got 'two words'."),
        ("show 0123456789abcdef", "No entry has the id '0123456789abcdef'. All ids: %gptcache entries"),
        (
            "pin Etna",
            "'Etna' is not the id of an entry: ids are hexadecimal, as in %gptcache show a41f. All: %gptcache entries",
        ),
        (
            "remove",
            "remove: say which entries: ids, --model, --grep, … Example: %gptcache remove --older 30d --dry-run",
        ),
        ("undo 3", "undo: too many words: 3. Example: %gptcache undo"),
        ("on elsewhere", "The cache is on at .gptcache. To change …: %gptcache off, then %gptcache on elsewhere"),
        ("on :memory:", "The cache is on at .gptcache. To change …: %gptcache off, then %gptcache on :memory:"),
    ],
    ids=lambda text: text[:40],
)
def test_a_wrong_line_loses_nothing(used: Typist, tmp_path: Path, line: str, sentence: str) -> None:
    tables = used("entries"), used("lookups")

    said = used.refused(line)

    beginning, _, end = sentence.partition("…")
    assert said == sentence or ("…" in sentence and said.startswith(beginning) and said.endswith(end.split("…")[-1]))
    assert get_llm_cache() is gm.current() is not None
    assert not (tmp_path / "elsewhere").exists()
    for before, after in zip(tables, (used("entries"), used("lookups")), strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_only_a_function_can_set_a_gptcache_up(magic: Typist) -> None:
    magic.ip.user_ns["three"] = 3

    assert "function" in magic.refused("on --init three")
    assert gm.current() is get_llm_cache() is None


@pytest.mark.parametrize("line", ["on", "stats --at"])
def test_a_name_that_is_too_long_for_a_folder_is_refused(magic: Typist, line: str) -> None:
    assert magic.refused(f"{line} {'x' * 300}")
    assert gm.current() is None


def test_an_ambiguous_id_names_the_entries_it_fits(magic: Typist) -> None:
    magic.told("on :memory:")
    for number in range(17):
        ask(f"question {number}")
    ids = list(magic("entries").index)
    digit, number = next((digit, n) for digit, n in Counter(each[0] for each in ids).items() if 2 <= n <= 5)
    fitting = ", ".join(sorted(each[:3] for each in ids if each[0] == digit))

    sentence = f"Id '{digit}' fits {number} entries: {fitting}. Type more."

    assert [magic.refused(f"{name} {digit}") for name in ("show", "pin", "unpin", "remove")] == [sentence] * 4
    assert len(magic("entries")) == 17


def test_a_digit_that_may_be_the_number_of_a_lookup_shows_no_entry(magic: Typist) -> None:
    magic.told("on :memory:")
    for number in range(40):
        ask(f"question {number}")
    counts = Counter(id[:digits] for id in magic("entries").index for digits in (1, 2, 3))
    digits = next(digits for digits, times in counts.items() if digits.isdecimal() and digits[0] != "0" and times == 1)
    (id,) = (id for id in magic("entries").index if id.startswith(digits))

    assert magic.refused(f"show {digits}") == (
        f"'{digits}' may be the number of a lookup, or the beginning of an id. "
        f"The lookup: %gptcache why {digits}. The entry: %gptcache show {id}"
    )


def test_a_tag_in_the_place_of_an_id_is_told_apart(used: Typist) -> None:
    first, second, _ = used("entries").index
    assert used.refused(f"tag {first} lesson") == (
        f"tag: '{first}' is the id of an entry, and the tag comes first. Example: %gptcache tag lesson {first}"
    )
    assert "the tag comes first" in used.refused(f"tag {first} {second}")
    used.told(f"tag lesson {first}")
    assert used.refused("entries --tag leson") == "No entry has the tag 'leson'. Did you mean 'lesson'? Tags: lesson."


def made_database(folder: Path, version: int, owner: int) -> Path:
    folder.mkdir()
    db = sqlite3.connect(folder / "cache.db")
    db.execute("CREATE TABLE theirs (x)")
    db.execute(f"PRAGMA user_version={version}")
    db.execute(f"PRAGMA application_id={owner}")
    db.commit()
    db.close()
    return folder / "cache.db"


@pytest.mark.parametrize(
    ("version", "owner", "sentence"),
    [
        (
            99,
            APPLICATION_ID,
            f"was written by a newer gptcache-magics (schema 99, this one reads {len(MIGRATIONS)}). Update: ",
        ),
        (0, 0, "belongs to another program and was not touched. Choose another folder: %gptcache on FOLDER"),
        (1, 0, "belongs to another program and was not touched. Choose another folder: %gptcache on FOLDER"),
    ],
    ids=["newer", "foreign", "foreign of version 1"],
)
@pytest.mark.parametrize("line", ["on theirs", "stats --at theirs"])
def test_a_file_that_is_not_ours_to_read_is_not_touched(
    magic: Typist, tmp_path: Path, line: str, version: int, owner: int, sentence: str
) -> None:
    path = made_database(tmp_path / "theirs", version, owner)
    before = path.read_bytes()

    assert sentence in magic.refused(line)
    assert gm.current() is None
    assert get_llm_cache() is None
    assert path.read_bytes() == before


# Configuration


@pytest.mark.parametrize(
    "line",
    [
        *("keep_lookups = 0", "keep_lookups = 'many'", "badge = 'yes'", "store = 3", "stream = 2.5"),
        *("single_flight = ''", "mark_hits = 'no'", "prices = {'mine': (-1, 2)}", "prices = 3"),
    ],
)
def test_a_bad_setting_is_refused_and_does_not_break_the_next_load(used: Typist, line: str) -> None:
    name = line.split()[0]
    before = used.ip.run_line_magic("config", f"GPTCacheMagics.{name}")

    used.ip.run_line_magic("config", f"GPTCacheMagics.{line}")
    assert used.ip.run_line_magic("config", f"GPTCacheMagics.{name}") == before
    used.ip.run_line_magic("reload_ext", "gptcache_magics")

    assert used.told("on").startswith("Cache on: .gptcache, 3 entries")
    assert used.ip.run_line_magic("config", f"GPTCacheMagics.{name}") == before


def test_a_bad_setting_in_a_profile_does_not_break_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with fresh_shell(tmp_path / ".ipython", GPTCacheMagics={"keep_lookups": "many", "store": "elsewhere"}) as shell:
        shell.run_line_magic("load_ext", "gptcache_magics")

        assert Typist(shell, capsys).told("on").startswith("Cache on: elsewhere")


def test_settings_outlive_a_reload(magic: Typist) -> None:
    magic.ip.run_line_magic("config", "GPTCacheMagics.store = 'elsewhere'")
    magic.ip.run_line_magic("reload_ext", "gptcache_magics")

    assert magic.told("on").startswith("Cache on: elsewhere")


def test_the_store_setting_is_where_on_keeps_the_answers(magic: Typist, tmp_path: Path) -> None:
    magic.ip.run_line_magic("config", "GPTCacheMagics.store = 'elsewhere'")
    assert magic.told("on").startswith("Cache on: elsewhere")
    assert (tmp_path / "elsewhere" / "cache.db").is_file()


@pytest.mark.parametrize("line", ["%config GPTCacheMagics.store = ''\n%gptcache on", "%gptcache on ''"])
def test_no_name_is_the_default_place(magic: Typist, tmp_path: Path, line: str) -> None:
    magic.cell(line)
    assert (tmp_path / ".gptcache" / "cache.db").is_file()


def test_the_badge_setting_shows_or_hides_the_line_under_a_cell(magic: Typist) -> None:
    magic.told("on")
    magic.cell("from tests.support.shell import ask")

    assert "gptcache: 1 miss · paid" in magic.cell("_ = ask('How tall is Etna?')")
    assert "gptcache: 1 hit · saved" in magic.cell("_ = ask('How tall is Etna?')")
    magic.ip.run_line_magic("config", "GPTCacheMagics.badge = False")
    assert magic.cell("_ = ask('How tall is Etna?')") == ""
    magic.ip.run_line_magic("config", "GPTCacheMagics.badge = True")
    assert magic.cell("1 + 1").strip().endswith("2")
    assert len(magic("lookups")) == 3


@pytest.mark.parametrize("when", ["before", "while"])
def test_the_mark_hits_setting_says_whether_a_hit_tells_that_it_is_one(magic: Typist, when: str) -> None:
    model = NumberedModel()
    if when == "while":
        magic.told("on")
        model.invoke("How tall is Etna?")
        assert "gptcache" in model.invoke("How tall is Etna?").response_metadata
    magic.ip.run_line_magic("config", "GPTCacheMagics.mark_hits = False")
    if when == "before":
        magic.told("on")
        model.invoke("How tall is Etna?")

    assert "gptcache" not in model.invoke("How tall is Etna?").response_metadata


@pytest.mark.parametrize("stream", [True, False])
def test_the_stream_setting_says_whether_streams_use_the_cache(magic: Typist, stream: bool) -> None:
    magic.ip.run_line_magic("config", f"GPTCacheMagics.stream = {stream}")
    magic.told("on")
    model = NumberedModel()

    texts = ["".join(str(chunk.content) for chunk in model.stream("How tall is Etna?")) for _ in range(2)]

    assert (texts[0] == texts[1]) is stream


@pytest.mark.parametrize(("single_flight", "calls"), [(True, 1), (False, 4)])
def test_the_single_flight_setting_says_whether_identical_calls_share_one(
    magic: Typist, single_flight: bool, calls: int
) -> None:
    magic.ip.run_line_magic("config", f"GPTCacheMagics.single_flight = {single_flight}")
    magic.told("on")
    model = NumberedModel(seconds=0.2)

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: model.invoke("How tall is Etna?").content, range(4)))

    assert len(answers) == calls


def test_prices_are_set_replaced_and_taken_away(magic: Typist) -> None:
    for typed, names in (
        ('{"b-*": (1, 2), "a": {"input": 1, "output": 2}}', ["a", "b-*"]),
        ('{"c":(1,2)}', ["c"]),
        ("mine", ["d"]),
        ("{}", []),
    ):
        magic.ip.user_ns["mine"] = {"d": [1, 2]}
        magic.ip.run_cell(f"%config GPTCacheMagics.prices = {typed}").raise_error()
        assert [name for name, _ in NOTEBOOK.config.prices] == names


def test_the_keep_lookups_setting_bounds_the_log(magic: Typist) -> None:
    magic.ip.run_line_magic("config", "GPTCacheMagics.keep_lookups = 10")
    magic.told("on")
    for number in range(30):
        ask(f"question {number}")
        magic("lookups")

    kept = magic("lookups --since all")
    assert 10 <= len(kept) <= 11
    assert kept.index[0] == 30


# Completion


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", list(commands.COMMANDS)),
        ("--", ["--help", "--version"]),
        ("st", ["status", "stats"]),
        ("help sta", ["status", "stats"]),
        ("mode re", ["replay", "refresh", "readonly"]),
        ("load --from ", ["bundle", "langchain-sqlite"]),
        ("load FILE --from bundle ", ["--init", "--model", "--keep", "--replace"]),
        ("tune --shadow ", ["on", "off"]),
        ("label 7 right ", []),
        ("lookups --cell ", ["last"]),
        ("stats --b", ["--by"]),
        ("stats --by ", ["model", "configuration", "face", "cell", "notebook", "day", "cause", "author", "total"]),
        ("stats --by c", ["configuration", "cell", "cause"]),
        ("stats --by cell --b", []),
        ("lookups --outcome ", ["hit", "miss", "bypass", "error"]),
        ("lookups --since ", ["run", "today", "1h", "7d", "all"]),
        ("panel --tab L", ["Lookups"]),
        ("on --match s", ["semantic"]),
        ("on --threshold ", ["strict", "balanced", "loose"]),
        ("on --embedder ", ["minilm"]),
        ("label 7 ", ["right", "wrong"]),
        ("stats -m ", ["large-model", "small-model"]),
        ("entries --model s", ["small-model"]),
        ("entries --sort h", ["hits"]),
        ("stats -m small-model --m", []),
        ("stats --at ", [".gptcache/"]),
        ("entries --grep ", []),
        ("remove --older ", []),
        ("nosuch --", []),
    ],
)
def test_the_next_word_is_completed(used: Typist, line: str, expected: list[str]) -> None:
    assert completions(line.split(" ")) == expected


@pytest.mark.parametrize("name", ["show", "pin", "unpin", "remove", "tag lesson-1"])
def test_ids_are_completed(used: Typist, name: str) -> None:
    ids = sorted(used("entries").index)

    assert sorted(each for each in completions([*name.split(), ""]) if not each.startswith("-")) == ids
    assert completions([*name.split(), ids[0][:6]]) == ids[:1]


def completed(magic: Typist, text: str) -> list[str]:
    """Return the texts that may become of a text; IPython 7 replaces less of it than the last word."""
    return [text[: each.start] + each.text for each in magic.ip.Completer.completions(text, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%gptcache re", ["replay", "refresh", "readonly"]),
        ("%%gptcache --", ["--tag", "--samples"]),
        ("%%gptcache refresh --s", ["--samples"]),
    ],
)
def test_the_words_of_the_cell_magic_are_completed(magic: Typist, text: str, expected: list[str]) -> None:
    magic.ip.Completer.use_jedi = hasattr(completer, "context_matcher")  # in IPython 7, Jedi adds names of Python
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # IPython calls its own completion provisional
        assert completed(magic, text) == [text.rpartition(" ")[0] + f" {each}" for each in expected]


@pytest.mark.parametrize("where", ["{where}", "$where", "{folder}/kept", "${where}", "{where}.jsonl"])
def test_an_unknown_variable_in_a_place_makes_no_folder(magic: Typist, where: str) -> None:
    before = set(Path.cwd().iterdir())
    assert "is not defined" in magic.refused(f"on {where}")
    with pytest.raises(CommandError, match="names a variable"):
        gm.on(where)
    magic.told("on :memory:")
    for line in (f"save {where} --all", f"load {where}", f"stats --at {where}", f"verify n.ipynb --bundle {where}"):
        assert "is not defined" in magic.refused(line)
    assert set(Path.cwd().iterdir()) == before


@pytest.mark.parametrize("where", ["{where}", "$where", "${where}", "{here['where']}", "{where[:6]}s"])
def test_a_variable_in_a_place_is_expanded(magic: Typist, where: str) -> None:
    magic.cell("where = 'lessons'; here = {'where': where}; where_now = 'elsewhere'")
    assert "Cache on: lessons," in magic.told(f'on "{where}"')
    magic.cell("from tests.support.shell import ask\n_ = ask('q')")
    assert "to lessons.jsonl" in magic.told("save {where}.jsonl")
    assert "1 kept as in the store" in magic.told("load ./{where}.jsonl")
    magic.told("off")
    assert len(magic(f'entries --at "{where}"')) == 1


def test_a_variable_of_a_function_is_expanded(magic: Typist) -> None:
    magic.cell("def turn_on(place):\n    %gptcache on {place}\n")
    assert "Cache on: inside," in magic.cell("turn_on('inside')")


def test_a_variable_is_expanded_in_every_word_but_free_text(used: Typist) -> None:
    used.ip.user_ns.update(ids=list(used("entries").index), model="large", text="{model}", digit=3, tag="lesson")
    said = used.cell(
        "for id in ids:\n    %gptcache tag lesson {id[:6]}\n    %gptcache pin $id\n"
        "def removed(id, words):\n    %gptcache edit {id} {words}\n    %gptcache remove {id}\nremoved(ids[0], '')"
    )
    assert said.count("1 entry tagged lesson.") == said.count("1 entry pinned.") == 3
    assert "edited." in said
    assert "1 entry removed" in said
    used.told("undo")
    assert "{words}" in repr(used("show {ids[0]}"))
    assert set(used("entries -m {model} --tag {tag} -n {digit}")["model"]) == {"large-model"}
    assert repr(used("why {digit}")) == repr(used("why 3"))
    assert "{text}" in repr(used("why {text}"))
    assert "budget $2" in used.told("on --budget $2")
    used.cell("from tests.support.shell import ask")
    used.cell("tag = 'draft'\nask('Of a cell?')")
    used.cell("%%gptcache --tag {tag}\nask('Of a cell?')")
    assert len(used("entries --tag draft")) == 1


@pytest.mark.parametrize("line", ["tag lesson {i}", "remove {i}", "edit {i} text", "pin $i", "mode {i}"])
def test_an_unknown_variable_is_named(used: Typist, line: str) -> None:
    assert used.refused(line).endswith(" cannot be expanded: NameError: name 'i' is not defined")


def test_a_folder_with_a_brace_in_its_name_is_used(magic: Typist) -> None:
    Path("{kept}").mkdir()
    assert "Cache on: {kept}," in magic.told("on {kept}")


@pytest.mark.parametrize("where", ["answers.txt", "answers.db", "answers.SQLITE", "lessons/answers.json"])
def test_the_name_of_a_file_makes_no_folder(magic: Typist, where: str) -> None:
    before = set(Path.cwd().iterdir())
    assert f"{where} is the name of a file, not a store" in magic.refused(f"on {where}")
    assert set(Path.cwd().iterdir()) == before
    Path(where).mkdir(parents=True)
    assert "Cache on: " in magic.told(f"on {where}")


@pytest.mark.parametrize("where", ["v1.2", ".cache.d", "answers.txt/"])
def test_a_folder_may_have_a_dot_in_its_name(magic: Typist, where: str) -> None:
    assert f"Cache on: {where.rstrip('/')}," in magic.told(f"on {where}")


def test_help_of_the_cell_magic_is_no_error(magic: Typist) -> None:
    assert "--samples N" in magic.cell("%%gptcache --help\nprint('never')")
    assert "never" not in magic.cell("%%gptcache --help\nprint('never')").replace("print('never')", "")


def test_the_badge_tells_of_served_answers_only(magic: Typist) -> None:
    magic.told("on :memory:")
    told = magic.cell("%%gptcache refresh\nfrom tests.support.shell import ask\n_ = [ask('q') for _ in range(3)]")
    assert "answer served" not in told
    told = magic.cell(
        "import gptcache_magics as gm\ngm.mode('replay')\nfor n in range(3):\n    try: ask('new')\n"
        "    except gm.CacheMiss: pass"
    )
    assert "3 misses" in told
    assert "answer served" not in told


def test_completing_while_the_cache_is_off_offers_what_is_known_without_it(magic: Typist) -> None:
    assert completions(["stats", "-m", ""]) == completions(["show", "a"]) == []
    assert completions(["stats", "--w"]) == ["--wide"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%gptcache st", ["status", "stats"]),
        ("df = %gptcache ent", ["entries"]),
        ("df=%gptcache ent", ["entries"]),
        ("x = 1\n%gptcache stats --by to", ["total"]),
        ("for _ in range(2):\n    %gptcache stats -m l", ["large-model"]),
        ("df = %gptcache lookups --outcome h", ["hit"]),
        ("gptcache_st", []),
        ("x.gptcache st", []),
    ],
)
def test_ipython_completes_the_words_after_the_magic(used: Typist, text: str, expected: list[str]) -> None:
    with completer.provisionalcompleter():
        assert completed(used, text) == [text.rpartition(" ")[0] + f" {each}" for each in expected]


# The Python face


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_the_function_and_the_magic_have_the_same_options_and_defaults(name: str) -> None:
    parameters = dict(inspect.signature(getattr(gm, name)).parameters)
    for action in commands.parser(name)._actions:
        parameter = parameters.pop(action.dest)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            assert action.nargs in ("*", "+")
        elif parameter.default is inspect.Parameter.empty:
            assert action.required
        else:
            assert parameter.default == action.default

    assert parameters == {}


@pytest.mark.parametrize("name", [*commands.COMMANDS, "using"])
def test_python_shows_plain_types(name: str) -> None:
    assert "Annotated" not in (shown := str(inspect.signature(getattr(gm, name))))
    assert "Option" not in shown.replace("Optional", "")


def test_every_public_name_is_callable_after_every_submodule_was_imported() -> None:
    for module in pkgutil.walk_packages(gm.__path__, "gptcache_magics."):
        importlib.import_module(module.name)

    assert {*commands.COMMANDS} <= {*gm.__all__}
    assert [name for name in gm.__all__ if not callable(getattr(gm, name))] == []
    assert set(dir(gm)) >= set(gm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'stat'"):
        gm.stat  # noqa: B018


def test_the_functions_do_without_a_shell(tmp_path: Path) -> None:
    assert gm.on(tmp_path).endswith("0 entries. Run a cell twice, then %gptcache panel.")
    try:
        assert gm.current() is get_llm_cache()
        ask("How tall is Etna?")
        assert len(gm.stats()) == len(gm.models()) == len(gm.entries()) == len(gm.lookups()) == 1
        assert gm.pin(*gm.entries().index) == "1 entry pinned."
        assert "1 miss" in repr(gm.status())
    finally:
        assert "1 miss" in gm.off()
    assert gm.current() is None
    assert len(gm.lookups(at=tmp_path)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: gm.stats(by="mode"),  # type: ignore[arg-type]
        lambda: gm.lookups(outcome="hits"),
        lambda: gm.lookups(since="yesterday"),
        lambda: gm.lookups(limit=0),
        lambda: gm.entries(limit=-1),
        lambda: gm.entries(sort="size"),
        lambda: gm.entries(grep="["),
        lambda: gm.panel(tab="Tables"),
        lambda: gm.panel(tab="Tables", static=True),
        lambda: gm.help("stat"),
        lambda: gm.show("nosuch"),
        lambda: gm.tag(),
        lambda: gm.pin(),
        lambda: gm.remove(),
        lambda: gm.stats(at="nowhere"),
        lambda: gm.on("elsewhere"),
    ],
    ids=lambda wrong: inspect.getsource(wrong).split("lambda: ")[1].split(",  #")[0].strip(" ,\n"),
)
def test_a_wrong_value_raises_a_typed_exception(used: Typist, wrong: Callable[[], object]) -> None:
    with pytest.raises(gm.GPTCacheMagicsError) as caught:
        wrong()

    assert isinstance(caught.value, CommandError)
    assert len(used("entries")) == 3


def test_a_name_that_two_providers_share_can_be_asked_for_in_every_spelling(magic: Typist) -> None:
    class TwinModel(NumberedModel):
        """As another provider's, by its class."""

    magic.told("on :memory:")
    NumberedModel(model="twin").invoke("How tall is Etna?")
    TwinModel(model="twin").invoke("How tall is Etna?")
    ask("How tall is Etna?", "other")
    shown = [name for name in magic("stats").index if "twin" in name]
    assert len(shown) == 2

    for command in ("stats", "lookups", "entries"):
        assert sum(magic(f"{command} -m twin").get("lookups", pd.Series([1, 1]))) == 2
        for name in (*shown, "numberedmodel/twin", "twinmodel/twin"):
            assert len(magic(f"{command} -m '{name}'")) == 1


def test_a_model_without_lookups_in_this_run_gives_an_empty_table(used: Typist) -> None:
    used.told("stats --reset")
    ask("How tall is Etna?")

    assert len(used("stats -m large-model")) == len(used("lookups -m large-model")) == 0
    assert len(used("lookups -m large-model --since all")) == 1


def test_a_reset_of_another_place_is_refused(used: Typist) -> None:
    used.told("off")
    assert "--reset" in used.refused("stats --reset --at .gptcache")


# Cells, in a terminal


def test_a_lookup_belongs_to_the_cell_with_its_number_beside_it(magic: Typist) -> None:
    magic.cell("from tests.support.shell import ask")
    magic.cell("%gptcache on")
    magic.cell("ask('How tall is Etna?')")
    with pytest.raises(SyntaxError):
        magic.cell("1 +")
    with pytest.raises(ZeroDivisionError):
        magic.cell("ask('How tall is Fuji?')\n1 / 0")
    magic.cell("%%time\nask('How tall is Etna?')")
    numbers = {text: n for n, text in enumerate(magic.ip.user_ns["In"]) if "tall" in text}

    lookups = magic("lookups")

    assert lookups["execution_count"].tolist() == sorted(numbers.values(), reverse=True)
    count = numbers["ask('How tall is Etna?')"]
    assert magic(f"lookups --cell {count}")["question"].tolist() == ["How tall is Etna?"]
    assert f"[{count}] ask('How tall is Etna?')" in magic("stats --by cell").index
    for line in ("lookups", "entries", "stats", "save x.jsonl"):
        told = magic.refused(f"{line} --cell 99")
        assert told.startswith("Cell 99 of this run asked the cache nothing. Cells that did: ")
        assert str(count) in told
    assert len(magic("lookups --cell 99 --since all")) == 0


def test_one_cell_may_load_turn_on_and_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with fresh_shell(tmp_path / ".ipython") as shell:
        magic = Typist(shell, capsys)
        magic.cell("from tests.support.shell import ask")
        shown = magic.cell("%load_ext gptcache_magics\n%gptcache on\n_ = ask('How tall is Etna?')")

        assert "gptcache: 1 miss · paid" in shown
        assert magic("lookups --cell 2")["question"].tolist() == ["How tall is Etna?"]


def test_the_notebook_of_a_lookup_is_the_one_that_vs_code_names(magic: Typist) -> None:
    magic.ip.user_ns["__vsc_ipynb_file__"] = "/home/me/plan.ipynb"
    magic.cell("%gptcache on")
    magic.cell("from tests.support.shell import ask; _ = ask('How tall is Etna?')")

    assert magic("stats --by notebook").index.tolist() == ["plan.ipynb"]


def test_a_wrong_line_shows_one_line_and_no_traceback(magic: Typist, capsys: pytest.CaptureFixture[str]) -> None:
    result = magic.ip.run_cell("%gptcache stat", store_history=True)

    assert type(result.error_in_exec) is UsageError
    shown = "".join(capsys.readouterr())
    assert shown.strip() == "UsageError: No sub-command 'stat'. Did you mean 'stats' or 'status'? All: %gptcache help"


@pytest.mark.slow
def test_lookups_reach_the_store_within_seconds_and_without_a_table(used: Typist) -> None:
    db = sqlite3.connect(".gptcache/cache.db")
    wait_until(lambda: db.execute("SELECT count(*) FROM lookup").fetchone()[0] == 4)
    db.close()


def test_off_turns_off_whatever_has_become_of_the_store(magic: Typist, tmp_path: Path) -> None:
    set_llm_cache(before := InMemoryCache())
    magic.told("on store")
    cache = gm.current()
    assert cache is not None
    cache.store.close()
    for file in (tmp_path / "store").iterdir():
        file.unlink()
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db")) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.commit()

    assert "belongs to another program" in magic.told("off")
    assert get_llm_cache() is before
    assert gm.current() is None
    assert not hooks.installed()
