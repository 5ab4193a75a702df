"""Facts about providers hold for the installed packages."""

import gc
import weakref
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM

from gptcache_magics.identity.providers import PROVIDERS, finishing, provider_of
from tests.support.calls import key


@pytest.mark.parametrize("make", [FakeListChatModel, FakeListLLM])
def test_the_call_counter_of_a_fake_is_not_a_parameter(make: Callable[..., Any]) -> None:
    model = make(responses=["a", "b"])
    before = key(model)
    model.invoke("question")

    assert key(model) == before
    assert key(make(responses=["a", "c"])) != before


def test_a_class_that_is_not_used_any_more_is_not_kept() -> None:
    class Own(FakeListChatModel):
        pass

    assert finishing(Own) is None
    alive = weakref.ref(Own)
    del Own
    gc.collect()
    assert alive() is None


INSTALLED = [
    path
    for provider in PROVIDERS.values()
    for path in (provider.chat, provider.completion)
    if path and find_spec(path.partition(".")[0]) is not None
]


def test_every_installed_class_of_copy_as_python_is_where_it_is_said_to_be() -> None:
    assert len(INSTALLED) >= 5
    for path in INSTALLED:
        package, name = path.partition(".")[0], path.rpartition(".")[2]
        kind = getattr(import_module(package), name)
        assert f"{kind.__module__}.{kind.__qualname__}" == path
        assert path in {PROVIDERS[provider_of(kind)].chat, PROVIDERS[provider_of(kind)].completion}


@pytest.mark.parametrize(
    ("module", "name", "provider"),
    [
        ("langchain_openai.chat_models.base", "ChatOpenAI", "openai"),
        ("langchain_openai.chat_models.azure", "AzureChatOpenAI", "azure_openai"),
        ("langchain_google_genai.llms", "GoogleGenerativeAI", "google_genai"),
        ("langchain_community.chat_models.tongyi", "ChatTongyi", "tongyi"),
        ("langchain_core.language_models.fake_chat_models", "FakeListChatModel", "fake"),
        ("my_package", "ChatBest", "best"),
        ("my_package", "BestLLM", "best"),
        ("__main__", "Chat", "chat"),
    ],
)
def test_a_provider_is_named_as_its_package_or_its_class(module: str, name: str, provider: str) -> None:
    assert provider_of(type(name, (), {"__module__": module})) == provider


def test_a_class_of_the_user_has_the_provider_of_its_base() -> None:
    base = type("ChatOpenAI", (), {"__module__": "langchain_openai.chat_models.base"})
    assert provider_of(type("Mine", (base,), {"__module__": "__main__"})) == "openai"
