"""How much slower lookups get while a panel is open, live, in a browser; ``python benchmarks/panel.py``.

In JupyterLab in Chromium a cell makes lookups as fast as it can, in short rounds, in turn with the panel open in the
page and closed. The medians of the rounds are compared. The script needs the extra ``browser`` and Chromium.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "browser"))

from conftest import CHROMIUM, CHROMIUM_OPTIONS, NotebookPage, Server
from playwright.sync_api import sync_playwright

ROUNDS: Final = 8
SETUP: Final = """\
%load_ext gptcache_magics
%gptcache on
%config GPTCacheMagics.badge = False
import statistics, time
from langchain_core.language_models import FakeListChatModel
import gptcache_magics as gm
model = FakeListChatModel(responses=["an answer " * 150])
questions = [f"question {number}: " + "words " * 40 for number in range(200)]
for question in questions:
    model.invoke(question)
def measure(seconds, pause):
    \"\"\"Microseconds of an invoke that hits, made one after the other, or with a pause between.\"\"\"
    taken, end, number = [], time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        number += 1
        started = time.perf_counter()
        model.invoke(questions[number % 200])
        taken.append(time.perf_counter() - started)
        if pause:
            time.sleep(pause)
    return statistics.median(taken) * 1e6, statistics.mean(taken) * 1e6"""
MEASURE: Final = "print(*measure({seconds}, {pause}))"


def main() -> None:
    """Print a table: back to back, and at 50 lookups a second."""
    home = Path(tempfile.mkdtemp(prefix="gptcache-magics-"))
    server = Server(home)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
            print("| pace | invoke, µs | closed | live | slower by |\n|---|---|---:|---:|---:|")
            for pace, pause in (("50 a second", 0.02), ("back to back", 0)):
                measure = MEASURE.format(seconds=2, pause=pause)
                cells = [SETUP, "panel = gm.panel('Lookups'); panel", measure, "panel.close()"]
                notebook = NotebookPage(page, server, "lab", cells)
                notebook.run(0)
                closed, live = [], []
                for _ in range(ROUNDS):
                    closed.append(_figures(notebook))
                    notebook.run(1)
                    page.locator(".gptcache-grid:visible tbody tr[data-key]").first.wait_for()
                    page.wait_for_timeout(500)
                    live.append(_figures(notebook))
                    notebook.run(3)
                for at, name in enumerate(("median", "mean")):
                    pairs = [(one[at], other[at]) for one, other in zip(closed, live, strict=True)]
                    slower = statistics.median(other / one for one, other in pairs) - 1
                    before, after = (statistics.median(each) for each in zip(*pairs, strict=True))
                    print(f"| {pace} | {name} | {before:.0f} | {after:.0f} | {slower:.1%} |", flush=True)
            browser.close()
    finally:
        server.stop()


def _figures(notebook: NotebookPage) -> tuple[float, float]:
    median, mean = notebook.run(2).split()[-2:]
    return float(median), float(mean)


if __name__ == "__main__":
    main()
