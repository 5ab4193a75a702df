"""The report on a verified notebook: a text and a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from gptcache_magics.tables.mark import marked
from gptcache_magics.text.amounts import counted
from gptcache_magics.unprintable import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MIME", "Kind", "Level", "Problem", "Report"]

MIME: Final = "application/vnd.gptcache-magics.verified+json"
"""MIME type of the notes that the kernel displays after each cell: see ``_Notes`` in :mod:`.kernel`."""

Kind = Literal["miss", "embeddings", "network", "timeout", "error", "placeholder", "date", "verify"]
Level = Literal["error", "warning"]
_COUNTED: Final[dict[Kind, tuple[str, str]]] = {
    "miss": ("miss", "misses"),
    "embeddings": ("cell needs embeddings", "cells need embeddings"),
    "network": ("cell needs the network", "cells need the network"),
    "timeout": ("cell took too long", "cells took too long"),
    "error": ("other error", "other errors"),
    "placeholder": ("placeholder", "placeholders"),
    "date": ("date", "dates"),
    "verify": ("verify within", "verifies within"),
}
_HINTS: Final[dict[Kind, str]] = {
    "miss": "Misses: run the notebook with the cache on, then save a bundle again: %gptcache save FILE",
    "embeddings": "Embeddings are not cached by %gptcache: LangChain's CacheBackedEmbeddings keeps them in files.",
    "timeout": "Give slow cells more time: --timeout SECONDS",
}
_SCRIPT_HINTS: Final[dict[Kind, str]] = {
    "miss": "Misses: run it with the cache on, python -m gptcache_magics run SCRIPT, then save a bundle again: "
    "%gptcache save FILE",
    "timeout": "Give it more time: --timeout SECONDS",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """The need of a cell that was not met, or its own error."""

    cell: int | None
    """Number beside the cell; None for a thread after the last cell."""
    first_line: str
    kind: Kind
    message: str
    times: int = 1
    level: Level = "error"
    """A warning names what may matter, although every call was answered."""
    fed_back: int = 0
    """How many later calls were refused because they quote the refusal of this one."""
    after: int = 0
    """How many later cells failed because this one did."""


@dataclass(frozen=True)
class Report:
    """The report on a run from recorded answers."""

    notebook: str
    bundle: str
    """The replayed bundle; empty if the notebook's own stores were replayed."""
    cells: int
    """Number of cells that ran."""
    hits: int
    """Number of calls that were answered."""
    problems: tuple[Problem, ...] = ()
    attempts: tuple[str, ...] = ()
    """Hosts that the notebook tried to reach, and whose absence it tolerated."""
    script: bool = False
    """Whether it is a script: the problems have the numbers of its lines in place of those of cells."""

    @property
    def ok(self) -> bool:
        """Whether everything was replayed: nothing but warnings is left."""
        return not self._of("error")

    def _of(self, level: Level) -> list[Problem]:
        return [each for each in self.problems if each.level == level]

    def to_frame(self) -> pd.DataFrame:
        """Return the problems.

        Columns: ``cell`` (Int64), ``first_line``, ``kind`` (category), ``message``, ``times`` (Int64), ``level``
        (category).
        """
        import pandas as pd

        kinds, levels = pd.CategoricalDtype(list(get_args(Kind))), pd.CategoricalDtype(list(get_args(Level)))
        dtypes: dict[str, Any] = {
            "cell": "Int64",
            "first_line": "string",
            "kind": kinds,
            "message": "string",
            "times": "Int64",
            "level": levels,
        }
        rows = [(each.cell, each.first_line, each.kind, each.message, each.times, each.level) for each in self.problems]
        return marked(pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes))

    def __repr__(self) -> str:
        name = Path(self.notebook).name
        ran = "" if self.script else f"{counted(self.cells, 'cell')} run, "
        ran += f"{counted(self.hits, 'call')} answered"
        ran += f" from {Path(self.bundle).name}" if self.bundle else ""
        if self.ok:
            lines = [f"{name} replays: {ran}, none by a model."]
        else:
            kinds = Counter(each.kind for each in self._of("error"))
            reasons = ", ".join(counted(kinds[kind], *_COUNTED[kind]) for kind in get_args(Kind) if kinds[kind])
            reasons = reasons.replace("cell", "line") if self.script else reasons
            lines = [f"{name} does not replay: {reasons}. {ran[0].upper()}{ran[1:]}."]
        for each in self._of("error"):
            lines += [f"  {self._place(each)} {each.kind:<11} {each.first_line}".rstrip(), f"        {_message(each)}"]
        hinted = {each.kind for each in self._of("error") if "%gptcache on --ignore" not in each.message}
        hints = _HINTS | _SCRIPT_HINTS if self.script else _HINTS
        lines += [hint for kind, hint in hints.items() if kind in hinted]
        if warnings := self._of("warning"):
            lines += ["Warnings:", *(f"  {self._place(each)} {_message(each)}" for each in warnings)]
        if self.attempts:
            lines.append(f"Not reached, and not needed: {', '.join(self.attempts)}")
        return printable("\n".join(lines))  # cells and their errors are foreign text

    def _place(self, problem: Problem) -> str:
        number = " " if problem.cell is None else str(problem.cell)
        return f"{f'line {number}' if self.script and problem.cell else f'[{number}]':<{9 if self.script else 5}}"


def _message(problem: Problem) -> str:
    times = f" ({problem.times} times)" if problem.times > 1 else ""
    fed_back = f", fed back {counted(problem.fed_back, 'time')}" if problem.fed_back else ""
    after = f"\n        {counted(problem.after, 'cell')} after it failed because of it." if problem.after else ""
    return problem.message.replace("\n", "\n        ") + times + fed_back + after
