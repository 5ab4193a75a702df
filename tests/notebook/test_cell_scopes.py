"""A cell's mode, tag, samples and lookups are its own, however it runs, and end with it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import gptcache_magics as gm
from tests.support.kernel import Kernel, badges

pytestmark = pytest.mark.kernel

MORE = """
import gptcache_magics as gm, threading
shell = get_ipython()
def tried(question):
    try: return ask(question)
    except gm.CacheMiss: return 'refused'
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests; each test asks its own questions."""
    with Kernel(tmp_path_factory.mktemp("notebooks")) as running:
        assert running.run(MORE).status == "ok"
        yield running


@pytest.fixture(autouse=True)
def nothing_holds_after_a_test(kernel: Kernel) -> Iterator[None]:
    """See that the next cell has the kernel's mode."""
    yield
    assert kernel.run("print(gm.status().mode, gm.current().settings.cell)").text.strip() == "auto None"


NESTED = {
    "plain": "shell.run_cell('1 + 1')",
    "with history": "shell.run_cell('1 + 1', store_history=True)",
    "silent": "shell.run_cell('1 + 1', silent=True)",
    "blank": "shell.run_cell('')",
    "blank with history": "shell.run_cell(' \\n', store_history=True)",
    "that fails": "shell.run_cell('1 / 0', store_history=True)",
    "that is no Python": "shell.run_cell('1 +', store_history=True)",
    "that exits": "shell.run_cell('raise SystemExit', store_history=True)",
    "twice deep": "shell.run_cell(\"get_ipython().run_cell('1', store_history=True)\", store_history=True)",
    "with a mode": "shell.run_cell('%%gptcache refresh\\n1', store_history=True)",
    "silent with a mode": "shell.run_cell('%%gptcache refresh\\n1', silent=True)",
    "by a magic": "shell.run_cell_magic('gptcache', 'refresh', '1')",
    "by another magic": "shell.run_cell_magic('capture', '', '%%gptcache refresh\\n1')",
    "by a thread": "thread = threading.Thread(target=shell.run_cell, args=('%%gptcache refresh\\n1',))\n"
    "thread.start()\nthread.join()",
    "a reset": "from IPython.core.magics.namespace import NamespaceMagics\n%reset -f out",
    "a script": "%run script.py",
    "a script of cells": "%run script.ipy",
    "a notebook": "%run cells.ipynb",
}


@pytest.fixture(scope="module")
def files(kernel: Kernel) -> None:
    """Write programs that a cell runs."""
    (kernel.folder / "script.py").write_text("get_ipython().run_cell_magic('gptcache', 'refresh', '1')\n")
    (kernel.folder / "script.ipy").write_text("%%gptcache refresh\n1\n")
    nbformat.write(
        new_notebook(cells=[new_code_cell("%%gptcache refresh\n1"), new_code_cell("2")]), kernel.folder / "cells.ipynb"
    )


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("how", NESTED)
def test_a_cell_within_does_not_lift_the_mode_of_the_outer_one(kernel: Kernel, how: str) -> None:
    ran = kernel.run(f"%%gptcache replay --tag outer\n{NESTED[how]}\nprint('outer:', tried('lift {how}.'))", "a")
    assert "outer: refused" in ran.text
    lookups = kernel.lookups(f"lift {how}.")
    assert list(lookups["mode"]) == ["replay"]
    (number,) = set(lookups["execution_count"])
    assert set(lookups["cell"]) == {f"analysis.ipynb [{number}] %%gptcache replay --tag outer"}
    assert badges(ran) == ["gptcache: 1 miss · mode replay"]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("how", NESTED)
def test_a_cell_within_leaves_no_mode_to_the_outer_one(kernel: Kernel, how: str) -> None:
    kernel.run(f"{NESTED[how]}\nask('leave {how}.')", "b")
    assert list(kernel.lookups(f"leave {how}.")["mode"]) == ["auto"]


WITHIN = {
    "plain": "shell.run_cell({!r})",
    "with history": "shell.run_cell({!r}, store_history=True)",
    "silent": "shell.run_cell({!r}, silent=True)",
    "by a magic": "shell.run_cell_magic('gptcache', '', {!r})",
    "by a thread": "thread = threading.Thread(target=shell.run_cell, args=({!r},))\nthread.start()\nthread.join()",
    "in a thread": "thread = threading.Thread(target=exec, args=({!r}, globals()))\nthread.start()\nthread.join()",
    "a task": "await asyncio.create_task(asyncio.to_thread(exec, {!r}, globals()))",
}


@pytest.mark.parametrize("how", WITHIN)
def test_a_cell_within_takes_the_mode_of_the_outer_one(kernel: Kernel, how: str) -> None:
    code = WITHIN[how].format(f"print('inner:', tried('take {how}'))")
    assert "inner: refused" in kernel.run(f"%%gptcache replay\n{code}", "a").text


def test_samples_are_counted_by_the_cell_that_asked_for_them(kernel: Kernel) -> None:
    inner = "shell.run_cell('told.append(ask(\"counted\"))')\n"
    cell = f"%%gptcache --samples 3\ntold = []\n{inner * 3}print(told)"
    first = kernel.run(cell).text
    assert len(set(eval(first))) == 3
    assert kernel.run(cell).text == first

    own = "shell.run_cell('%%gptcache --samples 2\\ntold.append(ask(\"counted\"))')\n"
    assert len(set(eval(kernel.run(f"told = []\n{own * 2}print(told)").text))) == 1
    threads = "%%gptcache --samples 3\ntold = []\nfor n in range(3):\n    thread = threading.Thread("
    threads += "target=lambda: told.append(ask('counted')))\n    thread.start()\n    thread.join()\nprint(told)"
    assert [kernel.run(threads).text for _ in range(2)] == [first] * 2


def test_a_cell_keeps_its_mode_when_it_turns_the_cache_off_and_on(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache replay --tag kept\n%gptcache off\n%gptcache on\nprint(tried('off and on'))", "a")
    assert ran.text.endswith("refused\n")
    nested = "%%gptcache replay\nshell.run_cell('%gptcache off\\n%gptcache on')\nprint(tried('off and on'))"
    assert kernel.run(nested, "a").text.endswith("refused\n")


# Requests that are no cells


def test_a_silent_request_has_its_own_mode_and_belongs_to_no_cell(kernel: Kernel) -> None:
    kernel.until(kernel.send("%%gptcache replay\nanswer = tried('silent')", silent=True))
    assert "refused" in kernel.run("print(answer)").text
    kernel.until(kernel.send("%%gptcache refresh\n1 / 0", silent=True))
    kernel.until(kernel.send("ask('silent too')", silent=True))
    lookups = kernel.lookups("silent")
    assert list(lookups["mode"]) == ["replay", "auto"]
    assert lookups["execution_count"].isna().all()


def test_a_request_without_history_has_its_own_mode_and_the_number_of_no_cell(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache replay\nprint(tried('unkept'))", "a", store_history=False)
    assert (ran.text, badges(ran)) == ("refused\n", [])
    kernel.run("ask('unkept too')", store_history=False)
    cell = kernel.run("ask('kept')", "b")
    lookups = kernel.lookups("unkept")
    assert list(lookups["mode"]) == ["replay", "auto"]
    assert lookups["execution_count"].isna().all()
    assert badges(cell) == ["gptcache: 1 miss · paid 0.0 s"]


def test_expressions_of_a_request_come_after_its_cell(kernel: Kernel) -> None:
    ran = kernel.run("%%gptcache replay\n1", "a", user_expressions={"mode": "gm.current().scope.mode"})
    assert ran.expressions["mode"] == {"text/plain": "'auto'"}


def test_a_task_keeps_the_mode_of_the_cell_that_started_it(kernel: Kernel) -> None:
    kernel.run(
        "async def later(question):\n    await event.wait()\n    return tried(question)\nevent = asyncio.Event()"
    )
    started = kernel.run("%%gptcache replay --tag mine\nstrict = asyncio.create_task(later('strict'))", "a")
    kernel.run("lax = asyncio.create_task(later('lax'))", "b")
    ran = kernel.run("%%gptcache replay\nevent.set()\nprint(await strict, await lax, tried('own'))", "c")
    assert re.fullmatch(r"refused answer \d+ refused\n", ran.text)
    assert list(kernel.lookups("strict")["execution_count"]) == [started.count]
    assert badges(ran) == ["gptcache: 1 miss · mode replay"]


def test_a_thread_that_outlives_its_cell_has_the_mode_of_the_kernel(kernel: Kernel) -> None:
    kernel.run(
        "%%gptcache replay\ngo, told = threading.Event(), []\n"
        "thread = threading.Thread(target=lambda: (go.wait(), told.append(tried('outlive'))))\nthread.start()"
    )
    kernel.run("go.set()\nthread.join()")
    assert list(kernel.lookups("outlive")["mode"]) == ["auto"]
    assert kernel.lookups("outlive")["execution_count"].isna().all()


def test_a_reset_leaves_the_cells_counted_and_the_modes_in_place(kernel: Kernel) -> None:
    with Kernel(kernel.folder) as fresh:
        ran = fresh.run("%%gptcache replay\n%reset -f\nfrom tests.support.shell import ask\nask('reset')", "a")
        assert ran.error == "CacheMiss"
        assert badges(ran) == ["gptcache: 1 miss · mode replay"]
        fresh.run("%reset -f in out dhist")
        ran = fresh.run("_ = ask('reset')", "b")
        assert badges(ran) == ["gptcache: 1 miss · paid 0.0 s"]


@pytest.mark.parametrize(
    "cell", ["raise KeyboardInterrupt", "raise SystemExit", "await asyncio.sleep(0)\n1 / 0", "1 +"]
)
def test_a_cell_that_ends_badly_ends_its_mode(kernel: Kernel, cell: str) -> None:
    kernel.run(f"%%gptcache refresh\n{cell}")
    assert kernel.run("print(gm.current().settings.cell, len(gm.current().settings.running))").text == "None 1\n"


def test_an_interrupted_async_cell_ends_its_mode(kernel: Kernel) -> None:
    asked = kernel.send(
        "%%gptcache refresh\nprint('begun', flush=True)\nawait asyncio.sleep(2)"
    )  # ipykernel waits for it
    kernel.until(asked, "begun")
    kernel.manager.interrupt_kernel()
    assert kernel.until(asked).status == "error"


# Cells that run side by side


def test_cells_of_subshells_do_not_see_each_other(kernel: Kernel) -> None:
    pytest.importorskip("ipykernel", minversion="7.0.0")
    subshell = kernel.subshell()
    kernel.run("inside, done = threading.Event(), threading.Event()\nfrom tests.support.shell import ask")
    main = kernel.send("%%gptcache replay --tag strict\ninside.set()\ndone.wait(30)\nmain = tried('side main')", "main")
    beside = kernel.run(
        "inside.wait(30)\nprint(ask('side beside'))\n"
        "thread = threading.Thread(target=lambda: told.append(tried('side thread')))\n"
        "told = []\nthread.start()\nthread.join()\nprint(*told)",
        "beside",
        subshell=subshell,
    )
    scoped = kernel.run("%%gptcache refresh\nask('side scoped')\ndone.set()", "scoped", subshell=subshell)
    ended = kernel.until(main)

    assert re.fullmatch(r"answer \d+\nrefused\n", beside.text), "a thread has the strictest mode of both"
    assert kernel.run("print(main)").text == "refused\n"
    lookups = kernel.lookups("side ").set_index("question")
    assert lookups["mode"].to_dict() == {
        "side main": "replay",
        "side beside": "auto",
        "side thread": "replay",
        "side scoped": "refresh",
    }
    assert lookups["cell"].fillna("").str.partition("] ")[2].to_dict() == {
        "side main": "%%gptcache replay --tag strict",
        "side beside": "inside.wait(30)",
        "side thread": "",
        "side scoped": "%%gptcache refresh",
    }
    assert badges(ended) == ["gptcache: 1 miss · mode replay"]
    assert badges(beside) == ["gptcache: 1 miss · paid 0.0 s"]
    assert badges(scoped) == ["gptcache: 1 bypassed · paid 0.0 s · mode refresh"]


# Front ends


def test_a_front_end_without_cell_ids_gets_a_badge_and_a_program_does_not(kernel: Kernel) -> None:
    assert badges(kernel.run("_ = ask('a person')", allow_stdin=True)) == ["gptcache: 1 miss · paid 0.0 s"]
    assert badges(kernel.run("_ = ask('a program')")) == []


# Scripts


SCRIPT = """
import gptcache_magics as gm
from tests.support.shell import ask
get_ipython().run_line_magic('load_ext', 'gptcache_magics')
get_ipython().run_line_magic('gptcache', 'on')
get_ipython().run_cell_magic('gptcache', 'refresh', "ask('script')\\n")
print("after:", gm.current().scope.mode, gm.current().settings.cell)
try: get_ipython().run_cell_magic('gptcache', 'replay', "ask('script, not recorded')\\n")
except gm.CacheMiss: print("a miss")
print("after:", gm.current().scope.mode, gm.current().settings.cell)
get_ipython().run_cell_magic('gptcache', 'replay', "ask('script, not recorded')\\n")
print("never")
"""


@pytest.mark.parametrize("name", ["script.py", "script.ipy"])
def test_a_script_made_by_nbconvert_has_modes_that_end_with_their_cells(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", name], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.stdout.count("after: auto None\n") == 2, ran.stdout + ran.stderr
    assert "a miss\n" in ran.stdout
    assert "never" not in ran.stdout
    df = gm.lookups(at=tmp_path / ".gptcache", since="all")
    assert sorted(df["mode"]) == ["refresh", "replay", "replay"]
    assert df["execution_count"].isna().all()
