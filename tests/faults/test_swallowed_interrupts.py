"""pydantic takes an interrupt for a message of a wrong class: an answer that was paid for is stored nevertheless."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import gptcache_magics as gm
from tests.faults.worker import Model

CHECKED = type(BaseModel)  # the class whose __instancecheck__ an interrupt may hit
MOST = 300


@contextmanager
def interrupted_at(number: int) -> Iterator[list[int]]:
    """Interrupt the check of a class that has this number, counted from 1. Yields the number of checks so far."""
    checks, check = [0], CHECKED.__instancecheck__

    def counted(self: Any, instance: Any) -> bool:
        checks[0] += 1
        if checks[0] == number:
            raise KeyboardInterrupt
        return check(self, instance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CHECKED, "__instancecheck__", counted)
        yield checks


def asked(model: Model, prompt: str, way: str) -> str:
    if way == "stream":
        return "".join(str(chunk.content) for chunk in model.stream(prompt))
    return str(model.invoke(prompt).content)


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("stored_by", ["", "invoke", "stream"])
def test_an_interrupt_that_pydantic_swallows_loses_no_answer(on: Path, stored_by: str, way: str) -> None:
    model, went_on = Model(), 0
    for number in range(1, MOST):
        prompt = f"question {number}"
        stored = asked(model, prompt, stored_by) if stored_by else ""
        answer = ""
        # An interrupt is heard, or swallowed in LangChain's own code, or swallowed in ours.
        with interrupted_at(number) as checks, suppress(KeyboardInterrupt, ValidationError):
            answer = asked(model, prompt, way)
        if stored or answer:
            with gm.using(mode="replay"):
                assert asked(model, prompt, "invoke") == asked(model, prompt, "stream") == (answer or stored)
            assert stored in ("", answer or stored)
        went_on += bool(answer) and checks[0] >= number
        if checks[0] < number:
            break
    else:
        pytest.fail(f"a call makes more than {MOST} checks")
    assert went_on  # some were swallowed and survived
    current = gm.current()
    assert current is not None
    assert current.ledger.failures == 0
