"""Requests and answers of every API, as its provider documents them."""

from typing import Any, Final

__all__ = ["ANSWERS", "REQUESTS", "Json"]

Json = dict[str, Any]

_TOOL: Final = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
_IMAGE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"

REQUESTS: Final[dict[str, tuple[str, Json]]] = {
    "openai-chat": (
        "/v1/chat/completions",
        {
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": "What is the weather in Oslo?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "And what is this?"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_IMAGE}", "detail": "low"}},
                    ],
                },
            ],
            "tools": [{"type": "function", "function": {**_TOOL, "strict": True}}],
            "temperature": 0.5,
            "stop": ["END"],
            "logit_bias": {"50256": -100},
            "response_format": {"type": "json_object"},
        },
    ),
    "openai-completions": (
        "/v1/completions",
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", "max_tokens": 9, "suffix": "the end"},
    ),
    "openai-responses": (
        "/v1/responses",
        {
            "model": "gpt-5",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "What is the weather in Oslo?"},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"},
                {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                {"type": "item_reference", "id": "msg_1"},
            ],
            "previous_response_id": "resp_1",
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_schema", "name": "A", "schema": {"type": "object"}}},
        },
    ),
    "anthropic-messages": (
        "/v1/messages",
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 100,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "What is the weather in Oslo?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
                        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
            ],
            "tools": [{"name": "weather", "input_schema": _TOOL["parameters"]}],
            "thinking": {"type": "enabled", "budget_tokens": 50},
            "top_k": 3,
        },
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {
            "contents": [
                {"role": "user", "parts": [{"text": "What is this?"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "thinking", "thought": True},
                        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                    ],
                },
                {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "rain"}}}]},
                {"parts": [{"inlineData": {"mimeType": "image/png", "data": _IMAGE}}, {"text": "And this?"}]},
            ],
            "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
            "generationConfig": {"temperature": 0.5, "topK": 3},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        },
    ),
    "ollama-chat": (
        "/api/chat",
        {
            "model": "llama3",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?", "images": [_IMAGE]},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
                },
                {"role": "tool", "tool_name": "weather", "content": "rain"},
            ],
            "options": {"temperature": 0.5, "seed": 7},
            "format": "json",
            "think": False,
        },
    ),
    "ollama-generate": (
        "/api/generate",
        {
            "model": "llama3",
            "prompt": "Say hi",
            "system": "Be brief.",
            "images": [_IMAGE],
            "raw": True,
            "context": [1, 2],
        },
    ),
    "cohere-chat": (
        "/v2/chat",
        {
            "model": "command-a-03-2025",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What is the weather in Oslo?"}]},
                {
                    "role": "assistant",
                    "tool_plan": "I will look.",
                    "tool_calls": [
                        {
                            "id": "weather_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                        }
                    ],
                },
                {
                    "role": "tool",
                    "tool_call_id": "weather_1",
                    "content": [{"type": "document", "document": {"data": "rain"}}],
                },
            ],
            "documents": [{"id": "1", "data": {"text": "Oslo is wet."}}],
            "temperature": 0.5,
            "p": 0.9,
        },
    ),
}
"""One request for each API, with a path and a body."""

_CALL: Final = {"id": "call_9", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
_LOGPROBS: Final = {"content": [{"token": "Rain", "logprob": -0.1, "bytes": [82], "top_logprobs": []}], "refusal": None}
_USED: Final = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 2},
}

ANSWERS: Final[dict[str, list[Json]]] = {
    "openai-chat": [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_767_225_600,
            "model": "gpt-4o-mini",
            "system_fingerprint": "fp_1",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "Rain, all day. " * 60,
                        "refusal": None,
                        "annotations": [],
                    },
                    "logprobs": _LOGPROBS,
                    "finish_reason": "stop",
                },
                {
                    "index": 1,
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "refusal": None,
                        "tool_calls": [_CALL, {**_CALL, "id": "call_10"}],
                    },
                    "logprobs": None,
                    "finish_reason": "tool_calls",
                },
            ],
            "usage": _USED,
        },
        {
            "id": "chatcmpl-2",
            "object": "chat.completion",
            "created": 1_767_225_600,
            "model": "deepseek-reasoner",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Rain", "reasoning_content": "It is Oslo."},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_cache_hit_tokens": 2},
        },
    ],
    "openai-completions": [
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1_767_225_600,
            "model": "gpt-3.5-turbo-instruct",
            "choices": [{"index": 0, "text": "there was rain. " * 60, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        }
    ],
    "openai-responses": [
        {
            "id": "resp_9",
            "object": "response",
            "created_at": 1_767_225_600,
            "status": "completed",
            "incomplete_details": None,
            "model": "gpt-5",
            "output": [
                {"id": "rs_9", "type": "reasoning", "summary": [{"type": "summary_text", "text": "It is Oslo."}]},
                {
                    "id": "msg_9",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "Rain, all day. " * 60,
                            "annotations": [
                                {
                                    "type": "url_citation",
                                    "url": "https://yr.no",
                                    "title": "yr",
                                    "start_index": 0,
                                    "end_index": 4,
                                }
                            ],
                            "logprobs": [],
                        }
                    ],
                },
                {
                    "id": "fc_9",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": "call_9",
                    "name": "weather",
                    "arguments": '{"city": "Oslo"}',
                },
                {
                    "id": "ws_9",
                    "type": "web_search_call",
                    "status": "completed",
                    "action": {"type": "search", "query": "Oslo"},
                },
            ],
            "usage": {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 13,
            },
        }
    ],
    "anthropic-messages": [
        {
            "id": "msg_9",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": [
                {"type": "thinking", "thinking": "It is Oslo.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "abc"},
                {
                    "type": "text",
                    "text": "Rain, all day. " * 60,
                    "citations": [{"type": "char_location", "cited_text": "wet"}],
                },
                {"type": "tool_use", "id": "toolu_9", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "toolu_10", "name": "now", "input": {}},
            ],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 6,
                "output_tokens": 4,
                "cache_read_input_tokens": 2,
                "cache_creation_input_tokens": 1,
            },
        }
    ],
    "gemini": [
        {
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"text": "It is Oslo.", "thought": True},
                            {"text": "Rain, all day. " * 60},
                            {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "sig"},
                        ],
                        "role": "model",
                    },
                    "finishReason": "STOP",
                    "index": 0,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 9,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 1,
                "cachedContentTokenCount": 2,
                "totalTokenCount": 13,
            },
            "modelVersion": "gemini-2.5-flash",
            "responseId": "r9",
        }
    ],
    "ollama-chat": [
        {
            "model": "llama3",
            "created_at": "2026-01-01T00:00:00Z",
            "message": {
                "role": "assistant",
                "content": "Rain",
                "thinking": "It is Oslo.",
                "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
            },
            "done_reason": "stop",
            "done": True,
            "prompt_eval_count": 9,
            "eval_count": 4,
        }
    ],
    "ollama-generate": [
        {
            "model": "llama3",
            "created_at": "2026-01-01T00:00:00Z",
            "response": "Rain",
            "thinking": "It is Oslo.",
            "done": True,
            "done_reason": "stop",
            "context": [1, 2, 3],
            "prompt_eval_count": 9,
            "eval_count": 4,
        }
    ],
    "cohere-chat": [
        {
            "id": "c9",
            "finish_reason": "COMPLETE",
            "message": {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "It is Oslo."},
                    {"type": "text", "text": "Rain, all day. " * 60},
                ],
                "citations": [{"start": 0, "end": 4, "text": "Rain", "sources": [{"type": "document", "id": "1"}]}],
            },
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 4},
                "tokens": {"input_tokens": 9.0, "output_tokens": 4.0},
            },
        },
        {
            "id": "c10",
            "finish_reason": "TOOL_CALL",
            "message": {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [_CALL]},
            "usage": {"tokens": {"input_tokens": 9, "output_tokens": 4}},
        },
    ],
}
"""Answers of each API; all of them say that 9 tokens were sent and 4 came back."""
