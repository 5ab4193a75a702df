"""One request of an SDK: answered once, counted once, refused in replay, and never in the way."""

import asyncio
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.lookup.refusal import refusal_in
from gptcache_magics.sdk.responses import HIT
from tests.sdk.ask import ask
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
USER: Any = [{"role": "user", "content": "hi"}]


def outcomes() -> list[str]:
    return gm.lookups()["outcome"].tolist()[::-1]


def reasons() -> list[str]:
    return gm.lookups()["reason"].tolist()[::-1]


WITH_USAGE: Any = {"stream_options": {"include_usage": True}}
UNTOLD = "the answer was recorded from a stream that told no usage"


def pieces(client: openai.OpenAI, question: str, **fields: Any) -> str:
    messages: Any = [{"role": "user", "content": question}]
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, **fields)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_the_second_call_is_free_and_says_so(client: openai.OpenAI, server: ProviderServer) -> None:
    first = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=USER)
    second = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=USER)

    assert (server.calls, outcomes()) == (1, ["miss", "hit"])
    assert second.parse() == first.parse()
    assert HIT not in first.headers
    assert second.headers[HIT].startswith(gm.entries().index[0])
    assert second.http_response.elapsed.total_seconds() == 0


def test_a_whole_answer_serves_a_stream_and_a_stream_serves_a_whole(
    client: openai.OpenAI, server: ProviderServer
) -> None:
    assert ask(client, "whole") == pieces(client, "whole")
    assert pieces(client, "stream", **WITH_USAGE) == ask(client, "stream")
    assert (server.calls, outcomes()) == (2, ["miss", "hit", "miss", "hit"])


@pytest.mark.parametrize("completes", [False, True])
def test_a_stream_that_told_no_usage_serves_only_streams_that_ask_for_none(
    client: openai.OpenAI, server: ProviderServer, completes: bool
) -> None:
    create: Any = client.completions.create if completes else client.chat.completions.create
    asked: Any = {"model": "gpt-4o-mini", **({"prompt": "hi"} if completes else {"messages": USER})}

    def tokens(**fields: Any) -> list[int]:
        return [each.usage.total_tokens for each in create(**asked, stream=True, **fields) if each.usage]

    assert [tokens(), tokens()] == [[], []]
    assert create(**asked).usage == create(**asked).usage is not None
    assert (server.calls, reasons()) == (2, ["asked for the first time", "", UNTOLD, ""])
    assert tokens(**WITH_USAGE) == [create(**asked).usage.total_tokens]
    assert tokens() == ([] if completes else tokens(**WITH_USAGE))
    assert server.calls == 2

    with gm.using("refresh"):
        assert tokens() == []
    assert tokens(**WITH_USAGE) == [create(**asked).usage.total_tokens]
    assert (server.calls, reasons()[-2]) == (4, UNTOLD)


def test_a_replay_serves_a_stream_that_told_no_usage(client: openai.OpenAI, server: ProviderServer) -> None:
    said = pieces(client, "hi")
    gm.on(mode="replay")
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=USER)
    assert (answer.choices[0].message.content, answer.usage) == (said, None)
    assert server.calls == 1


@pytest.mark.parametrize("null", [False, True])
def test_a_server_that_never_tells_the_usage_is_asked_once(null: bool) -> None:
    requests = list[Any]()
    library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
    head = {"id": "c", "created": 1, "model": "m", **({"usage": None} if null else {})}

    def answer(request: Any) -> Any:
        requests.append(request)
        if b'"stream":true' not in request.content:
            choice: Any = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
            return library.Response(200, json={**head, "object": "chat.completion", "choices": [choice]})
        choice = {"index": 0, "delta": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        said = json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]})
        sse = {"content-type": "text/event-stream"}
        return library.Response(200, headers=sse, content=f"data: {said}\n\ndata: [DONE]\n\n".encode())

    http = library.Client(transport=library.MockTransport(answer))
    client = openai.OpenAI(api_key=KEY, http_client=http, max_retries=0)
    assert [ask(client, "whole"), ask(client, "whole"), pieces(client, "whole")] == ["ok"] * 3
    assert len(requests) == 1
    assert [pieces(client, "stream", **WITH_USAGE) for _ in range(2)] == ["ok"] * 2
    assert ask(client, "stream") == "ok"
    assert len(requests) == 2


def test_a_stream_passes_piece_by_piece(client: openai.OpenAI, server: ProviderServer) -> None:
    messages: Any = USER
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
    next(iter(stream))
    assert gm.entries().empty
    for _ in stream:
        pass
    assert len(gm.entries()) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_an_error_of_the_provider_passes_and_is_not_stored(
    client: openai.OpenAI, server: ProviderServer, status: int
) -> None:
    server.fail_next(1, status)
    with pytest.raises(openai.APIStatusError) as error:
        ask(client, "hi")
    assert error.value.status_code == status
    assert "as told" in str(error.value)
    assert gm.entries().empty
    assert ask(client, "hi") == ask(client, "hi")
    assert outcomes()[-1] == "hit"


def test_what_an_sdk_tries_again_is_one_lookup(server: ProviderServer) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=2)
    server.fail_next(2, 500)
    answer = ask(client, "hi")
    assert (server.calls, outcomes()) == (3, ["miss"])
    assert ask(client, "hi") == answer
    assert (server.calls, outcomes()) == (3, ["miss", "hit"])


def test_the_same_question_after_a_failure_is_another_lookup(client: openai.OpenAI, server: ProviderServer) -> None:
    server.fail_next(1, 500)
    with pytest.raises(openai.InternalServerError):
        ask(client, "hi")
    ask(client, "hi")
    assert outcomes() == ["miss", "miss"]


def test_a_broken_stream_is_not_stored(client: openai.OpenAI, server: ProviderServer) -> None:
    server.fail_next(1, 200)
    with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError, openai.APIError)):
        pieces(client, "hi there and more words")
    assert gm.entries().empty
    assert reasons()[0].startswith("not stored: broken off")


async def test_a_broken_stream_of_an_async_client_is_not_stored(server: ProviderServer) -> None:
    later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    server.fail_next(1, 200)
    messages: Any = [{"role": "user", "content": "hi there and more words"}]
    with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError, openai.APIError)):
        async for _ in await later.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            pass
    assert gm.entries().empty
    assert reasons()[0].startswith("not stored: broken off")


def test_a_stream_whose_reader_leaves_is_not_stored(client: openai.OpenAI) -> None:
    messages: Any = USER
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
    next(iter(stream))
    stream.close()
    assert gm.entries().empty
    assert reasons()[0].startswith("not stored: broken off")


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"<html>sign in</html>", "text/html", "not stored: it is not JSON"),
        (b'{"detail": "ok"}', "application/json", "not stored: it is no answer of this API"),
        (b"[1]", "application/json", "not stored: it is no answer of this API"),
        (b"", "application/json", "not stored: it is not JSON"),
    ],
)
def test_an_answer_that_is_none_passes_and_is_not_stored(content: bytes, kind: str, reason: str) -> None:
    library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
    transport = library.MockTransport(lambda _: library.Response(200, content=content, headers={"content-type": kind}))
    client = openai.OpenAI(api_key=KEY, http_client=library.Client(transport=transport), max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=USER)
    assert raw.content == content
    assert gm.entries().empty
    assert reasons() == [reason]


def test_a_cut_off_answer_is_paid_again(client: openai.OpenAI, server: ProviderServer) -> None:
    server.finish_reason = "length"
    ask(client, "hi")
    ask(client, "hi")
    assert (server.calls, reasons()[0]) == (2, "not stored: cut off at max_tokens (length)")
    gm.on(keep_cut_off=True)
    assert ask(client, "hi") == ask(client, "hi")
    assert server.calls == 3


@pytest.mark.parametrize("streams", [False, True])
def test_in_replay_nothing_is_sent_and_the_sdk_says_our_sentence(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer, streams: bool
) -> None:
    ask(client, "recorded question")
    with gm.using(mode="replay"):
        assert "recorded question" in ask(client, "recorded question")
        messages: Any = [{"role": "user", "content": "another question"}]
        with pytest.raises(openai.APIStatusError, match=r"CacheMiss: nothing is recorded for “another question”"):
            client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=streams)
        with pytest.raises(anthropic.APIStatusError, match=r"CacheMiss: nothing is recorded for “another question”"):
            claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=messages, stream=streams)
    assert server.calls == 1


def test_the_body_of_a_refusal_has_its_fields_without_keys(client: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    ask(client, "How tall is Etna?")
    (stored,) = gm.entries().index
    question = f"How tall is Etna, {KEY}?"
    with gm.using(mode="replay"), pytest.raises(openai.APIStatusError) as missed:
        ask(client, question)
    body: Any = missed.value.body
    assert body["gptcache"] == {
        "prompt": question.replace(KEY, "***"),
        "model": "gpt-4o-mini",
        "closest": stored,
        "reason": "asked for the first time",
    }
    gm.on(budget="0.0000001usd")
    with pytest.raises(anthropic.APIStatusError) as spent:
        claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    body = spent.value.body
    fields = body["error"]["gptcache"]
    assert (fields["prompt"], fields["model"], fields["limit"]) == ("Hi", "claude-haiku-4-5", 1e-7)
    assert fields["spent"] > fields["limit"]
    for error in (missed.value, spent.value):
        assert KEY not in f"{error} {error.body}"
        told = refusal_in(type(error)(str(error), response=httpx2.Response(424, request=error.request), body=None))
        assert str(told) == str(refusal_in(error)), "from the text, too"


def test_a_refusal_is_not_tried_again(server: ProviderServer) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=5)
    with gm.using(mode="replay"), pytest.raises(openai.APIStatusError, match="CacheMiss"):
        ask(client, "hi")
    assert (server.calls, len(gm.lookups())) == (0, 1)


def test_a_spent_budget_refuses_what_is_not_stored(client: openai.OpenAI, server: ProviderServer) -> None:
    gm.on(budget="0.000001usd")
    ask(client, "hi")
    assert ask(client, "hi")
    with pytest.raises(openai.APIStatusError, match=r"BudgetReached: .* spent"):
        ask(client, "hello")
    assert server.calls == 1


def test_langchain_that_sends_through_an_sdk_is_counted_once(server: ProviderServer) -> None:
    model = server.model("ChatOpenAI")
    for question in ("invoke", "stream"):
        for _ in range(2):
            model.invoke(question) if question == "invoke" else [*model.stream(question)]
    for _ in range(2):
        asyncio.run(model.ainvoke("ainvoke"))
    assert (server.calls, outcomes()) == (3, ["miss", "hit"] * 3)
    assert set(gm.lookups()["model"]) == {"gpt-4o-mini"}


def test_what_reads_a_stream_of_langchain_may_ask_an_sdk(client: openai.OpenAI, server: ProviderServer) -> None:
    model = server.model("ChatOpenAI")
    for _ in range(2):
        for chunk in model.stream("outer"):
            if chunk.content:
                ask(client, "inner")
                break
    assert outcomes().count("hit") >= 1
    assert len(gm.entries()) >= 1
    assert "inner" in set(gm.lookups()["question"])


def test_eight_threads_that_ask_the_same_pay_once(client: openai.OpenAI, server: ProviderServer) -> None:
    server.delay = 0.2
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(client, "hi"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.calls, len(answers), len({*answers})) == (1, 8, 1)


def test_eight_tasks_that_ask_the_same_pay_once(server: ProviderServer) -> None:
    server.delay = 0.2

    async def gather() -> list[Any]:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
        calls = [client.chat.completions.create(model="gpt-4o-mini", messages=USER) for _ in range(8)]
        return await asyncio.gather(*calls)

    answers = asyncio.run(gather())
    assert server.calls == 1
    assert len({each.choices[0].message.content for each in answers}) == 1


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/audio/speech", {"model": "tts-1", "input": "hi", "voice": "alloy"}, "not cached: audio"),
        ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "a cat"}, "not cached: images"),
        ("/v1/moderations", {"model": "omni", "input": "hi"}, "not cached: moderation"),
        ("/model/claude/invoke", {"messages": USER}, "not cached: a model on Bedrock"),
        ("/model/claude/invoke-with-response-stream", {"messages": USER}, "not cached: a model on Bedrock"),
        ("/v1/projects/p/publishers/anthropic/models/m:streamRawPredict", {}, "not cached: a model on Vertex"),
        ("/v1/responses/compact", {"model": "m", "input": "hi"}, "not cached: a compacted conversation"),
        ("/v1/batches", {"input_file_id": "f"}, "not cached: batches"),
        ("/v1/chat/completions", {"model": "m", "messages": []}, "not cached: it has no messages"),
        ("/v1/chat/completions", {"messages": USER}, "not cached: it names no model"),
        ("/v1/responses", {"model": "m", "input": "hi", "background": True}, "not cached: it runs in the background"),
    ],
)
def test_what_is_not_kept_passes_and_is_counted(
    client: openai.OpenAI, server: ProviderServer, path: str, body: dict[str, Any], reason: str
) -> None:
    send = client._client
    request = send.build_request("POST", f"{server.url}{path}", json=body, headers={"user-agent": "OpenAI/Python 3"})
    with suppress(httpx.TransportError, httpx2.TransportError):  # the server knows no such request
        send.send(request)
    assert (outcomes(), reasons()) == (["bypass"], [reason])
    with gm.using(mode="replay"):
        refused = send.send(request)
    assert refused.status_code == 424
    assert reason in refused.json()["error"]["message"]


def test_a_request_of_no_sdk_is_left_alone(server: ProviderServer) -> None:
    for library in (httpx, httpx2):
        with library.Client() as client:
            for _ in range(2):
                client.post(f"{server.openai_url}/chat/completions", json={"model": "m", "messages": USER})
    assert server.calls == 4
    assert gm.lookups().empty


def test_what_replay_refuses_costs_nothing(client: openai.OpenAI, server: ProviderServer) -> None:
    gm.on(mode="replay", embeddings=True)
    for refused in (
        lambda: client.embeddings.create(model="text-embedding-3-small", input=["token"]),
        lambda: client.audio.speech.create(model="gpt-4o-mini", input="token", voice="alloy"),
        lambda: client.chat.completions.create(model="gpt-4o-mini", messages=USER),
    ):
        with pytest.raises(openai.APIStatusError):
            refused()

    figures = gm.stats("total", wide=True).iloc[0]
    assert server.calls == 0
    assert (figures["unpriced_paid"], figures["paid_usd"], figures["paid_input_tokens"]) == (0, 0, 0)


def test_credentials_in_an_address_are_not_kept_of_a_request_that_is_not_read(
    server: ProviderServer, tmp_path: Path
) -> None:
    gm.off()
    gm.on(tmp_path)
    secret = "0a1b2c3d4e5f6a7b8c9d"
    base_url = f"{server.url}/gateway/{secret}"
    client = openai.OpenAI(api_key=KEY, base_url=base_url, max_retries=0)
    last = openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1/conversations", max_retries=0)
    for mode in ("auto", "replay"):
        with gm.using(mode=mode):
            with pytest.raises(openai.APIStatusError) as spoken:
                client.audio.speech.create(model="tts-1", input="hi", voice="alloy")
            with pytest.raises(openai.APIStatusError) as unnamed:
                last.post(f"/{secret}", cast_to=object, body={})
    assert secret not in f"{spoken.value}{unnamed.value}{gm.lookups().to_csv()}"
    gm.off()
    assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
