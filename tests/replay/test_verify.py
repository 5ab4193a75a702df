"""``verify``: a notebook replays or it does not, and nothing in it can reach a model, a network or its own store."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from langchain_core.globals import set_llm_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics import commands
from gptcache_magics.errors import CommandError, MissingDependencyError, StoreError
from gptcache_magics.replay import runner
from gptcache_magics.replay.report import Kind, Problem, Report
from gptcache_magics.store.sqlite.snapshot import snapshot
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.processes import run
from tests.support.provider_server import KEY, ProviderServer

RECORDED = "What is the capital of France?"
NEW = "What is the capital of Spain?"
PASSED = "PROVIDER_URL"
ON = "%load_ext gptcache_magics\n%gptcache on"
MODEL = """
import os
import gptcache_magics as gm
from langchain_openai import ChatOpenAI
url = os.environ['PROVIDER_URL']
def model(**fields):
    return ChatOpenAI(model='gpt-4o-mini', base_url=url, max_retries=0, **fields)
llm = model()
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, server: ProviderServer) -> None:
    """Name a provider and a key in the environment; the kernel must do without the key."""
    monkeypatch.setenv("PROVIDER_URL", server.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def recorded(tmp_path: Path, server: ProviderServer) -> Iterator[str]:
    """Return the answer to ``RECORDED``, which is kept in the folder and in its ``lesson.jsonl``."""
    gm.on(tmp_path / ".gptcache")
    answer = server.model("ChatOpenAI").invoke(RECORDED).text
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()
    set_llm_cache(None)
    server.calls = 0
    yield answer
    assert server.calls == 0


def notebook(folder: Path, *cells: str, **tagged: str) -> Path:
    """Write a notebook; ``tagged`` are further cells by their tag."""
    made = [new_code_cell(source) for source in cells]
    made += [new_code_cell(source, metadata={"tags": [tag.replace("_", "-")]}) for tag, source in tagged.items()]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A lesson"), *made]), folder / "lesson.ipynb")
    return folder / "lesson.ipynb"


def files(folder: Path) -> dict[str, str]:
    """Return all files below a folder, with a digest of each."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def kinds(report: Report) -> dict[int | None, str]:
    return {problem.cell: problem.kind for problem in report.problems}


# Notebooks that replay


@pytest.mark.slow
@pytest.mark.kernel
def test_a_notebook_whose_answers_are_recorded_replays_without_a_trace(tmp_path: Path, recorded: str) -> None:
    (tmp_path / "beside.py").write_text("number = 42\n")
    shutil.copytree(tmp_path / ".gptcache", tmp_path / "copy")
    (tmp_path / "json.py").write_text("raise ImportError('not this one')\n")
    path = notebook(
        tmp_path,
        ON,
        MODEL,
        f"assert llm.invoke('{RECORDED}').text == {recorded!r}",
        f"assert ''.join(piece.text for piece in llm.stream('{RECORDED}')) == {recorded!r}",
        "import beside, secrets\nassert beside.number == 42 and secrets.token_hex()",
        "assert os.environ['OPENAI_API_KEY'] == 'no-key-needed-in-replay'",
        "%gptcache mode auto\n%gptcache clear --yes\n%gptcache undo\n%gptcache save lesson.jsonl",
        f"kept = gm.current()\n%gptcache off\n%gptcache on copy\nllm.invoke('{RECORDED}')\n%gptcache off\n%gptcache on",
        "import asyncio, threading\nasync def more(): return await llm.ainvoke('" + RECORDED + "')\n"
        "thread = threading.Thread(target=lambda: asyncio.run(more())); thread.start(); thread.join()",
        "%gptcache off",
        raises_exception=f"try: 1 / 0\nfinally: llm.invoke('{NEW}')",
        skip_execution="llm.invoke('never')",
    )
    before = files(tmp_path)

    report = gm.verify(path, env=PASSED)

    assert report.ok, report
    assert (report.cells, report.hits) == (11, 4)
    assert repr(report) == "lesson.ipynb replays: 11 cells run, 4 calls answered, none by a model."
    assert list(report.to_frame().dtypes.astype(str)) == ["Int64", "string", "category", "string", "Int64", "category"]
    assert files(tmp_path) == before


BY_HAND = """
import gptcache_magics as gm
from langchain_core.globals import get_llm_cache, set_llm_cache
set_llm_cache(gm.GPTCache({}))
"""


@pytest.mark.slow
@pytest.mark.kernel
def test_a_cache_that_the_notebook_sets_by_hand_replays(tmp_path: Path, recorded: str) -> None:
    shutil.copytree(tmp_path / ".gptcache", tmp_path / "copy")
    shutil.rmtree(tmp_path / ".gptcache")
    path = notebook(
        tmp_path,
        BY_HAND.format("store='copy', mode='auto', ttl='7d'"),
        MODEL,
        f"assert llm.invoke('{RECORDED}').text == {recorded!r}\nassert gm.current() is get_llm_cache()",
        "assert gm.status().mode == 'replay' and len(gm.lookups()) == 1",
        f"with gm.GPTCache(store='lesson.jsonl') as cache:\n    assert llm.invoke('{RECORDED}').text == {recorded!r}",
    )
    before = files(tmp_path)
    report = gm.verify(path, env=PASSED)
    assert report.ok, report
    assert report.hits == 2
    assert files(tmp_path) == before

    path = notebook(
        tmp_path,
        "import os; os.environ['OPENAI_API_KEY'] = 'none'",
        BY_HAND.format("mode='auto'"),
        MODEL,
        f"llm.invoke('{RECORDED}')",
    )
    assert kinds(gm.verify(path, env=PASSED)) == {4: "miss"}
    assert gm.verify(path, bundle=tmp_path / "lesson.jsonl", env=PASSED).ok


@pytest.mark.slow
@pytest.mark.kernel
def test_the_place_of_the_environment_is_read_and_its_mode_is_not(
    tmp_path: Path, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(tmp_path / ".gptcache", tmp_path / "elsewhere")
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GPTCACHE_MAGICS_MODE", "auto")
    monkeypatch.setenv("GPTCACHE_MAGICS_MATCH", "semantic")
    path = notebook(
        tmp_path,
        ON,
        MODEL,
        f"assert llm.invoke('{RECORDED}').text == {recorded!r}",
        "assert 'GPTCACHE_MAGICS_MODE' not in os.environ and gm.status().mode == 'replay'",
    )
    report = gm.verify(path, env=PASSED)
    assert report.ok, report


LOOSENED = [
    "try:\n    %gptcache on\n    llm.invoke(question())\nexcept gm.CacheMiss: pass",
    "%gptcache on other\nassert gm.status().store.startswith('other')\nllm.invoke(question())",
    "%gptcache on --mode refresh\nllm.invoke(question())",
    "%gptcache mode auto\nllm.invoke(question())",
    "%%gptcache refresh\nllm.invoke(question())",
    "with gm.using(mode='auto'): llm.invoke(question())",
    "%gptcache off\nllm.invoke(question())",
    "%gptcache clear --yes\n%gptcache remove --grep France --yes\nllm.invoke(question())",
    "gm.current().close(); llm.invoke(question())",
    "from langchain_core.globals import set_llm_cache\nset_llm_cache(None)\nllm.invoke(question())",
    "from langchain_core.caches import InMemoryCache\nset_llm_cache(InMemoryCache())\nllm.invoke(question())",
    "model(cache=False).invoke(question())",
    "model(cache=InMemoryCache()).invoke(question())",
    "list(model(cache=False).stream(question()))",
    f"os.environ['OPENAI_API_KEY'] = {KEY!r}\nmodel().invoke(question())",
    "llm.with_fallbacks([model(cache=False)]).invoke(question())",
    "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(1) as pool: pool.submit(llm.invoke, question()).result()",
    "await llm.ainvoke(question())",
    "set_llm_cache(gm.GPTCache())\nllm.invoke(question())",
    "%unload_ext gptcache_magics\nllm.invoke(question())",
    "gm.off(); gm.on(); llm.invoke(question())",
]
COUNT = "numbers = iter(range(1000))\ndef question(): return f'New question {next(numbers)}?'"


@pytest.mark.slow
@pytest.mark.kernel
def test_nothing_in_a_notebook_loosens_the_replay(tmp_path: Path, recorded: str, server: ProviderServer) -> None:
    other = SQLiteStore(tmp_path / "other")
    other.open()  # and in use
    path = notebook(tmp_path, ON, MODEL, COUNT, *LOOSENED)
    before = files(tmp_path)
    report = gm.verify(path, env=PASSED)
    after = files(tmp_path)
    other.close()

    assert server.calls == 0
    assert kinds(report) == dict.fromkeys(range(4, 4 + len(LOOSENED)), "miss"), report
    assert report.attempts == ()
    assert {name for name in after if after[name] != before.get(name)} <= {"other/cache.db-shm"}


@pytest.mark.slow
@pytest.mark.kernel
def test_a_bundle_takes_the_place_of_every_store(tmp_path: Path, recorded: str, capsys: pytest.CaptureFixture) -> None:
    bundle = (tmp_path / "lesson.jsonl").rename(tmp_path / "moved.jsonl")
    lesson = tmp_path / "elsewhere"
    lesson.mkdir()
    path = notebook(
        lesson, ON, MODEL, f"llm.invoke('{RECORDED}')\n%gptcache on other --wrap", f"llm.invoke('{RECORDED}')"
    )

    assert shell.main(["verify", str(path), "--bundle", str(bundle), "--env", PASSED]) == 0
    assert capsys.readouterr().out == (
        "lesson.ipynb replays: 4 cells run, 2 calls answered from moved.jsonl, none by a model.\n"
    )
    assert list(files(lesson)) == ["lesson.ipynb"]


@pytest.mark.slow
@pytest.mark.kernel
def test_a_notebook_without_the_cache_is_verified_with_a_bundle(
    tmp_path: Path, recorded: str, capsys: pytest.CaptureFixture
) -> None:
    bundle = (tmp_path / "lesson.jsonl").rename(tmp_path / "moved.jsonl")
    plain = MODEL.replace("import gptcache_", "# ")
    path = notebook(tmp_path, plain, f"answer = llm.invoke('{RECORDED}').text\nassert answer == {recorded!r}, answer")
    words = ["verify", str(path), "--bundle", str(bundle), "--env", PASSED]

    assert shell.main(words) == 0
    assert "2 cells run, 1 call answered from moved.jsonl" in capsys.readouterr().out
    notebook(tmp_path, plain, f"llm.invoke('{NEW}')")
    assert shell.main(words) == 1
    assert f"[2]   miss        llm.invoke('{NEW}')" in capsys.readouterr().out


# Notebooks that do not


@pytest.mark.slow
@pytest.mark.kernel
def test_each_reason_for_not_replaying_is_told_apart_and_all_cells_run(tmp_path: Path, server: ProviderServer) -> None:
    path = notebook(
        tmp_path,
        ON,
        MODEL.replace("llm = model()", f"llm = model(api_key={KEY!r})"),
        f"try: llm.batch(['{NEW}', '{NEW}'])\nexcept gm.CacheMiss: print('caught')",
        f"# a comment\nllm.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke('{NEW}')",
        "from langchain_openai import OpenAIEmbeddings\nOpenAIEmbeddings(model='none')",
        "fields = dict(api_key='x', base_url=url, check_embedding_ctx_length=False, max_retries=0)\n"
        "OpenAIEmbeddings(**fields).embed_query('x')",
        "await OpenAIEmbeddings(**fields).aembed_documents(['x'])",
        "import urllib.request\nurllib.request.urlopen(url)",
        "import socket\nsocket.create_connection(('models.example', 443))",
        "try: socket.getaddrinfo('telemetry.example', 443)\nexcept OSError: pass",
        "undefined",
        "%gptcache on --mode wrong",
        "import threading\ngo = threading.Event()\n"
        "thread = threading.Thread(target=lambda: (go.wait(), llm.invoke('in a thread, later')))\nthread.start()",
        "go.set()\nthread.join()",
        "import os; os._exit(1)",
        "print('never')",
    )

    report = gm.verify(path, env=PASSED)

    assert server.calls == 0
    assert kinds(report) == {
        **{3: "miss", 4: "miss", 5: "embeddings", 6: "embeddings", 7: "embeddings", 8: "network", 9: "network"},
        **{11: "error", 12: "error", 14: "miss", 15: "error"},
    }, report
    assert (report.cells, report.hits, report.attempts) == (15, 0, ("telemetry.example",))
    frame = report.to_frame().set_index("cell")
    assert NEW in frame.loc[3, "message"]
    assert "mode replay" in frame.loc[3, "message"]
    assert frame.loc[4, "times"] == 2
    assert frame.loc[6, "message"].startswith("text-embedding-ada-002 was not called: 1 text of 1 not recorded")
    assert frame.loc[7, "message"].startswith("text-embedding-ada-002 was not called: 1 text of 1 not recorded")
    assert "127.0.0.1 was not reached" in frame.loc[8, "message"]
    assert "ended the kernel" in frame.loc[15, "message"]
    assert ".gptcache" not in [path.name for path in tmp_path.iterdir()]


@pytest.mark.slow
@pytest.mark.kernel
def test_the_notebook_gets_only_the_environment_that_a_python_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {"MY_COMPANY_LLM": "a", "JUPYTER_TOKEN": "b", "DATABASE_URL": "c", "PASSED_ON": "d", "LC_TIME": "C"}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    path = notebook(tmp_path, ON, f"import os\nraise ValueError(sorted(set(os.environ) & {set(planted)!r}))")

    report = gm.verify(path, env=["PASSED_ON"])
    assert [each.message for each in report.problems] == ["ValueError: ['LC_TIME', 'PASSED_ON']"]


@pytest.mark.slow
@pytest.mark.kernel
def test_a_cell_that_fails_for_an_earlier_one_is_counted_there_and_lines_of_cells_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = notebook(
        tmp_path,
        "import os\nplace = os.environ['MY_PLACE']\nvalue = 1",
        "other = value + 1",
        "other",
        "%gptcache stats --at nowhere",
        "raise ValueError('type %gptcache stats')",
        "{'a': 1}['TOTAL']",
        "mistyped",
    )
    report = gm.verify(path)
    assert [(each.cell, each.after) for each in report.problems] == [(1, 2), (4, 0), (5, 0), (6, 0), (7, 0)]
    told = "KeyError: 'MY_PLACE'. To give it to the notebook: --env MY_PLACE"
    assert f"{told}\n        2 cells after it failed because of it." in repr(report)
    assert repr(report).count("--env") == 1
    assert shell.main(["verify", str(path)]) == 1
    told = capsys.readouterr().out
    assert "%gptcache stats --at nowhere" in told
    assert "ValueError: type %gptcache stats" in told


@pytest.mark.slow
@pytest.mark.kernel
def test_a_miss_in_a_cell_within_a_cell_is_reported(tmp_path: Path, recorded: str) -> None:
    nested = f"try: llm.invoke('{NEW}')\nexcept gm.CacheMiss: pass"
    path = notebook(tmp_path, ON, MODEL, f"get_ipython().run_cell({nested!r}, store_history=True)\n1")
    report = gm.verify(path, env=PASSED)
    assert [each.kind for each in report.problems] == ["miss"]


@pytest.mark.slow
@pytest.mark.kernel
def test_a_cell_that_takes_too_long_is_interrupted_and_the_next_ones_run(tmp_path: Path) -> None:
    report = gm.verify(notebook(tmp_path, "import time\ntime.sleep(600)", "%gptcache wrong", "undefined"), timeout=3)

    assert kinds(report) == {1: "timeout", 2: "error", 3: "error"}
    assert report.cells == 3


@pytest.mark.parametrize(
    ("tag", "saved", "kind", "name", "meant"),
    [
        ("raises-exception", [], "miss", "CacheMiss", True),
        ("raises-exception", [], "error", "ValueError", True),
        ("raises-exception", [], "network", "URLError", False),
        ("raises-exception", ["CacheMiss"], "miss", "CacheMiss", True),
        ("raises-exception", ["ValueError"], "miss", "CacheMiss", False),
        ("raises-exception", ["URLError"], "network", "URLError", True),
        ("stats", ["CacheMiss"], "miss", "CacheMiss", False),
    ],
)
def test_a_cell_may_fail_as_it_was_saved_to_fail(
    tag: str, saved: list[str], kind: Kind, name: str, meant: bool
) -> None:
    outputs = [new_output("error", ename=each, evalue="", traceback=[]) for each in saved]
    cell = new_code_cell("f()", metadata={"tags": [tag]}, outputs=outputs)
    assert runner._meant(cell)(kind, name) is meant


def test_the_report_reads_like_a_list_of_what_to_do() -> None:
    problems = (
        Problem(3, "llm.batch(questions)", "miss", "nothing recorded\nfor it", 2),
        Problem(5, "embed(texts)", "embeddings", "OpenAIEmbeddings.embed_documents: no network"),
        Problem(None, "", "miss", "later"),
    )
    report = Report("a/lesson.ipynb", "", 7, 1, problems, ("telemetry.example",))

    assert repr(report).splitlines()[:7] == [
        "lesson.ipynb does not replay: 2 misses, 1 cell needs embeddings. 7 cells run, 1 call answered.",
        "  [3]   miss        llm.batch(questions)",
        "        nothing recorded",
        "        for it (2 times)",
        "  [5]   embeddings  embed(texts)",
        "        OpenAIEmbeddings.embed_documents: no network",
        "  [ ]   miss",
    ]
    assert "CacheBackedEmbeddings" in repr(report)
    assert repr(report).endswith("Not reached, and not needed: telemetry.example")
    assert list(report.to_frame()["cell"].isna()) == [False, False, True]


# Wrong use


def test_wrong_use_is_one_sentence_and_exit_code_two(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "broken.ipynb").write_text("{")
    (tmp_path / "other.ipynb").write_text("{}")
    lesson = str(notebook(tmp_path, ON))
    plain = tmp_path / "plain.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("print('hello')")]), plain)
    (tmp_path / "bad.jsonl").write_text("no bundle")
    for words, told in {
        (str(tmp_path / "none.ipynb"),): "There is no notebook",
        (str(tmp_path),): "There is no notebook",
        (str(tmp_path / "broken.ipynb"),): "broken.ipynb is not a notebook: ",
        (str(tmp_path / "other.ipynb"),): "other.ipynb is not a notebook: ",
        (str(plain),): "plain.ipynb does not use %gptcache: nothing to verify. With recorded answers: python -m gptc",
        (lesson, "--bundle", str(tmp_path / "none.jsonl")): "There is no file",
        (lesson, "--bundle", str(tmp_path / "bad.jsonl")): "bad.jsonl is not a bundle.",
        (lesson, "--timeout", "soon"): "verify: --timeout takes a whole number above 0. Got 'soon'.",
        (lesson, "--bundel", "x"): "Did you mean '--bundle'? Example: python -m gptcache_magics verify",
        (): "verify: missing: NOTEBOOK.",
    }.items():
        assert shell.main(["verify", *words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert told in err
        assert err.count("\n") == 1
    assert shell.main(["verfiy"]) == 2


@pytest.mark.slow
@pytest.mark.kernel
def test_the_shell_command_exits_with_one_for_a_miss_and_helps(tmp_path: Path, server: ProviderServer) -> None:
    path = notebook(tmp_path, ON, MODEL.replace("llm = model()", f"model(api_key={KEY!r}).invoke('{NEW}')"))
    ran = run("-m", "gptcache_magics", "verify", path, "--env", PASSED, folder=tmp_path)

    assert (ran.returncode, ran.stderr) == (1, "")
    assert "does not replay: 1 miss. 2 cells run" in ran.stdout
    assert server.calls == 0


def test_the_shell_command_says_what_there_is(capsys: pytest.CaptureFixture) -> None:
    for words, told in {
        (): "verify NOTEBOOK|SCRIPT [--bundle FILE]",
        ("--help",): "verify NOTEBOOK",
        ("verify", "--help"): "python -m gptcache_magics verify",
        ("--version",): f"{commands.versions()}\n",
    }.items():
        assert shell.main([*words]) == 0
        assert told in capsys.readouterr().out


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptcache_magics.replay.runner.NEEDED", ("nbclient", "no_such_package"))
    with pytest.raises(MissingDependencyError, match="needs no_such_package: %pip install nbclient ipykernel"):
        gm.verify(notebook(tmp_path, ON))
    with pytest.raises(CommandError, match="timeout takes a whole number above 0"):
        gm.verify(tmp_path / "lesson.ipynb", timeout=0)


# A snapshot


def test_a_snapshot_holds_the_content_of_the_file_and_does_not_touch_it(tmp_path: Path, recorded: str) -> None:
    folder = tmp_path / ".gptcache"
    before = files(folder)
    store = snapshot(folder)

    assert (store.where, store.count()[0]) == (str(folder), 1)
    store.clear()
    assert files(folder) == before
    assert snapshot(folder).count()[0] == 1
    assert snapshot(tmp_path / "none").count()[0] == 0
    assert not (tmp_path / "none").exists()


def test_a_snapshot_of_a_store_in_use_holds_what_its_journal_holds(tmp_path: Path, server: ProviderServer) -> None:
    gm.on(tmp_path / "live")
    try:
        server.model("ChatOpenAI").invoke(RECORDED)
        assert (tmp_path / "live" / "cache.db-wal").stat().st_size
        assert snapshot(tmp_path / "live").count()[0] == 1
        server.model("ChatOpenAI").invoke(NEW)
        assert gm.entries().shape[0] == 2
    finally:
        gm.off()
        set_llm_cache(None)


def test_a_snapshot_of_a_damaged_file_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database at all, but long enough to look like one" * 100)
    before = files(tmp_path)
    with pytest.raises(StoreError, match="cannot be read"):
        snapshot(tmp_path)
    assert files(tmp_path) == before


@pytest.mark.slow
@pytest.mark.kernel
def test_a_cache_is_a_gptcache_within_the_notebook(tmp_path: Path, recorded: str) -> None:
    path = notebook(
        tmp_path,
        ON,
        MODEL,
        "from gptcache_magics import GPTCache\nassert isinstance(gm.current(), gm.GPTCache)",
        "mine = GPTCache(store='.gptcache')\nassert isinstance(mine, GPTCache) and not isinstance(3, GPTCache)",
        "class Mine(gm.GPTCache):\n    pass\nassert issubclass(Mine, GPTCache) and isinstance(Mine(), gm.GPTCache)",
        "assert GPTCache.__name__ == 'GPTCache' and 'LangChain cache' in GPTCache.__doc__",
        f"assert llm.invoke('{RECORDED}').text == {recorded!r}",
    )

    report = gm.verify(path, env=PASSED)

    assert report.ok, report
    assert report.hits == 1


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_calls_of_forked_children_are_reported(tmp_path: Path, recorded: str) -> None:
    children = """
from multiprocessing import get_context
def ask(question):
    try:
        return llm.invoke(question).text
    except gm.CacheMiss:
        return ''
with get_context('fork').Pool(2) as pool:
    answers = pool.map(ask, {questions})
"""
    path = notebook(
        tmp_path, ON, MODEL, children.format(questions=[RECORDED] * 3), children.format(questions=[RECORDED, NEW])
    )

    report = gm.verify(path, env=PASSED)

    assert report.hits == 4
    assert kinds(report) == {4: "miss"}
    assert NEW in report.problems[0].message
