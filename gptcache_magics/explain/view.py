"""Show the explanation of a lookup: as text, in a terminal's colours, in HTML."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from html import escape
from math import isnan
from typing import Any, Final

from gptcache_magics import pricing
from gptcache_magics.explain.causes import Explanation
from gptcache_magics.explain.headline import headline
from gptcache_magics.explain.tips import Running, next_command
from gptcache_magics.text.amounts import duration, money, tokens
from gptcache_magics.text.word_diff import Words, as_html, as_text, for_terminal
from gptcache_magics.unprintable import printable

__all__ = ["Why", "table_html"]

CELL: Final = "padding:2px 12px 2px 0;text-align:left;vertical-align:top;background:none"


@dataclass(frozen=True)
class Why:
    """An explanation, as text, in colours or in HTML."""

    explanation: Explanation
    on: Running | None = None
    """The cache that is on, whose options the next command keeps."""
    at: str = ""
    """The place of the store, if it is not the one that is on."""

    def __repr__(self) -> str:
        return self._plain(as_text)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._plain(for_terminal()))

    def _repr_html_(self) -> str:
        message = "<br>".join(f"<b>{escape(first)}</b> {escape(rest)}".strip() for first, rest in self._lines)
        style = "color:var(--jp-content-font-color1,inherit)"
        table = table_html(self.explanation, self.on, self.at)
        return f'<div class="tex2jax_ignore mathjax_ignore" style="{style}">{message}{table}</div>'

    @property
    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield what differs, and below it the lookup with its cause in full; each with the words that stand out."""
        short = headline(self.explanation)
        if short != self.explanation.sentence.removesuffix("."):
            yield short, ""
        yield self._title, self.explanation.sentence

    @property
    def _title(self) -> str:
        explanation = self.explanation
        if explanation.number is None:
            return ""
        label = f" ({explanation.configuration.label})" if explanation.configuration else ""
        return f"Lookup {explanation.number}{printable(label)}, {explanation.outcome}."

    def _plain(self, worded: Callable[[Words], str]) -> str:
        lines = [" ".join(filter(None, parts)) for parts in self._lines]
        for name, value in _rows(self.explanation, self.on, self.at):
            text = printable(value) if isinstance(value, str) else worded(value)
            lines.append(f"  {name:<8} " + text.replace("\n", f"\n{'':11}"))
        return "\n".join(lines)


def table_html(explanation: Explanation, on: Running | None = None, at: str = "", without: Collection[str] = ()) -> str:
    """Return the details of an explanation as an HTML table, as ``Why``; ``without`` names rows to leave out."""
    muted = f"{CELL};color:var(--jp-content-font-color2,gray)"
    text = f"{CELL};white-space:pre-wrap;overflow-wrap:anywhere"
    rows = "".join(
        f'<tr><td style="{muted}">{name}</td>'
        f'<td style="{text}">{escape(printable(value)) if isinstance(value, str) else as_html(value)}</td></tr>'
        for name, value in _rows(explanation, on, at)
        if name not in without
    )
    return f'<table style="border:none;margin:4px 0">{rows}</table>' if rows else ""


def _rows(explanation: Explanation, on: Running | None, at: str) -> Iterator[tuple[str, str | Words]]:
    """Yield the details of an explanation, each with its name."""
    closest = explanation.nearest
    yield "asked", explanation.question
    if closest is not None:
        if closest.question != explanation.question:
            yield "stored", closest.question
        if closest.words:
            yield "words", closest.words
        for change in closest.changes:
            yield "changed", change.text
        yield "closest", f"{closest.id} ({closest.configuration.label})"
    for cause in explanation.also:
        yield "also", cause
    if explanation.saved is not None:
        yield "saved", _saved(explanation)
    for note in explanation.notes:
        yield "note", note
    command = next_command(explanation, on, at)
    if command:
        yield "next", command


def _saved(explanation: Explanation) -> str:
    assert explanation.saved is not None
    seconds, usage = explanation.saved
    parts = []
    if explanation.configuration is not None:
        dollars = pricing.usd(explanation.configuration.provider, explanation.configuration.model, usage)
        parts += [] if isnan(dollars) else [money(dollars)]
    parts += [duration(seconds)] if seconds is not None else ["unknown time"] if parts else []
    if usage.input_tokens is not None and usage.output_tokens is not None:
        parts.append(tokens(usage.input_tokens, usage.output_tokens))
    return ", ".join(parts) or "unknown"
