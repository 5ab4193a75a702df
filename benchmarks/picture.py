"""Draw ``results.json`` as one picture: ``python benchmarks/picture.py RESULTS.json PICTURE.svg``.

The SVG needs nothing else, and follows the reader's light or dark theme. Axes of time are logarithmic, and say so;
counts begin at 0. A cache that was not measured is not drawn.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from away import LONGEST, WRAPPED
from peers import DISKCACHE, FAISS, FLOOR, MAP, OURS, REDIS, SQLITE

__all__ = ["picture"]

PANEL_WIDTH, GAP, LABELS = 430, 40, 150
BAR, TITLE = 22, 46
ENTRIES: Final = "10000"
CACHES: Final = (FLOOR, OURS, DISKCACHE, MAP, REDIS, SQLITE, FAISS)
NAMES: Final = {
    f"{OURS}, no team": "without a team",
    FLOOR: "in memory, not kept",
    DISKCACHE: "diskcache",
    FAISS: "GPTCache faiss",
}
STYLE: Final = """
text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#24292f}.h{font-weight:600;font-size:14px}
.s{font-size:11px;fill:#57606a}
.a{stroke:#57606a}.g{stroke:#57606a;stroke-opacity:.2}.o{fill:#8c959f;stroke:#8c959f}.u{fill:#1976d2;stroke:#1976d2}
.l{fill:none;stroke-width:1.5}.u.l{stroke-width:2.5}.b{font-weight:600}
.k{stroke:#fff;stroke-width:3px;paint-order:stroke}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.a,.g{stroke:#9198a1}.u{fill:#58a6ff;stroke:#58a6ff}
.k{stroke:#0d1117}}
"""

Bars = Sequence[tuple[str, float, str]]
"""Name, value and its label, of each bar."""


def picture(results: Mapping[str, Any]) -> str:
    """Return the SVG of what was measured."""
    panels: list[tuple[str, str, Callable[[], tuple[str, float]]]] = []
    exact, safety = results.get("exact", {}), results.get("safety", {})
    if ENTRIES in exact:
        size = f"µs a call, {int(ENTRIES):,} answers of 1.9 kB, logarithmic"
        panels += [
            ("A hit", size, lambda: _log_bars(_times(exact[ENTRIES]["hit"]))),
            ("An update", size, lambda: _log_bars(_times(exact[ENTRIES]["update"]))),
            ("A hit as the store grows", "µs a call by number of answers, both logarithmic", lambda: _growth(exact)),
        ]
    for title, note, start in (
        ("A stampede: 16 threads ask the same", "model calls that are paid", "16 threads, one prompt"),
        ("Two kernels store 500 answers each", "answers that a third finds, of 1,000", "two processes"),
        ("50 answers, then kill -9", "answers that are found again", "50 updates"),
    ):
        counts = next((found for probe, found in safety.items() if probe.startswith(start)), None)
        if counts is not None:
            panels.append((title, note, lambda counts=counts: _bars(_counts(counts))))  # type: ignore[misc]
    if "away" in results or "team" in results:
        waits = "seconds that a call waits: the first, then each later one"
        panels.append(("A server that is away", waits, lambda: _bars([*_waits(results)], LONGEST)))
    team = results.get("team", {})
    if "hit" in team:
        note = "µs a call, logarithmic: the first hit is at the server, the second is not"
        panels.append(("A hit that a colleague bought", note, lambda: _log_bars(_times(team["hit"], every=True))))
    if "growth" in team:
        note = "µs of the statement of a hit, by number of answers on the server"
        panels.append(("A team's hit as its server grows", note, lambda: _bars([*_grown(team["growth"])])))
    server = [team["server"]] if "server" in team else []
    return _page(panels, [f"{results['machine']}, {results['date']}", *_lines([*results["versions"], *server])])


def _page(panels: Sequence[tuple[str, str, Callable[[], tuple[str, float]]]], footer: Sequence[str]) -> str:
    parts: list[str] = []
    top, width = 10.0, 2 * PANEL_WIDTH + GAP
    for start in range(0, len(panels), 2):
        tallest = 0.0
        for column, (title, note, draw) in enumerate(panels[start : start + 2]):
            body, height = draw()
            tallest = max(tallest, height)
            head = f'<text class="h" y="14">{escape(title)}</text><text class="s" y="31">{escape(note)}</text>'
            moved = f'<g transform="translate(0 {TITLE})">{body}</g>'
            parts.append(f'<g transform="translate({column * (PANEL_WIDTH + GAP)} {top:.0f})">{head}{moved}</g>')
        top += TITLE + tallest + 26
    for line in footer:
        parts.append(f'<text class="s" x="0" y="{top + 4:.0f}">{escape(line)}</text>')
        top += 15
    label = "gptcache-magics beside other LangChain caches"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {width + 20} {top + 6:.0f}" role="img" '
        f'aria-label="{label}"><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _times(seconds: Mapping[str, float], *, every: bool = False) -> Bars:
    known = [name for name in (seconds if every else CACHES) if name in seconds]
    found = sorted((seconds[name] * 1e6, name) for name in known)
    return [(name, each, f"{each:.1f}" if each < 10 else f"{each:,.0f}") for each, name in found]


def _grown(growth: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, float, str]]:
    for size, found in growth.items():
        yield f"team, {_short(int(size))} answers", found["find"] * 1e6, f"{found['find'] * 1e6:,.0f}"


def _counts(cells: Mapping[str, str]) -> Bars:
    ordered = {name: cells[name] for name in CACHES if name in cells}

    def words(text: str) -> str:
        count, _, then = text.partition(", ")
        return f"{int(count):,}{' and an error' if then else ''}" if count.isdecimal() else text

    def number(text: str) -> float:
        first = text.split(",")[0].split()[0]
        return float(first) if first.isdecimal() else 0.0

    return [(name, number(text), words(text)) for name, text in ordered.items()]


def _bars(bars: Bars, most: float = 0.0) -> tuple[str, float]:
    """Return bars from 0."""
    most = most or max(value for _, value, _ in bars) or 1.0
    return _rows(bars, lambda value: value / most)


def _log_bars(bars: Bars) -> tuple[str, float]:
    """Return bars from a power of ten, with a line at each."""
    low = math.floor(math.log10(min(value for _, value, _ in bars)))
    high = math.ceil(math.log10(max(value for _, value, _ in bars)))
    body, height = _rows(bars, lambda value: (math.log10(value) - low) / (high - low))
    lines: list[str] = []
    for power in range(low, high + 1):
        x = LABELS + _room() * (power - low) / (high - low)
        lines.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height:.0f}"/>')
        lines.append(
            f'<text class="s" x="{x:.1f}" y="{height + 13:.0f}" text-anchor="middle">{_short(10.0**power)}</text>'
        )
    return "".join(lines) + body, height + 16


def _room() -> float:
    return PANEL_WIDTH - LABELS - 90


def _rows(bars: Bars, length: Callable[[float], float]) -> tuple[str, float]:
    parts: list[str] = []
    for row, (name, value, label) in enumerate(bars):
        y, end = row * BAR, LABELS + max(_room() * length(value), 1.5 if value else 0)
        ours = name.startswith((OURS, "--wrap", "team"))
        parts.append(
            f'<text x="{LABELS - 8}" y="{y + 15}" text-anchor="end"{_bold(ours)}>{escape(NAMES.get(name, name))}</text>'
            f'<rect class="{_kind(ours)}" x="{LABELS}" y="{y + 4}" width="{end - LABELS:.1f}" height="{BAR - 8}"/>'
            f'<text class="k{" b" if ours else ""}" x="{end + 5:.1f}" y="{y + 15}">{escape(label)}</text>'
        )
    return "".join(parts), len(bars) * BAR


def _growth(exact: Mapping[str, Any]) -> tuple[str, float]:
    """Return a line for each cache, over the number of answers."""
    height, left, right = 7 * BAR, 40.0, PANEL_WIDTH - 105.0
    sizes = sorted(map(int, exact))
    lines = {
        name: [(size, exact[str(size)]["hit"][name] * 1e6) for size in sizes if name in exact[str(size)]["hit"]]
        for name in CACHES
        if name != FLOOR
    }
    lines = {name: points for name, points in lines.items() if points}
    every = [value for points in lines.values() for _, value in points]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def place(size: float, value: float) -> tuple[float, float]:
        across = (math.log10(size) - first) / ((last - first) or 1)
        return left + (right - left) * across, height * (1 - (math.log10(value) - low) / (high - low))

    parts: list[str] = []
    for power in range(low, high + 1):
        _, y = place(sizes[0], 10.0**power)
        parts.append(f'<line class="g" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="s" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(10.0**power)}</text>')
    for size in sizes:
        x, _ = place(size, 10.0**low)
        text = _short(size)
        parts.append(f'<text class="s" x="{x:.1f}" y="{height + 15}" text-anchor="middle">{text}</text>')
    ends: list[float] = []
    for name, points in sorted(lines.items(), key=lambda each: -each[1][-1][1]):
        at = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        kind = _kind(name == OURS)
        parts.append(f'<polyline class="{kind} l" points="{path}"/>')
        parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in at]
        y = max(at[-1][1] + 4, (ends[-1] + 14) if ends else 0)
        ends.append(y)
        parts.append(
            f'<text x="{at[-1][0] + 7:.1f}" y="{y:.1f}"{_bold(name == OURS)}>{escape(NAMES.get(name, name))}</text>'
        )
    return "".join(parts), height + 18


def _waits(results: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    team, shown = results.get("team", {}).get("away", {}), {REDIS: REDIS, WRAPPED: "--wrap"}
    peers = results.get("team", {}).get("away_peers", {})
    for what in ("stopped", "silent"):
        by = {shown[name]: seconds for name, seconds in results.get("away", {}).get(what, {}).items()}
        by |= {
            f"{name.removesuffix('Cache')}": each for name, each in peers.get(what, {}).items() if each[0] >= LONGEST
        }
        for name, seconds in (by | ({"team": team[what]} if what in team else {})).items():
            first, later = seconds[0], max(seconds[1:], default=seconds[0])
            label = "for ever" if first >= LONGEST else f"{first:.1g}, then {later:.1g}"
            yield f"{name}, {what}", first, label


def _lines(words: Sequence[str]) -> list[str]:
    """Return words in lines of about the width of the picture."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 140:
            lines.append("")
        lines[-1] += f"{' · ' if lines[-1] else ''}{word}"
    return lines


def _short(number: float) -> str:
    """Return a power of ten, or a number of answers, as an axis shows it."""
    for least, unit in ((10**6, "M"), (1_000, "k")):
        if number >= least:
            return f"{number / least:g}{unit}"
    return f"{number:g}"


def _kind(ours: bool) -> str:
    return "u" if ours else "o"


def _bold(ours: bool) -> str:
    return ' class="b"' if ours else ""


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(picture(json.loads(source.read_text())))
    print(f"{target} shows {source}")
