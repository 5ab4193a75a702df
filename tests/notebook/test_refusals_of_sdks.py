"""An SDK's error of a refusal is one sentence under its cell, in a real kernel; every other error is as before."""

import re
from collections.abc import Iterator
from pathlib import Path

import IPython
import pytest

from tests.support.kernel import Kernel, Ran
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.kernel

START = f"""
import asyncio, anthropic, ollama, openai
import gptcache_magics as gm
before = get_ipython().showtraceback, dict(vars(get_ipython()))
%load_ext gptcache_magics
given = {{"api_key": "{KEY}", "max_retries": 0}}
messages = [{{"role": "user", "content": "never recorded"}}]

class Failed(Exception): ...

class Unread(Exception):
    @property
    def response(self): raise RuntimeError("no response")

class Unprintable(Unread):
    def __str__(self): raise RuntimeError("no text")

def ask(content="never recorded"):
    messages = [{{"role": "user", "content": content}}]
    return openai.OpenAI(base_url=f"{{url}}/v1", **given).chat.completions.create(model="gpt-4o", messages=messages)

async def later():
    client = openai.AsyncOpenAI(base_url=f"{{url}}/v1", **given)
    return await client.chat.completions.create(model="gpt-4o", messages=messages)

def claude():
    client = anthropic.Anthropic(base_url=url, **given)
    return client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=messages)

def llama():
    return ollama.Client(host=url).chat("llama3", messages)
"""
MISS = "CacheMiss: nothing is recorded for “never recorded”"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, provider_server: ProviderServer) -> Iterator[Kernel]:
    """Start one kernel, with the cache in mode replay."""
    start = f"url = '{provider_server.url}'\n{START}\n%gptcache on --mode replay"
    with Kernel(tmp_path_factory.mktemp("notebooks"), start) as running:
        yield running


def traceback(ran: Ran) -> str:
    ((*lines,),) = ran.tracebacks
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("ask()", "APIStatusError"),
        ("await later()", "APIStatusError"),
        ("%%gptcache replay\nask()", "APIStatusError"),
        pytest.param(
            *("%%time\nask()", "APIStatusError"),
            marks=pytest.mark.skipif(IPython.version_info < (8,), reason="%%time shows the error itself"),
        ),
        ("for each in ask().choices: pass", "APIStatusError"),
        ("claude()", "APIStatusError"),
        ("llama()", "ResponseError"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    claude()", "APIStatusError"),
    ],
)
def test_the_traceback_is_the_sentence(kernel: Kernel, cell: str, error: str) -> None:
    ran = kernel.run(cell)
    assert (ran.status, ran.error) == ("error", error)
    assert traceback(ran).startswith(f"{error}: {MISS}")
    assert "\n" not in traceback(ran)
    assert "recorded" not in ran.text


def test_a_spent_budget_is_one_sentence(kernel: Kernel) -> None:
    kernel.run("%gptcache on --mode auto --budget 0.0000001usd")
    kernel.run("ask('what spends it')")
    ran = kernel.run("claude()")
    kernel.run("%gptcache on --mode replay --budget none")
    assert traceback(ran).startswith("APIStatusError: BudgetReached: ")
    assert "the call was not sent" in traceback(ran)


def test_the_whole_traceback_can_be_asked_for(kernel: Kernel) -> None:
    kernel.run("claude()")
    assert "claude()" in traceback(kernel.run("%tb"))


def test_a_caught_refusal_is_not_shown(kernel: Kernel) -> None:
    ran = kernel.run("try:\n    ask()\nexcept openai.APIError:\n    print('caught')")
    assert (ran.status, ran.text, ran.tracebacks) == ("ok", "caught\n", [])


@pytest.mark.parametrize("raised", ["1 / 0", "{}['missing']", "raise openai.OpenAIError('of its own')"])
def test_another_error_after_a_caught_one_is_shown_as_ever(kernel: Kernel, raised: str) -> None:
    ran = kernel.run(f"try:\n    llama()\nexcept ollama.ResponseError:\n    {raised}")
    assert "Traceback (most recent call last)" in traceback(ran)
    assert raised in traceback(ran)
    assert "recorded" not in ran.text


@pytest.mark.parametrize("raised", ["Failed('of my own')", "RuntimeError('of my own')"])
def test_an_error_of_the_users_own_keeps_its_traceback_and_is_followed_by_the_sentence(
    kernel: Kernel, raised: str
) -> None:
    ran = kernel.run(f"try:\n    claude()\nexcept anthropic.APIError as error:\n    raise {raised} from error")
    assert "of my own" in traceback(ran)
    assert "Traceback (most recent call last)" in traceback(ran)
    assert ran.text.startswith(MISS)
    assert ran.text.count("\n") == 1


@pytest.mark.parametrize(("error", "shown"), [("Unprintable", "RuntimeError: no text"), ("Unread", "Unread: its text")])
def test_an_error_that_cannot_be_read_is_shown_as_ever(kernel: Kernel, error: str, shown: str) -> None:
    ran = kernel.run(f"{error}.__module__ = 'a_library'\nraise {error}('its text')")
    assert "\n".join(ran.tracebacks[-1]).endswith(shown.partition(": ")[2])
    assert ran.error == shown.partition(": ")[0]  # IPython itself fails where there is no text
    assert "Traceback (most recent call last)" in "\n".join(ran.tracebacks[-1])


def test_the_refusals_of_a_group_are_named_once(kernel: Kernel) -> None:
    ran = kernel.run(
        "async with asyncio.TaskGroup() as group:\n    group.create_task(later()), group.create_task(later())"
    )
    assert ran.status == "error"
    assert ran.text.rstrip().splitlines()[-1].startswith(MISS)


def test_what_else_shows_errors_still_does(kernel: Kernel) -> None:
    kernel.run(
        "shell, ours = get_ipython(), get_ipython().showtraceback\n"
        "def theirs(*args, **kwargs): print('shown by another')\n"
        "shell.showtraceback = theirs"
    )
    ran = kernel.run("ask()")
    kernel.run("shell.showtraceback = ours")
    assert "shown by another\n" in ran.text  # standard output and errors come in either order
    assert MISS in ran.text


def test_unloading_puts_the_shell_back(tmp_path: Path, server: ProviderServer) -> None:
    with Kernel(tmp_path, f"url = '{server.url}'\n{START}\n%gptcache on --mode replay") as kernel:
        kernel.run("try:\n    ask()\nexcept Exception as error: kept = error")
        kernel.run("%unload_ext gptcache_magics")
        asked = "get_ipython().showtraceback == before[0], 'showtraceback' in vars(get_ipython())"
        assert kernel.run(asked).text == "(True, False)"
        assert "Traceback (most recent call last)" in traceback(kernel.run("raise kept"))
        kernel.run("%load_ext gptcache_magics")
        kernel.run(
            "shell = get_ipython(); ours = shell.showtraceback; shell.showtraceback = lambda *a, **k: ours(*a, **k)"
        )
        kernel.run("theirs = shell.showtraceback\n%unload_ext gptcache_magics")
        assert kernel.run("shell.showtraceback is theirs").text == "True"
        assert "Traceback (most recent call last)" in traceback(kernel.run("raise kept"))
