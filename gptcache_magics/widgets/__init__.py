"""Tables as widgets: the live panel of a cache, and the same figures as static HTML or plain text.

Everything shown is a DataFrame from :mod:`gptcache_magics.tables.frames`; nothing here computes a figure of its own.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptcache_magics.widgets.panel import Panel as Panel
    from gptcache_magics.widgets.progress import Progress as Progress
    from gptcache_magics.widgets.static import Static as Static

__all__ = ["Panel", "Progress", "Static", "close_live", "repaint"]

_MODULES = {"Panel": "panel", "Progress": "progress", "Static": "static"}


def repaint() -> None:
    """Repaint the open panels after a change of options; import nothing if none is open."""
    module = sys.modules.get(f"{__name__}.panel")
    for panel in list(module.open_panels) if module is not None else ():
        panel.repaint()


def close_live() -> None:
    """Close the open panels of the cache that is on."""
    module = sys.modules.get(f"{__name__}.panel")
    for panel in list(module.open_panels) if module is not None else ():
        if panel.live:
            panel.close()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
