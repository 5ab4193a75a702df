"""``%%gptcache`` in a real kernel: the cell runs as if the line were not there, and what it asked for ends with it."""

import re
from collections.abc import Iterator

import pytest

from tests.support.kernel import Kernel, badges

pytestmark = pytest.mark.kernel

MORE = """
import gptcache_magics as gm
from concurrent.futures import ThreadPoolExecutor
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests; each test asks its own questions."""
    with Kernel(tmp_path_factory.mktemp("notebooks")) as running:
        assert running.run(MORE).status == "ok"
        yield running


def mode(kernel: Kernel) -> str:
    return kernel.run("print(gm.status().mode, gm.current().settings.cell)").text.strip()


def test_a_cell_has_its_own_mode_and_the_next_one_has_not(kernel: Kernel) -> None:
    first = kernel.run("ask('own mode')").text
    assert kernel.run("ask('own mode')").text == first

    refreshed = kernel.run("%%gptcache refresh\nask('own mode')", cell_id="a")
    assert refreshed.text != first
    assert badges(refreshed) == ["gptcache: 1 bypassed · paid 0.0 s · mode refresh"]
    assert kernel.run("ask('own mode')").text == refreshed.text
    assert list(kernel.lookups("own mode")["mode"]) == ["auto", "auto", "refresh", "auto"]


def test_calls_at_the_same_time_are_said_to_take_model_time(kernel: Kernel) -> None:
    questions = '[f"at the same time {n}" for n in range(16)], config={"max_concurrency": 16}'
    parallel = kernel.run(f"slow = NumberedModel(seconds=1)\nlen(slow.batch({questions}))", cell_id="a")
    assert badges(parallel) == ["gptcache: 16 misses · paid 0.0 s of model time"]
    assert badges(kernel.run("_ = slow.invoke('at another time')", cell_id="a")) == ["gptcache: 1 miss · paid 0.0 s"]


def test_the_cell_runs_as_if_the_line_were_not_there(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache refresh --tag asif\n\nawait asyncio.sleep(0)\nx = 6\nx * 7")
    assert (ran.status, ran.text) == ("ok", "42")
    assert kernel.run("Out[max(Out)]").text == "42"
    assert (
        kernel.run("get_ipython().history_manager.input_hist_raw[-3].splitlines()[0]").text
        == "'%%gptcache refresh --tag asif'"
    )
    assert kernel.run("%%gptcache bypass\ny = 1;").text == ""
    assert kernel.run("%%gptcache bypass").status == "ok"


@pytest.mark.parametrize(
    "cell",
    [
        "%%gptcache replay\n%%gptcache refresh\nask('nested {}')",
        "%%gptcache replay\n%%time\nget_ipython().run_cell_magic('gptcache', 'auto', \"ask('nested {}')\")",
        "%%gptcache replay\nget_ipython().run_cell_magic('gptcache', 'refresh', 'pass')\nask('nested {}')",
    ],
    ids=["a line", "within another magic", "after a call"],
)
def test_within_a_cell_nothing_loosens_what_it_asked_for(
    kernel: Kernel, cell: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    ran = kernel.run(cell.format(name))
    assert "nothing is recorded" in ran.text + str(ran.tracebacks)
    assert mode(kernel) == "auto None"


def test_the_scope_of_a_nested_magic_ends_with_it(kernel: Kernel) -> None:
    kernel.run(
        "%%gptcache --tag outer\nask('inner 1')\n"
        "get_ipython().run_cell_magic('gptcache', 'refresh', \"ask('inner 2')\")\nask('inner 3')"
    )
    assert list(kernel.lookups("inner ")["mode"]) == ["auto", "refresh", "auto"]
    assert mode(kernel) == "auto None"


def test_an_error_has_one_traceback_with_its_line_and_ends_the_mode(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache refresh\nx = 1\n1 / 0")
    assert ran.error == "ZeroDivisionError"
    (traceback,) = ran.tracebacks
    assert "----> 3" in re.sub(r"\x1b\[[\d;]*m", "", "\n".join(traceback))
    assert mode(kernel) == "auto None"


def test_a_wrong_line_is_one_sentence_and_the_cell_does_not_run(kernel: Kernel) -> None:
    for line, told in {
        "refrehs": "%%gptcache takes auto, replay, refresh, readonly, bypass. Got 'refrehs'. Did you mean",
        "--tags x": "%%gptcache: no option '--tags'. Did you mean '--tag'?",
        "--samples 0": "%%gptcache: --samples takes a whole number above 0. Got '0'.",
        "--tag 'a b'": "A tag is one word, such as lesson-1. Got 'a b'.",
    }.items():
        ran = kernel.run(f"%%gptcache {line}\nprint('this cell ran')")
        assert (ran.error, ran.tracebacks) == ("UsageError", [])
        assert ran.text.startswith(f"UsageError: {told}")
        assert "this cell ran" not in ran.text
    assert mode(kernel) == "auto None"


@pytest.mark.parametrize(
    "cell",
    [
        "%%gptcache refresh\n%%time\nask('timed')",
        "%%time\n%%gptcache refresh\nask('timed')",
        "%%capture out\n%%gptcache refresh\nask('timed')",
        "%%gptcache refresh\n%%capture out\nask('timed')",
        "\n%%gptcache refresh\nask('timed')",
        "get_ipython().run_cell_magic('gptcache', 'refresh', \"ask('timed')\")",
    ],
)
def test_other_cell_magics_go_with_it(kernel: Kernel, cell: str) -> None:
    before = len(kernel.lookups("timed"))
    assert kernel.run(cell).status == "ok"
    assert list(kernel.lookups("timed")["mode"])[before:] == ["refresh"]
    assert mode(kernel) == "auto None"


def test_an_error_below_another_cell_magic_is_raised_once(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache refresh\n%%capture out\n1 / 0")
    assert len(ran.tracebacks) <= 1  # %%capture keeps it
    ran = kernel.run("%%gptcache refresh\n%%time\n1 / 0")
    (traceback,) = ran.tracebacks  # an older %%time shows it and goes on
    assert "ZeroDivisionError" in "".join(traceback)
    assert mode(kernel) == "auto None"


def test_a_cells_mode_holds_in_threads_of_ones_own(kernel: Kernel) -> None:
    kernel.run("ask('threads')")
    kernel.run("%%gptcache refresh\nwith ThreadPoolExecutor(2) as pool: list(pool.map(ask, ['threads', 'threads']))")
    assert list(kernel.lookups("threads")["mode"]) == ["auto", "refresh", "refresh"]


def test_an_interrupted_cell_ends_its_mode(kernel: Kernel) -> None:
    asked = kernel.send("%%gptcache refresh\nprint('begun', flush=True)\ntime.sleep(60)")
    kernel.until(asked, "begun")
    assert kernel.interrupt(asked).error == "KeyboardInterrupt"
    assert mode(kernel) == "auto None"


def test_the_tag_goes_to_what_the_cell_stored_and_hit(kernel: Kernel) -> None:
    kernel.run("ask('tagged 1')")
    kernel.run("%%gptcache --tag lesson\n_ = [ask('tagged 1'), ask('tagged 2')]")
    kernel.run("ask('tagged 3')")
    found = kernel.run("print(sorted(gm.entries(tag='lesson')['question']))").text
    assert found.strip() == "['tagged 1', 'tagged 2']"


def test_samples_give_each_identical_call_an_answer_and_a_second_run_the_same_ones(kernel: Kernel) -> None:
    cell = "%%gptcache --samples 3\nprint([ask('sampled') for _ in range(7)])"
    first = kernel.run(cell).text
    answers = eval(first)
    assert len(set(answers)) == 3
    assert answers[3:6] == answers[:3]
    assert kernel.run(cell).text == first
    assert list(kernel.lookups("sampled")["outcome"]) == ["miss"] * 3 + ["hit"] * 11
    assert kernel.run("print(ask('sampled'))").text.strip() == answers[0]
    async_cell = "%%gptcache --samples 3\nprint(sorted(m.text for m in await model.abatch(['sampled'] * 3)))"
    assert eval(kernel.run(async_cell).text) == sorted(answers[:3])


def test_the_badge_says_once_that_one_answer_was_served_to_many(kernel: Kernel) -> None:
    with Kernel(kernel.folder) as fresh:
        cell = "_ = [ask('again', 'm-1') for _ in range(4)]"
        said = "1 answer served 4 times. For different ones: %%gptcache --samples 4"
        assert [said in badge for badge in badges(fresh.run(cell, cell_id="a"))] == [True]
        assert [said in badge for badge in badges(fresh.run(cell, cell_id="a"))] == [False]


def test_a_badge_is_shown_only_where_a_notebook_shows_the_cell(kernel: Kernel) -> None:
    assert badges(kernel.run("_ = ask('unseen')")) == []


def test_a_cell_runs_as_it_is_while_the_cache_is_off(kernel: Kernel) -> None:
    said = "The cache is off, so this line did nothing. Turn it on: %gptcache on\n"
    with Kernel(kernel.folder) as fresh:
        fresh.run("%gptcache off")
        for line in ("", " refresh --tag draft", " --samples 3", " bypass"):
            ran = fresh.run(f"%%gptcache{line}\nimport asyncio\nawait asyncio.sleep(0)\n6 * 7")
            assert (ran.status, ran.text) == ("ok", f"{said}42"), line
        assert fresh.run("%%gptcache refresh\n1 / 0").error == "ZeroDivisionError"
        assert fresh.run("%%gptcache refresh\n%%capture out\nprint(1)").text == said
        assert fresh.run("%%gptcache --tag draft\n%gptcache on\nask('after')").status == "ok"
        assert fresh.run("import gptcache_magics as gm\nlist(gm.entries(grep='after')['tags'])").text == "['']"


def test_a_cell_that_no_model_may_answer_does_not_run_while_the_cache_is_off(kernel: Kernel) -> None:
    with Kernel(kernel.folder) as fresh:
        fresh.run("%gptcache off")
        for cell in ("%%gptcache replay\nprint('ran')", "%%gptcache replay\n%%time\nprint('ran')"):
            ran = fresh.run(cell)
            assert (ran.error, "ran" in ran.text) == ("UsageError", False)
            assert "The cache is off. Turn it on: %gptcache on" in ran.text
        assert fresh.run("%%gptcache --tags x\nprint('ran')").error == "UsageError"


def test_unloading_takes_the_cell_magic_away(kernel: Kernel) -> None:
    with Kernel(kernel.folder) as fresh:
        fresh.run("%unload_ext gptcache_magics")
        assert fresh.run("%%gptcache refresh\n1").error == "UsageError"
        assert fresh.run("%load_ext gptcache_magics\n%gptcache on").status == "ok"
        assert fresh.run("%%gptcache refresh\n1").text == "1"
