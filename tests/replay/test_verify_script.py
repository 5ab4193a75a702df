"""``verify script.py``: a script replays or it does not, and nothing in it reaches a model or a network."""

import os
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics.errors import CommandError
from tests.support.processes import run
from tests.support.provider_server import KEY, ProviderServer

SCRIPT = """
import os
from langchain_openai import ChatOpenAI
from openai import OpenAI

url = os.environ["PROVIDER_URL"]
client = OpenAI(base_url=url, max_retries=0)
def ask(question):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}])
ask("known")
ChatOpenAI(model="gpt-4o-mini", base_url=url, max_retries=0).invoke("known")
"""


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Record the script's calls in ``lesson.jsonl``; no later call may reach the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROVIDER_URL", server.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("job.py").write_text(SCRIPT)
    done = run("-m", "gptcache_magics", "run", "job.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    gm.save("lesson.jsonl", at=".gptcache")
    set_llm_cache(None)
    server.calls = 0
    yield tmp_path / "lesson.jsonl"
    assert server.calls == 0


@pytest.mark.parametrize("bundle", [None, "lesson.jsonl"])
def test_a_script_replays_from_its_store_or_a_bundle_and_leaves_no_trace(bundle: str | None) -> None:
    before = {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()}
    report = gm.verify("job.py", bundle, env="PROVIDER_URL")
    assert (report.ok, report.hits) == (True, 2), report
    assert {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()} == before


def test_misses_are_listed_with_their_lines_also_those_that_are_caught() -> None:
    more = "try:\n    ask('new')\nexcept Exception:\n    pass\nask('known')\n"
    Path("job.py").write_text(SCRIPT + more)
    report = gm.verify("job.py", "lesson.jsonl", env="PROVIDER_URL")
    assert (report.ok, report.hits) == (False, 3)
    ((line, kind, message),) = report.to_frame()[["cell", "kind", "message"]].to_numpy().tolist()
    assert (line, kind) == (9, "miss")
    assert "“new”" in message
    assert "line 9    miss        return client.chat" in str(report)


@pytest.mark.parametrize(
    ("more", "line", "kind", "message"),
    [
        ("1 / 0", 12, "error", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", 12, "error", "RuntimeError: exit code 3"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", 12, "network", "The network is closed"),
        ("os._exit(4)", None, "error", "The script ended its process (exit code 4)."),
        ("a b", 12, "error", "SyntaxError: invalid syntax"),
        ("import time; time.sleep(60)", None, "timeout", "The script was ended after 15 seconds."),
    ],
)
def test_each_other_reason_is_told(more: str, line: int | None, kind: str, message: str) -> None:
    Path("job.py").write_text(SCRIPT + more)
    report = gm.verify("job.py", "lesson.jsonl", env="PROVIDER_URL", timeout=15 if kind == "timeout" else 120)
    (problem,) = (each for each in report.problems if each.level == "error")
    assert (problem.cell, problem.kind) == (line, kind)
    assert problem.message.startswith(message)


@pytest.mark.parametrize("safe", ["", "1"])
@pytest.mark.parametrize("name", ["path.py", "path.zip"])
def test_a_script_has_the_path_that_python_gives_it(
    name: str, safe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second"):
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONSAFEPATH", safe)
    code = "import sys; open('path', 'w').write(repr(sys.path))"
    if name.endswith("zip"):
        with ZipFile(name, "w") as archive:
            archive.writestr("__main__.py", code)
    else:
        Path(name).write_text(code)

    def path_of(done: bool) -> str:
        assert done
        return Path("path").read_text("utf-8")

    expected = path_of(run(name, folder=tmp_path).returncode == 0)
    assert path_of(run("-m", "gptcache_magics", "run", name, folder=tmp_path).returncode == 0) == expected
    if name.endswith("py"):
        assert path_of(gm.verify(name, "lesson.jsonl").ok) == expected


def test_the_exit_code_in_a_build_says_whether_it_replays(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["verify", "job.py", "--bundle", "lesson.jsonl", "--env", "PROVIDER_URL"]) == 0
    assert capsys.readouterr().out == "job.py replays: 2 calls answered from lesson.jsonl, none by a model.\n"
    Path("job.py").write_text(SCRIPT.replace('ask("known")', 'ask("unknown")'))
    assert shell.main(["verify", "job.py", "--bundle", "lesson.jsonl", "--env", "PROVIDER_URL"]) == 1


def test_wrong_use_is_one_sentence() -> None:
    with pytest.raises(CommandError, match=r"There is no script nothing\.py\. Example: "):
        gm.verify("nothing.py")
    with pytest.raises(CommandError, match=r"There is no file nothing\.jsonl\."):
        gm.verify("job.py", "nothing.jsonl")
