"""Scripts and styles as a browser gets them: several files as one, which cannot import another, and without comments.

Each panel sends its scripts and styles anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["one_module", "one_style"]

_IMPORTS: Final = re.compile(r'^import .* from "\./.*";\n', re.MULTILINE)
_EXPORTS: Final = re.compile(r"^export (?!default)", re.MULTILINE)
_COMMENTS: Final = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)[ \t]*\n", re.MULTILINE | re.DOTALL)
"""Whole lines: what stands behind code may be part of a text."""
_INDENTS: Final = re.compile(r"^[ \t]+|^\n", re.MULTILINE)


def one_module(folder: Path, *names: str) -> str:
    """Return the scripts of a folder as one module, in this order; the last one has the default export."""
    scripts = [(folder / f"{name}.js").read_text("utf-8") for name in names]
    return _lean("".join(_EXPORTS.sub("", _IMPORTS.sub("", each)) for each in scripts))


def one_style(folder: Path, *names: str) -> str:
    """Return the style sheets of a folder as one, in this order."""
    return _lean("".join((folder / f"{name}.css").read_text("utf-8") for name in names))


def _lean(text: str) -> str:
    return _INDENTS.sub("", _COMMENTS.sub("", text))
