"""Importing gptcache runs nothing, installs nothing and leaves no trace; stock gptcache does all three.

Every script runs in a process and a folder of its own, because what counts is what an import does there.
"""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import output_of

Run = Callable[..., Any]

WATCH = """
import json, os, sys

opened, started = [], []

def audit(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        if path.startswith(os.getcwd() + os.sep):
            opened.append(os.path.basename(path))
    if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork"):
        started.append(event)
        raise PermissionError(f"{event} is not allowed here")

sys.addaudithook(audit)

def told(**facts):
    print(json.dumps(facts))
"""


class Evil:
    """Un-pickling this runs code."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.reduced = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.reduced


EXECUTED = "executed.txt"
EVIL = {
    "mkdir": Evil(os.mkdir, EXECUTED),
    "system": Evil(os.system, f"touch {EXECUTED}"),
    "eval": Evil(eval, f"open('{EXECUTED}', 'w')"),
    "exec": Evil(exec, f"open('{EXECUTED}', 'w')"),
    "getattr": Evil(getattr, Evil(__import__, "os"), "mkdir"),
    "a path": Path(EXECUTED),
    "inside a plain map": {"question": ("question", Evil(os.mkdir, EXECUTED), "question", set())},
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script in an empty working folder. Return its output, read from JSON."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(script: str, **planted: bytes) -> Any:
        for name, content in planted.items():
            (folder / name.replace("_txt", ".txt").replace("_py", ".py")).write_bytes(content)
        return json.loads(output_of(WATCH + script, folder=folder).splitlines()[-1])

    return run


# The import


def test_a_plain_import_of_gptcache_runs_the_pickle_of_the_working_folder(run: Run) -> None:
    script = f"import gptcache; told(executed=os.path.exists({EXECUTED!r}))"

    assert run(script, data_map_txt=pickle.dumps(EVIL["mkdir"])) == {"executed": True}


IMPORTS = {
    "gptcache": "import gptcache",
    "gptcache.adapter.api": "from gptcache.adapter import api",
    "stock GPTCache": "from langchain_community.cache import GPTCache; GPTCache()",
    "the first lookup": "gm.GPTCache(store=':memory:').lookup('prompt', 'model')",
    "a thread": """
import threading
threads = [threading.Thread(target=__import__, args=("gptcache.adapter.api",)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
from gptcache import Cache
Cache()""",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", IMPORTS)
def test_after_this_package_the_import_runs_nothing_and_leaves_nothing(run: Run, how: str) -> None:
    script = f"""
import logging
import gptcache_magics as gm
logging.getLogger("mine").addHandler(logging.NullHandler())
folder, handlers = os.getcwd(), list(logging.root.handlers)
{IMPORTS[how]}
import gptcache
told(moved=os.getcwd() != folder, started=started, handlers=len(logging.root.handlers) - len(handlers),
     opened=opened, files=sorted(os.listdir()), level=logging.root.level)
"""

    assert run(script, data_map_txt=pickle.dumps(EVIL["mkdir"])) == {
        **{"moved": False, "started": [], "handlers": 0, "opened": [], "files": ["data_map.txt"], "level": 30}
    }


def test_importing_this_package_imports_nothing_heavy_and_nothing_from_the_working_folder(run: Run) -> None:
    heavy = ("gptcache", "langchain_core", "langchain_community", "pandas", "ipywidgets", "IPython", "sqlite3")
    planted = {f"{name}_py": b"raise SystemExit('taken from the working folder')" for name in heavy}
    script = f"""
import gptcache_magics
told(heavy=[name for name in {heavy} if name in sys.modules], opened=opened, started=started)
"""

    assert run(script, data_map_txt=pickle.dumps(EVIL["mkdir"]), **planted) == {
        **{"heavy": [], "opened": [], "started": []}
    }


@pytest.mark.slow
def test_gptcache_imported_first_is_mended_with_one_warning(run: Run) -> None:
    script = f"""
import pickle, warnings
import gptcache
from gptcache.manager import get_data_manager
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    import gptcache_magics as gm
    gm.GPTCache(store=":memory:").lookup("prompt", "model")
from gptcache_magics.errors import MissingDependencyError, StoreError
with open("evil.txt", "wb") as file:
    file.write({pickle.dumps(EVIL["mkdir"])!r})
try:
    get_data_manager(data_path="evil.txt")
except StoreError as error:
    refused = str(error)
sys.modules["transformers"] = None
try:
    from gptcache.embedding import Onnx
    Onnx()
except MissingDependencyError as error:
    missing = str(error)
told(warnings=[str(each.message) for each in warned], refused=refused, missing=missing, started=started,
     executed=os.path.exists({EXECUTED!r}), where=warned[0].filename)
"""
    told = run(script)

    [warning] = told["warnings"]
    assert "import gptcache_magics first" in warning
    assert "evil.txt" in told["refused"]
    assert "transformers" in told["missing"]
    assert (told["started"], told["executed"], told["where"]) == ([], False, "<string>")


# Pickles


@pytest.mark.parametrize("evil", EVIL)
def test_a_map_file_that_would_run_code_is_refused(run: Run, evil: str) -> None:
    script = f"""
import gptcache_magics
from gptcache_magics.errors import StoreError
from gptcache.manager import get_data_manager, manager_factory
refusals = []
for read in (lambda: get_data_manager(data_path="data_map.txt"), lambda: manager_factory("map", data_dir=".")):
    try:
        read()
    except StoreError as error:
        refusals.append(str(error))
told(refusals=refusals, started=started, executed=os.path.exists({EXECUTED!r}), files=os.listdir())
"""
    told = run(script, data_map_txt=pickle.dumps(EVIL[evil]))

    assert (told["executed"], told["started"], told["files"]) == (False, [], ["data_map.txt"])
    assert len(told["refusals"]) == 2
    for refusal in told["refusals"]:
        assert "data_map.txt" in refusal
        assert "not loaded" in refusal
        assert "Move the file away" in refusal


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"garbage", pickle.dumps({"a": 1})[:-3], b"\xff" * 100])
def test_a_damaged_map_file_is_refused_in_one_sentence(run: Run, content: bytes) -> None:
    script = """
import gptcache_magics
from gptcache_magics.errors import StoreError
from gptcache.manager import get_data_manager
try:
    get_data_manager(data_path="data_map.txt")
except StoreError as error:
    told(refusal=str(error))
"""
    refusal = run(script, data_map_txt=content)["refusal"]

    assert "data_map.txt" in refusal
    assert "Move the file away" in refusal
    assert "\n" not in refusal


def test_a_plain_map_file_of_stock_gptcache_is_read(run: Run) -> None:
    write = """
from gptcache.manager import get_data_manager
from gptcache.manager.data_manager import MapDataManager
for path, container in (("lru.txt", None), ("dict.txt", lambda size: {})):
    manager = get_data_manager(data_path=path, get_data_container=container)
    manager.save("question", "answer", "question")
    manager.save("odd", ("\\ud83d", b"bytes", 1.5, 2**70, None, {"a": [1]}, frozenset({1}), True), "odd")
    manager.save("with a session", "answer", "session", session=type("Session", (), {"name": "chat"}))
    manager.close()
told(written=sorted(os.listdir()))
"""
    read = """
import gptcache_magics
from gptcache.manager import get_data_manager
told(read=[repr(get_data_manager(data_path=path).data[key]) for path in ("lru.txt", "dict.txt")
           for key in ("question", "odd", "session")])
"""
    assert run(write)["written"] == ["dict.txt", "lru.txt"]

    odd = r"('\ud83d', b'bytes', 1.5, 1180591620717411303424, None, {'a': [1]}, frozenset({1}), True)"
    assert run(read)["read"] == 2 * [
        "('question', 'answer', 'question', set())",
        f"('odd', {odd}, 'odd', set())",
        "('with a session', 'answer', 'session', {'chat'})",
    ]


# Run time

PACKAGES = {
    "Onnx": "transformers",
    "Huggingface": "torch",
    "SBERT": "sentence-transformers",
    "FastText": "fasttext",
    "Cohere": "cohere",
}


def test_nothing_is_installed_at_run_time(run: Run) -> None:
    script = f"""
import gptcache_magics
from gptcache_magics.errors import MissingDependencyError
import gptcache.embedding
for package in ("transformers", "torch", "sentence_transformers", "fasttext", "cohere", "redis", "usearch"):
    sys.modules[package] = None  # as if it were not installed
missing = {{}}
for name in {list(PACKAGES)}:
    try:
        getattr(gptcache.embedding, name)()
    except MissingDependencyError as error:
        missing[name] = str(error)
try:
    from gptcache.manager import VectorBase
    VectorBase("usearch", dimension=8)
except ImportError as error:
    missing["usearch"] = str(error)
told(missing=missing, started=started)
"""
    told = run(script)

    assert told["started"] == []
    for name, package in {**PACKAGES, "usearch": "usearch"}.items():
        assert package in told["missing"][name]
        assert f"%pip install {package}" in told["missing"][name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "init_func",
    [
        "None",
        "lambda cache: cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path='map.txt'))",
        "lambda cache, llm: cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=llm))",
    ],
    ids=["none", "one parameter", "two parameters"],
)
def test_no_configuration_leaves_a_hook_for_the_exit(run: Run, init_func: str) -> None:
    script = f"""
import atexit
import gptcache_magics as gm
from gptcache.adapter import api
from gptcache.manager import get_data_manager
from gptcache.processor.pre import get_prompt
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM
cache = gm.GPTCache({init_func}, store=":memory:")
set_llm_cache(cache)
hooks = []
for n in range(4):
    llm = FakeListLLM(responses=[str(n)])
    assert llm.invoke("question") == llm.invoke("question") == str(n)
    hooks.append(atexit._ncallbacks())
assert cache.ledger.failures == 0, cache.ledger.last_error
told(hooks=hooks)
"""
    hooks = run(script)["hooks"]

    assert hooks == hooks[:1] * 4
