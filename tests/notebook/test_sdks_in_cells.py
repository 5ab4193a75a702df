"""The calls of SDKs in the cells of a real kernel: scopes, tags, samples, the badge, expiry, redaction."""

from collections.abc import Iterator

import pytest

from tests.support.kernel import Kernel, badges
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.kernel

START = f"""
import asyncio, anthropic, ollama, openai, time
import gptcache_magics as gm
%load_ext gptcache_magics
%gptcache on
given = {{"api_key": "{KEY}", "max_retries": 0}}
client, later = (kind(base_url=f"{{url}}/v1", **given) for kind in (openai.OpenAI, openai.AsyncOpenAI))

def asked(question):
    return {{"model": "gpt-4o", "messages": [{{"role": "user", "content": question}}]}}

def ask(question):
    return client.chat.completions.create(**asked(question)).choices[0].message.content

def stream(question):
    chunks = client.chat.completions.create(**asked(question), stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

async def ask_later(question):
    return (await later.chat.completions.create(**asked(question))).choices[0].message.content

async def stream_later(question):
    chunks = await later.chat.completions.create(**asked(question), stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

def claude(question):
    messages = [{{"role": "user", "content": question}}]
    given_here = {{"model": "claude-haiku-4-5", "max_tokens": 50, "messages": messages}}
    with anthropic.Anthropic(base_url=url, **given).messages.stream(**given_here) as pieces:
        return "".join(pieces.text_stream)

def llama(question):
    pieces = ollama.Client(host=url).chat("llama3", [{{"role": "user", "content": question}}], stream=True)
    return "".join(piece.message.content or "" for piece in pieces)
"""
WAYS = {
    "ask": "ask({})",
    "stream": "stream({})",
    "ask_later": "await ask_later({})",
    "stream_later": "await stream_later({})",
    "claude": "claude({})",
    "llama": "llama({})",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, provider_server: ProviderServer) -> Iterator[Kernel]:
    """Start one kernel for all tests; each test asks its own questions."""
    with Kernel(tmp_path_factory.mktemp("notebooks"), f"url = '{provider_server.url}'\n{START}") as running:
        yield running


def call(way: str, question: str) -> str:
    return WAYS[way].format(repr(question))


def outcomes(kernel: Kernel, question: str) -> list[str]:
    return [str(each) for each in kernel.lookups(question)["outcome"]]


@pytest.mark.parametrize("way", WAYS)
def test_the_badge_counts_calls_with_the_mode(kernel: Kernel, server: ProviderServer, way: str) -> None:
    question = f"badge {way}"
    first = kernel.run(f"_ = {call(way, question)}", cell_id="a")
    second = kernel.run(f"_ = {call(way, question)}", cell_id="b")
    replayed = kernel.run(f"%%gptcache replay\n_ = {call(way, question)}", cell_id="c")

    assert badges(first)[0].startswith("gptcache: 1 miss")
    assert badges(second)[0].startswith("gptcache: 1 hit · saved")
    assert badges(replayed)[0].endswith("mode replay")
    assert server.calls == 1
    lookups = kernel.lookups(question)
    assert lookups["execution_count"].tolist() == [first.count, second.count, replayed.count]


def test_a_refused_call_has_its_sentence_and_the_badge(kernel: Kernel) -> None:
    ran = kernel.run(f"%%gptcache replay\n{call('ask', 'refused in a cell')}", cell_id="a")
    assert ran.tracebacks[0][0].startswith("APIStatusError: CacheMiss: nothing is recorded for “refused in a cell”")
    assert badges(ran)[0].startswith("gptcache: 1 miss")
    assert badges(ran)[0].endswith("mode replay")


@pytest.mark.parametrize("way", WAYS)
def test_a_scope_holds_for_its_cell(kernel: Kernel, server: ProviderServer, way: str) -> None:
    question = f"scope {way}"
    for line in ("", "%%gptcache refresh --tag draft\n", "%%gptcache bypass\n", "%%gptcache readonly\n", ""):
        assert kernel.run(f"{line}_ = {call(way, question)}").status == "ok"
    assert server.calls == 3
    assert outcomes(kernel, question) == ["miss", "bypass", "bypass", "hit", "hit"]
    assert question in kernel.run("list(gm.entries(tag='draft')['question'])").text


@pytest.mark.parametrize("way", WAYS)
def test_samples_are_kept_apart_and_come_again(kernel: Kernel, server: ProviderServer, way: str) -> None:
    cell = f"%%gptcache --samples 3\n[{', '.join([call(way, f'dice {way}')] * 3)}]"
    first, second = kernel.run(cell).text, kernel.run(cell).text
    assert first == second
    assert [f"(call {number})" in first for number in (1, 2, 3)] == [True] * 3
    assert server.calls == 3
    assert outcomes(kernel, f"dice {way}") == ["miss"] * 3 + ["hit"] * 3


def test_samples_of_calls_at_once_are_kept_apart(kernel: Kernel, server: ProviderServer) -> None:
    asking = ", ".join(["stream_later('at once')"] * 3)
    cell = f"%%gptcache --samples 3\nsorted(await asyncio.gather({asking}))"
    first, second = kernel.run(cell).text, kernel.run(cell).text
    assert first == second
    assert (server.calls, first.count("(call ")) == (3, 3)


def test_a_stream_gets_the_samples_of_whole_answers(kernel: Kernel, server: ProviderServer) -> None:
    whole = kernel.run("%%gptcache --samples 2\n[ask('either way'), ask('either way')]").text
    assert kernel.run("%%gptcache --samples 2\n[stream('either way'), stream('either way')]").text == whole
    assert server.calls == 2


@pytest.mark.parametrize("way", ["ask", "stream"])
def test_an_answer_expires(kernel: Kernel, server: ProviderServer, way: str) -> None:
    kernel.run("%gptcache on --ttl 1h")
    cell = f"_ = {call(way, f'expires {way}')}"
    kernel.run(cell)
    kernel.run(cell)
    kernel.run(f"now, time.time = time.time, lambda: now() + 3601\n{cell}\ntime.time = now")
    kernel.run("%gptcache on --ttl none")
    assert server.calls == 2
    assert outcomes(kernel, f"expires {way}") == ["miss", "hit", "miss"]
    assert kernel.lookups(f"expires {way}")["reason"].tolist()[2] == "expired"


def test_a_redacted_panel_holds_nothing_of_it(kernel: Kernel, server: ProviderServer) -> None:
    kernel.run("_ = stream('a secret plan')")
    panel = "print(gm.panel(static=True)._repr_html_())"
    assert "a secret plan" in kernel.run(panel).text
    kernel.run("%config GPTCacheMagics.redact = True")
    hidden = kernel.run(panel).text
    kernel.run("%config GPTCacheMagics.redact = False")
    assert "gpt-4o" in hidden
    assert "secret plan" not in hidden


def test_config_leaves_sdks_alone(kernel: Kernel, server: ProviderServer) -> None:
    kernel.run("_ = ask('left alone')")
    kernel.run("%config GPTCacheMagics.sdks = False")
    ran = kernel.run("_ = ask('left alone')", cell_id="a")
    status = kernel.run("print(gm.status()); print(gm.doctor())").text
    kernel.run("%config GPTCacheMagics.sdks = True")
    kernel.run("_ = ask('left alone')")
    assert (server.calls, badges(ran)) == (2, [])
    assert "sdks no (%config)" in status
    assert "SDKs: left alone: GPTCacheMagics.sdks is False" in status
    assert outcomes(kernel, "left alone") == ["miss", "hit"]
