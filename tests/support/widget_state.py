"""What a front end gets of a panel, and what it may save of that."""

import json

from gptcache_magics.widgets.panel import Panel, _within

__all__ = ["state_of", "unsaved_of"]


def state_of(panel: Panel) -> str:
    """Return all that a saved notebook may hold."""
    return json.dumps([widget.get_state() for widget in (panel, *_within(panel))], default=str, ensure_ascii=False)


def unsaved_of(panel: Panel) -> str:
    """Return everything that the browser gets and no notebook holds."""
    values = [getattr(widget, "_unsaved", {}) for widget in _within(panel)]
    return json.dumps(values, default=str, ensure_ascii=False)
