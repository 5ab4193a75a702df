"""What a front end gets of a panel, and what it may save of that."""

import json

from gptcache_magics.widgets.panel import Panel, _within

__all__ = ["state_of", "told_by"]


def state_of(panel: Panel) -> str:
    """Return all that a saved notebook may hold."""
    return json.dumps([widget.get_state() for widget in (panel, *_within(panel))], default=str, ensure_ascii=False)


def told_by(panel: Panel) -> str:
    """Return all that the browser is told and that no notebook holds."""
    told = [getattr(widget, "_told", {}) for widget in _within(panel)]
    return json.dumps(told, default=str, ensure_ascii=False)
