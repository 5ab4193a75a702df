"""``verify`` where nobody types a key: a notebook replays if every call is answered, and warnings say the rest."""

import os
from datetime import date
from pathlib import Path

import nbformat
import psutil
import pytest
from langchain_core.globals import set_llm_cache
from nbformat.v4 import new_code_cell, new_notebook

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics.replay.closed import VERIFYING, KernelRefused, refuse_kernels
from gptcache_magics.replay.report import Problem, Report
from tests.support.provider_server import ProviderServer

ON = "%load_ext gptcache_magics\n%gptcache on\nimport gptcache_magics as gm"
MODEL = "import os\nfrom langchain_openai import ChatOpenAI\nllm = ChatOpenAI(model='gpt-4o-mini')"
TODAY = "from datetime import date\nllm.invoke(f'Today is {date.today():%d %B %Y}.')"


@pytest.fixture
def recorded(tmp_path: Path, server: ProviderServer) -> Path:
    """Return a folder in whose store two answers are kept."""
    gm.on(tmp_path / ".gptcache")
    llm = server.model("ChatOpenAI")
    llm.invoke("Hi")
    llm.invoke(f"Today is {date.today():%d %B %Y}.")
    gm.off()
    set_llm_cache(None)
    return tmp_path


def verified(folder: Path, *cells: str) -> Report:
    path = folder / "lesson.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in cells]), path)
    return gm.verify(path)


def warnings(report: Report) -> list[tuple[int | None, str]]:
    return [(each.cell, each.message) for each in report.problems if each.level == "warning"]


@pytest.mark.slow
@pytest.mark.kernel
def test_what_asks_for_a_key_that_no_call_needs_gets_a_placeholder(recorded: Path) -> None:
    report = verified(
        recorded,
        "import os\nkey = os.environ['OPENAI_API_KEY']\nother = os.environ['ELSEWHERE_' + 'TOKEN']",
        ON,
        MODEL,
        "from getpass import getpass\nfor name in ['TAVILY_API_KEY', 'LANGSMITH_API_KEY']:\n"
        "    if not os.environ.get(name):\n        os.environ[name] = getpass(f'{name}: ')",
        "os.environ['COHERE_API_KEY'] = os.getenv('COHERE_API_KEY')",
        "from langchain_anthropic import ChatAnthropic\nunused = ChatAnthropic(model='claude-haiku-4-5')",
        "from langchain_core.utils import get_from_dict_or_env\nget_from_dict_or_env({}, 'key', 'WOLFRAM_' + 'KEY')",
        "name = input('Your name: ')",
        "while True:\n    try: llm.invoke(input('You: '))\n    except Exception:\n        llm.invoke('Hi'); break",
        "name = '_'.join(['NOT', 'ASKED', 'TOKEN'])\nassert name not in os.environ and os.getenv(name) is None\n"
        "assert os.environ.pop(name, 1) == 1 and os.environ.setdefault(name, 'mine') == 'mine'",
        TODAY,
        f"llm.invoke('Hi')  # {date.today()} is typed",
    )

    assert report.ok, report
    assert report.hits == 3
    assert warnings(report) == [
        (1, "ELSEWHERE_TOKEN held a placeholder"),
        (4, "LANGSMITH_API_KEY held a placeholder"),
        (4, "TAVILY_API_KEY held a placeholder"),
        (5, "COHERE_API_KEY held a placeholder"),
        (6, "ANTHROPIC_API_KEY held a placeholder"),
        (7, "WOLFRAM_KEY held a placeholder"),
        (8, "input was asked: a placeholder was given"),
        (11, f"today's date is in a prompt: tomorrow this will miss ({date.today():%d %B %Y})"),
    ]


@pytest.mark.slow
@pytest.mark.kernel
def test_today_is_no_warning_where_dates_are_ignored(recorded: Path) -> None:
    report = verified(recorded, ON.replace("on\n", "on --ignore date\n"), MODEL, TODAY)

    assert report.ok, report
    assert (report.hits, warnings(report)) == (1, [])


@pytest.mark.slow
@pytest.mark.kernel
def test_a_notebook_that_was_recorded_without_a_key_goes_the_same_way(recorded: Path) -> None:
    report = verified(recorded, ON, MODEL, "llm.invoke('Something better' if os.getenv('EXPENSIVE_API_KEY') else 'Hi')")
    assert report.ok, report
    assert report.hits == 1


@pytest.mark.slow
@pytest.mark.kernel
def test_a_notebook_that_verifies_itself_starts_nothing_and_leaves_nothing(recorded: Path) -> None:
    report = verified(
        recorded,
        ON,
        MODEL,
        "report = %gptcache verify lesson.ipynb\nassert report.ok and not report.cells",
        "assert gm.verify('lesson.ipynb').ok",
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'gptcache_magics', 'verify', 'lesson.ipynb']\n"
        "ran = subprocess.run(command, capture_output=True)\n"
        "assert (ran.returncode, ran.stdout) == (2, b''), ran\nassert ran.stderr.count(b'\\n') == 1",
        "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)",
        "llm.invoke('Hi')",
    )

    assert report.ok, report
    assert report.hits == 1
    assert warnings(report) == [(3, "lesson.ipynb was not verified while this notebook is")]
    assert [each for each in psutil.process_iter() if _is_left(each, recorded)] == []


def _is_left(process: psutil.Process, folder: Path) -> bool:
    try:
        return VERIFYING in process.environ() and process.cwd() == str(folder)
    except psutil.Error:
        return False


@pytest.mark.slow
@pytest.mark.kernel
def test_a_kernel_within_is_an_error_and_a_refusal_that_is_fed_back_is_told_once(recorded: Path) -> None:
    report = verified(
        recorded,
        ON,
        MODEL,
        "!jupyter nbconvert --to notebook --execute lesson.ipynb",
        "from jupyter_client.manager import start_new_kernel\nstart_new_kernel()",
        "try: llm.invoke('new')\nexcept gm.CacheMiss as miss: error = miss",
        "from langchain_core.messages import AIMessage, HumanMessage, ToolMessage\n"
        "call = {'name': 'f', 'args': {}, 'id': '1'}\n"
        "told = [HumanMessage('Do it'), AIMessage('', tool_calls=[call]), ToolMessage(repr(error), tool_call_id='1')]\n"
        "for prompt in (f'It failed: {error}. Try again.', told):\n"
        "    try: llm.invoke(prompt)\n    except gm.CacheMiss as miss: assert 'new' not in str(miss)",
        "raise ValueError(os.environ['EXAMPLE_API_KEY'])",
    )

    errors = [(each.cell, each.kind, each.fed_back) for each in report.problems if each.level == "error"]
    assert errors == [(3, "error", 0), (4, "error", 0), (5, "miss", 2)], report
    assert repr(report).count("nothing is recorded for “new”") == 1
    assert ", fed back 2 times" in repr(report)
    assert (7, "ValueError: no-key-needed-in-replay") in warnings(report)


@pytest.mark.parametrize(
    "command",
    [
        ["/usr/bin/python3", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "/tmp/kernel-1.json"],
        ["/bin/sh", "-c", "cd x && papermill a.ipynb b.ipynb"],
        ["/opt/bin/jupyter-execute", "a.ipynb"],
        ["python", "-m", "nbconvert", "--to", "notebook", "--execute", "a.ipynb"],
        *(
            "jupyter nbconvert --execute a.ipynb",
            "papermill a.ipynb b.ipynb",
            "jupyter run a.ipynb",
            b"jupyter console",
        ),
    ],
)
def test_commands_that_start_kernels_are_refused(command: str | bytes | list[str]) -> None:
    with pytest.raises(KernelRefused, match="not started while a notebook is verified"):
        refuse_kernels(command)


@pytest.mark.parametrize(
    "command",
    [
        *("pip install -q ipykernel papermill nbconvert", "jupyter nbconvert --to html a.ipynb", "jupyter --version"),
        *("jupyter kernelspec list", "grep papermill notes.md", "ls jupyter", ""),
        ["python", "-m", "pip", "install", "papermill", "jupyter"],
        [],
    ],
)
def test_other_commands_run(command: str | list[str]) -> None:
    refuse_kernels(command)


def test_nothing_is_verified_by_a_program_of_a_verified_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell(ON)]), tmp_path / "lesson.ipynb")
    monkeypatch.setenv(VERIFYING, "a run")
    assert shell.main(["verify", os.fspath(tmp_path / "lesson.ipynb")]) == 2
    assert "lesson.ipynb was not verified within it." in capsys.readouterr().err


def test_warnings_alone_are_no_failure() -> None:
    warning = Problem(
        2, "key = getpass()", "placeholder", "getpass was asked: a placeholder was given", level="warning"
    )
    report = Report("a/lesson.ipynb", "", 7, 1, (warning,))
    assert report.ok
    assert repr(report).splitlines() == [
        "lesson.ipynb replays: 7 cells run, 1 call answered, none by a model.",
        "Warnings:",
        "  [2]   getpass was asked: a placeholder was given",
    ]
    assert report.to_frame()["level"].tolist() == ["warning"]
