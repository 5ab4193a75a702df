"""``%gptcache map``: ask a model about each row of a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Final

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.text.amounts import counted, money

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.batch.asking import Row
    from gptcache_magics.lookup.ledger import Ledger

EXAMPLE = "df = %gptcache map df llm --columns review"
FIRST: Final = 3
"""Number of rows that a forecast asks."""


@checked
def map(
    data: Annotated[Any, Word("DF", help="a DataFrame or a Series", variable="variable")],
    chain: Annotated[Any, Word("MODEL", help="a model, a chain, or a function of one argument", variable="variable")],
    *,
    columns: Annotated[
        str | Sequence[str] | None,
        Option(metavar="NAMES", help="the columns to ask about, with commas such as review,product", listed=True),
    ] = None,
    template: Annotated[
        str | None, Option(metavar="TEXT", help='the question, such as "Review: {review}"', free=True)
    ] = None,
    name: Annotated[str, Option(metavar="NAME", help="name of the column of answers (default: answer)")] = "answer",
    concurrency: Annotated[int, Option(metavar="N", help="rows that are asked at a time (default: 8)")] = 8,
    forecast: Annotated[bool, Option(help=f"ask about {FIRST} rows only, and say what all would cost")] = False,
) -> pd.DataFrame | str:
    """Ask a model about each row of a DataFrame, and return the DataFrame with the answers.

    Rows with the same question are asked once, and after an interrupt or an error the next call goes on where it was:
    what is stored costs nothing. A bar shows what was paid, and what the other rows cost at most. A row that fails has
    its error in place of an answer; a budget of ``on`` holds.

    Beside ``answer`` (or ``name``) the result has ``answer_outcome`` (hit, miss, bypass or error), ``answer_paid_usd``
    and ``answer_saved_usd`` (NaN if the price is unknown), ``answer_seconds`` and ``answer_error``.
    """
    import pandas as pd

    from gptcache_magics.batch.asking import ask_rows
    from gptcache_magics.batch.inputs import asking, inputs_of
    from gptcache_magics.tables.batch import check_names, with_answers

    if not isinstance(data, pd.DataFrame | pd.Series):
        raise CommandError(f"map: a DataFrame or a Series holds the rows. Got {data!r:.60}.")
    if controller.cache is None:
        raise CommandError("The cache is off, so an answer would be paid again. Turn it on: %gptcache on")
    check_names(data, name)
    ask, inputs = asking(chain), inputs_of(data, chain, _listed(columns), template)
    done = _Done(len(data), controller.cache.ledger)
    with done:
        ask_rows(ask, inputs[:FIRST] if forecast else inputs, concurrency, done)
    if forecast:
        return done.forecast
    return with_answers(data, name, done.rows)


def _listed(columns: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """Return one column as its name, and several that were typed with commas as a list."""
    if not isinstance(columns, str) or "," not in columns:
        return columns
    return [each.strip() for each in columns.split(",")]


class _Done:
    """The rows that are done, and the bar that says so."""

    def __init__(self, total: int, ledger: Ledger) -> None:
        from tqdm.auto import tqdm

        from gptcache_magics.batch.costs import Costs

        self.costs = Costs(total)
        self._ledger = ledger
        self._found: dict[int, dict[str, Any]] = {}
        self._bar = tqdm(total=total, desc="map", unit="row")

    def __enter__(self) -> None:
        """Show the bar."""

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def __call__(self, place: int, row: Row) -> None:
        """Add a row."""
        from gptcache_magics.batch.costs import paid_usd, saved_usd
        from gptcache_magics.batch.inputs import answer_of

        paid = paid_usd(row, self._ledger.configuration_of)
        saved = saved_usd(row, self._ledger.configuration_of)
        self.costs.add(row, paid, saved)
        self._found[place] = {
            "answer": answer_of(row.answer),
            "outcome": row.outcome or None,
            "paid_usd": paid,
            "saved_usd": saved,
            "seconds": row.seconds,
            "error": row.error or None,
        }
        self._bar.set_postfix_str(f"{self.costs}{self._budget}", refresh=False)
        self._bar.update()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The values of every row, in the order of the table."""
        return [self._found[place] for place in sorted(self._found)]

    @property
    def forecast(self) -> str:
        """A sentence about what all rows would cost."""
        costs = self.costs
        if isnan(costs.expected):
            return f"{counted(costs.total, 'row')}: the price is unknown: no answer told tokens of a known price."
        return (
            f"{counted(costs.total, 'row')}: about {money(costs.expected + costs.paid)} at most, by the first "
            f"{costs.done:,}, which cost {money(costs.paid)}. What is stored costs nothing.{self._budget}"
        )

    @property
    def _budget(self) -> str:
        """What the budget leaves, if the other rows may cost more."""
        budget = self._ledger.budget
        if budget is None or not self.costs.expected > budget.limit - budget.spent:
            return ""
        return f". The budget has {money(max(0.0, budget.limit - budget.spent))} left"
