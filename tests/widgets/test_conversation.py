"""One entry as HTML: every kind of message, foreign text that is hostile, and what is known beside it."""

import base64
import html
import json
import re
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Selection, Usage
from gptcache_magics.tables import frames
from gptcache_magics.widgets.entry.conversation import chat_html, facts_html, images_of
from gptcache_magics.widgets.entry.stored import stored_entry
from gptcache_magics.widgets.entry.view import EntryView
from tests.support.models import weather
from tests.support.provider_server import CHAT_MODELS

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'&amp; \u202etxet \x1b[31mred \x00 \u2066 \u200f"
CONFIGURATION = Configuration("63" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini · T 0.2", 0.2, "{}")
ALLOWED = {"ol", "li", "h4", "h5", "div", "span", "pre", "code", "button", "details", "summary", "dl", "dt", "dd"}


def put(store, messages, answer="an answer", **values):
    """Store a conversation and return all that is known of it."""
    answer = answer if isinstance(answer, list) else [AIMessage(answer)] if isinstance(answer, str) else [answer]
    entry = Entry(
        key="6b" * 16,
        configuration=CONFIGURATION.key,
        prompt=messages if isinstance(messages, str) else prompt_of(messages),
        question="the question",
        answer=generations.encode([ChatGeneration(message=message) for message in answer]),
        **{"created": time.time(), **values},
    )
    store.put(entry, CONFIGURATION)
    return stored_entry(store, entry.key[:16])


def chat(store, messages, answer="an answer"):
    return chat_html(put(store, messages, answer))


def words(markup):
    """Return what a reader sees of HTML."""
    return html.unescape(re.sub(r"<[^>]+>", " ", markup))


def tags(markup):
    return set(re.findall(r"<([a-zA-Z][\w-]*)", markup))


def test_each_message_says_whose_it_is(store):
    said = [SystemMessage("Be brief."), HumanMessage("Hello", name="ada"), AIMessage("Hi"), HumanMessage("Why?")]
    markup = chat(store, said, "Because.")
    assert re.findall(r"<h5>(.*?)</h5>", markup) == ["System", "Human ada", "AI", "Human", "Answer"]
    assert re.findall(r'data-role="(\w+)"', markup) == ["system", "human", "ai", "human", "ai"]
    assert " ".join(words(markup).split()) == "System Be brief. Human ada Hello AI Hi Human Why? Answer Because."


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_question_is_said_to_be_blank(store, blank):
    assert " ".join(words(chat(store, [HumanMessage(blank)], "Because.")).split()) == "Human (blank) Answer Because."


def test_a_prompt_that_is_not_a_chat_is_shown_whole(store):
    for prompt in ("Once upon a time", '[{"lc": broken', '[{"lc": 1}]', "[1, 2]"):
        assert html.escape(prompt) in chat(store, prompt)


@pytest.mark.parametrize("place", ["prompt", "text", "system", "tool", "name", "arguments", "answer", "plain", "block"])
def test_hostile_text_is_shown_and_obeyed_nowhere(store, place):
    call = {"name": HOSTILE, "args": {HOSTILE: HOSTILE}, "id": "1"}
    said = {
        "prompt": HOSTILE,
        "text": [HumanMessage(HOSTILE)],
        "system": [SystemMessage(HOSTILE), HumanMessage([{"type": "text", "text": HOSTILE}])],
        "tool": [AIMessage("", tool_calls=[call]), ToolMessage(HOSTILE, tool_call_id="1")],
        "name": [HumanMessage("x", name=HOSTILE)],
        "arguments": [AIMessage("", tool_calls=[call]), HumanMessage("x")],
        "block": [HumanMessage([{"type": HOSTILE, "file": {"filename": HOSTILE}}, {"type": "image", "url": HOSTILE}])],
    }.get(place, [HumanMessage("x")])
    stored = put(store, said, HOSTILE if place == "answer" else AIMessage(HOSTILE, tool_calls=[call]))
    for markup in (chat_html(stored), facts_html(stored), chat_html(stored, redact=True)):
        assert tags(markup) <= ALLOWED
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u200f]", markup)
        assert "onerror='" not in markup
    assert r"\u202etxet \x1b[31mred \x00" in words(chat_html(stored)).replace("\\\\", "\\")


def test_hostile_names_of_models_cells_and_tags_are_escaped(store):
    hostile = Configuration("63" * 16, HOSTILE, HOSTILE, HOSTILE, None, "{}")
    put(store, [HumanMessage("x")], finish_reason=HOSTILE)
    lookup = Lookup(time.time(), "run", 1, "miss", key="6b" * 16, notebook=HOSTILE, execution_count=3)
    store.record([lookup], [hostile], 10)
    store.put(Entry("6b" * 16, hostile.key, "p", "q", generations.encode([Generation(text="a")]), 1.0), hostile)
    store.change(Selection(), tag="<b>bold</b>")
    markup = facts_html(stored_entry(store, "6b" * 8))
    assert tags(markup) <= ALLOWED
    assert "#&lt;b&gt;bold&lt;/b&gt;" in markup


def test_a_line_of_a_megabyte_is_cut_and_the_rest_counted(store):
    markup = chat(store, [HumanMessage("x" * 1_000_000)], '"a": "' * 200_000)
    assert "980,000 more characters" in markup
    assert len(markup) < 200_000


@pytest.mark.slow
def test_a_conversation_of_thousands_shows_its_beginning_and_its_end(store):
    markup = chat(store, [HumanMessage(f"message {number} " + "word " * 1_000) for number in range(5_000)])
    assert "message 0 " in markup
    assert "message 4999 " in markup
    assert "message 2500 " not in markup
    assert "4,900 more messages" in markup
    assert len(markup) < 400_000


def test_a_message_of_thousands_of_parts_shows_the_first(store):
    markup = chat(store, [HumanMessage([{"type": "text", "text": "word " * 200} for _ in range(5_000)])])
    assert "[4,900 more parts]" in markup
    assert len(markup) < 400_000


def test_images_have_the_numbers_by_which_they_are_asked_for(store):
    images = [base64.b64encode(b"%d" % number * 9 * number).decode() for number in range(1, 5)]
    blocks = [{"type": "image", "base64": image, "mime_type": "image/png"} for image in images]
    put(store, [HumanMessage(blocks[:2])], AIMessage([blocks[3]]), created=1.0)
    stored = put(store, [HumanMessage(blocks[:2])], AIMessage(["here", blocks[2]]))
    assert [image.base64 for image in images_of(stored)] == images
    sizes = re.findall(r'image, (\d+) B\]</span><button[^>]+data-image="(\d)"', chat_html(stored))
    assert [number for _, number in sizes] == ["0", "1", "2", "3"]
    assert [size for size, _ in sizes] == [str(image.size) for image in images_of(stored)]


def test_text_that_looks_like_a_key_is_masked(store):
    key = "sk-abcdefghijklmnopqrstuvwxyz"
    call = {"name": "login", "args": {"api_key": "correct-horse", "header": f"Bearer {key}"}, "id": "1"}
    across = "x" * 19_989 + " " + key
    markup = chat(store, [HumanMessage(f"use {key}"), HumanMessage(across)], AIMessage(key, tool_calls=[call]))
    assert "sk-" not in markup
    assert "correct-horse" not in markup
    assert "***" in markup


def test_tool_calls_and_results_are_shown_as_code(store):
    call = {"name": "weather", "args": {"city": "Paris", "days": [1, 2], "exact": True}, "id": "1"}
    said = [HumanMessage("?"), AIMessage("Let me see.", tool_calls=[call]), ToolMessage("Sun", tool_call_id="1")]
    markup = words(chat(store, [*said, ToolMessage("no", tool_call_id="2", name="w", status="error")]))
    assert 'weather(city="Paris", days=[1, 2], exact=true)' in markup
    assert "Tool weather   Sun" in markup
    assert "Tool w failed" in markup


@pytest.mark.parametrize(
    "answer",
    [
        AIMessage(
            [{"type": "thinking", "thinking": "I think", "signature": "s"}, {"type": "text", "text": "So it is."}],
            response_metadata={"model_provider": "anthropic"},
        ),
        AIMessage("So it is.", additional_kwargs={"reasoning_content": "I think"}),
        AIMessage([{"type": "reasoning", "reasoning": "I think"}, {"type": "text", "text": "So it is."}]),
    ],
    ids=["anthropic", "deepseek", "standard"],
)
def test_reasoning_is_shown_once_and_before_the_words_wherever_a_provider_puts_it(store, answer):
    assert (
        " ".join(words(chat(store, [HumanMessage("?")], answer)).split())
        == "Human ? Answer reasoning I think So it is."
    )


def test_a_refusal_beside_the_content_is_shown(store):
    answer = AIMessage("", additional_kwargs={"refusal": "I will not"})
    assert "refusal I will not" in " ".join(words(chat(store, [HumanMessage("?")], [answer, AIMessage("x")])).split())


def test_a_call_with_broken_arguments_is_shown_as_it_came(store):
    broken = {"name": "weather", "args": "{city: ", "id": "1", "error": "no JSON"}
    assert "weather({city: )" in words(chat(store, [HumanMessage("?")], AIMessage("", invalid_tool_calls=[broken])))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": PIXEL},
        {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
    ],
)
def test_an_image_is_a_placeholder_with_a_button(store, block):
    stored = put(store, [HumanMessage([{"type": "text", "text": "What is this?"}, block])])
    markup = chat_html(stored)
    assert PIXEL not in markup
    assert "[png image, " in markup
    assert 'data-image="0"' in markup
    (image,) = images_of(stored)
    assert base64.b64decode(image.base64).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("block", "sign"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            "[image at https://example.org/a.png]",
        ),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zz4="}}, "[image]"),
        ({"type": "image_url", "image_url": {"url": "javascript:alert(1)"}}, "[image at javascript:alert(1)]"),
        ({"type": "file", "file": {"filename": "report.pdf", "file_data": "AAAA"}}, "[file report.pdf]"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "[input_audio]"),
        ({"type": "something_new", "x": 1}, "[something_new]"),
        ({"x": 1}, "[?]"),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "I think"}]}, "reasoning"),
        ({"type": "thinking", "thinking": "I think", "signature": "s"}, "I think"),
        ({"type": "refusal", "refusal": "I will not"}, "I will not"),
    ],
)
def test_parts_that_cannot_be_shown_are_named(store, block, sign):
    markup = chat(store, [HumanMessage([block])])
    assert sign in words(markup)
    assert "data-image" not in markup
    assert tags(markup) <= ALLOWED


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_a_tool_call_of_a_real_model_is_shown_once(cache, server, name):
    llm = server.model(name).bind_tools([weather])
    called = llm.invoke("What is the weather in Paris?")
    llm.invoke(
        [
            HumanMessage("What is the weather in Paris?"),
            called,
            ToolMessage("Sun", tool_call_id=called.tool_calls[0]["id"]),
        ]
    )
    ids = frames.entries(cache.store).index
    after, before = (words(chat_html(stored_entry(cache.store, id))) for id in ids)
    assert before.count("weather(city=") == 1
    assert after.count("weather(city=") == 1
    assert "Tool weather   Sun" in after


def test_the_known_facts_of_an_entry_are_shown(store):
    answer = AIMessage("an answer", response_metadata={"finish_reason": "stop"})
    usage = Usage(1_000, 200)
    put(store, [HumanMessage("x")], answer, usage=usage, seconds=2.0, finish_reason="stop", tags=" draft ", edited=True)
    lookups = [
        Lookup(time.time(), "run", 1, "miss", key="6b" * 16, notebook="lesson.ipynb", execution_count=3),
        Lookup(time.time(), "run", 2, "hit", key="6b" * 16, notebook="lesson.ipynb", execution_count=4),
    ]
    store.record(lookups, [], 10)
    store.change(Selection(), pinned=True)
    told = words(facts_html(stored_entry(store, "6b" * 8)))
    for text in (
        "openai · gpt-4o-mini · T 0.2",
        "$0.0003",
        "2.0 s",
        "1,000 in, 200 out",
        "stop",
        "lesson.ipynb",
        "[3]",
    ):
        assert text in told
    for mark in ("pinned", "edited", "#draft"):
        assert mark in told
    assert "Hits 1" in " ".join(told.split())


def test_unknown_facts_are_left_out(store):
    told = words(facts_html(put(store, [HumanMessage("x")])))
    assert "Tokens" not in told
    assert "Asked in" not in told
    assert "nan" not in told.lower()
    assert "NaT" not in told


def test_earlier_answers_are_folded_below(store):
    put(store, [HumanMessage("x")], "the first answer", created=1.0)
    markup = chat_html(put(store, [HumanMessage("x")], "the second answer"))
    assert markup.index("the second answer") < markup.index("<details>") < markup.index("the first answer")
    assert "until " in markup


def test_several_answers_are_numbered(store):
    markup = chat(store, [HumanMessage("x")], [AIMessage("one"), AIMessage("two")])
    assert re.findall(r"<h5>(Answer.*?)</h5>", markup) == ["Answer 1", "Answer 2"]


def test_an_edited_answer_says_so(cache, server):
    server.model("ChatOpenAI").invoke("hello")
    gm.on(cache.store)
    gm.edit(frames.entries(cache.store).index[0], "edited by hand")
    markup = chat_html(stored_entry(cache.store, frames.entries(cache.store).index[0]))
    gm.off()
    assert "Answer, edited" in markup
    assert markup.index("edited by hand") < markup.index("gpt-4o-mini answers")


def test_redaction_shows_lengths_only(store):
    call = {"name": "weather", "args": {"city": "Paris"}, "id": "1"}
    image = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
    said = [SystemMessage("my secret"), HumanMessage([{"type": "text", "text": "another secret"}, image])]
    put(store, said, "the old secret")
    stored = put(store, said, AIMessage("the last secret", tool_calls=[call]))
    markup = chat_html(stored, redact=True)
    assert "secret" not in markup
    assert "Paris" not in markup
    assert "••• 9 characters" in markup
    assert "data-image" not in markup


def test_the_view_gives_images_and_code_only_when_asked(store):
    sent = []
    view = EntryView()
    image = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
    view.show(put(store, [HumanMessage(["look", image])]))
    view.send = lambda content, buffers=None: sent.append((content, buffers))
    assert PIXEL not in json.dumps(view.get_state(), default=str)
    who = {"view": "v", "key": view.key}
    for wanted in ({"want": "image", "image": 0}, {"want": "image", "image": 7}, {"want": "python"}):
        view._asked(view, wanted | who, [])
        view._asked(view, wanted | who | {"key": "another"}, [])
    (first, [data]), (second, none), (third, _) = sent
    assert first == who | {"image": 0, "mime": "image/png"}
    assert second == who | {"image": 7, "mime": ""}
    assert data.startswith(b"\x89PNG")
    assert not none
    assert "ChatOpenAI(" in third["code"]
    assert "ChatOpenAI(" not in json.dumps(view.get_state(), default=str)


def test_the_view_tells_nothing_when_texts_are_hidden(store):
    sent = []
    view = EntryView()
    view.show(put(store, [HumanMessage("a secret")]), redact=True)
    view.send = lambda *given, **named: sent.append(given)
    view._asked(view, {"want": "python", "view": "v", "key": view.key}, [])
    assert not sent
    assert "a secret" not in view.facts + view.value + json.dumps(view.get_state(), default=str)
    view.show(None)
    assert view.key == view.facts == view.value == ""
