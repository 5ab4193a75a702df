"""Measure matching by meaning on files of labelled pairs of questions, and print Markdown tables; nothing is written.

``python benchmarks/semantic.py [FILE …]`` takes JSON lines, gzipped or not: ``a`` is a question whose answer is
stored, ``b`` one that is asked, ``same_answer`` says whether the answer to ``a`` is right for ``b``. GPTCache runs
beside ours, on the same pairs and with the same embedder. A rule that was tuned on
a file looks better on that file than elsewhere. Prompts of templates, which lie here, are measured in each run.
"""

from __future__ import annotations

import argparse
import atexit
import math
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from measure import Bar, table
from semantic_caches import OURS, CacheByMeaning, Ours, caches
from semantic_pairs import HALVES, Embedded, Half, Measured, Pair, percent, read, show
from semantic_served import across_conversations, from_full_store, pair_by_pair, sample
from semantic_templates import Template, of_templates, read_templates
from semantic_times import run as times

from gptcache_magics.semantic.frame import differing_gaps
from gptcache_magics.settings import THRESHOLD

SAMPLE: Final = 200
"""Number of pairs to ask each cache: LangChain's JSON takes many times as long to embed as a question."""
TIMED: Final = 1_000
FEWEST: Final = 20
SIZES: Final = (1_000, 10_000)
"""Numbers of prompts to measure times with, where they are of templates."""
BOUND: Final = 1.6
PACKAGES: Final = ("gptcache", "langchain-community", "faiss-cpu", "onnxruntime", "numpy")


def main() -> None:
    """Measure what was asked for, in a scratch folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON lines: a, b, same_answer")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="cosine (default: %(default)s)")
    parser.add_argument("--half", choices=HALVES, default="all", help="of the pairs, by a hash of a (default: all)")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="pairs asked of each cache (default: %(default)s)")
    arguments = parser.parse_args()
    sets = {path.name.partition(".")[0]: read(path, arguments.half) for path in arguments.files}
    warnings.simplefilter("ignore")
    scratch = tempfile.TemporaryDirectory(prefix="gptcache-magics-", ignore_cleanup_errors=True)
    atexit.register(scratch.cleanup)  # after the exit hooks of gptcache, which write once more
    os.chdir(scratch.name)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"Half of the pairs: {arguments.half}. {os.cpu_count()} cores, {packages}\n")
    bars = _run(sets, arguments.half, arguments.threshold, arguments.sample, Path(scratch.name))
    table(("promise", "measured", "kept"), ((bar.promise, bar.measured, "yes" if bar.kept else "NO") for bar in bars))


def _run(sets: Mapping[str, Sequence[Pair]], half: Half, threshold: float, number: int, folder: Path) -> list[Bar]:
    """Measure each file, then templates, then the times. Return the bars."""
    ours = Ours(threshold)
    embedded = Embedded(ours.embedding)
    compared = caches(ours, folder, embedded)
    measured: list[Measured] = []
    rows: list[list[str]] = []
    bars: list[Bar] = []
    for name, pairs in sets.items():
        print(f"## {name}\n")
        measured.append(Measured(pairs, embedded))
        row, wrong = _measure(measured[-1], compared, threshold, number)
        rows.append([name, *row])
        if not math.isnan(wrong):
            bars.append(Bar(f"{name}, answers from another conversation: none", percent(wrong), wrong == 0))
    print("## Templates\n")
    templates = read_templates(half)
    more, served = of_templates(templates, ours)
    bars += more
    ours.close()
    bars += _times(measured, threshold, embedded, folder)
    bars += _times_of_templates(templates, served, threshold, embedded, folder)
    print("### Summary\n")
    across = f"answered from another conversation: {' · '.join(compared)}"
    table(("hit / false", f"cosine ≥ {threshold:g}", "with guards", *compared, across), rows)
    return bars


def _measure(
    measured: Measured, compared: Mapping[str, CacheByMeaning], threshold: float, number: int
) -> tuple[list[str], float]:
    """Print the tables of one file. Return a summary row, and how often ours answers from another conversation."""
    show(measured, threshold)
    rates = pair_by_pair(measured.pairs, compared, number)
    from_full_store(measured.pairs, compared, number)
    first = sorted({pair.stored for pair in measured.pairs})
    wrong = across_conversations(measured.hits(threshold), first, compared)
    both = [measured.rates(threshold, guarded=guarded) for guarded in (False, True)]
    row = [f"{percent(hit)} / {percent(false)}" for hit, false in (*both, *rates.values())]
    return [*row, " · ".join(percent(share) for share, _ in wrong.values())], wrong[OURS][0]


def _times(measured: Sequence[Measured], threshold: float, embedded: Embedded, folder: Path) -> list[Bar]:
    """Measure the times with questions of all files."""
    served = [pair for each in measured for pair in each.hits(threshold)]
    some = sample([pair for each in measured for pair in each.pairs], TIMED)
    stored = {text for pair in served for text in (pair.stored, pair.asked)}
    others = [pair.asked for pair in some if pair.asked not in stored and embedded.searchable(pair.asked)]
    if len(served) < FEWEST or len(others) < FEWEST:
        print("Too few questions to measure times with.\n")
        return []
    return times(served, others, some, embedded, folder, threshold)


def _times_of_templates(
    templates: Sequence[Template], served: Sequence[Pair], threshold: float, embedded: Embedded, folder: Path
) -> list[Bar]:
    """Measure the times with prompts of templates, whose gaps are embedded, too."""
    pairs = [pair for each in templates for pair in each.pairs]
    others = [pair.asked for pair in pairs if not pair.same and embedded.searchable(pair.asked)]
    of_templates = [pair for pair in served if pair.same and differing_gaps(pair.stored, pair.asked)]
    return times(of_templates, others, pairs, embedded, folder, threshold, "prompt", SIZES, BOUND)


if __name__ == "__main__":
    main()
