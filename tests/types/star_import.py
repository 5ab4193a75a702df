"""A notebook that imports every name: type checkers must know them."""
# ruff: noqa: F403, F405

from typing import assert_type

import pandas as pd

from gptcache_magics import *

assert_type(on(":memory:"), str)
assert_type(stats(), pd.DataFrame)
assert_type(current(), GPTCache | None)
assert_type(off(), str)
