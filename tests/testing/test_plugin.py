"""The pytest plugin: recorded once, replayed for ever, and honest about what is missing, old or unused."""

import re

import pytest

from tests.testing.conftest import TEST, Pytest

pytestmark = pytest.mark.slow


def marked(arguments: str) -> str:
    """Return the tests with a marker at the first one."""
    return TEST.replace("def test_sdk", f"import pytest\n@pytest.mark.gptcache{arguments}\ndef test_sdk")


def test_update_records_and_replay_needs_neither_key_nor_network(project: Pytest) -> None:
    recorded, told = project("--gptcache=update")
    assert (recorded, project.server.calls) == ({"passed": 2}, 2), told
    assert "tests/recordings/test_app.jsonl: 2 recorded" in told
    before = project.bundle().read_bytes()
    assert project.questions() == ["one", "two"]

    replayed, told = project("--gptcache=replay", key=False, url="http://127.0.0.1:9/v1")
    assert (replayed, project.server.calls) == ({"passed": 2}, 2), told
    again, told = project("--gptcache=update")
    assert (again, project.server.calls, project.bundle().read_bytes()) == ({"passed": 2}, 2, before), told


def test_without_the_option_only_marked_tests_replay(project: Pytest) -> None:
    project("--gptcache=update")
    project.write("tests/test_app.py", marked(""))
    assert project()[0] == {"passed": 2}
    assert project.server.calls == 3  # that of the other test
    assert project("--gptcache=off")[0] == {"passed": 2}
    assert project.server.calls == 5


def test_a_miss_fails_the_test_with_the_closest_prompt_and_what_to_type(project: Pytest) -> None:
    project("--gptcache=update")
    text = TEST.replace('sdk("one")', 'sdk("one more")').replace('chain("two")', 'chain("two more")')
    project.write("tests/test_app.py", text)
    counts, told = project("--gptcache=replay")
    assert (counts, project.server.calls) == ({"failed": 2}, 2)
    assert "nothing is recorded for “one more”" in told
    assert "[-one-]{+one more+}" in told
    assert "nothing is recorded for “two more”" in told
    assert "Record again: pytest --gptcache=update tests/test_app.py::test_sdk" in told


def test_a_miss_that_the_code_catches_fails_the_test_too(project: Pytest) -> None:
    caught = "from app import sdk\ndef test_it():\n    try:\n        sdk('new')\n    except Exception:\n        pass\n"
    project.write("tests/test_app.py", caught)
    counts, told = project("--gptcache=replay")
    assert (counts, project.server.calls) == ({"failed": 1}, 0)
    assert "There is no file tests/recordings/test_app.jsonl." in told
    assert "nothing is recorded for “new”" in told


def test_unused_recordings_are_named_and_dropped_by_a_whole_successful_run_only(project: Pytest) -> None:
    project("--gptcache=update")
    one = TEST.split("def test_chain")[0]
    project.write("tests/test_app.py", one)
    counts, told = project("--gptcache=replay")
    assert counts == {"passed": 1}
    assert "test_app.jsonl: 1 unused: “two” (gpt-4o-mini). Drop: pytest --gptcache=update tests/test_app.py" in told
    assert project("--gptcache=replay", "--gptcache-unused=error")[0] == {"passed": 1}
    assert project.code == 1

    project.write("tests/test_app.py", f"{one}\ndef test_more():\n    assert False\n")
    for words in ((), ("-k", "sdk"), ("tests/test_app.py::test_sdk",), ("--deselect", "tests/test_app.py::test_more")):
        project("--gptcache=update", *words)
        assert project.questions() == ["one", "two"], words
    project.write("tests/test_app.py", one)
    assert "1 dropped" in project("--gptcache=update")[1]
    assert project.questions() == ["one"]
    assert project.server.calls == 2


def test_an_old_recording_fails_with_its_day_and_is_asked_again_by_update(project: Pytest) -> None:
    project("--gptcache=update")
    old = re.sub(r'"created":[0-9.]+', '"created":1767312000.0', project.bundle().read_text())
    project.bundle().write_text(old)
    project.write(
        "tests/test_app.py",
        marked("(max_age='30d')"),
    )
    counts, told = project("--gptcache=replay")
    assert counts == {"passed": 1, "failed": 1}
    assert "the recording of “one” is of 2026-01-02, and older than max_age allows." in told
    assert project("--gptcache=update")[0] == {"passed": 2}
    assert project.server.calls == 3
    assert project("--gptcache=replay")[0] == {"passed": 2}


@pytest.mark.parametrize("spread", ["load", "loadscope"])
def test_workers_lose_no_recording_of_each_other(project: Pytest, spread: str) -> None:
    many = "\n@__import__('pytest').mark.parametrize('n', range(6))\ndef test_n(n):\n    sdk(f'number {n}')\n"
    project.write("tests/test_app.py", TEST + many)
    project.write("tests/more/test_app.py", TEST.replace('"one"', '"another"'))
    project.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n")
    counts, told = project("--gptcache=update", "-n", "2", "--dist", spread)
    assert (counts, project.server.calls) == ({"passed": 10}, 10), told
    assert project.questions() == [*(f"number {n}" for n in range(6)), "one", "two"]
    assert project.questions("tests/more/recordings/test_app.jsonl") == ["another", "two"]
    project.write("tests/test_app.py", TEST)
    counts, told = project("--gptcache=update", "-n", "2", "--dist", spread)
    assert "6 dropped" in told
    assert project("--gptcache=replay", "-n", "2", key=False)[0] == {"passed": 4}
    assert project.server.calls == 10


def test_kinds_of_tests(project: Pytest) -> None:
    project.write(
        "tests/test_app.py",
        """
import asyncio, unittest
import pytest
from app import chain, sdk

@pytest.fixture(scope="module")
def shared():
    return sdk("shared")

class TestClass:
    def test_it(self, shared):
        assert "shared" in shared

class TestCase(unittest.TestCase):
    def test_it(self):
        assert "unit" in chain("unit")

@pytest.mark.asyncio
async def test_async():
    assert "async" in await asyncio.to_thread(sdk, "async")

@pytest.mark.parametrize("question", ["p", "q"])
def test_parameters(question, gptcache):
    sdk(question)
    assert (gptcache.hits + gptcache.misses) == 1
    assert gptcache.path.name == "test_app.jsonl"
""",
    )
    counts, told = project("--gptcache=update")
    assert (counts, project.server.calls) == ({"passed": 5}, 5), told
    counts, told = project("--gptcache=replay", key=False)
    assert (counts, project.server.calls) == ({"passed": 5}, 5), told


def test_a_marker_names_a_bundle_that_modules_share(project: Pytest) -> None:
    marked = "import pytest\npytestmark = pytest.mark.gptcache('shared.jsonl')\n"
    project.write("tests/test_app.py", marked + TEST)
    project.write("tests/test_other.py", marked + "from app import sdk\ndef test_other():\n    sdk('three')\n")
    assert project("--gptcache=update")[0] == {"passed": 3}
    assert project.questions("tests/recordings/shared.jsonl") == ["one", "three", "two"]
    project("--gptcache=update", "tests/test_app.py")
    assert project.questions("tests/recordings/shared.jsonl") == ["one", "three", "two"]
    (project.folder / "tests" / "test_other.py").unlink()
    project("--gptcache=update")
    assert project.questions("tests/recordings/shared.jsonl") == ["one", "two"]


def test_nothing_changes_for_those_who_do_not_ask(project: Pytest) -> None:
    project.write(
        "tests/test_app.py",
        "import sys\ndef test_it():\n"
        "    loaded = {'langchain_core', 'gptcache', 'pandas', 'numpy', 'orjson'}\n"
        "    assert not loaded & set(sys.modules)\n"
        "    assert not [each for each in sys.modules if each.startswith('gptcache_magics.') "
        "and not each.startswith(('gptcache_magics.testing', 'gptcache_magics.engines', 'gptcache_magics.errors', "
        "'gptcache_magics.unprintable'))]\n",
    )
    assert project()[0] == {"passed": 1}
    assert project("-p", "no:gptcache")[0] == {"passed": 1}


WRONG = {
    "'a.jsonl', 'b.jsonl'": "The marker gptcache takes one name, got 2.",
    "'a.txt'": "The marker gptcache names a bundle, which ends with .jsonl. Got 'a.txt'.",
    "max_aeg='3d'": "The marker gptcache has no 'max_aeg'.",
    "max_age='soon'": "gptcache: max_age is a time such as 30d or 12h. Got 'soon'.",
    "max_age=30": "The marker gptcache max_age is a text such as '30d'. Got 30.",
    "mode='update'": "The marker gptcache takes mode='off' only",
    "ignore='dat'": "gptcache: --ignore",
    "'pickle.jsonl'": "is a Python pickle and was not opened",
    "'other.jsonl'": "is not a bundle",
}


def test_a_wrong_marker_is_one_sentence(project: Pytest) -> None:
    project.bundle().parent.mkdir(parents=True)
    project.bundle("tests/recordings/pickle.jsonl").write_bytes(b"\x80\x04K\x01.")
    project.bundle("tests/recordings/other.jsonl").write_text("{}\n")
    tests = [f"@pytest.mark.gptcache({marker})\ndef test_{n}(): pass\n" for n, marker in enumerate(WRONG)]
    project.write("tests/test_app.py", "\n".join(["import pytest", *tests]))
    counts, shown = project()
    assert counts == {"error": len(WRONG)}, shown
    assert [told for told in WRONG.values() if told not in shown] == []
    assert "Traceback" not in shown


def test_a_wrong_mode_is_one_sentence(project: Pytest) -> None:
    sentence = "takes replay, update, off. Got 'record'. Example:"
    assert f"--gptcache: {sentence} pytest --gptcache=replay" in project("--gptcache=record")[1]
    project.write("pytest.ini", "[pytest]\ngptcache = record\n")
    assert f"gptcache in the configuration of pytest {sentence} gptcache = replay" in project()[1]
    assert project.code == 4
