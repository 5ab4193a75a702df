"""Answers that are cut off, withheld or empty: the user is told, and may keep them."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from tests.support.scripted_server import Script, openai, openai_text, scripted
from tests.support.shell import NumberedModel, Typist

CASES = {
    "length": ("part of", "cut off at max_tokens"),
    "content_filter": ("part of", "withheld by a filter"),
    "empty": ("", "empty"),
}


def whole(text: str, end: str, **message: Any) -> Script:
    """Return an answer of OpenAI's chat protocol without a stream."""
    choice = {"index": 0, "finish_reason": end, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return [{"body": {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}}]


def script(word: str) -> Script:
    """Return an answer that ends with a word."""
    return whole(CASES[word][0], "stop" if word == "empty" else word)


def mark(answer: Any) -> Any:
    """Return what the mark of a hit says of its end."""
    return answer.response_metadata["gptcache"].get("cut_off")


# Said where one looks


def test_badge_status_stats_and_why_say_that_answers_are_not_stored(magic: Typist) -> None:
    with scripted(script("length"), script("length"), script("empty"), whole("yes", "stop")) as server:
        magic.ip.push({"model": server.model("openai")})
        magic.told("on")
        assert "2 not stored: cut off at max_tokens" in magic.cell("_ = [model.invoke(each) for each in ('a', 'b')]")
        assert "1 not stored: empty" in magic.cell("_ = [model.invoke(each) for each in ('c', 'd')]")
        assert "not stored" not in magic.cell("_ = model.invoke('d')")
        assert "Not stored 2 cut off at max_tokens, 1 empty. Keep them: %gptcache on --keep-cut-off" in repr(
            gm.status()
        )
        assert list(gm.stats("total", wide=True)["not_stored"]) == [3]
        assert "Keep such answers: %gptcache on --keep-cut-off" in repr(gm.why(1))


@pytest.mark.usefixtures("on")
def test_status_says_nothing_where_every_answer_is_stored() -> None:
    NumberedModel().invoke("q")
    assert "Not stored" not in repr(gm.status())
    assert list(gm.stats("total", wide=True)["not_stored"]) == [0]


# Kept


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("word", CASES)
def test_an_incomplete_answer_is_kept_and_marked_on_request(word: str) -> None:
    with scripted(script(word)) as server:
        model = server.model("openai")
        model.invoke("q")
        model.invoke("q")
        assert server.calls == 2
        gm.on(keep_cut_off=True)
        bought = model.invoke("q")
        hit = model.invoke("q")
        assert server.calls == 3
        assert hit.content == bought.content == CASES[word][0]
        assert mark(hit) == word
        assert list(gm.entries()["finish_reason"]) == [word]


@pytest.mark.usefixtures("on")
def test_what_was_kept_is_given_only_while_it_is_wanted_and_in_replay() -> None:
    with scripted(script("length"), script("length"), whole("all of it", "stop")) as server:
        model = server.model("openai")
        gm.on(keep_cut_off=True)
        model.invoke("q")
        gm.on(keep_cut_off=False)
        model.invoke("q")
        assert server.calls == 2
        assert gm.lookups()["reason"].iloc[0] == "not stored: cut off at max_tokens (length)"
        with gm.using(mode="replay"):
            assert mark(model.invoke("q")) == "length"
        assert model.invoke("q").content == "all of it"
        assert gm.lookups()["reason"].iloc[0] == "the stored answer is cut off at max_tokens (length)"
        assert "gptcache" in model.invoke("q").response_metadata
        assert mark(model.invoke("q")) is None
        assert server.calls == 3


@pytest.mark.usefixtures("on")
def test_a_stream_that_is_cut_off_is_kept_and_one_that_is_broken_off_is_not() -> None:
    with scripted(openai("part ", "of", end="length")) as server:
        gm.on(keep_cut_off=True)
        model = server.model("openai")
        bought, hit = ([chunk.text for chunk in model.stream("q")] for _ in range(2))
        assert hit == bought
        assert model.invoke("q").text == "part of"
        assert server.calls == 1
    with scripted(openai_text("part ", "of", end="length")) as server:
        text = server.model("openai_text", streaming=True)
        assert [text.invoke("q") for _ in range(2)] == ["part of"] * 2
        assert server.calls == 1
    with scripted(openai("part ", "of")) as server:
        for _ in range(2):
            list(server.model("openai").stream("r"))
        assert server.calls == 2


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": "hal'}}


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("others", [[], [{**CALL, "function": {"name": "f", "arguments": "{}"}}]], ids=["", "and one"])
def test_a_tool_call_that_is_cut_off_is_never_kept(others: list[Any]) -> None:
    with scripted(whole("", "length", tool_calls=[*others, CALL])) as server:
        gm.on(keep_cut_off=True)
        for _ in range(2):
            server.model("openai").invoke("q")
        assert server.calls == 2
        assert set(gm.lookups()["reason"]) == {"not stored: its tool calls are invalid"}


def test_the_configuration_says_it_once_for_all_and_an_option_for_now(magic: Typist) -> None:
    magic.ip.run_line_magic("config", "GPTCacheMagics.keep_cut_off = True")
    magic.told("on")
    with scripted(script("length")) as server:
        for _ in range(2):
            server.model("openai").invoke("q")
        assert server.calls == 1
        gm.on(keep_cut_off=False)
        server.model("openai").invoke("q")
        assert server.calls == 2
        magic.told("on --keep-cut-off")
        magic.told("on --ttl 7d")
        assert "keep-cut-off" in repr(gm.status())
        server.model("openai").invoke("q")
        assert server.calls == 2


@pytest.mark.usefixtures("on")
def test_answers_that_another_cache_keeps_are_whole() -> None:
    gm.off()
    set_llm_cache(InMemoryCache())
    with pytest.raises(gm.GPTCacheMagicsError, match="--keep-cut-off is about answers in a store"):
        gm.on(":memory:", wrap=True, keep_cut_off=True)
    set_llm_cache(None)


@pytest.mark.usefixtures("on")
def test_a_bundle_says_which_answers_are_incomplete(tmp_path: Path) -> None:
    bundle = tmp_path / "lesson.jsonl"
    with scripted(script("length"), whole("yes", "stop")) as server:
        gm.on(keep_cut_off=True)
        model = server.model("openai")
        model.invoke("q")
        model.invoke("whole")
        gm.save(bundle)
        gm.off()
        lines = bundle.read_text()
        assert lines.count('"kept":"cut off"') == 1
        gm.on(bundle)
        assert mark(model.invoke("q")) == "length"
        gm.off()
        for old, new in (
            ('"kept":"cut off",', ""),
            ('"finish_reason":"length","kept"', '"finish_reason":"stop","kept"'),
        ):
            assert old in lines
            bundle.write_text(lines.replace(old, new))
            gm.on(":memory:")
            assert "1 entry added" in gm.load(bundle)
            gm.off()


# Edited


@pytest.mark.usefixtures("on")
def test_an_edited_answer_is_marked_where_it_is_served_and_keeps_its_date() -> None:
    with scripted(script("length")) as server:
        gm.on(keep_cut_off=True)
        model = server.model("openai")
        model.invoke("q")
        assert "edited" not in model.invoke("q").response_metadata["gptcache"]
        (row,) = gm.entries().reset_index().to_dict("records")
        gm.edit(row["id"], "all of it")
        (edited,) = gm.entries().reset_index().to_dict("records")
        assert edited["created"] == row["created"]
        gm.on(keep_cut_off=False)  # a person completed it
        for mode in ("auto", "replay"):
            with gm.using(mode=mode):  # type: ignore[arg-type]
                hit = model.invoke("q")
            assert hit.content == "all of it"
            assert hit.response_metadata["gptcache"]["edited"] is True
            assert mark(hit) is None
        assert server.calls == 1
        assert "and replaced since" in repr(gm.why(2))
        assert "replaced since" not in repr(gm.why(3))
        assert "part of" in repr(gm.show(row["id"]))
