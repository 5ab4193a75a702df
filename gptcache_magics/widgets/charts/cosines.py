"""The axis of the charts about a threshold: cosines from 0.70 to 1, with marks for the threshold and the presets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.widgets.charts.drawing import LEFT, Field, right, rule, text

__all__ = ["LOWEST", "MARKS", "axis", "marks", "named", "x"]

LOWEST: Final = 0.70
_HALF: Final = 52.0  # half the width of the words at the present threshold
MARKS: Final = 34.0
"""Height of the names of the marks, above a field."""


def x(cosine: float, width: float) -> float:
    """Return the place of a cosine in a chart of this width."""
    return LEFT + (right(width) - LEFT) * (cosine - LOWEST) / (1 - LOWEST)


def axis(field: Field, caption: str = "") -> str:
    """Return the ticks below a field."""
    cosines = [percent / 100 for percent in range(70, 101, 5)]
    return field.ticks({x(each, field.width): f"{each:.2f}" for each in cosines}, caption)


def marks(threshold: float, field: Field, *, labels: bool = True) -> Iterator[str]:
    """Yield a dashed line for each preset and a solid one for the present threshold, with their names above."""
    top, base, width = field.top, field.base, field.width
    names = sorted(PRESETS, key=lambda name: -PRESETS[name])
    for place, name in enumerate(names):
        at, cosine = x(PRESETS[name], width), PRESETS[name]
        if cosine != threshold:
            yield rule(at, top, at, base, "soft")
        if labels:
            # The two highest presets are close together, so their names go to different sides.
            anchor: Literal["start", "middle", "end"] = "start" if place == 0 else "end" if place == 1 else "middle"
            yield text(at, top - 5, name, anchor=anchor, soft=True)
    if LOWEST <= threshold <= 1:
        yield rule(x(threshold, width), top, x(threshold, width), base, "mark")
        if labels:
            middle = min(max(x(threshold, width), _HALF), width - _HALF)
            yield text(middle, top - 20, f"threshold {threshold:g}", anchor="middle", weight=600)


def named(threshold: float) -> str:
    """Return a threshold with its name: ``0.93 (balanced)``."""
    name = next((name for name, cosine in PRESETS.items() if cosine == threshold), "")
    return f"{threshold:.2f} ({name})" if name else f"{threshold:g}"
