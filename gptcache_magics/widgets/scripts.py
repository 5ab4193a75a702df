"""Scripts of widgets that are written in several files. A browser gets one, which cannot import another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["one_module"]

_IMPORTS: Final = re.compile(r'^import .* from "\./.*";\n', re.MULTILINE)
_EXPORTS: Final = re.compile(r"^export (?!default)", re.MULTILINE)


def one_module(folder: Path, *names: str) -> str:
    """Return the scripts of a folder as one module, in this order; the last one has the default export."""
    scripts = [(folder / f"{name}.js").read_text("utf-8") for name in names]
    return "".join(_EXPORTS.sub("", _IMPORTS.sub("", each)) for each in scripts)
