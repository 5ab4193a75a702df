"""Show two answers side by side: as text, in a terminal's colours, in HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from math import isnan
from typing import Any, Final

from gptcache_magics.tables.comparison import Comparison, Side
from gptcache_magics.text.amounts import duration, money, tokens
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import Words, as_html, as_text, cut, for_terminal
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.redaction import hidden

__all__ = ["SideBySide", "side_by_side_html"]

SHOWN: Final = 20_000
"""Most characters of an answer that are shown."""
_TEXT: Final = "white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0"


@dataclass(frozen=True)
class SideBySide:
    """Two answers, with the words in which they differ first."""

    comparison: Comparison

    def __repr__(self) -> str:
        return self._plain(as_text)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._plain(for_terminal()))

    def _repr_html_(self) -> str:
        return f'<div class="tex2jax_ignore mathjax_ignore">{side_by_side_html(self.comparison)}</div>'

    def _plain(self, worded: Callable[[Words], str]) -> str:
        lines = [f"{name}: {worded(words)}" if words else name for name, words in _differences(self.comparison)]
        for letter, side in zip("ab", (self.comparison.a, self.comparison.b), strict=True):
            lines += ["", f"{letter}  {printable(side.name)}", f"   {_cost(side)}", _shown(side.answer)]
        return "\n".join(lines)


def side_by_side_html(
    comparison: Comparison, *, redact: bool = False, name: Callable[[Side], str] = lambda side: _name(side)
) -> str:
    """Return both answers as HTML with all foreign text escaped, the words that differ first.

    Parameters
    ----------
    redact
        Whether to show the lengths of the answers only.
    name
        Returns the heading of an answer as HTML.
    """
    found = _hidden_differences(comparison) if redact else _differences(comparison)
    differences = "".join(f'<p style="{_TEXT}"><b>{sentence}</b> {as_html(words)}</p>' for sentence, words in found)
    sides = "".join(
        f'<section style="flex:1 1 18em;min-width:0"><b>{name(side)}</b>'
        f'<div style="opacity:.75">{escape(_cost(side))}</div>'
        f'<div dir="auto" style="{_TEXT}">{escape(hidden(side.answer) if redact else _shown(side.answer))}</div>'
        "</section>"
        for side in (comparison.a, comparison.b)
    )
    return f'{differences}<div style="display:flex;flex-wrap:wrap;gap:8px 24px;margin-top:8px">{sides}</div>'


def _differences(comparison: Comparison) -> Iterator[tuple[str, Words]]:
    """Yield what differs, each with its words; a sentence without words where nothing does."""
    if comparison.prompts:
        yield "Asked", comparison.prompts
    yield ("Answered", comparison.answers) if comparison.answers else ("The answers are the same.", ())


def _hidden_differences(comparison: Comparison) -> Iterator[tuple[str, Words]]:
    if comparison.prompts:
        yield "The questions differ.", ()
    yield ("The answers differ.", ()) if comparison.answers else ("The answers are the same.", ())


def _name(side: Side) -> str:
    return escape(printable(side.name))


def _cost(side: Side) -> str:
    """Return tokens, money and seconds, as far as they are known."""
    parts = []
    if side.input_tokens is not None and side.output_tokens is not None:
        parts.append(tokens(side.input_tokens, side.output_tokens))
    if not isnan(side.paid_usd):
        parts.append(money(side.paid_usd))
    if side.paid_seconds is not None:
        parts.append(duration(side.paid_seconds))
    return ", ".join(parts) or "cost unknown"


def _shown(text: str) -> str:
    return printable(cut(masked(text), SHOWN).replace("\r\n", "\n"))
