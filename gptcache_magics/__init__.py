"""A trustworthy LLM cache for notebooks: nothing is paid twice, nothing is lost, and you can see it.

In a notebook: ``%load_ext gptcache_magics``, then ``%gptcache on``. In Python: ``import gptcache_magics as gm``, then
``gm.on()``, or ``set_llm_cache(gm.GPTCache())`` without any magic. Importing this package imports nothing heavy; each
function below has the name and the options of a sub-command of ``%gptcache``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptcache_magics.engines import safe_import as _safe_import
from gptcache_magics.errors import BudgetReached as BudgetReached
from gptcache_magics.errors import CacheMiss as CacheMiss
from gptcache_magics.errors import GPTCacheMagicsError as GPTCacheMagicsError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from gptcache_magics.clock import frozen_date as frozen_date
    from gptcache_magics.commands._block import using as using
    from gptcache_magics.commands.clear import clear as clear
    from gptcache_magics.commands.compare import compare as compare
    from gptcache_magics.commands.doctor import doctor as doctor
    from gptcache_magics.commands.edit import edit as edit
    from gptcache_magics.commands.entries import entries as entries
    from gptcache_magics.commands.help import help as help
    from gptcache_magics.commands.label import label as label
    from gptcache_magics.commands.load import load as load
    from gptcache_magics.commands.lookups import lookups as lookups
    from gptcache_magics.commands.map import map as map
    from gptcache_magics.commands.missed import missed as missed
    from gptcache_magics.commands.mode import mode as mode
    from gptcache_magics.commands.models import models as models
    from gptcache_magics.commands.off import off as off
    from gptcache_magics.commands.on import on as on
    from gptcache_magics.commands.panel import panel as panel
    from gptcache_magics.commands.pin import pin as pin
    from gptcache_magics.commands.remove import remove as remove
    from gptcache_magics.commands.save import save as save
    from gptcache_magics.commands.show import show as show
    from gptcache_magics.commands.stats import stats as stats
    from gptcache_magics.commands.status import status as status
    from gptcache_magics.commands.tag import tag as tag
    from gptcache_magics.commands.tune import tune as tune
    from gptcache_magics.commands.undo import undo as undo
    from gptcache_magics.commands.unpin import unpin as unpin
    from gptcache_magics.commands.verify import verify as verify
    from gptcache_magics.commands.why import why as why
    from gptcache_magics.langchain.cache import GPTCache as GPTCache
    from gptcache_magics.local.model import local_model as local_model

__all__ = [  # no "*" in it: mypy would not read it
    "BudgetReached",
    "CacheMiss",
    "GPTCache",
    "GPTCacheMagicsError",
    "clear",
    "compare",
    "current",
    "doctor",
    "edit",
    "entries",
    "frozen_date",
    "help",
    "label",
    "load",
    "local_model",
    "lookups",
    "map",
    "missed",
    "mode",
    "models",
    "off",
    "on",
    "panel",
    "pin",
    "remove",
    "save",
    "show",
    "stats",
    "status",
    "tag",
    "tune",
    "undo",
    "unpin",
    "using",
    "verify",
    "why",
]
__version__ = "0.1.0"

_safe_import.harden()


def current() -> GPTCache | None:
    """Return the cache that is on, or a ``GPTCache`` that was set for LangChain by hand; None if there is none."""
    cache: GPTCache | None = import_module("gptcache_magics.controller").controller.cache
    return cache


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load the magics: IPython calls this for ``%load_ext gptcache_magics``."""
    import_module("gptcache_magics.notebook.magics").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Turn the cache off and remove the magics: IPython calls this for ``%unload_ext gptcache_magics``."""
    import_module("gptcache_magics.notebook.magics").unload(shell)


def __getattr__(name: str) -> Any:
    if name == "GPTCache":
        return import_module("gptcache_magics.langchain.cache").GPTCache
    if name == "local_model":
        return import_module("gptcache_magics.local.model").local_model
    if name == "frozen_date":
        return import_module("gptcache_magics.clock").frozen_date
    if name == "using":
        return import_module("gptcache_magics.commands._block").using
    if name in __all__:
        return import_module("gptcache_magics.commands").function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
