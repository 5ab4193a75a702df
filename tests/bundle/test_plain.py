"""The line of an ordinary entry is written quickly, and is the one that a close look gives."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation

from gptcache_magics import chunks, generations
from gptcache_magics.bundle.lines import MASKED_PROMPT, entry_line
from gptcache_magics.bundle.masks import is_clean, without_secrets
from gptcache_magics.bundle.plain import plain_line
from gptcache_magics.store.protocol import EntryRow, Usage
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, GPT, make_entry

KEY = "sk-proj-0123456789abcdef"
PARTS = [
    *(
        KEY,
        "sk-",
        "password",
        "token",
        '"',
        "'",
        ": ",
        ",",
        "\n",
        " ",
        "\\",
        "é",
        "\ud83d",
        "Bearer",
        "0123456789abcdef",
    ),
    *("https://", "ada:", "zq81xk77", "@db.example/", "?sig=", "&sv=2", "-----BEGIN PRIVATE KEY-----", "signature"),
]
texts = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(texts, values, max_size=2)
chats = st.builds(
    lambda system, human, extra: dumps([SystemMessage(system), HumanMessage(human, additional_kwargs=extra)]),
    *(texts, texts, metadata),
)
calls = st.builds(lambda args: tool_call(name="search", args=args, id="1"), metadata)
answers = st.one_of(
    st.builds(
        lambda content, calls, extra: ChatGeneration(
            message=AIMessage(content, tool_calls=calls, response_metadata=extra)
        ),
        *(texts, st.lists(calls, max_size=1), metadata),
    ),
    texts.map(lambda text: Generation(text=text)),
)


def row_of(prompt: str, answer: bytes, **fields: object) -> EntryRow:
    """Return an entry as a store gives it back."""
    store = SQLiteStore(":memory:")
    store.put(make_entry("a", answer, prompt=prompt, **fields), GPT)
    [row] = store.entries(EVERYTHING)
    return row


def streamed(*texts: str) -> bytes:
    """Return an encoded answer that came in chunks."""
    message = [
        AIMessageChunk(text, response_metadata={"finish_reason": "stop"} if text == texts[-1] else {}) for text in texts
    ]
    return chunks.encode(chunks.Streamed(chunks=[ChatGenerationChunk(message=each) for each in message], ended=True))


def encoded(text: str, **fields: object) -> bytes:
    """Return an encoded answer."""
    return generations.encode([ChatGeneration(message=AIMessage(text, **fields))])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(chats | texts | values.map(json.dumps), st.lists(answers, min_size=1, max_size=2).map(generations.encode))
def test_a_quick_line_is_that_of_a_close_look(prompt: str, answer: bytes) -> None:
    row = row_of(prompt, answer)
    assert plain_line(row) in (None, entry_line(without_secrets(row.entry)))


@pytest.mark.parametrize("prompt", [dumps([SystemMessage("Be brief."), HumanMessage("Où? It's 3: 'a', \"b\"")]), "Hi"])
@pytest.mark.parametrize(
    "answer",
    [
        encoded("See https://docs.example/?page=2, {'a': 1}.", response_metadata={"token_usage": {"prompt_tokens": 3}}),
        encoded("", tool_calls=[tool_call(name="search", args={"q": "cats"}, id="1")]),
        generations.encode([Generation(text="Hello")]),
        streamed("Hel", "lo"),
    ],
    ids=["text", "tool call", "completion", "streamed"],
)
def test_an_ordinary_entry_is_written_quickly(prompt: str, answer: bytes) -> None:
    row = row_of(prompt, answer, seconds=0.0, usage=Usage(3, 4), edited=True, tags=" draft ", sample=2)
    assert plain_line(row) == entry_line(row.entry) == entry_line(without_secrets(row.entry))


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (f"Use {KEY}", encoded("Hi")),
        (dumps([HumanMessage(f"Use {KEY}")]), encoded("Hi")),
        (dumps([HumanMessage("Hi", additional_kwargs={"password": "zebra"})]), encoded("Hi")),
        ("Hi", encoded(f"Use {KEY}")),
        ("Hi", encoded("Hi", tool_calls=[tool_call(name="log in", args={"password": "zebra"}, id="1")])),
        ("Hi", streamed(KEY[:6], KEY[6:])),
        ("Hi", b'F[["not an answer"]]'),
        ("Hi", b"F\xff"),
        ("Hi", b"C\xff"),
        ("Hi", b"?"),
        ("Hi", b""),
    ],
)
def test_a_secret_or_a_damaged_answer_gets_a_close_look(prompt: str, answer: bytes) -> None:
    assert plain_line(row_of(prompt, answer)) is None


def test_a_masked_prompt_gets_a_close_look() -> None:
    assert plain_line(row_of("Hi", encoded("Hi"), tags=f" {MASKED_PROMPT} ")) is None


def test_a_secret_in_any_text_makes_the_whole_unclean() -> None:
    assert is_clean("Hi", ["there", {"logprobs": [{"token": "a"}], "signature": KEY}])
    assert not is_clean("Hi", ["there", {"said": [KEY]}])
