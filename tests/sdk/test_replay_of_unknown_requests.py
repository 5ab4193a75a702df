"""In replay an SDK sends nothing that may run a model, whatever it asks: only what is known to run none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import ollama
import openai
import pytest
from google import genai
from mistralai.client import Mistral

import gptcache_magics as gm
from gptcache_magics.settings import NOTEBOOK, Config
from tests.support.provider_server import KEY, ProviderServer

pytestmark = [pytest.mark.usefixtures("sdks_on"), pytest.mark.filterwarnings("ignore")]
REFUSED = r"was not called: .*, and mode replay serves recorded answers only"
Ask = Callable[[Any], Any]
EMBEDDED: Any = {"inlined_requests": {"contents": [{"parts": [{"text": "hi"}]}]}}
OK: Any = httpx.Response(200)
USER: Any = [{"role": "user", "content": "hi"}]


def _openai(server: ProviderServer) -> Any:
    return openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


def _anthropic(server: ProviderServer) -> Any:
    return anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0)


def _google(server: ProviderServer) -> Any:
    return genai.Client(api_key=KEY, http_options={"base_url": server.url})


def _cohere(server: ProviderServer) -> Any:
    return cohere.Client(KEY, base_url=server.url)


def _ollama(server: ProviderServer) -> Any:
    return ollama.Client(host=server.url)


def _mistral(server: ProviderServer) -> Any:
    return Mistral(api_key=KEY, server_url=server.url)


MODEL_CALLS: list[tuple[Callable[[ProviderServer], Any], str, Ask]] = [
    (
        _openai,
        "tool outputs",
        lambda c: c.beta.threads.runs.submit_tool_outputs("r", thread_id="t", tool_outputs=[{"output": "4"}]),
    ),
    (_openai, "a remix", lambda c: c.videos.remix("v", prompt="hi")),
    (_openai, "an edited video", lambda c: c.post("/videos/edits", cast_to=object, body={"prompt": "hi"})),
    (_openai, "a grader", lambda c: c.fine_tuning.alpha.graders.run(grader={"type": "x"}, model_sample="hi")),
    (_openai, "a run of an eval", lambda c: c.evals.runs.create("e", data_source={"type": "x"})),
    (_openai, "a session of agents", lambda c: c.post("/agents/sessions", cast_to=object, body={"agent": "a"})),
    (_openai, "a live session", lambda c: c.post("/live/sessions", cast_to=object, body={"model": "m"})),
    (_openai, "a decision", lambda c: c.post("/decisions", cast_to=object, body={"model": "m"})),
    (_openai, "something new", lambda c: c.patch("/thoughts/1", cast_to=object, body={"model": "m"})),
    (_anthropic, "a session", lambda c: c.post("/v1/sessions", cast_to=object, body={"agent": "a"})),
    (_anthropic, "an event", lambda c: c.post("/v1/sessions/s/events", cast_to=object, body={"events": USER})),
    (_anthropic, "a deployment", lambda c: c.post("/v1/deployments/d/run", cast_to=object, body={})),
    (_google, "an interaction", lambda c: c.interactions.create(model="gemini-3", input="hi")),
    (
        _google,
        "a batch of embeddings",
        lambda c: c.batches.create_embeddings(model="m", src=EMBEDDED),
    ),
    (
        _google,
        "an awaited interaction",
        lambda c: asyncio.run(c.aio.interactions.create(model="gemini-3", input="hi")),
    ),
    (_cohere, "a classification", lambda c: c.classify(inputs=["hi"], examples=[])),
    (_cohere, "a summary", lambda c: c.summarize(text="hi " * 200)),
    (_cohere, "a document", lambda c: c._client_wrapper.httpx_client.request("v2/parse", method="POST", json={})),
    (_mistral, "a search", lambda c: c.beta.libraries.documents.reprocess(library_id="l", document_id="d")),
]


def sent(client: Any, ask: Ask) -> None:
    """Ask what the server does not know."""
    try:
        ask(client)
    except (AttributeError, TypeError):
        pytest.skip("an older SDK has no such method")
    except Exception:
        return  # each SDK has errors of its own


@pytest.mark.parametrize(("made", "ask"), [pytest.param(made, ask, id=name) for made, name, ask in MODEL_CALLS])
def test_a_request_that_may_run_a_model_is_refused_in_replay(
    server: ProviderServer, made: Callable[[ProviderServer], Any], ask: Ask
) -> None:
    client = made(server)
    with gm.using(mode="replay"):
        sent(client, ask)
    assert server.paths == []
    noted = gm.lookups()
    assert noted["outcome"].tolist() == ["bypass"]

    sent(client, ask)
    assert len(server.paths) == 1


def test_the_sdk_raises_the_sentence_of_the_refusal(server: ProviderServer) -> None:
    google = _google(server)  # a client that nobody holds closes itself
    with gm.using(mode="replay"):
        with pytest.raises(openai.APIStatusError, match=REFUSED):
            _openai(server).post("/videos/v/remix", cast_to=object, body={"prompt": "hi"})
        with pytest.raises(anthropic.APIStatusError, match=REFUSED):
            _anthropic(server).post("/v1/sessions", cast_to=object, body={"agent": "a"})
        if hasattr(getattr(google, "batches", None), "create_embeddings"):  # in newer versions
            with pytest.raises(Exception, match=REFUSED):
                google.batches.create_embeddings(model="m", src=EMBEDDED)
        with pytest.raises(Exception, match=REFUSED):
            _cohere(server).classify(inputs=["hi"], examples=[])


def test_async_clients_are_refused_too(server: ProviderServer) -> None:
    later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    with gm.using(mode="replay"), pytest.raises(openai.APIStatusError, match=REFUSED):
        asyncio.run(later.post("/videos/v/remix", cast_to=object, body={"prompt": "hi"}))
    assert server.paths == []


RUNS_NO_MODEL: list[tuple[Callable[[ProviderServer], Any], str, Ask]] = [
    (_openai, "a file", lambda c: c.files.create(file=b"hi", purpose="batch")),
    (_openai, "an upload", lambda c: c.uploads.create(bytes=1, filename="f", mime_type="text/plain", purpose="batch")),
    (_openai, "input tokens", lambda c: c.responses.input_tokens.count(model="m", input="hi")),
    (_openai, "a cancelled batch", lambda c: c.batches.cancel("b")),
    (_anthropic, "counted tokens", lambda c: c.messages.count_tokens(model="m", messages=USER)),
    (_google, "Google's counted tokens", lambda c: c.models.count_tokens(model="gemini-3", contents="hi")),
    (_cohere, "tokens", lambda c: c.tokenize(text="hi", model="command", offline=False)),
    (_ollama, "a model from another", lambda c: c.create(model="mine", from_="llama3")),
    (_ollama, "a copied model", lambda c: c.copy("llama3", "mine")),
    (_mistral, "Mistral's file", lambda c: c.files.upload(file={"file_name": "f", "content": b"hi"})),
]


@pytest.mark.parametrize(("made", "ask"), [pytest.param(made, ask, id=name) for made, name, ask in RUNS_NO_MODEL])
def test_a_request_that_runs_no_model_is_sent_in_replay(
    server: ProviderServer, made: Callable[[ProviderServer], Any], ask: Ask
) -> None:
    client = made(server)
    with gm.using(mode="replay"):
        sent(client, ask)
    assert len(server.paths) >= 1
    assert gm.lookups().empty


def test_outside_replay_an_unknown_request_is_not_counted(server: ProviderServer) -> None:
    with suppress(openai.APIStatusError):
        _openai(server).post("/videos/v/remix", cast_to=object, body={"prompt": "hi"})
    assert gm.lookups().empty
    assert server.paths == ["/v1/videos/v/remix"]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_generated_client_of_another_service_is_left_alone(server: ProviderServer, library: Any) -> None:
    with gm.using(mode="replay"), library.Client(headers={"x-fern-language": "Python"}) as client, suppress(Exception):
        client.post(f"{server.url}/api/public/scores", json={"value": 1})
    assert server.paths == ["/api/public/scores"]


@pytest.mark.parametrize("name", ["litellm/1.80", "my-client/1"])
def test_the_logs_of_a_library_that_asks_many_providers_are_sent(
    server: ProviderServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NOTEBOOK, "config", Config(user_agents="my-client"))
    with gm.using(mode="replay"), httpx.Client(headers={"user-agent": name}) as client:
        client.post(f"{server.url}/api/public/ingestion", json={"batch": []})
    assert server.paths == ["/api/public/ingestion"]
    assert gm.lookups().empty


@pytest.mark.parametrize(
    "path",
    ["/v1/models/a/b/predictions", "/endpoints/e/invocations", "/ai/run/@cf/m", "/v1/inference/m", "/ml/v1/text/chat"],
)
def test_a_model_of_another_api_is_refused(server: ProviderServer, path: str) -> None:
    with gm.using(mode="replay"), httpx.Client(headers={"user-agent": "litellm/1.80"}) as client:
        assert client.post(f"{server.url}{path}", json={"prompt": "hi"}).status_code == 424
    assert server.paths == []


def test_any_path_can_be_told(server: ProviderServer) -> None:
    client = httpx.Client(headers={"user-agent": "OpenAI/Python 3"}, transport=httpx.MockTransport(lambda _: OK))
    with gm.using(mode="replay"), client:
        assert client.post("http://[::1]/$.c-c(K%]~_&/=-.%)=@:/@S[", json={}).status_code == 424


@pytest.mark.parametrize("name", ["litellm/1.80", "pydantic-ai/1"])
def test_what_such_a_library_asks_of_a_provider_is_refused(name: str) -> None:
    transport = httpx.MockTransport(lambda _: OK)
    with gm.using(mode="replay"), httpx.Client(headers={"user-agent": name}, transport=transport) as client:
        assert client.post("https://api.openai.com/v1/videos/edits", json={"prompt": "hi"}).status_code == 424
