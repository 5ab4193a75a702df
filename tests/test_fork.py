"""A fork does nothing of its own to the modules of the user, and several at once do not disturb each other."""

import sys
from functools import cached_property
from pathlib import Path

import pytest

from tests.support.processes import output_of

FORK = """
import importlib.util, os, sys
import gptcache_magics.fork

spec = importlib.util.spec_from_file_location("lazy", "lazy.py")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = sys.modules["lazy"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
child = os.fork()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_fork_does_not_import_a_module_that_is_loaded_lazily(tmp_path: Path) -> None:
    (tmp_path / "lazy.py").write_text("print('imported')\nimport a_module_that_is_missing\n")

    assert output_of(FORK, folder=tmp_path) == ""


FORK_DURING_AN_IMPORT = """
import importlib.machinery, os, signal, sys, threading, time
import gptcache_magics.fork

class Slow:
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "made_slowly" else None

    def create_module(self, spec):
        making.set()
        time.sleep(0.5)

    def exec_module(self, module):
        pass

def find():
    import made_slowly

making = threading.Event()
sys.meta_path.insert(0, Slow())
threading.Thread(target=find).start()
making.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    find()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.parametrize("patience", [5.0, 0.0])
def test_a_child_can_import_what_another_thread_was_about_to_import(tmp_path: Path, patience: float) -> None:
    script = f"import gptcache_magics.fork as fork\nfork.PATIENCE_SECONDS = {patience}\n{FORK_DURING_AN_IMPORT}"
    assert output_of(script, folder=tmp_path) == "0"


FORK_WHILE_A_PROPERTY_IS_COMPUTED = """
import os, signal, sys, threading
import gptcache_magics as gm
from langchain_core.language_models import BaseChatModel
from gptcache_magics.semantic.guards import blocked
from gptcache_magics.semantic.guards.text import Text
from tests.support.shell import ask

def compute():
    with vars(BaseChatModel)["_serialized"].lock, vars(Text)["_tokens"].lock:
        computing.set()
        forked.wait(30)

gm.on("store")
computing, forked = threading.Event(), threading.Event()
threading.Thread(target=compute).start()
computing.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    ask("a question")
    blocked("Is it open?", "Is it not open?")
    os._exit(0)
print(os.waitpid(child, 0)[1])
forked.set()
"""


@pytest.mark.skipif(not hasattr(cached_property(int), "lock"), reason="from Python 3.12 on, it has no lock")
def test_a_child_can_compute_what_another_thread_was_computing(tmp_path: Path) -> None:
    assert output_of(FORK_WHILE_A_PROPERTY_IS_COMPUTED, folder=tmp_path) == "0"


FORKS_OF_THREADS = """
import faulthandler, os, signal, sys, threading
import gptcache_magics as gm
from tests.support.shell import ask

faulthandler.dump_traceback_later(90, exit=True)
gm.on("store")
ask("first")
done, statuses = threading.Event(), []

def use(number):
    while not done.is_set():
        number += 10
        ask(f"prompt {number}")

def fork(name):
    for number in range(5):
        child = os.fork()
        if not child:
            signal.alarm(60)
            prompt = f"child {number} of {name}"
            os._exit(0 if ask(prompt) == ask(prompt) else 1)
        statuses.append(os.waitpid(child, 0)[1])

using = [threading.Thread(target=use, args=(number,)) for number in range(6)]
forking = [threading.Thread(target=fork, args=(name,)) for name in "abcd"]
for thread in using + forking:
    thread.start()
for thread in forking:
    thread.join()
done.set()
for thread in using:
    thread.join()
gm.off()
print(len(statuses), {*statuses}, len(gm.entries(at="store", grep="child")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_several_threads_fork_while_others_use_the_cache(tmp_path: Path) -> None:
    assert output_of(FORKS_OF_THREADS, folder=tmp_path) == "20 {0} 20"
