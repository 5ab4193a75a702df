"""Measure gptcache-magics beside other LangChain caches, and print Markdown tables.

``python benchmarks/run.py`` takes about ten minutes, ``--quick`` one. Names choose parts: ``run.py exact invoke``.
Compare ratios rather than figures of two runs: everything that is compared runs interleaved, in one process.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import away
import exact
import invoke
import safety
import sdks
import start
import tables
import team
import working
from measure import Bar, Options, table

PARTS: Final[dict[str, Callable[[Options], list[Bar]]]] = {
    "exact": exact.run,
    "invoke": invoke.run,
    "sdks": sdks.run,
    "start": start.run,
    "tables": tables.run,
    "safety": safety.run,
    "working": working.run,
    "away": away.run,
    "team": team.run,
}
PACKAGES: Final = ("gptcache", "langchain-core", "langchain-community", "langchain-openai", "pandas", "ipython")
ENVIRONMENT: Final = ("OPENAI_", "LANGCHAIN_", "LANGSMITH_")


def main() -> None:
    """Run the parts that were asked for, in a scratch folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--cpu", action="store_true", help="CPU seconds of the measuring thread instead of the clock's")
    parser.add_argument("--million", action="store_true", help="fill ours to 1,000,000 entries too; some more minutes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file; other parts in it stay")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; parts: {', '.join(PARTS)}")

    for name in [name for name in os.environ if name.startswith(ENVIRONMENT)]:
        del os.environ[name]
    os.environ["NO_PROXY"] = "127.0.0.1"
    warnings.simplefilter("ignore")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores · {', '.join(map(_installed, PACKAGES))}\n")
    scratch = tempfile.TemporaryDirectory(prefix="gptcache-magics-", ignore_cleanup_errors=True)
    atexit.register(scratch.cleanup)  # after the exit hooks of gptcache, which write once more
    file = arguments.json.resolve() if arguments.json is not None else None
    os.chdir(scratch.name)
    options = Options(Path(scratch.name), arguments.quick, arguments.cpu, arguments.million)
    bars = [bar for part in arguments.parts or PARTS for bar in PARTS[part](options)]
    if file is not None:
        _write(file, options)
    print("### Bars\n")
    table(("promise", "measured", "kept"), ((bar.promise, bar.measured, "yes" if bar.kept else "NO") for bar in bars))


def _write(file: Path, options: Options) -> None:
    """Write what was measured, with the machine and the versions, beside what other runs have written."""
    written = json.loads(file.read_text()) if file.exists() else {}
    written |= options.results
    peers = ("gptcache-magics", *PACKAGES, "diskcache", "faiss-cpu", "psycopg", "redis", "sqlalchemy")
    peers += ("openai", "anthropic", "httpx2", "vcrpy", "hishel")
    written["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    written["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    installed = [f"Python {platform.python_version()}", *(each for each in map(_installed, peers) if each[:3] != "no ")]
    known = {each.rpartition(" ")[0]: each for each in [*written.get("versions", []), *installed]}
    written["versions"] = [*known.values()]
    file.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


if __name__ == "__main__":
    main()
