"""The address of a model is that of its client, whatever gave it; headers and queries of a client count."""

from typing import Any

import httpx
import pytest
from anthropic import Anthropic
from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaLLM
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.configuration import configuration_of
from gptcache_magics.identity.key import identify
from tests.support.calls import key


class MyChat(ChatOpenAI):
    """A user's subclass in another package."""


class MyOllama(ChatOllama):
    """A user's subclass in another package."""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every client a key."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, "key")


VARIABLES = [
    (ChatOpenAI, "OPENAI_BASE_URL"),
    (ChatOpenAI, "OPENAI_API_BASE"),
    (MyChat, "OPENAI_BASE_URL"),
    (OpenAI, "OPENAI_BASE_URL"),
    (ChatAnthropic, "ANTHROPIC_BASE_URL"),
    (ChatOllama, "OLLAMA_HOST"),
    (MyOllama, "OLLAMA_HOST"),
    (OllamaLLM, "OLLAMA_HOST"),
]


@pytest.mark.parametrize(("kind", "variable"), VARIABLES, ids=lambda value: getattr(value, "__name__", value))
def test_the_address_is_the_one_that_the_client_was_built_with(
    kind: Any, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = kind(model="small")
    monkeypatch.setenv(variable, "http://one:1/v1")
    one = kind(model="small")
    monkeypatch.setenv(variable, "http://two:1/v1")
    two = kind(model="small")
    before = [key(plain), key(one), key(two)]
    monkeypatch.delenv(variable)

    assert [key(plain), key(one), key(two)] == before
    assert len(set(before)) == 3


def test_the_default_address_of_one_provider_is_an_address_like_any_other_for_another() -> None:
    def anthropic(**fields: Any) -> str:
        return key(ChatAnthropic(model="small", **fields))

    local = "http://localhost:11434"
    assert anthropic() == anthropic(base_url="https://api.anthropic.com/") != anthropic(base_url=local)
    assert key(ChatOllama(model="small")) == key(ChatOllama(model="small", base_url=local))
    assert key(ChatOpenAI(model="small")) != key(ChatOpenAI(model="small", base_url=local))


def test_another_client_of_a_made_model_is_another_address() -> None:
    model = ChatOpenAI(model="small")
    before = key(model)
    model.root_client = model.root_client.with_options(base_url="http://one/v1")

    assert key(model) != before


def http(**options: Any) -> str:
    """Return the key of a model with an HTTP client of its own."""
    return key(ChatOpenAI(model="small", http_client=httpx.Client(**options)))


def test_what_an_http_client_adds_to_a_request_counts() -> None:
    assert http() == http(verify=False, timeout=3) == key(ChatOpenAI(model="small"))
    assert http(headers={"Authorization": "Bearer one", "X-Request-Id": "1"}) == http()
    several = [
        http(),
        http(headers={"X-Persona": "pirate"}),
        http(headers={"X-Persona": "poet"}),
        http(params={"persona": "poet"}),
        http(transport=httpx.MockTransport(lambda request: httpx.Response(200))),
        http(transport=httpx.MockTransport(lambda request: httpx.Response(500))),
        http(event_hooks={"request": [lambda request: request.headers.update(a="b")]}),
    ]

    assert len(set(several)) == len(several)
    assert http(headers={"X-Persona": "poet"}) == http(headers={"X-Persona": "poet"})


def test_a_call_and_an_asynchronous_call_differ_where_their_clients_do() -> None:
    def keys(**options: Any) -> tuple[str, str]:
        model = ChatOllama(model="small", **options)
        return key(model), identify(Call(model, {}, True, "agenerate"), "prompt").key

    headers = {"headers": {"X-Persona": "poet"}}
    assert len({*keys(), *keys(client_kwargs=headers)}) == 2
    assert len({*keys(sync_client_kwargs=headers), *keys(async_client_kwargs=headers)}) == 4


def test_fields_that_are_set_when_the_client_is_made_change_no_request() -> None:
    given = ChatOpenAI(model="small", default_headers={"X-Persona": "poet"})
    later = ChatOpenAI(model="small")
    later.default_headers = {"X-Persona": "poet"}

    assert key(given) != key(later)


def test_headers_from_the_environment_count_before_and_after_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = key(ChatAnthropic(model="small"))
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Persona: poet\nAuthorization: one")
    if "X-Persona" not in Anthropic().default_headers:
        pytest.skip("this client does not read the variable")
    model = ChatAnthropic(model="small")
    before = key(model)
    model._client.close()

    assert key(model) == before != plain


def test_headers_that_only_the_client_knows_count() -> None:
    made = ChatOpenAI(model="small").root_client.with_options(default_headers={"X-Persona": "poet"})
    model = ChatOpenAI(model="small")
    before = key(model)
    model.root_client = made

    assert key(model) != before


def test_a_client_of_the_users_own_class_counts_with_its_code() -> None:
    class Answers:
        def create(self, **options: Any) -> None: ...

    class Other:
        def create(self, **options: Any) -> str:
            return "other"

    keys = {key(ChatOpenAI(model="small", client=each)) for each in (None, Answers(), Other())}
    assert len(keys) == 3


class Topical(ChatOpenAI):
    """A model whose user named a field as other providers name their address."""

    endpoint: str = "poems"


def test_a_field_or_an_argument_of_the_user_is_no_address() -> None:
    def portable(field: str, **kwargs: Any) -> str:
        return configuration_of(Call(Topical(model="small", endpoint=field), kwargs, True)).portable

    assert (
        len({portable("poems"), portable("laws"), portable("poems", endpoint="a"), portable("poems", base_url="a")})
        == 4
    )


def test_an_address_is_no_part_of_a_portable_key_and_a_text_is() -> None:
    def portable(model: Any, **kwargs: Any) -> str:
        return configuration_of(Call(model, kwargs, True)).portable

    elsewhere = ChatOpenAI(model="small", base_url="http://one/v1")
    azure = [AzureChatOpenAI(azure_endpoint=f"https://{each}", azure_deployment="a", api_version="1") for each in "ab"]
    assert portable(elsewhere) == portable(ChatOpenAI(model="small"))
    assert portable(azure[0]) == portable(azure[1])
    texts = [{"instructions": f"Use https://{each}.example"} for each in "ab"] + [{"image": "https://a/b"}]
    assert len({portable(elsewhere, **each) for each in (*texts, {})}) == 4
    assert portable(MyChat(model="small")) != portable(ChatOpenAI(model="small"))
