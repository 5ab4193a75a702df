"""A copy of a large store does not lie in memory."""

import subprocess
import sys
from pathlib import Path

from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, make_entry

MEGABYTES = 160
READ = """
import resource, sys
from gptcache_magics.store.sqlite import database
from gptcache_magics.store.sqlite.snapshot import snapshot
from gptcache_magics.testing.samples import GPT, key, make_entry

database.MEMORY_KB = 4_000
def most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = most()
copy = snapshot(sys.argv[1])
number = copy.count()[0]
copy.put(make_entry("new"), GPT)
assert copy.get(key("0")).answer[:1] == b"x" and copy.clear() == number + 1
print(number, most() - before)
"""


def test_a_copy_takes_little_memory_and_leaves_the_file_alone(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path)
    entries = (make_entry(str(number), b"x" * 1_000_000) for number in range(MEGABYTES))
    store.put_all(entries, [GPT], replace=False)
    store.close()
    before = (tmp_path / "cache.db").read_bytes()

    ran = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], check=True, capture_output=True, text=True)

    number, more = map(int, ran.stdout.split())
    assert number == MEGABYTES
    assert more < MEGABYTES / 2
    assert (tmp_path / "cache.db").read_bytes() == before
