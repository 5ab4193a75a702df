"""The page about the architecture names what there is, in the order in which it may be imported."""

import re
import tomllib
from pathlib import Path

import gptcache_magics as gm

ROOT = Path(__file__).parents[2]
PACKAGE = Path(gm.__file__).parent
PAGE = (ROOT / "docs" / "development" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.+?) \| [^|]+ \| `([^`]+)` \|$", PAGE.partition("## Folders")[2], re.MULTILINE)
"""The cells of names, and of what to read first."""
NAMES = [name.removesuffix(".py") for names, _ in ROWS for name in re.findall(r"`([^`]+)`", names)]
(LAYERS, _) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYER = {name: place for place, layer in enumerate(LAYERS["layers"]) for name in re.findall(r"\w+", layer)}


def test_the_table_names_every_folder_and_module_and_no_other() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}

    assert sorted(NAMES) == sorted(there - {"__init__"})


def test_the_layers_name_the_same() -> None:
    assert sorted(LAYER) == sorted(NAMES)


def test_the_names_stand_in_the_order_of_the_layers() -> None:
    assert sorted(NAMES, key=LAYER.__getitem__) == NAMES


def test_what_to_read_first_is_there() -> None:
    assert all((PACKAGE / first).is_file() for _, first in ROWS)
