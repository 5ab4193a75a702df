"""``%gptcache why``: explain a lookup."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Final

from gptcache_magics.commands._parser import Option, Word, checked, whole_number
from gptcache_magics.commands._selection import At, Model, Space, configurations_of
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import names_bundle
from gptcache_magics.store.postgres.address import without_password
from gptcache_magics.store.protocol import LookupLog, LookupRow, Period
from gptcache_magics.text.choices import LARGEST

if TYPE_CHECKING:
    from gptcache_magics.explain.view import Why

EXAMPLE = "%gptcache why 128"
LAST_CELL: Final = 1_000
"""Number of lookups that are searched for those of the last cell."""
SEARCHED: Final = 5_000
"""Number of lookups that are searched for a text."""
QUESTION_CHARACTERS: Final = 2_000


@checked
def why(
    *words: Annotated[
        int | str,
        Word(
            'NUMBER|"text"',
            help="a number from %gptcache lookups, or a question (default: the last miss of the last cell)",
            free=True,
        ),
    ],
    model: Model = None,
    var: Annotated[
        str | None, Option(metavar="NAME", help="the question is in this notebook variable", variable="variable")
    ] = None,
    at: At = None,
    space: Space = None,
) -> Why:
    """Explain why a lookup missed or hit: the cause, and the closest recorded entry.

    Parameters
    ----------
    words
        The number of a lookup, or a question; without any the last miss of the last cell, else the last lookup.
    model
        Only lookups of this model.
    var
        A question, as in ``words``, that is never taken for a number.
    at
        A store that is not on.
    space
        The part of a team's store.
    """
    from gptcache_magics.explain.causes import explain, not_asked
    from gptcache_magics.explain.view import Why

    source = controller.source(at, space).settled()
    store, elsewhere = source.store, source.where if source.ledger is None else ""
    if at is not None and names_bundle(at):
        raise CommandError(
            f"{without_password(str(at))} is a bundle: it holds answers, and no lookups to explain. "
            f"Answers: %gptcache entries --at {shlex.quote(without_password(str(at)))}"
        )
    keys = configurations_of(store, model)
    if var is not None and (words or not isinstance(var, str)):
        raise CommandError("why: --var names a text, and replaces the words. Example: %gptcache why --var prompt")
    text = " ".join(map(str, words)) if var is None else var
    if not text:
        row = _last(_lookups(store, source.period(), LAST_CELL, keys))
        if row is None:
            raise CommandError(_nothing(model, store.readonly and source.ledger is not None))
    elif var is None and (number := whole_number(text.removeprefix("#"))) is not None:
        row = numbered(store, number)
    else:
        asked = _lookups(store, Period(question=text[:QUESTION_CHARACTERS]), SEARCHED, keys)
        row = next(iter(asked), None) or _with_text(_lookups(store, Period(), SEARCHED, keys), text)
        if row is None:
            return Why(not_asked(store, text), source.ledger, elsewhere)
    return Why(explain(store, row), source.ledger, elsewhere)


def _lookups(store: LookupLog, period: Period, limit: int, keys: Sequence[str] | None) -> list[LookupRow]:
    found = store.lookups(period, limit)
    return [row for row in found if keys is None or row.configuration in keys]


def _last(rows: Sequence[LookupRow]) -> LookupRow | None:
    """Return the newest miss of the newest cell, else the newest lookup."""
    if not rows or rows[0].execution_count is None:
        return next(iter(rows), None)
    cell = attrgetter("run", "notebook", "execution_count")
    same = (row for row in rows if cell(row) == cell(rows[0]))
    return next((row for row in same if row.outcome == "miss"), rows[0])


def numbered(store: LookupLog, number: int) -> LookupRow:
    """Return the lookup with a number. Raises ``CommandError`` if there is none."""
    found = next(iter(_lookups(store, Period(number=number), 1, None)), None) if number <= LARGEST else None
    if found is None:
        newest = next(iter(_lookups(store, Period(), 1, None)), None)
        if newest is None:
            raise CommandError(_nothing(None, False))
        raise CommandError(
            f"No lookup has the number {number}. The newest is {newest.number}. All: %gptcache lookups --since all"
        )
    return found


def _with_text(rows: Sequence[LookupRow], text: str) -> LookupRow | None:
    """Return the newest lookup whose question contains a text."""
    return next((row for row in rows if text in (row.question or "")), None)


def _nothing(model: str | None, readonly: bool) -> str:
    if readonly:
        return "This store is read-only: it records no lookups to explain."
    of = f" of {model}" if model else ""
    return f"No lookups{of} yet. Ask a model first, or explain earlier ones: %gptcache lookups --since all"
