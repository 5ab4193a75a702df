"""An entry reads as a conversation, whichever SDK asked it, in the panel and in ``%gptcache show``."""

from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

import gptcache_magics as gm
from tests.sdk.reading import conversation
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


def shown() -> str:
    return str(gm.show(gm.entries().index[0]))


def test_a_chat_with_a_tool_and_an_image(client: openai.OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    asked: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather here?"}, picture]},
    ]
    call = client.chat.completions.create(model="gpt-4o", messages=asked, tools=[TOOL]).choices[0].message
    assert call.tool_calls
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "Rain."}
    client.chat.completions.create(model="gpt-4o", messages=[*asked, call, result], tools=[TOOL])

    said = conversation()
    assert said[:5] == ["System", "Be brief.", "Human", "Weather here?", "[png image, 72 B]"]
    assert said[6] == "AI"
    assert said[7].startswith("weather(city=")
    assert said[8:11] == ["Tool weather", "Rain.", "Answer"]
    assert "tool weather: Rain." in shown()
    assert PIXEL not in shown()


def test_several_choices(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Twice"}], n=2)
    assert [each for each in conversation() if each.startswith("Answer")] == ["Answer 1", "Answer 2"]
    assert "answer 2: gpt-4o answers 'Twice' (call 1, choice 2)" in shown()


def test_a_thought_and_the_result_of_a_tool_of_claude(claude: anthropic.Anthropic) -> None:
    tool: Any = {"name": "weather", "input_schema": SCHEMA}
    messages: Any = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I need the weather.", "signature": "abc"},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}]},
    ]
    claude.messages.create(model="claude-haiku-4-5", max_tokens=50, system="Help.", messages=messages, tools=[tool])
    assert conversation()[:11] == [
        *("System", "Help.", "Human", "Weather?", "AI", "reasoning", "I need the weather.", 'weather(city="Oslo")'),
        *("Tool weather", "Rain.", "Answer"),
    ]
    assert "ai: (reasoning) I need the weather.\nweather(city=" in shown()


def test_a_chat_with_gemini(server: ProviderServer) -> None:
    body = {
        "systemInstruction": {"role": "user", "parts": [{"text": "Help."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Here?"}, {"inlineData": {"mime_type": "image/png", "data": PIXEL}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "Rain."}}}]},
        ],
    }
    url = f"{server.url}/v1beta/models/gemini-2.5-flash:generateContent"
    httpx.post(url, json=body, headers={"user-agent": "google-genai-sdk/3.6.0 gl-python/3.11"}).raise_for_status()
    assert conversation()[:10] == [
        *("System", "Help.", "Human", "Here?", "[png image, 72 B]", "Show"),
        *("AI", 'weather(city="Oslo")', "Tool weather", "Rain."),
    ]


def test_an_image_for_ollama(server: ProviderServer) -> None:
    ollama.Client(host=server.url).chat("llama3", [{"role": "user", "content": "What is it?", "images": [PIXEL]}])
    assert conversation()[:3] == ["Human", "What is it?", "[png image, 72 B]"]
