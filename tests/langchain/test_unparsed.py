"""An answer that the provider's class cannot parse is paid and not stored: that is said, with the error's name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import gptcache_magics as gm
from tests.support.provider_server import ProviderServer


class Route(BaseModel):
    next: str


def ask(server: ProviderServer, way: str = "invoke") -> None:
    model: Any = server.model("ChatOpenAI").with_structured_output(Route, method="json_schema")
    ways = {
        "invoke": lambda: model.invoke("Who is next?"),
        "batch": lambda: model.batch(["Who is next?"]),
        "ainvoke": lambda: asyncio.run(model.ainvoke("Who is next?")),
    }
    with pytest.raises(ValidationError):
        ways[way]()


@pytest.mark.parametrize("way", ["invoke", "batch", "ainvoke"])
def test_an_answer_that_cannot_be_parsed_is_not_stored_and_says_so(on: Path, server: ProviderServer, way: str) -> None:
    server.mind = lambda body, number: "sorry, no json"
    ask(server, way)
    told = repr(gm.why())
    assert "Its answer was not stored, so the next call misses as well: could not be parsed (ValidationError)." in told
    assert gm.lookups()[["cause", "reason"]].values.tolist() == [
        ["not stored", "not stored: could not be parsed (ValidationError)"]
    ]
    assert gm.stats(wide=True)["not_stored"].sum() == 1
    assert "1 could not be parsed" in repr(gm.status())
    assert "keep-cut-off" not in repr(gm.status())

    ask(server, way)
    assert "but its answer was not stored: could not be parsed (ValidationError)." in repr(gm.why())
    assert server.calls == 2


def test_a_call_that_failed_is_not_called_so(on: Path, server: ProviderServer) -> None:
    server.fail_next(1)
    model: Any = server.model("ChatOpenAI").with_structured_output(Route, method="json_schema")
    with pytest.raises(Exception, match="fails with 500"):
        model.invoke("Who is next?")
    assert "not stored" not in repr(gm.why())


def test_a_call_within_the_handling_of_an_error_is_stored(on: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    try:
        raise ValueError("before")
    except ValueError:
        llm.invoke("A plain question")
    llm.invoke("A plain question")
    assert server.calls == 1
