"""The values that the panel can be filtered by: those that occur in the period, by filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.store.protocol import Outcome
from gptcache_magics.tables import frames
from gptcache_magics.tables.columns import OUTCOME
from gptcache_magics.tables.tags import tags_of
from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.view import CHOSEN, Filter

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["OUTCOMES", "choices", "word"]

MOST: Final = 200
"""Most values of a filter that the menu offers."""
OUTCOMES: Final[Mapping[Outcome, str]] = {"hit": "hit", "miss": "miss", "bypass": "bypassed", "error": "error"}


def choices(source: PanelSource, view: View) -> dict[Filter, dict[str, Any]]:
    """Return the values of each filter by their texts; the value that is set is among them."""
    period = source.period(view.since)
    with frames.read_once():
        cells = frames.sums(source.store, "cell", period=period)
        asked = frames.sums(source.store, "total", period=period)
    causes = frames.tally(asked, "cause").index
    values: dict[Filter, Iterable[Any]] = {
        "model": [*frames.tally(asked, "model").index, *frames.models(source.store).index],
        "tag": sorted(tags_of(source.store)),
        "cell": cells["execution_count"].dropna().astype("int64").tolist(),
        "outcome": [each for each in OUTCOME.categories if (asked["outcome"] == each).any()],
        "face": asked["face"].tolist(),
        "cause": [each for each in causes if each not in OUTCOMES],
    }
    lines = {} if view.redact else _first_lines(cells)  # code may hold prompts
    found: dict[Filter, dict[str, Any]] = {}
    for name in CHOSEN:
        now = getattr(view, name)
        every = [*dict.fromkeys(values[name])][:MOST]
        every += [now] if now is not None and now not in every else []
        found[name] = {_text(name, each, lines): each for each in every}
    return found


def word(name: Filter, value: Any) -> str:
    """Return a value of a filter as its chip says it."""
    if name == "cell":
        return f"[{value}]"
    if name == "condition":
        return one_line(value.words)
    if name == "entry":
        return str(value[:8])
    return OUTCOMES.get(value, value) if name == "outcome" else one_line(str(value))


def _text(name: Filter, value: Any, lines: Mapping[int, str]) -> str:
    return " ".join(filter(None, (word(name, value), lines.get(value, "") if name == "cell" else "")))


def _first_lines(cells: pd.DataFrame) -> dict[int, str]:
    """Return the first line of each cell, that of the newest where several had its number."""
    known = cells.dropna(subset=["execution_count"]).drop_duplicates("execution_count")
    numbers, lines = known["execution_count"].astype("int64"), known["cell_line"].astype("object")
    return {number: one_line(str(line), 60) for number, line in zip(numbers, lines, strict=True)}
