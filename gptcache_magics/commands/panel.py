"""``%gptcache panel``: show the cache, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Space, cell_number, models_of
from gptcache_magics.commands._selectors import Selectors, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.text.enumeration import enumerated

if TYPE_CHECKING:
    from gptcache_magics.tables.source import Source
    from gptcache_magics.widgets.view import View

EXAMPLE = "%gptcache panel --tab Lookups"
Tab = Literal["Models", "Lookups", "Entries", "Charts", "Tuning"]


@checked
def panel(
    tab: Annotated[Tab | None, Option(help="the first tab (default: Models; Entries if it alone is filtered)")] = None,
    *,
    static: Annotated[bool, Option(help="a table without widgets, with prompts")] = False,
    at: At = None,
    space: Space = None,
    **selectors: Unpack[Selectors],
) -> Any:
    """Show live tables of models, lookups and entries, and charts.

    Model, tag and cell are filters of all tabs; the other conditions are one of the entries. Each is a chip, which a
    press takes away. With ``static``, show the same as HTML that needs no kernel and holds prompts and answers.
    """
    source = controller.source(at, space)
    source.flush()
    from gptcache_magics import widgets

    view = _view(source, **selectors)
    if static:
        return widgets.Static(source, controller.settings, view)
    first = tab or ("Entries" if view.condition is not None else "Models")
    made = widgets.Panel(source, first, controller.settings, view)
    if source.ledger is not None and widgets.close_live not in controller.on_off:
        controller.on_off.append(widgets.close_live)
    return made


def _view(source: Source, **selectors: Unpack[Selectors]) -> View:
    """Return the filters of a panel."""
    from gptcache_magics.widgets.view import Condition, View

    filters = {"model", "tag", "cell"}
    conditions: Selectors = {**selectors, "model": None, "tag": None, "cell": None}
    selected(source, tag=selectors.get("tag"))  # which raises for an unknown tag
    entries = selected(source, **conditions)
    words = [
        name.strip("_") if value is True else f"{name.strip('_')} {getattr(value, 'pattern', value)}"
        for name, value in selectors.items()
        if value and name not in filters
    ]
    return View(
        source.since,
        model=_model(source, selectors.get("model")),
        tag=selectors.get("tag"),
        cell=cell_number(source, selectors.get("cell")),
        condition=Condition(", ".join(words), entries) if words else None,
    )


def _model(source: Source, model: str | None) -> str | None:
    """Return the only model that a name, a part of it or a glob fits."""
    names = models_of(source.store, model)
    if names is not None and len(names) > 1:
        raise CommandError(
            f"panel: '{model}' fits {enumerated(names)}. Filter by one of them: %gptcache panel -m {names[0]}"
        )
    return names[0] if names else None
