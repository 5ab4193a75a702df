"""Make gptcache safe to import, from any thread and any working directory, whatever interrupts the import.

On its import gptcache 0.1.44 un-pickles ``./data_map.txt`` (``core.py`` evaluates ``get_data_manager()`` as a default)
and adds a handler to the root logger (``utils/log.py``). At run time it installs packages with pip
(``utils/dependency_control.py``). A finder on ``sys.meta_path`` mends each of these modules right after the module
executes. So gptcache is not imported before it is needed, and its files are not changed.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import logging
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from gptcache_magics.errors import MissingDependencyError, StoreError

__all__ = ["harden", "import_whole", "on_import"]

_importing = threading.local()
_ALLOWED = {
    *(("builtins", name) for name in ("bytearray", "complex", "dict", "frozenset", "list", "set", "tuple")),
    *(("collections", "OrderedDict"), ("cachetools", "LRUCache"), ("cachetools", "_DefaultSize")),
}
"""Plain containers, and the cache class of gptcache's map manager."""

_callbacks: dict[str, Callable[[ModuleType], None]] = {}
came_first = False
"""Whether gptcache had been imported when ``harden`` was called."""


def harden() -> None:
    """Install the finder, and mend the modules that were imported before, with one warning."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name in [name for name in _MEND if name in sys.modules]:
        _MEND[name](sys.modules[name])
    global came_first
    came_first = "gptcache.core" in sys.modules
    if came_first:
        warnings.warn(
            "gptcache was imported before gptcache_magics: if the working directory held a data_map.txt, its pickle "
            "was loaded. From now on such files are read safely. Next time import gptcache_magics first.",
            stacklevel=3,
        )


def on_import(name: str, callback: Callable[[ModuleType], None]) -> None:
    """Call ``callback`` with the module ``name``: now if the module is imported, otherwise right after its import."""
    if name in sys.modules:
        callback(sys.modules[name])
    else:
        _callbacks[name] = callback


def import_whole(name: str) -> None:
    """Import a module in a thread of its own, which Ctrl-C does not reach; its errors are left to the next import.

    numpy, which gptcache imports, cannot be imported again in the same process after an interrupt in the middle.
    """

    def run() -> None:
        with suppress(Exception):
            importlib.import_module(name)

    with suppress(RuntimeError):  # a system without threads, or one that is shutting down
        thread = threading.Thread(target=run, name="gptcache-import")
        thread.start()
        thread.join()


class _Finder(importlib.abc.MetaPathFinder):
    """A finder that finds modules as Python does, and runs our code after theirs."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _MEND and fullname not in _AROUND and fullname not in _callbacks:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            _AROUND.get(fullname, _plainly)(execute, module)
            _MEND.get(fullname, _nothing)(module)
            _callbacks.get(fullname, _nothing)(module)
            _callbacks.pop(fullname, None)  # later, because an interrupt makes Python import the module again

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _plainly(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    execute(module)


def _nothing(module: ModuleType) -> None:
    pass


def _core(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Execute ``gptcache.core`` without reading the ``data_map.txt`` of the working directory."""
    _importing.core = True
    try:
        execute(module)
    finally:
        _importing.core = False


def _log(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Execute ``gptcache.utils.log`` and remove the handler that it adds to the root logger."""
    before = list(logging.root.handlers)
    execute(module)
    for handler in [handler for handler in logging.root.handlers if handler not in before]:
        logging.root.removeHandler(handler)


def _data_manager(module: ModuleType) -> None:
    module.pickle = SimpleNamespace(load=_load, dump=pickle.dump)  # type: ignore[attr-defined]
    manager = module.MapDataManager
    read = manager.init

    def init(self: Any) -> None:
        if not getattr(_importing, "core", False):
            read(self)

    manager.init = init


def _dependency_control(module: ModuleType) -> None:
    module.prompt_install = _prompt_install  # type: ignore[attr-defined]
    if "gptcache.utils" in sys.modules:
        sys.modules["gptcache.utils"].prompt_install = _prompt_install  # type: ignore[attr-defined]


def _prompt_install(package: str, warn: bool = False) -> NoReturn:
    raise MissingDependencyError(f"gptcache needs {package} here. Nothing is installed for you: %pip install {package}")


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler of plain containers, text and numbers that refuses everything else before it can run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def _load(file: io.BufferedReader) -> Any:
    where = getattr(file, "name", "the map file")
    try:
        return _PlainUnpickler(file).load()
    except pickle.UnpicklingError as error:
        raise StoreError(
            f"{where} holds {error}, which is more than plain text and was not loaded: loading it could run code. "
            "Move the file away to start afresh."
        ) from None
    except (EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise StoreError(f"{where} is damaged ({error}). Move the file away to start afresh.") from None


_AROUND: dict[str, Callable[[Callable[[ModuleType], None], ModuleType], None]] = {
    "gptcache.core": _core,
    "gptcache.utils.log": _log,
}
_MEND: dict[str, Callable[[ModuleType], None]] = {
    "gptcache.manager.data_manager": _data_manager,
    "gptcache.utils.dependency_control": _dependency_control,
}
