"""Secrets planted by every road into a call: none is found again in the store, a bundle or a table, and none counts."""

import contextlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, SecretStr

import gptcache_magics as gm
from gptcache_magics.store.protocol import Selection
from gptcache_magics.widgets.entry.as_python import as_python
from tests.support.kernel import Kernel
from tests.support.provider_server import ProviderServer

HEADERS = """
    Authorization Proxy-Authorization X-Api-Key api-key Api_Key Cookie X-Token X-Auth-Token X-Access-Token Private-Token
    Helicone-Auth Portkey-Api-Key x-portkey-virtual-key cf-aig-authorization Ocp-Apim-Subscription-Key x-functions-key
    X-Goog-Api-Key X-Amz-Security-Token X-Vault-Token X-Shopify-Access-Token X-Secret Client-Secret X-Signature
    X-Hub-Signature-256 X-Jwt-Assertion X-CSRF-Token X-Session X-Session-Id X-Password X-Passphrase X-Pat X-Credentials
    X-Code X-Key acme_api_key acmeToken X-Bearer X-Sas
"""
TRACKING = "x-request-id traceparent Idempotency-Key User-Agent X-Correlation-ID Helicone-Property-User baggage"
COUNTED_HEADERS = "X-Tenant X-Route X-Forwarded-Host X-Country-Code X-Client-Cert"
QUERY = "key sig sv code pwd jwt session token api_key access_token password secret auth X-Amz-Signature signature"
PARAMETERS = """
    api_key openai_key databricks_token connection_string account_key passphrase pat signature client_secret jwt
    aws_secret_access_key aws_session_token password db_password credentials private_key access_token authorization
    cookies subscription_key bearer_token sas_token hf_token refreshToken apiToken authtoken storageKey
"""
HIDDEN_NAMES = "pem pw tok sk client_assertion service_account_json primaryKey keyfile_json userpass app_key senha"
IN_TEXTS = (
    *(
        "pin={}",
        "otp={}",
        "db_pass={}",
        "tls_key={}",
        "pw={}",
        "pass: {}9!",
        "password is {}",
        "APIKEY {}",
        "--token {}",
    ),
    *("curl -u ada:{} https://api.example", "ada/{}@db.example:1521/shop"),
)
PRESIGNED = (
    "https://b.s3.amazonaws.com/a.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2Fs3&X-Amz-Signature={}",
    "https://storage.googleapis.com/b/a.png?X-Goog-Credential=a%40b&X-Goog-Expires=900&X-Goog-Signature={}",
    "https://a.blob.core.windows.net/c/a.png?sv=2024-11-04&sp=r&se=2027-01-01&sig={}%3D",
    "https://d1.cloudfront.net/a.png?Expires=1893456000&Signature={0}&Key-Pair-Id=K{0}&Policy=p{0}",
)
DOUBTFUL = "code session pass key style_key dsn"


class Own(BaseChatModel):
    """A user's own class, with fields of every kind."""

    model_config = ConfigDict(extra="allow")
    model: str = "own"
    anything: Any = None
    databricks_token: str = ""
    passphrase: SecretStr | None = None
    default_headers: dict[str, str] = {}  # noqa: RUF012  (pydantic copies it)

    @property
    def _llm_type(self) -> str:
        return "own"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"answer to {messages[-1].content}"))])


class BearerAuth(httpx.Auth):
    """A way to authenticate, as httpx takes it."""

    def __init__(self, token: str) -> None:
        self.token = token


class Session:
    """An object that shows its state."""

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"Session({vars(self)})"


Plant = Callable[[str], Any]
"""Makes a model, or a model with arguments bound to it, from a secret."""


def rotated(server: ProviderServer) -> Iterator[tuple[str, Plant]]:
    """Yield the roads on which a secret does not count: a rotated one is the same call."""
    openai, anthropic, ollama = (partial(server.model, name) for name in ("ChatOpenAI", "ChatAnthropic", "ChatOllama"))
    for header in [*HEADERS.split(), *TRACKING.split()]:
        yield f"ChatOpenAI header {header}", lambda s, h=header: openai(default_headers={h: s})
    for header in HEADERS.split()[::3]:
        yield f"ChatAnthropic header {header}", lambda s, h=header: anthropic(default_headers={h: s})
        yield f"ChatOllama header {header}", lambda s, h=header: ollama(client_kwargs={"headers": {h: s}})
        yield f"Own header {header}", lambda s, h=header: Own(default_headers={h: s})
        yield f"extra header {header}", lambda s, h=header: openai().bind(extra_headers={h: s})
    for name in QUERY.split():
        yield f"query {name}", lambda s, n=name: openai(default_query={n: s, "api-version": "2026-01-01"})
        yield f"address {name}", lambda s, n=name: Own(base_url=f"https://gateway.example/v1?{n}={s}&route=a")
        yield f"extra query {name}", lambda s, n=name: openai().bind(extra_query={n: s})
    for name in PARAMETERS.split():
        yield f"own field {name}", lambda s, n=name: Own(**{n: s})
        yield f"extra body {name}", lambda s, n=name: openai(extra_body={n: s, "top_k": 3})
        yield f"nested {name}", lambda s, n=name: openai(extra_body={"data_sources": [{"options": {n: s}}]})
        yield f"argument {name}", lambda s, n=name: Own().bind(**{n: s})
    yield "model_kwargs", lambda s: anthropic(model_kwargs={"extra_headers": {"X-Token": s}})
    for number, url in enumerate(PRESIGNED):
        yield f"presigned address {number}", lambda s, u=url: Own(base_url=u.format(s))
    yield "userinfo", lambda s: Own(base_url=f"https://ada:{s}@gateway.example/v1")
    yield "userinfo with a slash", lambda s: Own(base_url=f"https://ada:a/{s}@gateway.example/v1")
    yield "a DSN", lambda s: Own(anything=f"postgres://ada:{s}@db.example:5432/shop")
    yield "a DSN of several hosts", lambda s: Own(anything=f"mongodb+srv://ada:{s}@a.example,b.example/shop")
    yield (
        "MCP header",
        lambda s: openai(use_responses_api=True).bind(
            tools=[
                {"type": "mcp", "server_label": "a", "server_url": "https://mcp.example/sse", "headers": {"X-Any": s}}
            ]
        ),
    )
    yield (
        "MCP authorization",
        lambda s: openai(use_responses_api=True).bind(
            tools=[{"type": "mcp", "server_label": "a", "server_url": "https://mcp.example/sse", "authorization": s}]
        ),
    )
    yield (
        "MCP query",
        lambda s: openai(use_responses_api=True).bind(
            tools=[{"type": "mcp", "server_label": "a", "server_url": f"https://mcp.example/sse?token={s}"}]
        ),
    )
    yield (
        "MCP server of Anthropic",
        lambda s: anthropic(
            mcp_servers=[{"type": "url", "url": "https://mcp.example/sse", "name": "a", "authorization_token": s}],
            betas=["mcp-client-2025-04-04"],  # langchain-anthropic 1.0 asks no beta API without one
        ),
    )
    yield "API key", lambda s: openai(api_key=s)
    yield "organization's key", lambda s: anthropic(api_key=s)
    yield "secret text", lambda s: Own(passphrase=SecretStr(s))
    yield "auth object", lambda s: Own(anything={"auth": BearerAuth(s)})
    yield "auth pair", lambda s: Own(anything={"auth": ("ada", s)})
    yield "an object's password", lambda s: Own(anything=Session(password=s))
    yield "an object's header", lambda s: Own(anything=Session(headers={"X-Token": s}))


def counted(server: ProviderServer) -> Iterator[tuple[str, Plant]]:
    """Yield the roads on which a value counts, inside the key only."""
    openai = partial(server.model, "ChatOpenAI")
    for header in COUNTED_HEADERS.split():
        yield f"header {header}", lambda s, h=header: openai(default_headers={h: s})
    yield "query", lambda s: openai(default_query={"route": s})
    yield "address", lambda s: Own(base_url=f"https://gateway.example/v1?route={s}")
    yield "path", lambda s: Own(base_url=f"https://gateway.example/token/{s}/v1")
    yield (
        "MCP path",
        lambda s: openai(use_responses_api=True).bind(
            tools=[{"type": "mcp", "server_label": "a", "server_url": f"https://mcp.example/s/{s}/sse"}]
        ),
    )
    for name in DOUBTFUL.split():
        yield f"own field {name}", lambda s, n=name: Own(**{n: s})
        yield f"extra body {name}", lambda s, n=name: openai(extra_body={n: s})
    yield "object", lambda s: Own(anything=Session(region=s))
    yield "objects in a set", lambda s: Own(anything={Session(region=s)})
    yield "closure", lambda s: Own(anything=lambda: s)
    yield "default of a function", lambda s: Own(anything=lambda text=s: text)
    yield "partial", lambda s: Own(anything=partial(print, s))
    yield "bound method", lambda s: Own(anything=Session(region=s).__repr__)
    for name in HIDDEN_NAMES.split():
        yield f"hidden field {name}", lambda s, n=name: Own(**{n: s})
        yield f"hidden in extra body {name}", lambda s, n=name: openai(extra_body={"deep": [{n: s}]})
    for form in IN_TEXTS:
        yield f"text like {form}", lambda s, f=form: Own(anything=f.format(s))
    for number, url in enumerate(PRESIGNED):
        yield f"presigned {number} as a name", lambda s, u=url: Own(anything={u.format(s): 1})
        yield f"presigned {number} in a text", lambda s, u=url: Own(anything=f"Read {u.format(s)} first.")
    yield "key of a mapping", lambda s: openai(extra_body={f"sk-{s}0123456789": "production"})
    yield "address of a database as a name", lambda s: Own(anything={f"postgres://ada:{s}@db.example/shop": 1})
    yield "key of a mapping of tokens", lambda s: openai(extra_body={"tokens": {s: "production"}})
    yield "name of a header", lambda s: openai(default_headers={f"sk-{s}0123456789": "on"})
    yield "list of tokens", lambda s: Own(tokens=("first", s))
    yield "user and password", lambda s: Own(anything=("ada", s))
    yield "name and value in a pair", lambda s: Own(anything=("password", s))
    yield "option and value", lambda s: Own(anything=["serve", "--password", s])
    yield "name and value", lambda s: Own(anything=[{"name": "api_key", "value": s}])
    yield "variables of a server", lambda s: Own(mcp_servers={"a": {"command": "npx", "env": {"ANY": s}}})
    yield (
        "path of a server",
        lambda s: Own(mcp_servers={"a": {"transport": "sse", "url": f"https://a.example/{s}/sse"}}),
    )
    yield "model's name", lambda s: Own(model=f"https://ada:{s}@gateway.example/m?sig={s}")
    yield (
        "default of a property",
        lambda s: openai().bind(
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "parameters": {"type": "object", "properties": {"api_key": {"type": "string", "default": s}}},
                    },
                }
            ]
        ),
    )
    yield "address in a text", lambda s: Own(anything=f"Read mysql://ada:{s}@db.example/shop and answer.")
    yield "query in a text", lambda s: Own(anything=f"Read https://a.example/?sig={s}&x=1 and answer.")
    yield "connection string", lambda s: Own(anything=f"Server=db;User Id=ada;Password={s};Encrypt=yes")
    yield "account key", lambda s: Own(anything=f"AccountName=a;AccountKey={s}==;EndpointSuffix=core.example")
    yield "libpq", lambda s: Own(anything=f"host=db user=ada password={s} dbname=shop")
    yield "jdbc", lambda s: Own(anything=f"jdbc:oracle:thin:ada/{s}@db.example:1521/shop")
    yield "JSON in a text", lambda s: Own(anything=json.dumps({"api_key": s}))
    yield "bearer in a text", lambda s: Own(anything=f"Send Authorization: Bearer {s}0123456789")
    yield "private key", lambda s: Own(anything=f"-----BEGIN PRIVATE KEY-----\n{s}\n-----END PRIVATE KEY-----")
    for form in ("sk-{}0123456789", "ghp_{}0123456789abcdef", "glpat-{}01234567", "xoxb-{}-0123456789", "hf_{}012345"):
        yield f"a key like {form}", lambda s, f=form: Own(anything=f"Use {f.format(s)} here.")
    yield (
        "description of a tool",
        lambda s: openai().bind(
            tools=[{"type": "function", "function": {"name": "f", "description": f"On redis://:{s}@cache.example/0"}}]
        ),
    )
    yield (
        "default in a schema",
        lambda s: openai().bind(
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "a",
                    "schema": {
                        "type": "object",
                        "properties": {"login": {"type": "object", "default": {"password": s}}},
                    },
                },
            }
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Turn the cache on in a folder of its own."""
    with contextlib.redirect_stdout(io.StringIO()):
        gm.on(tmp_path / "store")
    yield tmp_path / "store"
    with contextlib.redirect_stdout(io.StringIO()):
        gm.off()


def ask(model: Any, question: str) -> str:
    """Ask, and return the outcome of the lookup."""
    with contextlib.suppress(Exception):  # the provider's refusal of a parameter
        model.invoke(question)
    return str(gm.lookups().iloc[0]["outcome"])


def everything_shown(folder: Path) -> bytes:
    """Return the bytes of the store's files and of a bundle, and all texts that people are shown."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        gm.save(folder.parent / "bundle.jsonl")
        told = [str(gm.status()), str(gm.doctor())]
    cache = gm.current()
    assert cache is not None
    shown = [printed.getvalue(), *told, gm.lookups().to_csv(), gm.models().to_csv(), gm.entries().to_csv()]
    configurations = {each.key: each for each in cache.store.configurations()}
    for row in cache.store.entries(Selection()):
        shown.append(as_python(row.entry, configurations[row.entry.configuration]))
    for question in gm.lookups()["question"].unique():
        with contextlib.redirect_stdout(io.StringIO()):
            shown.append(str(gm.why(question)))
    files = [*folder.rglob("*"), folder.parent / "bundle.jsonl"]
    return "\n".join(shown).encode() + b"".join(file.read_bytes() for file in files if file.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(("roads", "outcome"), [(rotated, "hit"), (counted, "miss")])
def test_no_planted_secret_is_found_again(
    folder: Path, server: ProviderServer, roads: Callable[[ProviderServer], Iterator[tuple[str, Plant]]], outcome: str
) -> None:
    numbers = itertools.count(100)
    planted: dict[str, str] = {}
    outcomes = {}
    for road, plant in roads(server):
        first, second = (f"zq{next(numbers)}xk77{letter}" for letter in "ab")
        planted |= {first: road, second: road}
        question = f"What is asked by {road}?"
        with contextlib.suppress(Exception):
            ask(plant(first), question)
        outcomes[road] = ask(plant(second), question)

    found = everything_shown(folder)
    forms = {secret: (secret.encode(), secret.encode().hex().encode()) for secret in planted}
    kept = sorted({planted[secret] for secret, each in forms.items() if any(form in found for form in each)})
    assert (kept, sorted(road for road, each in outcomes.items() if each != outcome)) == ([], [])
    assert len(planted) > 60


# Ordinary values

ORDINARY: dict[str, tuple[Any, Any]] = {
    "temperature": (0.25, 0.75),
    "max_tokens": (111, 222),
    "max_completion_tokens": (111, 222),
    "seed": (11, 12),
    "top_k": (13, 14),
    "stop": (["<end>"], ["<stop>"]),
    "eos_token": ("<eos-1>", "<eos-2>"),
    "stop_token": ("<s-1>", "<s-2>"),
    "token_budget": (300, 400),
    "tokenizer": ("cl100k", "o200k"),
    "keyword": ("red", "blue"),
    "keywords": (["red"], ["blue"]),
    "author": ("Ann", "Bob"),
    "passage": ("The first.", "The second."),
    "encoding": ("utf-8", "latin-1"),
    "language_code": ("de", "fr"),
    "logit_bias": ({"50256": -100}, {"50257": -100}),
    "reasoning_effort": ("low", "high"),
    "use_auth": (True, False),
    "require_token": (True, False),
    "instructions": ("Tell the password: it is a riddle.", "Tell the secret: it is a riddle."),
}
SCHEMA_NAMES = ("password", "api_key", "credentials", "token", "authorization", "cookie", "signature", "code")


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_parameter_counts_and_is_shown(folder: Path, server: ProviderServer, name: str) -> None:
    openai = partial(server.model, "ChatOpenAI")
    for models in (
        [Own(**{name: value}) for value in ORDINARY[name]],
        [Own().bind(**{name: value}) for value in ORDINARY[name]],
        [openai(extra_body={name: value}) for value in ORDINARY[name]],
    ):
        question = f"Question {len(gm.lookups())}?"
        assert [ask(model, question) for model in [*models, *models]] == ["miss", "miss", "hit", "hit"]

    cache = gm.current()
    assert cache is not None
    shown = [each.parameters for each in cache.store.configurations()]
    for value in ORDINARY[name]:
        written = json.dumps({name: value}, separators=(",", ":"), ensure_ascii=False)[1:-1]
        assert sum(written in each for each in shown) == 3


@pytest.mark.parametrize("name", SCHEMA_NAMES)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda schema: {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
        lambda schema: {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]},
        lambda schema: {"tools": [{"name": "f", "input_schema": schema}]},
        lambda schema: {"extra_body": {"guided_json": schema}},
        lambda schema: {"extra_body": {"deep": [{"$defs": {"Login": schema}}]}},
        lambda schema: {"format": schema},
    ],
    ids=["response_format", "tools", "input_schema", "guided_json", "$defs", "format"],
)
def test_names_in_a_schema_count_and_are_shown(folder: Path, name: str, wrap: Callable[[Any], dict[str, Any]]) -> None:
    def schema(description: str) -> dict[str, Any]:
        described = {"type": "string", "description": description}
        return {"type": "object", "properties": {name: described}, "required": [name]}

    words = ("the first of two", "the second of two")
    assert [ask(Own().bind(**wrap(schema(each))), "q") for each in words] == ["miss", "miss"]
    assert ask(Own().bind(**wrap(schema(words[0]))), "q") == "hit"
    cache = gm.current()
    assert cache is not None
    shown = {each.parameters for each in cache.store.configurations()}
    assert all(any(word in each for each in shown) for word in words)
    assert all(f'"{name}":{{' in each for each in shown)


QUERIES = (
    *("sr={}&x=1", "sp={}", "Expires={}", "policy={}&signature=s", "st={}&sig=s", "X-Amz-Date={}", "Key-Pair-Id={}"),
    *("response-content-type={}&X-Amz-Signature=s", "sig=s&sv=2024&comp={}", "tokens={}", "pem={}", "pw={}", "env={}"),
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_value_that_is_not_part_of_a_signature_counts(folder: Path, query: str) -> None:
    models = [Own(base_url=f"https://gateway.example/v1?{query.format(value)}") for value in ("one1", "two2")]
    assert [ask(model, "q") for model in [*models, *models]] == ["miss", "miss", "hit", "hit"]


HIDDEN_PAIRS: list[tuple[Any, Any]] = [
    (("ada", "abcd1234"), ("ada", "abcd1235")),
    ({"sk-0123456789a": 1}, {"sk-0123456789b": 1}),
    ({"sk-0123456789a": 1, "sk-0123456789b": 2}, {"sk-0123456789a": 2, "sk-0123456789b": 1}),
    ({"env": {"A": "1"}}, {"env": {"A": "2"}}),
    ([{"name": "api_key", "value": "a"}], [{"name": "api_key", "value": "b"}]),
    (["--token", "a"], ["--token", "b"]),
    ({"tokens": ["a"]}, {"tokens": ["b"]}),
]


@pytest.mark.parametrize("pair", HIDDEN_PAIRS)
def test_values_that_are_hidden_count(folder: Path, pair: tuple[Any, Any]) -> None:
    models = [Own(anything=value) for value in pair]
    assert [ask(model, "q") for model in [*models, *models]] == ["miss", "miss", "hit", "hit"]


# Cells and errors

CELLS = """
    API_KEY = "{}"; model.invoke("q{}")
    os.environ["ACME_API_KEY"] = "{}"; model.invoke("q{}")
    os.environ.update(OPENAI_API_KEY="{}"); model.invoke("q{}")
    headers = {{"X-Token": "{}"}}; model.invoke("q{}")
    password = '''{}'''; model.invoke("q{}")
    token = f"Bearer {}"; model.invoke("q{}")
    model.invoke("q{1}")  # the api_key is {0}
    # password: {} ¶ model.invoke("q{}")
    %env ACME={} ¶ model.invoke("q{}")
    !true --token {} ¶ model.invoke("q{}")
    url = "postgres://ada:{}@db.example/shop"; model.invoke("q{}")
    url = "https://a.example/v1?sig={}"; model.invoke("q{}")
"""


@pytest.mark.kernel
@pytest.mark.slow
def test_no_secret_of_a_cell_is_found_again(tmp_path: Path) -> None:
    secrets = []
    with Kernel(tmp_path) as kernel:
        for number, cell in enumerate(line.strip() for line in CELLS.splitlines() if line.strip()):
            secrets.append(f"zq{number:03d}xk77")
            assert kernel.run(cell.format(secrets[-1], number).replace(" ¶ ", "\n"), f"cell-{number}").status == "ok"
        kernel.run("gm = __import__('gptcache_magics')")
        told = kernel.run("print(gm.lookups().to_csv(), gm.stats(by='cell').to_csv(), gm.status(), gm.doctor())").text
        assert told.count("analysis.ipynb") >= len(secrets)
        kernel.run("%gptcache off")
    found = told.encode() + b"".join(file.read_bytes() for file in (tmp_path / ".gptcache").iterdir())
    assert [secret for secret in secrets if secret.encode() in found] == []


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: {}. You can find it online.",
        "Cannot reach https://ada:{}@a.example/v1",
        "Client error for url 'https://a.example/v1?key={}&q=1'",
        'connection to "postgresql://ada:{}@db.example/shop" failed',
        "FATAL: login failed: host=db user=ada password={} dbname=shop",
        "Server=db;Uid=ada;Pwd={};Encrypt=yes",
        "401: {{'Authorization': 'Bearer {}'}}",
        "invalid header X-Token: {}",
        "token={}",
    ],
)
def test_no_secret_of_an_error_is_found_again(folder: Path, message: str) -> None:
    class Broken:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise RuntimeError(message.format("zq81xk77aa"))

    model = Own(anything=Broken())
    assert ask(model, "q") in ("error", "bypass")
    cache = gm.current()
    assert cache is not None
    cache.ledger.failed(ConnectionError(message.format("zq81xk77aa")), "testing")
    assert b"zq81xk77aa" not in everything_shown(folder)
