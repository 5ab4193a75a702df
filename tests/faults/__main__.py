"""Rounds of faults for some minutes: ``python -m tests.faults MINUTES [SEED] [ROUND ...]``.

Each round prints its seed, so it can be run again. The exit code is not 0 if anything was lost, wrong or hanging.
"""

import random
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from tests.faults.rounds import ROUNDS

SECONDS = 20.0
"""Length of one round."""


def main(minutes: str = "10", seed: str = "", *names: str) -> int:
    """Run rounds, and return how many of them went wrong."""
    first = int(seed or random.randrange(1_000_000))
    end, bad, number = time.monotonic() + 60 * float(minutes), 0, 0
    while time.monotonic() < end:
        for name in names or ROUNDS:
            number += 1
            with tempfile.TemporaryDirectory(prefix="faults-") as folder, redirect_stdout(StringIO()):
                try:
                    told = ROUNDS[name](first + number, SECONDS, Path(folder))
                except Exception as error:
                    told = [f"the round broke: {type(error).__name__}: {error}"]
            bad += bool(told)
            print(
                f"{time.strftime('%H:%M:%S')} round {number} {name} seed {first + number}:",
                *[each[-600:] for each in told or ["ok"]][:5],
            )
            sys.stdout.flush()
            if time.monotonic() > end:
                break
    print(f"{number} rounds, {bad} with losses, wrong answers or hangs; first seed {first}")
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main(*sys.argv[1:])))
