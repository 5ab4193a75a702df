"""The state of a panel, as a front end gets it."""

import json

from gptcache_magics.widgets.panel import Panel, _within

__all__ = ["state_of"]


def state_of(panel: Panel) -> str:
    """Return all that the browser gets, and that a saved notebook may hold."""
    return json.dumps([widget.get_state() for widget in (panel, *_within(panel))], default=str, ensure_ascii=False)
