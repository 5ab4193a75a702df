"""``%gptcache map``: ask a model about each row of a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Final

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.text.amounts import counted, money

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.batch.asking import Row
    from gptcache_magics.batch.inputs import Inputs
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
    timeout: Annotated[
        int | None, Option(metavar="SECONDS", help="after it a row has an error, and the next one begins")
    ] = None,
    forecast: Annotated[bool, Option(help=f"ask about {FIRST} rows only, and say what all would cost")] = False,
) -> pd.DataFrame | str:
    """Ask a model about each row of a DataFrame, and return a copy with the answers.

    Rows with the same question are asked once, and after an interrupt or an error the next call goes on where it was:
    what is stored costs nothing. A bar shows what was paid, and what the other rows cost at most. A row that fails has
    its error in place of an answer, and so has a row without a value to ask about; a budget of ``on`` holds.

    Beside ``answer`` (or ``name``) the result has ``answer_outcome`` (hit, miss, bypass or error), ``answer_paid_usd``
    and ``answer_saved_usd`` (NaN if the price is unknown), ``answer_seconds`` and ``answer_error``.
    """
    import pandas as pd

    from gptcache_magics.batch.inputs import function_of, inputs_of
    from gptcache_magics.tables.batch import check_names, with_answers

    if not isinstance(data, pd.DataFrame | pd.Series):
        raise CommandError(f"map: a DataFrame or a Series holds the rows. Got {data!r:.60}.")
    if controller.cache is None:
        raise CommandError("The cache is off, so an answer would be paid again. Turn it on: %gptcache on")
    ask, inputs = function_of(chain), inputs_of(data, chain, _listed(columns, data), template)
    check_names(data, name, inputs.names)
    if forecast:
        first = dict(islice(inputs.asked.items(), FIRST))
        return _asked(
            ask, [first], {}, _Done(len(first), inputs, controller.cache.ledger), concurrency, timeout
        ).forecast
    done = _Done(len(data), inputs, controller.cache.ledger)
    asked = [inputs.asked, inputs.repeated]
    return with_answers(data, name, _asked(ask, asked, inputs.lacking, done, concurrency, timeout).rows)


def _asked(
    ask: Callable[[Any], Any],
    asked: Sequence[Mapping[int, Any]],
    lacking: Mapping[int, str],
    done: _Done,
    concurrency: int,
    timeout: int | None,
) -> _Done:
    from gptcache_magics.batch.asking import Row, ask_rows

    # Closed by hand: IPython keeps the traceback of an interrupt, and with it a generator that waits.
    with done, closing(ask_rows(ask, asked, concurrency, timeout)) as rows:
        done.add_all(rows)
        done.add_all((place, Row(error=why)) for place, why in lacking.items())
    return done


def _listed(columns: str | Sequence[str] | None, data: pd.DataFrame | pd.Series[Any]) -> str | Sequence[str] | None:
    """Return one column as its name, and several that were typed with commas as a list."""
    if not isinstance(columns, str) or "," not in columns or columns in getattr(data, "columns", ()):
        return columns
    return [each.strip() for each in columns.split(",")]


class _Done:
    """The rows that are done, and the bar that says so."""

    def __init__(self, total: int, inputs: Inputs, ledger: Ledger) -> None:
        from tqdm.auto import tqdm

        from gptcache_magics.batch.costs import Costs

        self.costs = Costs(len(inputs.asked))
        self._inputs, self._ledger = inputs, ledger
        self._found: dict[int, dict[str, Any]] = {}
        self._bar = tqdm(total=total, desc="map", unit="row")

    def __enter__(self) -> None:
        """Show the bar."""

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def add_all(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Add rows as they come."""
        for place, row in rows:
            self._add(place, row)

    def _add(self, place: int, row: Row) -> None:
        from gptcache_magics.batch.costs import paid_usd, saved_usd

        paid = paid_usd(row, self._ledger.configuration_of)
        saved = saved_usd(row, self._ledger.configuration_of)
        self.costs.add(row, paid, saved)
        self._found[place] = {
            "answer": row.answer,
            "outcome": row.outcome or None,
            "paid_usd": paid,
            "saved_usd": saved,
            "seconds": row.seconds,
            "error": row.error or None,
        }
        self._bar.set_postfix_str(", ".join(filter(None, (str(self.costs), self._budget))), refresh=False)
        self._bar.update()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The values of every row, in the order of the table."""
        return [self._found[place] for place in sorted(self._found)]

    @property
    def forecast(self) -> str:
        """A sentence about what all rows would cost."""
        costs, different = self.costs, len(self._inputs.asked)
        number = different + len(self._inputs.repeated) + len(self._inputs.lacking)
        rows = counted(number, "row")
        if different < number:
            rows += f" with {counted(different, 'different question')}"
        if not number:
            return "No row to ask about."
        if isnan(costs.expected):
            error = next((row["error"] for row in self.rows if row["error"]), "no answer told tokens of a known price")
            return f"{rows}: the price is unknown: {error}."
        return (
            f"{rows}: about {money(costs.expected + costs.paid)} at most, by the first "
            f"{costs.done:,}, which cost {money(costs.paid)}. What is stored costs nothing."
            + (f" But {self._budget}." if self._budget else "")
        )

    @property
    def _budget(self) -> str:
        """The words about what the budget leaves, if the other rows may cost more; empty if not."""
        budget = self._ledger.budget
        if budget is None or not self.costs.expected > budget.limit - budget.spent:
            return ""
        return f"the budget has {money(max(0.0, budget.limit - budget.spent))} left"
