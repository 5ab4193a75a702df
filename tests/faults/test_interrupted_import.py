"""Ctrl-C in the middle of the first lookup, which imports gptcache, leaves no half-imported library behind."""

from pathlib import Path

from tests.support.processes import output_of

INTERRUPTED = """
import signal, sys
from langchain_core.language_models import FakeListLLM
import gptcache_magics as gm

signals = []

def interrupt(event, arguments):
    if event == "import" and arguments[0].endswith("core._exceptions") and not signals:  # by numpy's C code
        signals.append(arguments)
        signal.raise_signal(signal.SIGINT)

model = FakeListLLM(responses=["one", "two", "three"])
gm.on(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(interrupt)
try:
    model.invoke("question")
except KeyboardInterrupt:
    print("interrupted")
print(model.invoke("question") == model.invoke("question"), gm.current().ledger.failures)
import numpy
"""


def test_an_interrupted_first_lookup_breaks_neither_the_cache_nor_numpy(tmp_path: Path) -> None:
    assert output_of(INTERRUPTED, tmp_path / "store", folder=tmp_path).split() == ["interrupted", "True", "0"]
