"""The cache in a real kernel: which cell a lookup belongs to, the badge, interrupts, other kernels, a killed kernel."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import gptcache_magics as gm
from tests.support.kernel import SECONDS, START, Kernel, badges

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests; each test asks its own questions."""
    with Kernel(tmp_path_factory.mktemp("notebooks")) as running:
        yield running


CELLS = {
    "invoke": "ask('{} 1')",
    "batch": "model.batch(['{} 1', '{} 2', '{} 3'])",
    "abatch": "await model.abatch(['{} 1', '{} 2', '{} 3'])",
    "gather": "await asyncio.gather(model.ainvoke('{} 1'), model.ainvoke('{} 2'))",
    "to_thread": "await asyncio.to_thread(ask, '{} 1')",
    "task": "task = asyncio.create_task(model.ainvoke('{} 1'))\nawait task",
    "stream": "for piece in model.stream('{} 1'): pass",
    "astream": "async for piece in model.astream('{} 1'): pass",
    "magics": "%%time\nfirst = %time ask('{} 1')\nsecond = ask('{} 2')",
    "capture": "%%capture\nask('{} 1')",
    "error": "ask('{} 1')\n1 / 0",
    "loop": "for n in (1, 2): ask(f'{} {{n}}')",
}


@pytest.mark.parametrize("how", CELLS)
def test_a_lookup_belongs_to_the_cell_that_caused_it(kernel: Kernel, how: str) -> None:
    ran = kernel.run(CELLS[how].replace("{}", how).replace("{{", "{").replace("}}", "}"), cell_id=f"id of {how}")

    assert ran.status == ("error" if how == "error" else "ok")
    lookups = kernel.lookups(f"{how} ")
    assert sorted(lookups["question"]) == [f"{how} {n + 1}" for n in range(len(lookups))] != []
    assert set(lookups["execution_count"]) == {ran.count}
    (cell,) = set(lookups["cell"])
    assert cell.startswith(f"analysis.ipynb [{ran.count}] ")
    assert set(lookups["notebook"]) == {"analysis.ipynb"}


def test_a_thread_of_the_user_is_unattributed_rather_than_in_a_wrong_cell(kernel: Kernel) -> None:
    kernel.run(
        "gate = threading.Event()\n"
        "thread = threading.Thread(target=lambda: gate.wait() and ask('thread'))\n"
        "thread.start()"
    )
    ran = kernel.run("ask('thread: before')\ngate.set()\nthread.join()\nask('thread: after')")

    assert kernel.lookups("thread")["execution_count"].tolist() == [ran.count, pd.NA, ran.count]
    assert "unattributed" in gm.stats("cell", at=kernel.folder / ".gptcache").index


def test_a_task_keeps_the_cell_that_started_it(kernel: Kernel) -> None:
    started = kernel.run(
        "async def later():\n    await event.wait()\n    await model.ainvoke('task later')\n"
        "event = asyncio.Event()\ntask = asyncio.create_task(later())"
    )
    ran = kernel.run("event.set()\nawait task\nask('task own')")

    counts = dict(kernel.lookups("task ")[["question", "execution_count"]].itertuples(index=False))
    assert counts["task later"] == started.count
    assert counts["task own"] == ran.count == started.count + 1


def test_a_cell_can_be_asked_for_by_the_number_beside_it(kernel: Kernel) -> None:
    ran = kernel.run("\n# a comment\nask('by number')")
    kernel.run("ask('by number, later')")

    shown = kernel.run(f"df = %gptcache lookups --cell {ran.count}\ndf.question.tolist()")
    assert shown.text == "['by number']"
    shown = kernel.run("df = %gptcache stats --by cell\nprint('\\n'.join(df.index))")
    assert f"analysis.ipynb [{ran.count}] # a comment" in shown.text.splitlines()


def test_the_badge_counts_only_the_lookups_of_its_cell(kernel: Kernel) -> None:
    first = kernel.run("_ = [ask('badge'), ask('badge'), ask('badge & more')]", cell_id="a")
    assert badges(first)[0].startswith("gptcache: 1 hit, 2 misses · saved 0.0 s · paid 0.0 s")
    assert "gptcache: 1 hit, 2 misses" in first.shown[0]["text/html"]

    assert badges(kernel.run("_ = ask('badge')", cell_id="a")) == ["gptcache: 1 hit · saved 0.0 s"]
    assert badges(kernel.run("_ = await model.ainvoke('badge')", cell_id="a")) == ["gptcache: 1 hit · saved 0.0 s"]
    assert badges(kernel.run("ask('badge')\n1 / 0", cell_id="a")) == ["gptcache: 1 hit · saved 0.0 s"]


@pytest.mark.parametrize("code", ["1 + 1", "%gptcache", "1 +", "", "ask"])
def test_a_cell_without_lookups_has_no_badge(kernel: Kernel, code: str) -> None:
    kernel.run("ask('no badge')", cell_id="a")

    assert badges(kernel.run(code, cell_id="a")) == []


def test_a_frontend_that_sends_no_cell_id_gets_no_badge(kernel: Kernel) -> None:
    assert badges(kernel.run("_ = ask('nbconvert')")) == []
    assert kernel.lookups("nbconvert")["outcome"].tolist() == ["miss"]


def test_a_frontend_that_can_ask_for_input_gets_a_badge_without_cell_ids(kernel: Kernel) -> None:
    """As ``jupyter console`` does, and nbclassic."""
    assert len(badges(kernel.run("_ = ask('no ids')", allow_stdin=True))) == 1


def test_a_frontend_that_answers_no_widget_shows_the_panel_as_a_table(kernel: Kernel) -> None:
    kernel.run("_ = ask('no widgets')")
    ran = kernel.run("%gptcache panel")

    saved, live = ran.shown
    assert (ran.status, ran.tracebacks, live["text/html"]) == ("ok", [], "")
    assert "small-model" in saved["text/html"]
    assert "small-model" in saved["text/plain"]
    assert "<script" not in saved["text/html"]
    assert kernel.run("1 + 1").text == "2"  # nothing waits for an answer


def test_the_badge_can_be_turned_off(kernel: Kernel) -> None:
    kernel.run("%config GPTCacheMagics.badge = False")
    off = kernel.run("_ = ask('turned off')", cell_id="a")
    kernel.run("%config GPTCacheMagics.badge = True")
    on = kernel.run("_ = ask('turned off')", cell_id="a")

    assert [len(badges(off)), len(badges(on))] == [0, 1]


def test_the_badge_says_so_where_it_cannot_count_all(kernel: Kernel) -> None:
    kernel.run("import collections, gptcache_magics as gm\nledger = gm.current().ledger")
    kernel.run("ledger.recent = collections.deque(maxlen=2)")
    ran = kernel.run("for n in range(3): ask('count all')", cell_id="a")
    kernel.run("ledger.recent = collections.deque(maxlen=10_000)")
    (shown,) = ran.shown
    assert shown["text/plain"].startswith("gptcache, the last 2 of 3 lookups: 2 hits · saved")


def test_nbclient_runs_a_notebook_without_badges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    cells = [nbformat.v4.new_code_cell(code) for code in (START, "_ = [ask('a'), ask('a')]", "%gptcache off")]
    notebook = nbformat.v4.new_notebook(cells=cells)

    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources, timeout=SECONDS).execute()

    assert [len(cell.outputs) for cell in notebook.cells] == [1, 0, 1]
    assert notebook.cells[2].outputs[0].text.startswith("Cache off. This run: 1 hit, 1 miss")
    assert gm.lookups(at=tmp_path / ".gptcache")["outcome"].tolist() == ["hit", "miss"]


@pytest.mark.parametrize("line", ["stat", "show zz", "on elsewhere", "stats --by"])
def test_a_wrong_line_is_one_line_without_a_traceback(kernel: Kernel, line: str) -> None:
    ran = kernel.run(f"%gptcache {line}")

    assert (ran.status, ran.error, ran.tracebacks) == ("error", "UsageError", [])
    assert ran.text.startswith("UsageError: ")
    assert ran.text.count("\n") == 1


def test_why_explains_the_cell_that_was_changed(kernel: Kernel) -> None:
    kernel.run("why = model.invoke('why is the sky blue at noon')", cell_id="why")
    kernel.run("why = model.invoke('why is the sky blue at night')", cell_id="why")
    shown = kernel.run("%gptcache why").text
    assert "the closest question is" in shown
    assert "words    why is the sky blue at [-noon-]{+night+}" in shown
    assert "\x1b" not in shown

    kernel.run("why = model.bind(stop=['.']).invoke('why is the sky blue at night')", cell_id="why")
    assert "under another parameter: stop added" in kernel.run("%gptcache why").text
    kernel.run("question = 'why is the sky blue at dawn'")
    assert "at [-noon-]{+dawn+}" in kernel.run("%gptcache why --var question").text


def test_an_interrupted_call_leaves_the_cache_usable(kernel: Kernel) -> None:
    kernel.run(
        "class Slow(NumberedModel):\n"
        "    def _call(self, *args, **kwargs):\n"
        "        print('asked\\n', end='', flush=True)\n"
        "        time.sleep(pause)\n"
        "        return super()._call(*args, **kwargs)\n"
        f"pause = {SECONDS}"
    )
    asked = kernel.send("Slow().invoke('interrupted')")
    kernel.until(asked, "asked")
    assert kernel.interrupt(asked).error == "KeyboardInterrupt"

    ran = kernel.run("pause = 0\nSlow().invoke('interrupted').content == Slow().invoke('interrupted').content")

    assert ran.text == "asked\nTrue"
    assert kernel.lookups("interrupted")["outcome"].tolist() == ["miss", "miss", "hit"]
    assert "Warnings  none" in kernel.run("%gptcache").text


def test_cancelled_tasks_leave_the_cache_usable(kernel: Kernel) -> None:
    kernel.run(
        "class Waiting(NumberedModel):\n"
        "    def _call(self, *args, **kwargs):\n"
        "        asked.append(1)\n"
        f"        stop.wait({SECONDS})\n"
        "        return super()._call(*args, **kwargs)\n"
        "asked, stop = [], threading.Event()"
    )
    ran = kernel.run(
        "tasks = [asyncio.create_task(Waiting().ainvoke(f'cancelled {n % 2}')) for n in range(4)]\n"
        "while len(asked) < 2: await asyncio.sleep(0.01)\n"
        "for task in tasks: task.cancel()\n"
        "{type(each).__name__ for each in await asyncio.gather(*tasks, return_exceptions=True)}"
    )
    assert ran.text == "{'CancelledError'}"

    ran = kernel.run("stop.set()\nlen({answer.content for answer in Waiting().batch(['cancelled 0'] * 3)})")
    assert ran.text == "1"
    assert "Warnings  none" in kernel.run("%gptcache").text


def test_off_and_on_again_in_one_kernel(kernel: Kernel) -> None:
    kernel.run("stored = ask('off and on')")
    assert kernel.run("%gptcache off\nask('off and on') == stored").text.endswith("False")
    assert kernel.run("%gptcache on\nask('off and on') == stored").text.endswith("True")

    assert kernel.lookups("off and on")["outcome"].tolist() == ["miss", "hit"]
    assert kernel.lookups("off and on")["run"].nunique() == 2


def test_two_kernels_on_one_store_see_each_other_and_a_killed_one_loses_no_answer(kernel: Kernel) -> None:
    kernel.run("ask('shared by the first')")
    with Kernel(kernel.folder) as other:
        other.run("ask('shared by the first')\nask('shared by the second')")
        kernel.run("ask('shared by the second')")
        assert kernel.lookups("shared")["outcome"].tolist() == ["miss", "hit", "miss", "hit"]

        assert other.run("%gptcache remove --grep 'shared by the first'").text.startswith("1 entry removed")
        kernel.run("time.sleep(0.1)\nask('shared by the first')")  # another kernel is looked at every 50 ms
        assert kernel.lookups("shared by the first")["outcome"].tolist() == ["miss", "hit", "miss"]

        other.send("for n in range(5): ask(f'killed {n}')\nos.kill(os.getpid(), 9)")
        other.manager.provisioner.process.wait(SECONDS)

    kernel.run("for n in range(5): ask(f'killed {n}')")
    ours = kernel.lookups("killed").tail(5)
    assert ours["outcome"].tolist() == ["hit"] * 5


# Matching by meaning


ASKED, REWORDED = "How do I reverse a list in Python?", "How can I reverse a list in Python?"


def test_matching_by_meaning_in_a_notebook(kernel: Kernel) -> None:
    kernel.run(f"from tests.support.embedder import Embedder\nwords = Embedder()\nstored = ask({ASKED!r})", cell_id="a")
    turned_on = kernel.run("%gptcache on --match semantic --embedder words", cell_id="a")
    assert "Matching by meaning: Embedder, threshold 0.93" in turned_on.text
    assert "Earlier entries become searchable in the background" in turned_on.text
    [bar] = turned_on.shown
    assert "application/vnd.jupyter.widget-view+json" in bar
    kernel.run("import gptcache_magics as gm\ngm.current().similar.backfill.wait(30)")
    assert "Match     semantic: Embedder, threshold 0.93\n" in kernel.run("%gptcache").text

    hit = kernel.run(f"answer = ask({REWORDED!r})\nassert answer == stored", cell_id="b")
    assert hit.status == "ok"
    assert badges(hit) == ["gptcache: 1 hit (1 by meaning) · saved 0.0 s"]
    why = kernel.run("%gptcache why").text
    assert "A hit by meaning (0.9" in why
    assert "How [-do-]{+can+} I reverse" in why
    assert "guards passed" in why
    number = why.split()[1]
    assert "the next call asks the model" in kernel.run(f"%gptcache label {number} wrong").text
    kernel.run(f"assert ask({REWORDED!r}) != stored", cell_id="b")
    assert "called wrong" in kernel.run("%gptcache why").text
    assert "1 label: 49 more" in kernel.run("%gptcache tune").text
    kernel.run("%gptcache on --match exact")


def test_an_embedder_that_fails_is_reported_once_under_a_cell(kernel: Kernel) -> None:
    kernel.run("from tests.support.embedder import Embedder\nwords = Embedder()")
    kernel.run("%gptcache on --match semantic --embedder words --wait\nwords.fails = ValueError('no quota')")
    first, second = (kernel.run(f"_ = ask('Which of the lakes is deep, {n}?')", cell_id="a") for n in "ab")
    kernel.run("words.fails = None\n%gptcache on --match exact")

    assert "exact matches only: error: EmbedderFailed while matching by meaning" in badges(first)[0]
    assert badges(first)[0].endswith("ValueError: no quota")
    assert "no quota" not in badges(second)[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("on --match semantic --threshold 92", "Did you mean 0.92?"),
        (
            "on --match semantic --embedder nothing",
            "minilm, or a notebook variable that holds a LangChain Embeddings. Got 'nothing'",
        ),
        ("on --match semantic --embedder model", "or an object that is a LangChain Embeddings. Got NumberedModel"),
        ("on --threshold 0.9", "Type: %gptcache on --match semantic --threshold"),
        ("label 1", "label: missing: right|wrong"),
        ("label 1 maybe", "label takes right, wrong. Got 'maybe'"),
        ("tune --target 2", "above 0 and below 1, such as 0.99. Got 2"),
        ("tune --labels nowhere.jsonl", "nowhere.jsonl cannot be read"),
    ],
)
def test_a_wrong_word_about_meaning_is_one_line(kernel: Kernel, line: str, said: str) -> None:
    ran = kernel.run(f"%gptcache {line}")

    assert (ran.status, ran.error) == ("error", "UsageError")
    assert said in ran.text
    assert ran.text.count("\n") == 1
    assert "Match     exact" in kernel.run("%gptcache").text
