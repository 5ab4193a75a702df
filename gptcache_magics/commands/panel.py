"""``%gptcache panel``: see the cache, live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gptcache_magics.commands._parser import Parser, check_one_of, place
from gptcache_magics.controller import controller

HELP = "Live tables of models, lookups and entries, and charts."
EXAMPLE = "%gptcache panel --tab Lookups"
TABS = ("Models", "Lookups", "Entries", "Charts", "Tuning")


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_option("--tab", values=TABS, default="Models", help="the tab to begin with")
    parser.add_option("--static", action="store_true", help="a table without widgets, prompts included")
    place(parser)


def panel(tab: str = "Models", *, static: bool = False, at: str | Path | None = None) -> Any:
    """The panel as a widget; ``static`` gives the same as HTML that needs no kernel, prompts and answers included."""
    check_one_of("tab", tab, TABS)
    source = controller.source(at)
    source.flush()
    from gptcache_magics import widgets

    if static:
        return widgets.Static(source, controller.settings)
    made = widgets.Panel(source, tab, controller.settings)
    if source.ledger is not None:
        controller.on_off.append(made.close)
    return made
