"""The kernel in which a notebook is verified: it answers from recordings, and Python cannot use the network.

Mode ``replay`` is locked before the notebook begins. Every store that the notebook names is read into memory, so that
everything that it stores, removes or clears is gone with the kernel. The environment holds no keys. After each cell the
kernel displays the notes from which :mod:`gptcache_magics.replay.runner` makes its report.

The network is closed to it, and it starts no kernels (:mod:`gptcache_magics.replay.closed`). What asks for a key gets a
placeholder (:mod:`gptcache_magics.replay.placeholders`).
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.caches import BaseCache
from langchain_core.globals import set_llm_cache

from gptcache_magics import controller as controllers
from gptcache_magics import fork
from gptcache_magics.controller import Controller
from gptcache_magics.errors import CacheMiss, CommandError, EmbeddingMiss
from gptcache_magics.langchain.cache import GPTCache
from gptcache_magics.lookup.options import recorded_rules
from gptcache_magics.lookup.placeholder_keys import PLACEHOLDER
from gptcache_magics.lookup.refusal import refusal_in
from gptcache_magics.replay import closed, placeholders
from gptcache_magics.replay.closed import NetworkClosed
from gptcache_magics.replay.report import MIME
from gptcache_magics.settings import Mode, Options, Scope, names_bundle
from gptcache_magics.store import open_with
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.protocol import Lookup, Store
from gptcache_magics.store.reasons import sentence
from gptcache_magics.store.sqlite.snapshot import snapshot
from gptcache_magics.text.day import spelling_of
from gptcache_magics.text.web_address import is_web_address

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from gptcache_magics.langchain.call import ModelCall
    from gptcache_magics.langchain.request import ModelRequest

__all__ = ["Journal", "LockedController", "lock", "named", "reason_of", "run"]


def run() -> None:
    """Start the kernel; the arguments are a bundle (or nothing), whether the cache is on, and those of ipykernel."""
    from ipykernel.kernelapp import IPKernelApp

    bundle, on, *arguments = sys.argv[1:]
    attempts = closed.close()
    locked = lock(bundle)
    if on:
        locked.on()
    app: Any = IPKernelApp.instance()
    app.initialize(arguments)
    _refuse_commands(app.shell)
    notes = _Notes(app.shell, locked, attempts)
    placeholders.give(app.kernel, notes.asked.append)
    app.start()


def _refuse_commands(shell: Any) -> None:
    """Refuse ``!jupyter execute`` and the like here: IPython starts programs in a fork, where a refusal is lost."""
    system = shell.system

    def checked(command: str) -> Any:
        closed.refuse_kernels(shell.var_expand(command, depth=1))
        return system(command)

    shell.system = checked


def lock(bundle: str) -> LockedController:
    """Turn the cache on in mode replay for good. Returns the controller, which notes each lookup.

    A bundle takes the place of every store.
    """
    opened: dict[str, Store] = {}

    def read(where: str | Path) -> Store:
        where = bundle or where
        named = str(where) == ":memory:" or is_web_address(where)
        place = str(where) if named else os.path.abspath(os.path.expanduser(where))
        if place not in opened:
            opened[place] = _opened(place)
        return opened[place]

    open_with(read)
    locked = LockedController()
    assert "gptcache_magics.commands" not in sys.modules, "commands keep the controller that they were imported with"
    controllers.controller = locked
    locked.on(":memory:")
    locked.off()  # the notebook has not turned it on
    vars(sys.modules["gptcache_magics"])["GPTCache"] = _by_hand(locked)  # the notebook's own caches are locked, too
    return locked


def _opened(place: str) -> Store:
    if not names_bundle(place):
        return snapshot(place)
    from gptcache_magics import bundle

    return bundle.opened(place, ask=False)


def _by_hand(locked: LockedController) -> type:
    """Return the class that a notebook gets in place of ``GPTCache``: it makes locked caches, and all are its own."""

    class ByHand(type(GPTCache)):  # type: ignore[misc]
        def __call__(cls, *args: Any, **options: Any) -> GPTCache:
            return locked.made_by_hand(*args, **options)

        def __instancecheck__(cls, instance: object) -> bool:
            return GPTCache in type(instance).__mro__  # isinstance asks the classes below, and so this one again

        def __subclasscheck__(cls, kind: type) -> bool:
            return GPTCache in kind.__mro__

    return ByHand(GPTCache.__name__, (GPTCache,), {"__doc__": GPTCache.__doc__, "__module__": "gptcache_magics"})


class Journal(list[Lookup]):
    """All lookups of the caches that were on, also those of forked children, which come through a file."""

    def __init__(self) -> None:
        super().__init__()
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  (for the whole run)
        self._read = 0

    def append(self, lookup: Lookup) -> None:
        """Add a lookup."""
        if not fork.lineage:
            super().append(lookup)
            return
        data = pickle.dumps(lookup)
        self._file.write(len(data).to_bytes(4, "big") + data)  # children share the place in the file

    def read_children(self) -> None:
        """Add the lookups that forked children have written by now."""
        while True:
            size = int.from_bytes(os.pread(self._file.fileno(), 4, self._read), "big")
            data = os.pread(self._file.fileno(), size, self._read + 4)
            if not data or len(data) < size:
                return
            self._read += 4 + size
            super().append(pickle.loads(data))


class _OpenCache(GPTCache):
    """A cache that the notebook cannot close, and that notes where a prompt names today."""

    def __init__(self, store: Store, days: list[str]) -> None:
        super().__init__(store=store)
        self._days = days

    def close(self) -> None:
        """Do nothing, so that LangChain's wraps stay in place."""

    def _request(self, call: ModelCall | None, prompt: str, llm_string: str) -> ModelRequest | None:
        recorded = recorded_rules(self.store) if self.settings.options.ignore is None else ()
        if "date" in (*self.settings.ignored, *recorded):
            return super()._request(call, prompt, llm_string)
        now = datetime.now().astimezone()
        text = prompt.replace("\\n", "\n")
        for day in sorted({now.date(), now.astimezone(UTC).date()}):
            self._days += filter(None, [spelling_of(day, text)])
        return super()._request(call, prompt, llm_string)


@dataclass(eq=False)
class LockedController(Controller):
    """The controller of a notebook that is being verified: the cache stays on, in mode replay."""

    verifying: ClassVar[bool] = True
    journal: Journal = field(default_factory=Journal)
    days: list[str] = field(default_factory=list)
    """Dates of today in prompts, as they are spelled there."""
    recorded: set[str] = field(default_factory=set)
    """Variables from which the recorded models read their keys."""
    refused: list[str] = field(default_factory=list)
    """Notebooks that this notebook wanted to verify."""
    _place: str | Path | Address | None = None
    """The place where the notebook turned the cache on; None before that, and after ``off``."""

    def on(
        self, where: str | Path | Address | None = None, init: Callable[..., None] | None = None, *, wrap: bool = False
    ) -> None:
        """Read the store that the notebook names. The cache of another store makes room and is not closed."""
        place = where or self._place or self.place_for(None)
        store = self._store(place)
        if (wrap or init is not None) and not names_bundle(store.where):
            raise CommandError(
                "on: --init and --wrap keep the answers where they cannot be read without a trace. "
                "Verify such a notebook with a bundle: %gptcache verify NOTEBOOK --bundle FILE"
            )
        self._place = place
        if self.turned_on is not None and self.turned_on.store is store:
            set_llm_cache(self.turned_on)
            return
        if self.turned_on is not None:
            self.turned_on.watch.in_charge = False
        cache = _OpenCache(store, self.days)
        cache.ledger.journal = self.journal
        self.recorded.update(
            *(each.environment.split() for each in [*store.configurations(), *store.embedding_models()])
        )
        self._install(cache)
        self.set_mode("replay")

    def made_by_hand(
        self,
        init_func: Callable[..., None] | None = None,
        *,
        store: str | Path | None = None,
        wrapped: BaseCache | None = None,
        **options: Any,
    ) -> GPTCache:
        """Return the locked cache of a store, in place of the ``GPTCache`` that the notebook makes by hand."""
        self.on(self.place_for(store), init_func, wrap=wrapped is not None)
        assert self.turned_on is not None
        return self.turned_on

    def set_mode(self, mode: Mode) -> None:
        """Stay in mode replay."""
        super().set_mode("replay")

    def off(self) -> str:
        """Forget what the notebook asked for. Returns a sentence for the user."""
        self._place, self.settings.options = None, Options(kernel=Scope("replay"))
        return "This notebook is being verified: the cache stays on, in mode replay."


class _Notes:
    """Notes on each cell, displayed at its end for the report."""

    def __init__(self, shell: InteractiveShell, locked: LockedController, attempts: list[str]) -> None:
        self._shell, self._locked, self._attempts = shell, locked, attempts
        self._request: str | None = None
        self._noted: list[Lookup] = []
        """The lookups of the request that runs."""
        self._told: dict[str, list[str]] = {}
        """Further remarks about the request."""
        self.asked: list[str] = []
        """Variables that got a placeholder, ``getpass`` and ``input``."""
        self._placed = [name for name, value in os.environ.items() if value == PLACEHOLDER]
        shell.events.register("post_run_cell", self.show)

    def show(self, result: ExecutionResult | None) -> None:
        """Display the notes since the last cell; after a cell within a cell, the outer one's notes hold them, too."""
        request = self._shell.kernel.get_parent().get("header", {}).get("msg_id")  # type: ignore[attr-defined]
        if request != self._request:
            self._request, self._noted, self._told = request, [], {}
        if hasattr(os, "fork"):
            self._locked.journal.read_children()
        self._noted += _taken(self._locked.journal)
        asked = [*_taken(self.asked), *self._held(result)]
        told = {"attempts": self._attempts, "days": self._locked.days, "refused": self._locked.refused, "asked": asked}
        for kind, items in told.items():
            self._told[kind] = sorted({*self._told.get(kind, ()), *_taken(items)})
        error = (result.error_before_exec or result.error_in_exec) if result is not None else None
        failure = named(error) if error is not None else None
        missed = [each for each in self._noted if each.outcome != "hit"]
        if failure is not None and failure[0] == "embeddings":  # an SDK's request for them is a lookup, too
            missed = [each for each in missed if each.refusal != failure[2]]
        notes = {
            "hits": sum(lookup.outcome == "hit" for lookup in self._noted),
            "misses": [(each.execution_count, reason_of(each)) for each in missed],
            "error": failure,
            "recorded": sorted(self._locked.recorded),
            **self._told,
        }
        self._shell.display_pub.publish({MIME: notes})

    def _held(self, result: ExecutionResult | None) -> list[str]:
        """Return the variables that a cell names and that still hold the placeholder they began with."""
        source = getattr(getattr(result, "info", None), "raw_cell", None) or ""
        return [name for name in self._placed if name in source and os.environ.get(name) == PLACEHOLDER]


def _taken(noted: list[Any]) -> list[Any]:
    """Return the items of a list and empty it, while others add to it."""
    taken = noted[:]
    del noted[: len(taken)]
    return taken


def reason_of(lookup: Lookup) -> str:
    """Return why a lookup was not answered."""
    return lookup.refusal or ": ".join(filter(None, (sentence(lookup.reason, lookup.near), lookup.question)))


def named(error: BaseException) -> tuple[str, str, str]:
    """Return the kind of an error (``miss``, ``embeddings``, ``network`` or ``error``), its type, and a sentence."""
    chain = list(_chain(error))
    name = type(error).__name__
    for each in chain:
        if isinstance(each, EmbeddingMiss):
            return "embeddings", name, str(each)
        if isinstance(each, CacheMiss):
            return "miss", name, str(each)
    for each in chain:  # an SDK makes an exception of its own of the refusal
        refused = refusal_in(each)
        if isinstance(refused, CacheMiss):
            return "embeddings" if isinstance(refused, EmbeddingMiss) else "miss", name, str(refused)
    for each in chain:
        method = _embedding(each.__traceback__)
        if method:
            return "embeddings", name, f"{method}: {name}: {error}"
    closed = next((each for each in chain if isinstance(each, NetworkClosed)), None)
    return ("network", name, str(closed)) if closed is not None else ("error", name, f"{name}: {error}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its causes and contexts, and the members of a group."""
    pending, seen = [error], set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        pending += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _embedding(traceback: TracebackType | None) -> str:
    """Return the method of LangChain's ``Embeddings`` in a traceback; empty if there is none."""
    from langchain_core.embeddings import Embeddings

    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        owner = frame.f_locals.get("self")
        if isinstance(owner, Embeddings):
            name = frame.f_code.co_name
            return f"{type(owner).__name__}{'' if name == '__init__' else f'.{name}'}"
    return ""
