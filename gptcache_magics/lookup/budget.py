"""The money that a run may spend. A call that would exceed it is not sent; hits cost nothing and still work."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Final

from gptcache_magics import fork, pricing
from gptcache_magics.errors import BudgetReached
from gptcache_magics.lookup.request import Caller
from gptcache_magics.store.protocol import Configuration, Usage
from gptcache_magics.text.amounts import counted, money, typed_money

__all__ = ["Budget"]

LEAST: Final = 0.01
"""US dollars: no smaller budget is proposed."""


class Budget:
    """US dollars of one run: spent, and expected for the calls under way.

    The cost of a call is not known beforehand. The expected cost is the average of the same model's calls in this run.
    The first call of a model counts nothing, so that call may exceed the budget.
    """

    def __init__(self, limit: float, paid: Mapping[str, tuple[int, float]]) -> None:
        self.limit = limit
        self.unknown = 0
        """Number of calls whose price is unknown: ``spent`` does not include them."""
        self.unpriced = ""
        """Model of the last of them."""
        self._paid = dict(paid)
        """Number of calls of this run and their cost, by model."""
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin with nothing under way: at first, and in a forked child, whose parent pays for the calls."""
        self._sent: dict[Caller, float] = {}
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return f"{money(self.spent)} of {money(self.limit)}"

    @property
    def spent(self) -> float:
        """US dollars of the calls whose cost is known."""
        return sum(dollars for _, dollars in [*self._paid.values()])

    @property
    def incomplete(self) -> str:
        """A sentence about the calls that are not counted."""
        calls = counted(self.unknown, "call of unknown price is", "calls of unknown price are")
        price = f"%config GPTCacheMagics.prices = {{{self.unpriced!r}: (0.5, 1.5)}}"
        return f"{calls} not in the budget (say the price: {price})"

    def check(self, call: Caller | None, configuration: Configuration, prompt: str = "") -> None:
        """Raise ``BudgetReached`` if this call would exceed the budget; otherwise count the call as sent."""
        with self._lock:
            number, dollars = self._paid.get(configuration.model, (0, 0.0))
            expected, spent = dollars / number if number else 0.0, self.spent
            under_way = sum(dollars for each, dollars in self._sent.items() if each.running.locked())
            if spent >= self.limit or spent + under_way + expected > self.limit:
                raise BudgetReached(
                    self._sentence(expected), prompt=prompt, model=configuration.model, spent=spent, limit=self.limit
                )
            if call is not None:
                self._sent[call] = self._sent.get(call, 0.0) + expected

    def paid(self, configuration: Configuration, usage: Usage) -> None:
        """Count the cost of an answer."""
        dollars = pricing.usd(configuration.provider, configuration.model, usage)
        with self._lock:
            if math.isnan(dollars):
                self.unknown, self.unpriced = self.unknown + 1, configuration.model
                return
            number, sum_of = self._paid.get(configuration.model, (0, 0.0))
            self._paid[configuration.model] = number + 1, sum_of + dollars

    def ended(self, call: Caller) -> None:
        """Drop the expected cost of a call that is over: its cost is counted, or the call failed."""
        with self._lock:
            self._sent.pop(call, None)

    def _sentence(self, expected: float) -> str:
        spent = f"{self} spent in this run"
        if self.spent < self.limit:
            spent += f", and this call is expected to cost {money(expected)} beside those under way"
        more = max(2 * self.limit, LEAST)
        return f"{spent}; the call was not sent. Hits still work. Raise it: %gptcache on --budget {typed_money(more)}"
