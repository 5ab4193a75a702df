"""Whose a class or a function is: the user's, or an installed package's."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any, Final

from gptcache_magics.text.masking import HIDDEN

__all__ = ["is_findable", "is_foreign", "is_installed", "name_of", "original", "tagged"]

_OURS: Final = __name__.partition(".")[0]
_PACKAGES: Final = ("site-packages", "dist-packages", sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


def name_of(kind: Any) -> str:
    """Return module and qualified name of a class or a function."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def tagged(kind: type, data: Any) -> Any:
    """Return the data of a value that is not JSON data, with the name of its class."""
    return {HIDDEN: name_of(kind), "data": data}


@lru_cache(maxsize=4096)
def is_installed(module: str) -> bool:
    """Return whether a module belongs to Python or to an installed package, and not to the user."""
    top = module.partition(".")[0]
    if top == "__main__":  # also where a package runs it, as in python -m pytest
        return False
    if top in sys.stdlib_module_names or top in ("builtins", _OURS):
        return True
    return any(path and any(part in path for part in _PACKAGES) for path in _paths(top))


def _paths(top: str) -> list[str | None]:
    """Return where a module lies, whether it is imported or not."""
    if (found := sys.modules.get(top)) is not None:
        return [getattr(found, "__file__", None), *getattr(found, "__path__", ())]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    return [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]


def original(value: Any) -> Any:
    """Return the function below what this package has put into a class, or the value itself."""
    made_by = value.__globals__.get("__name__") if isinstance(value, FunctionType) else type(value).__module__
    if not str(made_by).startswith(f"{_OURS}.") or not hasattr(value, "__wrapped__"):
        return value
    return original(value.__wrapped__)


def is_foreign(function: FunctionType) -> bool:
    """Return whether a function is of Python or of an installed package."""
    return is_installed(str(function.__globals__.get("__name__", "")))


def is_findable(kind: type) -> bool:
    """Return whether a class stands where its name says: one that a function made has any module's name."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind
