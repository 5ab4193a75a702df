"""Embeddings are kept text by text: through the SDKs, and through LangChain's classes above them."""

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import ollama
import openai
import orjson
import pytest
from langchain_ollama import OllamaEmbeddings
from langchain_openai import OpenAIEmbeddings

import gptcache_magics as gm
from gptcache_magics.lookup import embedding_uses
from gptcache_magics.protocols.embeddings.vectors import dumps, pack, unpack
from gptcache_magics.sdk.embeddings import read_embeddings
from gptcache_magics.sdk.libraries import LIBRARIES
from gptcache_magics.store.protocol import Period
from tests.support.provider_server import KEY, ProviderServer

MODEL = "text-embedding-3-small"


@pytest.fixture
def embeddings_on() -> Iterator[None]:
    """Turn the cache on with embeddings, in memory."""
    gm.on(":memory:", embeddings=True)
    yield
    if gm.current() is not None:
        gm.off()


def sent_texts(server: ProviderServer) -> list[Any]:
    """Return the inputs of all requests."""
    return [each.get("input") or each.get("texts") for each in server.requests]


@pytest.mark.usefixtures("embeddings_on")
@pytest.mark.parametrize("encoding", ["base64", "float", None])
def test_a_second_request_gets_the_same_answer_and_sends_nothing(
    server: ProviderServer, client: openai.OpenAI, encoding: str | None
) -> None:
    options: Any = {"encoding_format": encoding} if encoding else {}
    first = client.embeddings.create(model=MODEL, input=["red fox", "blue"], **options)
    second = client.embeddings.create(model=MODEL, input=["red fox", "blue"], **options)
    assert first == second
    assert second.usage.prompt_tokens == 3
    assert server.calls == 1


@pytest.mark.usefixtures("embeddings_on")
def test_only_new_texts_are_sent_and_each_of_them_once(server: ProviderServer, client: openai.OpenAI) -> None:
    known = [f"text number {number}" for number in range(100)]
    first = client.embeddings.create(model=MODEL, input=known)
    mixed = client.embeddings.create(model=MODEL, input=["new", *known[50:], "new", *known[:50]])
    assert sent_texts(server) == [known, ["new"]]
    assert [each.index for each in mixed.data] == [*range(102)]
    assert mixed.data[1].embedding == first.data[50].embedding
    assert mixed.data[0].embedding == mixed.data[51].embedding
    assert mixed.usage.prompt_tokens == 302
    alone = client.embeddings.create(model=MODEL, input="new")
    assert alone.data[0].embedding == mixed.data[0].embedding
    assert server.calls == 2


@pytest.mark.usefixtures("embeddings_on")
def test_every_parameter_makes_another_vector(server: ProviderServer, client: openai.OpenAI) -> None:
    variants: list[Any] = [{}, {"dimensions": 4}, {"encoding_format": "float"}, {"extra_query": {"api-version": "2"}}]
    variants += [{"extra_headers": {"x-tenant": "b"}}, {"model": "text-embedding-3-large"}]
    for _ in range(2):
        for variant in variants:
            client.embeddings.create(**{"model": MODEL, "input": "one", **variant})
    assert server.calls == len(variants)


@pytest.mark.usefixtures("embeddings_on")
def test_tokens_are_texts(server: ProviderServer, client: openai.OpenAI) -> None:
    client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]])
    second = client.embeddings.create(model=MODEL, input=[[4], [5, 6]])
    one = client.embeddings.create(model=MODEL, input=[1, 2, 3])
    assert sent_texts(server) == [[[1, 2, 3], [4]], [[5, 6]]]
    assert (second.usage.prompt_tokens, one.usage.prompt_tokens) == (3, 3)


@pytest.mark.usefixtures("embeddings_on")
def test_raw_and_streamed_responses_are_read_as_before(server: ProviderServer, client: openai.OpenAI) -> None:
    for _ in range(2):
        raw = client.embeddings.with_raw_response.create(model=MODEL, input=["a", "b"])
        assert len(raw.parse().data) == 2
        with client.embeddings.with_streaming_response.create(model=MODEL, input=["a", "c"]) as streamed:
            assert len(json.loads(streamed.read())["data"]) == 2
    assert sent_texts(server) == [["a", "b"], ["c"]]
    assert raw.headers["x-gptcache"] == "embeddings"


@pytest.mark.usefixtures("embeddings_on")
async def test_the_async_client_shares_what_is_stored(server: ProviderServer, client: openai.OpenAI) -> None:
    client.embeddings.create(model=MODEL, input=["a", "b"])
    again = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    answers = await asyncio.gather(*(again.embeddings.create(model=MODEL, input=["b", "a"]) for _ in range(8)))
    assert server.calls == 1
    assert all(each == answers[0] for each in answers)
    mixed = await again.embeddings.create(model=MODEL, input=["b", "c"])
    assert [each.index for each in mixed.data] == [0, 1]
    assert server.requests[-1]["input"] == ["c"]


@pytest.mark.usefixtures("embeddings_on")
def test_an_error_is_the_providers_and_nothing_is_kept(server: ProviderServer, client: openai.OpenAI) -> None:
    client.embeddings.create(model=MODEL, input="known")
    server.fail_next(1, 400)
    with pytest.raises(openai.BadRequestError, match="the server fails with 400"):
        client.embeddings.create(model=MODEL, input=["known", "new"])
    client.embeddings.create(model=MODEL, input=["known", "new"])
    assert sent_texts(server) == ["known", ["new"], ["new"]]
    assert int(gm.stats(embeddings=True)["texts"].sum()) == 3


@pytest.mark.usefixtures("embeddings_on")
def test_an_sdks_own_retry_counts_once(server: ProviderServer) -> None:
    patient = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=2)
    server.fail_next(1, 500)
    patient.embeddings.create(model=MODEL, input=["a", "b"])
    assert server.calls == 2
    assert gm.stats(embeddings=True).loc[MODEL, ["texts", "hits", "sent"]].tolist() == [2, 0, 2]


def test_figures_stand_apart_from_the_hit_rate(server: ProviderServer, client: openai.OpenAI) -> None:
    gm.on(":memory:", embeddings=True)
    client.embeddings.create(model=MODEL, input=["a", "b c"])
    client.embeddings.create(model=MODEL, input=["a", "b c", "d"])
    frame = gm.stats(embeddings=True)
    assert frame.loc[MODEL, ["texts", "hits", "sent", "tokens", "saved_tokens"]].tolist() == [5, 2, 3, 4, 3]
    assert frame.loc[MODEL, "paid_usd"] == pytest.approx(4 * 0.02e-6)
    assert gm.stats().empty
    assert gm.entries().empty
    assert gm.models().empty
    status = repr(gm.status())
    assert "3 texts embedded, 2 from the cache" in status
    assert "embeddings" in status.splitlines()[2]
    assert "0 entries" in status
    assert "3 embeddings" in status
    gm.off()


def test_without_the_option_nothing_is_kept_and_replay_refuses(server: ProviderServer, client: openai.OpenAI) -> None:
    gm.on(":memory:")
    for _ in range(2):
        client.embeddings.create(model=MODEL, input="a")
    assert server.calls == 2
    gm.on(embeddings=True)
    client.embeddings.create(model=MODEL, input="a")
    gm.on(embeddings=False)
    client.embeddings.create(model=MODEL, input="a")
    assert server.calls == 4
    gm.mode("replay")
    with pytest.raises(openai.APIStatusError, match="embeddings"):
        client.embeddings.create(model=MODEL, input="a")
    assert server.calls == 4
    gm.off()


def test_modes(server: ProviderServer, client: openai.OpenAI) -> None:
    gm.on(":memory:", embeddings=True)

    def ask(text: str) -> None:
        client.embeddings.create(model=MODEL, input=text)

    ask("a")
    for mode, calls in (("readonly", 1), ("bypass", 2), ("refresh", 2)):
        gm.mode(mode)  # type: ignore[arg-type]
        before = server.calls
        ask("a")
        ask(f"new in {mode}")
        assert server.calls - before == calls
    gm.mode("auto")
    before = server.calls
    ask("a")
    ask("new in refresh")
    assert server.calls == before
    ask("new in readonly")
    assert server.calls == before + 1
    gm.off()


def test_replay_serves_known_texts_and_refuses_others_with_a_sentence(
    server: ProviderServer, client: openai.OpenAI, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store", embeddings=True)
    client.embeddings.create(model=MODEL, input=["a", "b"])
    gm.mode("replay")
    assert len(client.embeddings.create(model=MODEL, input=["b", "a"]).data) == 2
    with pytest.raises(
        openai.APIStatusError, match=r"EmbeddingMiss: .*1 text of 2 not recorded, such as “c”"
    ) as caught:
        client.embeddings.create(model=MODEL, input=["a", "c"])
    assert caught.value.status_code == 424
    assert server.calls == 1
    gm.off()


def test_a_bundle_serves_its_embeddings_on_another_machine(
    server: ProviderServer, client: openai.OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "lesson.jsonl"
    gm.on(":memory:", embeddings=True)
    first = client.embeddings.create(
        model=MODEL, input=["a", "b", "my key is sk-proj-abcdefghijklmnopqrstuvwxyz123456"]
    )
    said = gm.save(bundle, embeddings=True)
    assert "2 embeddings" in said
    assert "1 embedded text that looks like it holds a key was left out" in said
    text = bundle.read_text()
    assert KEY not in text
    assert "abcdefghijklmnop" not in text
    gm.off()

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    gm.on(bundle)
    elsewhere = openai.OpenAI(base_url="http://127.0.0.1:9/v1", max_retries=0)
    again = elsewhere.embeddings.create(model=MODEL, input=["b", "a"])
    assert [each.embedding for each in again.data] == [first.data[1].embedding, first.data[0].embedding]
    with pytest.raises(openai.APIStatusError, match="not recorded"):
        elsewhere.embeddings.create(model=MODEL, input="c")
    gm.off()
    assert server.calls == 1

    gm.on(":memory:", embeddings=True)
    assert "2 embeddings added" in gm.load(bundle)
    assert gm.current().store.count_embeddings()[0] == 2  # type: ignore[union-attr]
    assert gm.save(tmp_path / "again.jsonl", all=True, embeddings=True)
    assert (tmp_path / "again.jsonl").read_bytes() == bundle.read_bytes()
    gm.off()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sent": "other"}, "its key does not fit its text"),
        ({"data": "AAAA"}, "the vector cannot be read"),
        ({"vector": {"embedding": [1.0]}}, "the vector cannot be read"),
        ({"rest": []}, "'rest' is not an object"),
        ({"embedder": "0" * 32}, "key does not fit"),
    ],
)
def test_a_changed_line_of_a_bundle_is_refused(
    client: openai.OpenAI, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    bundle = tmp_path / "lesson.jsonl"
    gm.on(":memory:", embeddings=True)
    client.embeddings.create(model=MODEL, input="a")
    gm.save(bundle, embeddings=True)
    gm.off()
    lines = bundle.read_bytes().splitlines()
    lines[-1] = orjson.dumps({**orjson.loads(lines[-1]), **change})
    bundle.write_bytes(b"\n".join(lines))
    said = gm.on(bundle)
    assert reason in said
    gm.off()


def test_vectors_stay_in_the_folder_and_can_be_cleared(
    server: ProviderServer, client: openai.OpenAI, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store", embeddings=True)
    client.embeddings.create(model=MODEL, input=["a", "b"])
    gm.off()
    gm.on(tmp_path / "store", embeddings=True)
    client.embeddings.create(model=MODEL, input=["a", "b"])
    assert server.calls == 1
    assert "2 embeddings stay" in str(gm.clear(yes=True))
    assert "2 embeddings removed" in str(gm.clear(embeddings=True))
    client.embeddings.create(model=MODEL, input=["a", "b"])
    assert server.calls == 2
    assert gm.stats(embeddings=True, since="all").loc[MODEL, "texts"] == 6
    gm.off()


def test_the_ttl_and_the_size_hold_for_embeddings(server: ProviderServer, client: openai.OpenAI) -> None:
    gm.on(":memory:", embeddings=True, ttl="0.01m", max_size="20kB")
    client.embeddings.create(model=MODEL, input=[f"text {number}" for number in range(200)])
    cache = gm.current()
    assert cache is not None
    cache.ledger.flush()
    number, size = cache.store.count_embeddings()
    assert size <= 20_000
    assert 0 < number < 200
    time.sleep(0.7)
    client.embeddings.create(model=MODEL, input="text 199")
    assert server.calls == 2
    gm.off()


@pytest.mark.usefixtures("embeddings_on")
def test_ollama_and_its_older_path(server: ProviderServer) -> None:
    client = ollama.Client(host=server.url)
    first = client.embed(model="nomic", input=["a", "b"])
    assert client.embed(model="nomic", input=["b", "c"]).embeddings[0] == first.embeddings[1]
    assert client.embed(model="nomic", input=["a", "b"]) == first
    assert client.embeddings(model="nomic", prompt="a") == client.embeddings(model="nomic", prompt="a")
    assert server.calls == 3


@pytest.mark.usefixtures("embeddings_on")
async def test_langchains_classes(server: ProviderServer) -> None:
    made: list[Any] = [
        OpenAIEmbeddings(api_key=KEY, base_url=server.openai_url, check_embedding_ctx_length=False, max_retries=0),
        OllamaEmbeddings(model="nomic", base_url=server.url),
    ]
    for each in made:
        before = server.calls
        first = each.embed_documents(["a", "b"])
        assert each.embed_documents(["a", "b"]) == first
        assert each.embed_query("b") == first[1]
        assert await each.aembed_documents(["b", "a"]) == [first[1], first[0]]
        gm.mode("replay")
        assert each.embed_query("a") == first[0]
        with pytest.raises(Exception, match="mode replay serves recorded vectors only"):
            each.embed_query("unknown")
        gm.mode("auto")
        assert server.calls == before + 1
    assert gm.lookups()["outcome"].tolist() == ["bypass", "bypass"]


@pytest.mark.usefixtures("embeddings_on")
def test_matching_by_meaning_embeds_for_itself(server: ProviderServer) -> None:
    own = OpenAIEmbeddings(api_key=KEY, base_url=server.openai_url, check_embedding_ctx_length=False, max_retries=0)
    gm.on(match="semantic", embedder=own, wait=True)
    server.model("ChatOpenAI").invoke("What is the capital of France?")
    cache = gm.current()
    assert cache is not None
    cache.ledger.flush()
    assert any("input" in each for each in server.requests)
    assert cache.store.count_embeddings()[0] == 0
    assert gm.stats(embeddings=True).empty


@pytest.mark.usefixtures("embeddings_on")
@pytest.mark.parametrize(
    "answer",
    [
        (b"<html>sign in</html>", "text/html"),
        (b'{"object":"list","data":[{"index":0,"object":"embedding","embedding":[NaN]}]}', "application/json"),
        (b'{"object":"list","data":[]}', "application/json"),
        (b'{"object":"list","data":[{"index":3,"object":"embedding","embedding":[1.0]}]}', "application/json"),
        (b'{"object":"list","data":[{"index":0,"object":"embedding","embedding":[]}]}', "application/json"),
        (b'{"object":"list","data":[{"index":0,"object":"embedding","embedding":"AADAfw=="}]}', "application/json"),
    ],
)
def test_what_is_no_answer_is_passed_and_not_kept(answer: tuple[bytes, str]) -> None:
    import httpx2

    bodies: list[Any] = []

    def handle(request: Any) -> Any:
        bodies.append(json.loads(request.content))
        return httpx2.Response(200, content=answer[0], headers={"content-type": answer[1]})

    transport = httpx2.MockTransport(handle)
    client = httpx2.Client(transport=transport, headers={"user-agent": "OpenAI/Python 3"})
    for _ in range(2):
        received = client.post("http://somewhere/v1/embeddings", json={"model": "m", "input": ["a"]})
        assert received.content == answer[0]
    assert len(bodies) == 2
    assert gm.current().store.count_embeddings()[0] == 0  # type: ignore[union-attr]


@pytest.mark.usefixtures("embeddings_on")
def test_a_wrong_answer_for_the_new_texts_asks_for_all_of_them() -> None:
    import httpx2

    bodies: list[Any] = []

    def handle(request: Any) -> Any:
        texts = json.loads(request.content)["input"]
        bodies.append(texts)
        wrong = texts == ["b"]
        data = [] if wrong else [{"index": n, "embedding": [float(n), 0.5]} for n in range(len(texts))]
        return httpx2.Response(200, json={"data": data})

    client = httpx2.Client(transport=httpx2.MockTransport(handle), headers={"user-agent": "OpenAI/Python 3"})
    client.post("http://somewhere/v1/embeddings", json={"model": "m", "input": ["a"]})
    whole = client.post("http://somewhere/v1/embeddings", json={"model": "m", "input": ["a", "b"]})
    assert bodies == [["a"], ["b"], ["a", "b"]]
    assert len(whole.json()["data"]) == 2


@pytest.mark.usefixtures("embeddings_on")
def test_images_go_past_with_a_reason() -> None:
    import httpx2

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"embeddings": {"float": [[1.0]]}}))
    client = httpx2.Client(transport=transport, headers={"user-agent": "cohere/7"})
    client.post("http://somewhere/v2/embed", json={"model": "m", "images": ["data:image/png;base64,AAAA"]})
    assert gm.lookups()["reason"].tolist() == ["embeddings: images"] or "images" in gm.lookups()["reason"][1]


class _Gzip(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        data = [{"index": n, "object": "embedding", "embedding": [float(len(t)), 0.25]} for n, t in enumerate(texts)]
        body = gzip.compress(json.dumps({"object": "list", "model": "m", "data": data}).encode())
        self.send_response(200)
        for name, value in (("Content-Type", "application/json"), ("Content-Encoding", "gzip")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.mark.usefixtures("embeddings_on")
def test_a_compressed_answer_is_put_together() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Gzip) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", max_retries=0)
        client.embeddings.create(model="m", input=["a"], encoding_format="float")
        mixed = client.embeddings.create(model="m", input=["bb", "a"], encoding_format="float")
        server.shutdown()
    assert [each.embedding for each in mixed.data] == [[2.0, 0.25], [1.0, 0.25]]


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"embedding": [0.1, -0.25, 1e-9]}, 12),  # as a float32 is written
        ({"embedding": [0.10000000149011612, 0.5]}, 8),  # a float32, written as a double
        ({"embedding": [0.1234567890123, 0.5]}, 16),
        ({"embedding": "AACAPwAAAL8="}, 8),
        ({"int8": [-127, 0, 127], "float": [0.5], "ubinary": [0, 255]}, 9),
        ([0, 0.5, 1], 9),  # as some servers write a float
        ([0.0, -0.0, 1.0], 12),
        ({"embedding": [2**64 - 1, 1.0]}, 26),
        ({"values": [1e-300, 1.0]}, 16),
        ({"embedding": [300, -2]}, 8),
    ],
)
def test_a_vector_is_packed_small_and_comes_back_equal(item: Any, size: int) -> None:
    packed = pack(item)
    assert orjson.dumps(orjson.loads(dumps(unpack(packed)))) == orjson.dumps(item)
    assert len(packed.partition(b"\n")[2]) == size


@pytest.mark.parametrize("values", [b'[1,"a"]', b"[1,null]", b"[true]", b"{}", b"[1", b"1"])
def test_a_vector_of_a_stranger_holds_numbers_only(values: bytes) -> None:
    with pytest.raises(ValueError, match=r"no number|unexpected|EOF"):
        unpack(orjson.dumps({"embedding": {"$": ["json", len(values)]}}) + b"\n" + values)


@pytest.mark.parametrize("item", [{"embedding": []}, {"embedding": None}, {}, {"embedding": [1.0, None]}, {"$": [1.0]}])
def test_what_is_no_vector_is_not_packed(item: Any) -> None:
    with pytest.raises(ValueError, match=r"vector|number|field"):
        pack(item)


def test_the_figures_of_a_run_are_written_once(client: openai.OpenAI, tmp_path: Path) -> None:
    gm.on(tmp_path / "store", embeddings=True)
    cache = gm.current()
    assert cache is not None
    for number in range(3):
        client.embeddings.create(model=MODEL, input=["same", f"new {number}"])
        cache.ledger.flush()
    (use,) = cache.store.embedding_uses(Period(run=cache.ledger.run))
    assert (use.texts, use.hits, use.sent) == (6, 2, 4)
    gm.off()


@pytest.mark.usefixtures("embeddings_on")
@pytest.mark.parametrize(
    ("agent", "path", "one", "two"),
    [
        ("cohere/7", "/v2/embed", {"texts": ["a", "b"]}, {"texts": ["b", "c"]}),
        ("cohere/7", "/v1/embed", {"texts": ["a", "b"], "input_type": "search_query"}, {"texts": ["a"]}),
        ("cohere/7", "/v2/embed", {"texts": ["a"], "embedding_types": ["float", "int8"]}, {"texts": ["a"]}),
        ("mistral-client-python/3", "/v1/embeddings", {"input": ["a", "b"]}, {"input": ["c", "b"]}),
        ("AsyncAzureOpenAI/Python 3", "/openai/deployments/d/embeddings", {"input": "a"}, {"input": ["b", "a"]}),
    ],
)
def test_other_apis(server: ProviderServer, agent: str, path: str, one: Any, two: Any) -> None:
    import httpx

    client = httpx.Client(base_url=server.url, headers={"user-agent": agent})

    def asked(body: Any) -> Any:
        return client.post(path, json={"model": "m", **body}).json()

    first, second = asked(one), asked({**one, **two})
    calls = server.calls
    assert asked(one) == first
    assert asked({**one, **two}) == second
    assert server.calls == calls
    gm.off()
    assert asked({**one, **two}) == second


@pytest.mark.usefixtures("embeddings_on")
def test_googles_two_paths_share_their_texts(server: ProviderServer) -> None:
    import httpx

    client = httpx.Client(base_url=server.url, headers={"user-agent": "google-genai-sdk/3"})
    path = "/v1beta/models/gemini-embedding-001"

    def content(text: str) -> Any:
        return {"content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY"}

    requests = [{"model": "models/gemini-embedding-001", **content(text)} for text in ("a", "b")]
    several = client.post(f"{path}:batchEmbedContents", json={"requests": requests}).json()["embeddings"]
    assert client.post(f"{path}:embedContent", json=content("b")).json() == {"embedding": several[1]}
    assert server.calls == 1
    image = {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}
    client.post(f"{path}:unknown", json=image)
    assert gm.lookups().empty


@pytest.mark.parametrize(
    ("agent", "host", "paths", "body"),
    [
        ("cohere/7", "api.cohere.com", ["/v1/embed", "/v2/embed"], {"model": "m", "texts": ["a"]}),
        (
            "google-genai-sdk/2",
            "generativelanguage.googleapis.com",
            [f"/{each}/models/m:embedContent" for each in ("v1beta", "v1", "v1alpha")],
            {"content": {"parts": [{"text": "a"}]}},
        ),
    ],
)
def test_the_versions_of_an_api_have_vectors_of_their_own(
    agent: str, host: str, paths: list[str], body: dict[str, Any]
) -> None:
    models = []
    for path in paths:
        http = httpx2.Request("POST", f"https://{host}{path}", json=body)
        models.append(read_embeddings(http, LIBRARIES[agent.partition("/")[0]]).model)
    assert len({each.key for each in models}) == len({each.portable for each in models}) == len(paths)


def test_a_parameter_that_is_bookkeeping_for_openai_counts_for_a_server_of_ones_own() -> None:
    def key(url: str, user: str) -> str:
        http = httpx2.Request("POST", f"{url}/embeddings", json={"model": "m", "input": "a", "user": user})
        return read_embeddings(http, LIBRARIES["openai"]).keys[0]

    assert key("https://api.openai.com/v1", "ann") == key("https://api.openai.com/v1", "bob")
    assert key("http://gpu.example.com/v1", "ann") != key("http://gpu.example.com/v1", "bob")


@pytest.mark.usefixtures("embeddings_on")
def test_eight_threads_that_embed_the_same_pay_once(server: ProviderServer, client: openai.OpenAI) -> None:
    server.delay = 0.3
    answers: list[Any] = []

    def embed() -> None:
        answers.append(client.embeddings.create(model=MODEL, input=["a", "b"]))

    threads = [threading.Thread(target=embed) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.calls, len(answers)) == (1, 8)
    assert all(each == answers[0] for each in answers)


@pytest.mark.usefixtures("embeddings_on")
async def test_eight_tasks_that_embed_the_same_pay_once(server: ProviderServer, client: openai.OpenAI) -> None:
    client.embeddings.create(model=MODEL, input="known")
    later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    server.delay = 0.3
    asked = [["known", "a", "b"], ["b", "a"]] * 4
    answers = await asyncio.gather(*(later.embeddings.create(model=MODEL, input=texts) for texts in asked))
    assert sent_texts(server)[1:] in ([["a", "b"]], [["b", "a"]])
    assert answers[0].data[1].embedding == answers[1].data[1].embedding


@pytest.mark.usefixtures("embeddings_on")
async def test_who_waits_for_embeddings_asks_when_the_first_fails(server: ProviderServer) -> None:
    later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    server.delay = 0.3
    server.fail_next(1, 400)
    asked = (later.embeddings.create(model=MODEL, input="a") for _ in range(3))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, openai.BadRequestError) for each in answers].count(True) == 1
    assert server.calls == 3


@pytest.mark.usefixtures("embeddings_on")
def test_a_spent_budget_refuses_to_embed_and_that_is_noted(server: ProviderServer, client: openai.OpenAI) -> None:
    gm.on(budget="0.000000001usd")
    client.embeddings.create(model=MODEL, input="a")
    with pytest.raises(openai.APIStatusError, match=r"BudgetReached: .* spent"):
        client.embeddings.create(model=MODEL, input="b")
    assert client.embeddings.create(model=MODEL, input="a")
    noted = gm.lookups()
    assert noted["outcome"].tolist() == ["bypass"]
    assert "budget" in noted["reason"].iloc[0]
    assert server.calls == 1


@pytest.mark.usefixtures("embeddings_on")
def test_the_keys_of_a_run_are_not_remembered_without_end(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_uses, "KEYS_KEPT", 3)
    cache = gm.current()
    assert cache is not None
    for text in ("a", "b"):
        client.embeddings.create(model=MODEL, input=text)
    earlier = cache.ledger.embeddings.keys_of(cache.ledger.run)
    client.embeddings.create(model=MODEL, input=["c", "d", "e"])
    later = cache.ledger.embeddings.keys_of(cache.ledger.run)
    assert (len(earlier), len(later), {*earlier} & {*later}) == (2, 3, set())
