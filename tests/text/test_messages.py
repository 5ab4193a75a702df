"""Prompts and messages as LangChain serialises them, read without LangChain."""

import json
import subprocess
import sys

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from gptcache_magics.text import messages
from gptcache_magics.text.messages import chat_messages, content_text, conversation
from gptcache_magics.text.said import Image, Text, said_in_prompt

CALL = {"name": "weather", "args": {"city": "Paris"}, "id": "1"}
SAID = [
    SystemMessage("Be brief."),
    HumanMessage(["Look:", {"type": "image", "base64": "AAAA", "mime_type": "image/png"}]),
    AIMessage("Let me see.", tool_calls=[CALL]),
    ToolMessage("Sun", tool_call_id="1"),
]


def test_a_chat_prompt_is_read_without_langchain():
    code = "import sys, gptcache_magics.text.messages; print([name for name in sys.modules if 'langchain' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_chat_prompt_is_its_messages_and_any_other_is_none():
    assert [message["kwargs"]["type"] for message in chat_messages(dumps(SAID))] == ["system", "human", "ai", "tool"]
    for prompt in ("Once upon a time", '[{"lc": broken', '[{"lc": 1}]', "[1, 2]"):
        assert chat_messages(prompt) is None


def test_half_of_a_surrogate_pair_is_read():
    (message,) = chat_messages(dumps([HumanMessage("half \ud83d")]))
    assert message["kwargs"]["content"] == "half \ud83d"


def test_messages_are_written_as_langchain_writes_them():
    prompt = dumps(SAID)
    assert messages.serialised([each["kwargs"] for each in chat_messages(prompt)]) == prompt
    with pytest.raises(KeyError):
        messages.serialised([{"type": "foreign", "content": "x"}])


@pytest.mark.parametrize(
    ("content", "text", "without_names"),
    [
        ("words", "words", "words"),
        (["a", {"type": "text", "text": "b"}], "a\nb", "a\nb"),
        (["a", {"type": "image", "base64": "AAAA"}, {"x": 1}], "a\n[image]\n[?]", "a\n\n"),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_a_content_is_its_text_with_the_names_of_other_blocks(content, text, without_names):
    assert content_text(content) == text
    assert content_text(content, names=False) == without_names


def test_a_conversation_says_who_said_what_and_which_tools_were_called():
    assert [(message.role, message.text) for message in conversation(dumps(SAID))] == [
        *(("system", "Be brief."), ("human", "Look:\n[image]")),
        *(("ai", 'Let me see.\nweather({"city": "Paris"})'), ("tool", "Sun")),
    ]


def test_a_block_that_no_model_takes_is_an_error_and_its_prompt_is_shown_as_it_is():
    with pytest.raises(AttributeError):
        content_text([1])
    prompt = json.dumps([{"lc": 1, "id": ["HumanMessage"], "kwargs": {"type": "human", "content": [1]}}])
    assert conversation(prompt) == [("prompt", prompt, prompt)]


def test_a_block_that_langchain_does_not_know_is_read_from_what_it_kept_of_it():
    blocks = [
        {"type": "non_standard", "value": {"type": "thinking", "thinking": "I think"}},
        {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
    ]
    (said,) = said_in_prompt(dumps([HumanMessage(blocks)]))
    assert said.parts == (Text("I think", "reasoning"), Image("image/png", "AAAA"))
