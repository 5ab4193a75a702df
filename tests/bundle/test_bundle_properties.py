"""Any entry, saved and loaded: equal to what it was, and found under its key."""

import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, Generation

from gptcache_magics import bundle, generations
from gptcache_magics.bundle.masks import without_secrets
from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.key import key_of
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.store.protocol import Configuration, Entry, Usage
from gptcache_magics.store.reasons import NotStorable
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import CLAUDE, EVERYTHING, GPT

any_text = st.text(st.characters(), max_size=30)  # lone surrogates, NUL and control characters among them
words = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.split() == [text]
)
numbers = st.none() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.booleans() | numbers | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
calls = st.builds(
    lambda name, args: tool_call(name=name, args=args, id="1"), words, st.dictionaries(any_text, values, max_size=3)
)
contents = any_text | st.lists(any_text | any_text.map(lambda text: {"type": "text", "text": text}), max_size=3)
messages: st.SearchStrategy[BaseMessage] = st.one_of(
    contents.map(HumanMessage),
    contents.map(SystemMessage),
    st.builds(lambda content, call: AIMessage(content, tool_calls=[call]), any_text, calls),
    any_text.map(lambda content: ToolMessage(content, tool_call_id="1")),
)
prompts = any_text | st.lists(messages, min_size=1, max_size=4).map(dumps)
said = st.text(st.characters(), min_size=1, max_size=30).filter(str.strip)
answers = st.one_of(
    st.builds(
        lambda content, calls, extra: ChatGeneration(
            message=AIMessage(content, tool_calls=calls, response_metadata={"extra": extra})
        ),
        said,
        st.lists(calls, max_size=2),
        values,
    ),
    said.map(lambda text: Generation(text=text)),
)
moments = st.floats(0, 2.0**33, allow_nan=False)
counts = st.none() | st.integers(0, 2**33)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, Configuration]:
    """Make an entry as the cache stores it."""
    configuration = draw(st.sampled_from([GPT, CLAUDE]))
    seen, prompt, question, _ = canonical(draw(prompts), STORED)
    sample = draw(st.integers(0, 3))
    try:
        answer = generations.encode(draw(st.lists(answers, min_size=1, max_size=2)))
    except NotStorable:
        answer = generations.encode([Generation(text="Hi")])
    tags = draw(st.lists(words, max_size=2, unique=True))
    fields: dict[str, Any] = {
        "created": draw(moments),
        "seconds": draw(st.none() | moments),
        "usage": Usage(*(draw(counts) for _ in range(4))),
        "finish_reason": draw(words),
        "edited": draw(st.booleans()),
        "tags": f" {' '.join(tags)} " if tags else "",
    }
    made = Entry(
        key=key_of(configuration.key, seen, sample),
        configuration=configuration.key,
        prompt=prompt,
        question=question,
        answer=answer,
        sample=sample,
        prompt_digest=blake2b(seen, digest_size=8).hexdigest(),
        **fields,
    )
    return made, configuration


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(entries(), min_size=1, max_size=3, unique_by=lambda made: made[0].key))
def test_any_entries_come_back_equal_and_are_served(made: list[tuple[Entry, Configuration]]) -> None:
    store = SQLiteStore(":memory:")
    for entry, configuration in made:
        store.put(entry, configuration)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lesson.jsonl"
        bundle.save(store, EVERYTHING, path)
        contents = bundle.read(path)
        expected = sorted((without_secrets(row.entry) for row in store.entries(EVERYTHING)), key=lambda each: each.key)

        assert contents.refused == []
        assert sorted((each.key, each.prompt, each.answer, each.tags) for each in contents.entries) == [
            (each.key, each.prompt, each.answer, each.tags) for each in expected
        ]
        assert sorted(map(repr, contents.entries)) == sorted(map(repr, expected))
        again = SQLiteStore(":memory:")
        again.put_all(contents.entries, contents.configurations, replace=False)
        for entry in expected:
            found = again.get(entry.key)
            assert found is not None
            assert generations.decode(found.answer, validate=True) == generations.decode(entry.answer)
        assert list(again.notices) == list(store.notices) == []
        before = path.read_bytes()
        bundle.save(again, EVERYTHING, path)
        assert path.read_bytes() == before
