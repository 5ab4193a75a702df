"""Print what each pattern costs in three runs: ``python -m tests.patterns [PATTERN …] [--ignore id,date …]``."""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.patterns.minds import MINDS
from tests.patterns.runs import three_runs

WIDTH = 17
words = sys.argv[1:]
at = next((number for number, word in enumerate(words) if word.startswith("--")), len(words))
options = " ".join(words[at:])
print(f"{'pattern':<{WIDTH}} calls in three runs, answered by verify   with options: {options or 'none'}")
for pattern in words[:at] or MINDS:
    with TemporaryDirectory() as folder:
        ran = three_runs(pattern, Path(folder), options)
    (runs,) = ran.of_options
    calls = ", ".join(str(run.calls) for run in runs)
    answered = f"{ran.report.hits} of {runs[-1].lookups}"
    print(f"{pattern:<{WIDTH}} {calls:<12} {answered:<10} {'passes' if ran.report.ok else 'fails'}")
    for number, run in enumerate(runs[1:], 2):
        for reason, times in Counter(run.paid).items():
            print(f"    run {number}: {times} × {reason}")
    if not ran.report.ok:
        print("    " + repr(ran.report).replace("\n", "\n    "))
