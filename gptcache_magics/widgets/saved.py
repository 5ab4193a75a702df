"""What of a panel stays in a saved notebook, as an output of its own above the widget.

An output that holds both would show the widget wherever the notebook is trusted, and with a new kernel, which does not
know it, only an error. So the figures come first and hide while the panel lives; where it does not, the error hides.
"""

from __future__ import annotations

from typing import Final

__all__ = ["VIEW", "saved_html", "view_of"]

VIEW: Final = "application/vnd.jupyter.widget-view+json"


def saved_html(html: str, mark: str) -> str:
    """Return HTML that ``guard.js`` of the panel with this `mark`, a CSS class, hides as long as a browser shows it."""
    # JupyterLab and Notebook 7 put their "model not found" as mere text into the next output. Where a notebook is not
    # trusted they show no widget, and take the style away.
    error = f".jp-OutputArea-child:has(> * > .{mark}) + .jp-OutputArea-child > .jupyter-widgets:not(:has(*))"
    return f'<div class="{mark}"><style>{error} {{ display: none }}</style>{html}</div>'


def view_of(model_id: str) -> dict[str, object]:
    """Return the output that shows a widget, and nothing where it cannot."""
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id}, "text/html": ""}
