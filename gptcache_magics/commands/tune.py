"""``%gptcache tune``: show what each threshold would serve, by labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Space
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.widgets.threshold_report import Tuned

EXAMPLE = "%gptcache tune --target 0.99"


@overload
def tune(
    *, labels: str | Path | None = ..., target: float | str = ..., shadow: None = ..., at: At = ..., space: Space = ...
) -> Tuned: ...


@overload
def tune(*, shadow: Literal["on", "off"], target: float | str = ...) -> str: ...


@checked
def tune(
    *,
    labels: Annotated[
        str | Path | None,
        Option(
            metavar="FILE",
            help='pairs as JSON lines: {"a": stored, "b": asked, "same_answer": true}',
            place=True,
            ending=".jsonl",
        ),
    ] = None,
    target: Annotated[
        float | str, Option(metavar="SHARE", help="the share of hits that must be right (default: 0.99)")
    ] = 0.99,
    shadow: Annotated[
        Literal["on", "off"] | None,
        Option(help="serve nothing by meaning, and note what would be served"),
    ] = None,
    at: At = None,
    space: Space = None,
) -> Tuned | str:
    """Show what each threshold would serve, and how much of it would be wrong, by your labels; apply none.

    The pairs of questions come from lookups, or from a file.

    Parameters
    ----------
    labels
        A file of labelled pairs, one JSON object on each line with ``a`` (stored), ``b`` (asked) and ``same_answer``.
    target
        The share of hits that should be right, 0 to 1.
    shadow
        ``on``: from now on nothing is served by meaning. The answer that would be served is noted, the model is asked,
        and you can compare and label both answers. ``off``: similar questions are answered by meaning again.
    at
        A store that is not on.
    space
        The part of a team's store.
    """
    share = _share(target)
    cache = controller.cache
    similar = cache.similar if cache is not None else None
    if shadow is not None:
        if similar is None or labels is not None or at is not None:
            raise CommandError("tune: --shadow is about matching by meaning. Type: %gptcache on --match semantic")
        controller.settings.options = replace(controller.settings.options, shadow=shadow == "on")
        if shadow == "off":
            return "Shadow mode is off: similar questions are answered by meaning again."
        return (
            "Shadow mode is on: nothing is served by meaning, every call asks the model. Label what it notes: "
            "%gptcache panel --tab Tuning, or %gptcache label NUMBER right"
        )
    from gptcache_magics.semantic import tuning
    from gptcache_magics.widgets.threshold_report import Tuned

    if labels is not None:
        pairs = _of_file(labels)
    else:
        source = controller.source(at, space)
        source.flush()
        embedder = similar.embedding.name if similar is not None and at is None else ""
        pairs = tuning.pairs(source.store, embedder)
        if pairs.empty:
            raise CommandError(
                "tune: no lookup was similar to a stored question yet. Ask with %gptcache on --match semantic, or give "
                "labelled pairs: %gptcache tune --labels FILE"
            )
    return Tuned(pairs, controller.settings.options.threshold if cache is not None else THRESHOLD, share)


def _share(target: float | str) -> float:
    try:
        share = float(target)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise CommandError(f"--target is a share of right hits above 0 and below 1, such as 0.99. Got {target}.")
    return share


def _of_file(path: str | Path) -> pd.DataFrame:
    """Return the labelled pairs of a file, with the cosines of the embedder in use, or of MiniLM."""
    from gptcache_magics.semantic import tuning
    from gptcache_magics.semantic.embedders import DEFAULT, embedder_maker
    from gptcache_magics.semantic.embedders.runner import EmbedderRunner

    rows = list(_rows(Path(path).expanduser()))
    cache = controller.cache
    embedding = cache.similar.embedding if cache is not None and cache.similar is not None else None
    if embedding is None:
        embedding = EmbedderRunner(embedder_maker(DEFAULT).make)
    embedding.wait(60)
    vectors = embedding.embed_all([text for row in rows for text in row[:2]])
    cosines = (vectors[::2] * vectors[1::2]).sum(axis=1).tolist()
    made = ((asked, stored, cosine, right) for (stored, asked, right), cosine in zip(rows, cosines, strict=True))
    return tuning.made_pairs(made, embedding.name)


def _rows(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield stored and asked question of each line, and whether they have the same answer."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise CommandError(f"tune: {path} cannot be read: {reason}.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(path, number, line)


def _row(path: Path, number: int, line: str) -> tuple[str, str, bool]:
    try:
        row: Any = json.loads(line)
        stored, asked, same = row["a"], row["b"], row["same_answer"]
    except (ValueError, KeyError, TypeError):
        stored = asked = same = None
    if not (isinstance(stored, str) and isinstance(asked, str) and isinstance(same, bool)):
        raise CommandError(
            f"tune: line {number} of {path} is not a labelled pair. "
            'Example: {"a": "…", "b": "…", "same_answer": true}'
        )
    return stored, asked, same
