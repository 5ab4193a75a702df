"""The shapes of a chart, as self-contained SVG.

The SVG has neither script nor id nor style sheet: a page may show it many times, and a notebook may save and print it.
Text and lines have the colour of the surrounding text. Good bars are filled, bad bars are outlined and tinted, other
bars are only outlined: they differ even without colours. The colours come from the theme if there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

__all__ = [
    *("LEFT", "WIDTH", "Box", "Field", "Kind", "right"),
    *("bars", "curve", "hover", "legend", "line", "note", "rule", "svg", "swatch", "text"),
]

WIDTH = 440.0
"""Width of a chart where nobody says how much room there is, in units of the drawing.

A unit is about a pixel, so that letters have their usual size: with more room a chart is drawn wider, and not larger.
"""
_LARGEST = 1.15
LEFT = 42.0
"""Left edge of the drawing; the labels of the heights stand left of it."""

Kind = Literal["good", "bad", "open"]
RuleKind = Literal["grid", "axis", "mark", "dashed", "soft"]
Box = tuple[float, float, float, float]
"""Left, top, width, height."""

# Blue and vermilion differ in any colour vision, are dark enough on white and light enough on black.
_COLOURS = {"good": "var(--jp-brand-color1,#1976d2)", "bad": "var(--jp-warn-color0,#e65100)"}
_STYLES = {
    "good": f"fill:{_COLOURS['good']}",
    "bad": f"fill:{_COLOURS['bad']};fill-opacity:.22;stroke:{_COLOURS['bad']}",
    "open": "fill:none;stroke:currentColor;stroke-opacity:.65",
}
_RULES = {
    "grid": 'stroke="currentColor" stroke-opacity=".16"',
    "axis": 'stroke="currentColor" stroke-opacity=".6"',
    "mark": 'stroke="currentColor" stroke-width="1.5"',
    "dashed": 'stroke="currentColor" stroke-width="1.5" stroke-dasharray="4 3"',
    "soft": 'stroke="currentColor" stroke-opacity=".6" stroke-dasharray="3 3"',
}
_EDGE = "paint-order:stroke;stroke:var(--jp-layout-color0,none);stroke-width:4px;stroke-linejoin:round"
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a chart in which heights mean something: 0 at its base, `most` at its top."""

    top: float
    height: float
    most: float
    width: float = WIDTH
    """Width of the chart."""

    @property
    def base(self) -> float:
        """Vertical place of 0."""
        return self.top + self.height

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        return self.base - self.height * value / self.most

    def box(self, x: float, width: float, low: float, high: float) -> Box:
        """Return a bar from one value up to another."""
        height = max(self.y(low) - self.y(high), 1) if high > low else 0  # a small value stays visible
        return (x, self.y(low) - height, width, height)

    def levels(self, labels: Mapping[float, str]) -> str:
        """Return a line at each of these values, with its label."""
        lines = (rule(LEFT, self.y(at), right(self.width), self.y(at), "grid" if at else "axis") for at in labels)
        texts = (text(LEFT - 6, self.y(at) + 4, label, anchor="end", soft=True) for at, label in labels.items())
        return "".join([*lines, *texts])

    def ticks(self, labels: Mapping[float, str], caption: str = "") -> str:
        """Return marks below the base, each with its label, and the caption of the axis."""
        marks = (rule(x, self.base, x, self.base + 4, "axis") for x in labels)
        texts = [
            text(
                *(min(x, self.width), self.base + 17, label),
                anchor="end" if x > self.width - 16 else "middle",
                soft=True,
            )
            for x, label in labels.items()
        ]
        if caption:
            texts.append(text((LEFT + right(self.width)) / 2, self.base + 35, caption, anchor="middle", soft=True))
        return "".join([*marks, *texts])


def right(width: float) -> float:
    """Return the right edge of the drawing in a chart of this width."""
    return width - 6.0


def svg(title: str, words: str, height: float, parts: Iterable[str], width: float = WIDTH) -> str:
    """Return a chart of a title and parts; `words` gives its figures to people who do not see it."""
    head = text(0, 15, title, size=15, weight=600)
    # A code host or a sanitizer may keep only the text, which then begins with these sentences.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-size="12" '
        f'fill="currentColor" style="display:block;width:100%;max-width:{_LARGEST * width:.0f}px;height:auto;'
        f'color:var(--jp-content-font-color1,currentColor)"><title>{_escaped(title)}</title>'
        f"<desc>{_escaped(words)}</desc>\n{head}{''.join(parts)}</svg>"
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: Literal["start", "middle", "end"] = "start",
    soft: bool = False,
    size: int = 0,
    weight: int = 0,
    over: bool = False,
) -> str:
    """Return a line of text that stands on `y`; text `over` lines has an edge in the colour of the page."""
    options = f' text-anchor="{anchor}"' if anchor != "start" else ""
    options += ' fill-opacity=".75"' if soft else ""
    options += f' font-size="{size}"' if size else ""
    options += f' font-weight="{weight}"' if weight else ""
    options += f' style="{_EDGE}"' if over else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{options}>{_escaped(content)}</text>\n'


def rule(x1: float, y1: float, x2: float, y2: float, kind: RuleKind = "grid") -> str:
    """Return a straight line."""
    return f'<path d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}" {_RULES[kind]}/>'


def bars(boxes: Iterable[Box], kind: Kind) -> str:
    """Return all bars of one kind; those without height or width are left out."""
    inset = 0.0 if kind == "good" else 0.5  # half of the outline, which is drawn on the edge
    path = "".join(
        f"M{_n(x + inset)} {_n(y + inset)}h{_n(max(w - 2 * inset, 0.2))}v{_n(max(h - 2 * inset, 0.2))}"
        f"h{_n(-max(w - 2 * inset, 0.2))}z"
        for x, y, w, h in boxes
        if w > 0 and h > 0
    )
    return f'<path d="{path}" style="{_STYLES[kind]}"/>' if path else ""


def line(points: Sequence[tuple[float, float] | None], kind: Literal["good", "bad"], *, dashed: bool = False) -> str:
    """Return a line from point to point; it is broken where one is missing."""
    steps = zip(points, [None, *points], strict=False)
    path = "".join(f"{'L' if before else 'M'}{_n(here[0])} {_n(here[1])}" for here, before in steps if here)
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke-width="2"{dashes} style="stroke:{_COLOURS[kind]}"/>'


def curve(points: Sequence[tuple[float, float] | None]) -> str:
    """Return a line with a dot on each point."""
    known = [point for point in points if point is not None]
    radius = 3 if len(known) <= 24 else 2
    dots = "".join(
        f"M{_n(x - radius)} {_n(y)}a{radius} {radius} 0 1 0 {2 * radius} 0a{radius} {radius} 0 1 0 {-2 * radius} 0"
        for x, y in known
    )
    return f'{line(points, "good")}<path d="{dots}" style="fill:{_COLOURS["good"]}"/>'


def hover(places: Iterable[tuple[Box, str]]) -> str:
    """Return areas that show their words when the pointer rests on them; skip those without words."""
    return (
        '<g fill="none" pointer-events="all">'
        + "".join(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"><title>{_escaped(words)}</title></rect>'
            for (x, y, w, h), words in places
            if words
        )
        + "</g>"
    )


def swatch(x: float, y: float, kind: Kind) -> str:
    """Return a sample of a kind of bar, beside text that stands on `y`."""
    return bars([(x, y - 10, 11, 11)], kind)


def legend(y: float, *items: tuple[Kind | Literal["mark", "dashed"], str]) -> str:
    """Return samples of what is drawn, each with its name, from left to right."""
    x, parts = 0.0, []
    for kind, name in items:
        sample = rule(x, y - 4, x + 12, y - 4, kind) if kind == "mark" or kind == "dashed" else swatch(x, y, kind)
        parts += [sample, text(x + 17, y, name)]
        x += 17 + 7 * len(name) + 14
    return "".join(parts)


def note(words: str) -> str:
    """Return a sentence in place of a chart."""
    return f'<p role="note" style="margin:8px 0;opacity:.75">{_escaped(words)}</p>'


def _escaped(content: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", content))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
