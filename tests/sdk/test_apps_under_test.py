"""An app of the user's own that a test client asks is left alone, whatever its paths are; its own calls are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import gptcache_magics as gm
from tests.sdk.ask import ask
from tests.sdk.calls import messages
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/api/chat", "/v1/images/generations")
BODY: Any = {"model": "gpt-4o-mini", "messages": messages("hi"), "max_tokens": 9, "input": "hi"}
Post = Callable[[Starlette, str], Any]


def by_test_client(app: Starlette, path: str) -> Any:
    return TestClient(app).post(path, json=BODY).json()


def by_asgi_transport(library: Any) -> Post:
    async def post(app: Starlette, path: str) -> Any:
        transport = library.ASGITransport(app=app)
        async with library.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.post(path, json=BODY)).json()

    return lambda app, path: asyncio.run(post(app, path))


POSTS = {"TestClient": by_test_client, "httpx": by_asgi_transport(httpx), "httpx2": by_asgi_transport(httpx2)}
EACH = pytest.mark.parametrize("by", POSTS)


@EACH
@pytest.mark.parametrize("path", PATHS)
def test_what_a_test_client_asks_is_left_alone(by: str, path: str) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        asked.append((await request.json())["model"])
        return JSONResponse({"answer": len(asked)})

    app = Starlette(routes=[Route(path, answer, methods=["POST"])])
    assert [POSTS[by](app, path) for _ in range(2)] == [{"answer": 1}, {"answer": 2}]
    with gm.using(mode="replay"):
        assert POSTS[by](app, path) == {"answer": 3}
    assert gm.lookups().empty
    assert gm.entries().empty


@EACH
def test_what_the_app_asks_itself_is_looked_up(by: str, server: ProviderServer) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        question = (await request.json())["messages"][0]["content"]
        asked.append(question)
        client = openai.AsyncOpenAI(api_key="k", base_url=server.openai_url, max_retries=0)
        told = await client.chat.completions.create(model="gpt-4o-mini", messages=messages(question))
        return JSONResponse({"answer": told.choices[0].message.content})

    app = Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])
    answers = [POSTS[by](app, "/v1/chat/completions") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (len(asked), server.calls) == (2, 1)
    assert gm.lookups()["outcome"].tolist() == ["hit", "miss"]


def test_an_sdk_that_asks_the_app_is_an_sdk() -> None:
    asked: list[Any] = []

    def answer(request: Request) -> JSONResponse:
        asked.append(request.headers["user-agent"])
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        body = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return JSONResponse(body)

    app = Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])
    library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
    if not issubclass(TestClient, library.Client):
        pytest.skip("this TestClient is of the other library")
    http: Any = TestClient(app, headers={"user-agent": "OpenAI/Python"})
    client = openai.OpenAI(api_key="k", base_url="http://testserver/v1", http_client=http, max_retries=0)
    assert ask(client, "hi") == ask(client, "hi") == "yes"
    assert len(asked) == 1
