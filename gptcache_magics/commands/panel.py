"""``%gptcache panel``: show the cache, live."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Space
from gptcache_magics.controller import controller

EXAMPLE = "%gptcache panel --tab Lookups"
Tab = Literal["Models", "Lookups", "Entries", "Charts", "Tuning"]


@checked
def panel(
    tab: Annotated[Tab, Option(help="the first tab to show")] = "Models",
    *,
    static: Annotated[bool, Option(help="a table without widgets, with prompts")] = False,
    at: At = None,
    space: Space = None,
) -> Any:
    """Show live tables of models, lookups and entries, and charts.

    With ``static``, show the same as HTML that needs no kernel and holds prompts and answers.
    """
    source = controller.source(at, space)
    source.flush()
    from gptcache_magics import widgets

    if static:
        return widgets.Static(source, controller.settings)
    made = widgets.Panel(source, tab, controller.settings)
    if source.ledger is not None and widgets.close_live not in controller.on_off:
        controller.on_off.append(widgets.close_live)
    return made
