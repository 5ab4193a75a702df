"""The saved form of a panel, as a separate output above the widget.

One output with both forms would show the widget wherever the notebook is trusted, and with a new kernel, which does not
know the widget, only an error. So the figures come first and are hidden while the panel lives; else the error is.
"""

from __future__ import annotations

from typing import Final

__all__ = ["saved_html", "view_of"]

VIEW: Final = "application/vnd.jupyter.widget-view+json"
# A page that loads no anywidget would show the panel as errors between buttons without a function.
_UNTIL_ALIVE: Final = (
    ":root:not(.gptcache-alive) .gptcache-panel > :not(.gptcache-lacking) { display: none !important } "
    ".gptcache-lacking { visibility: hidden; animation: gptcache-late 0s 5s forwards } "
    "@keyframes gptcache-late { to { visibility: visible } }"
)


def saved_html(html: str, mark: str) -> str:
    """Return HTML that is hidden while a browser shows the panel with this `mark`, a CSS class."""
    # JupyterLab and Notebook 7 put their "model not found" as plain text into the next output. In a notebook that is
    # not trusted they show no widget and remove the style.
    error = f".jp-OutputArea-child:has(> * > .{mark}) + .jp-OutputArea-child > .jupyter-widgets:not(:has(*))"
    return f'<div class="{mark}"><style>{error} {{ display: none }} {_UNTIL_ALIVE}</style>{html}</div>'


def view_of(model_id: str) -> dict[str, object]:
    """Return the output that shows a widget, and is empty where widgets do not run."""
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id}, "text/html": ""}
