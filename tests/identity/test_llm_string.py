"""An answer that is stored by ``llm_string`` only serves the call that the string describes in full."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaLLM
from langchain_openai import ChatOpenAI, OpenAI

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.llm_string import names


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every client a key."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "key")


def llm_string(model: Any, **kwargs: Any) -> str:
    """Return what LangChain hands to a cache."""
    if hasattr(model, "bind_tools"):
        return str(model._get_llm_string(**{"stop": None, **kwargs}))
    described = getattr(model, "_dict_for_compat", model.dict)  # LangChain of 2025 has dict() only
    return str(sorted({**described(), "stop": kwargs.get("stop")}.items()))


def fits(model: Any, said: str = "", **kwargs: Any) -> bool:
    """Return whether a string, by default LangChain's own, describes a call."""
    return names(said or llm_string(model, **kwargs), Call(model, kwargs, hasattr(model, "bind_tools")))


@pytest.mark.parametrize(
    ("model", "kwargs", "fitting"),
    [
        (lambda: ChatOpenAI(model="m", temperature=0.5), {"stop": ["."], "seed": 3, "temperature": None}, True),
        (lambda: ChatAnthropic(model="m"), {}, True),
        (lambda: OpenAI(model="m", temperature=0), {"stop": ["."]}, False),
        (lambda: OpenAI(model="m", temperature=0, base_url="http://elsewhere/v1"), {}, False),
        (lambda: OpenAI(model="m"), {"temperature": 0.9}, False),
        (lambda: OpenAI(model="m", default_headers={"X-Persona": "poet"}), {}, False),
        (lambda: ChatOllama(model="m"), {}, False),
        (lambda: OllamaLLM(model="m"), {}, False),
        (lambda: ChatOpenAI(model="m"), {"tools": [print]}, False),
    ],
)
def test_a_string_fits_if_it_names_everything(model: Any, kwargs: dict[str, Any], fitting: bool) -> None:
    assert fits(model(), **kwargs) == fitting


def test_the_snapshot_of_a_changed_model_does_not_fit() -> None:
    model = ChatOpenAI(model="m", temperature=0.5)
    said = llm_string(model)
    assert fits(model, said)

    model.temperature = 0.9
    assert not fits(model, said)
    model.temperature = 0.5
    model.seed = 3
    assert not fits(model, said)
    model.seed = None
    assert fits(model, said)


@pytest.mark.parametrize("said", ["[", "{}", "[]", "{'a'", "x", '{"id": [], "kwargs": {}}---[]', "[('stop', nan)]"])
def test_a_string_of_another_form_fits_nothing(said: str) -> None:
    assert not fits(ChatOpenAI(model="m"), said)


def test_an_address_from_the_environment_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = llm_string(ChatOpenAI(model="m", stream_usage=True))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")

    assert not fits(ChatOpenAI(model="m", stream_usage=True), said)
