"""A fork does nothing of its own to the modules of the user."""

import sys
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
