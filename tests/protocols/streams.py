"""Streams of every API, as its provider documents them, each with the whole answer that it amounts to."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["STREAMS", "Json", "Stream"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Stream:
    """What a server sends piece by piece, and what it would send at once."""

    api: str
    pieces: list[Json]
    whole: Json
    done: bool = field(default=False, kw_only=True)
    """Whether ``[DONE]`` follows."""

    def events(
        self, *, line: str = "\n", ascii: bool = False, spaced: bool = False, split: bool = False
    ) -> list[bytes]:
        """Return the pieces as they are sent, one after the other."""
        found = []
        for piece in self.pieces:
            text = json.dumps(piece, ensure_ascii=ascii, separators=None if spaced else (",", ":"))
            if self.api.startswith("ollama"):
                found.append(f"{text}{line}".encode())
                continue
            if split:
                text = json.dumps(piece, ensure_ascii=ascii, indent=1)
            named = f"event: {piece['type']}{line}" if "type" in piece else ""
            data = "".join(f"data: {each}{line}" for each in text.split("\n"))
            found.append(f"{named}{data}{line}".encode())
        return [*found, f"data: [DONE]{line}{line}".encode()] if self.done else found

    def raw(self, **written: Any) -> bytes:
        """Return all that is sent."""
        return b"".join(self.events(**written))


def _chat(choices: list[Json], **fields: Any) -> Json:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": "gpt-4o-mini"}
    return {**head, "system_fingerprint": "fp_1", **fields, "choices": choices}


def _delta(delta: Json, index: int = 0, reason: str | None = None, **fields: Any) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason, **fields}


def _completion(choices: list[Json], **fields: Any) -> Json:
    return {"usage": None, **_chat([], **fields), "object": "chat.completion", "choices": choices}


def _choice(message: Json, reason: str = "stop", index: int = 0, **fields: Any) -> Json:
    said = {"role": "assistant", "content": None, **message}
    return {"index": index, "message": said, "logprobs": None, "finish_reason": reason, **fields}


def _call(index: int | None, arguments: str, name: str | None = None, id: str | None = None) -> Json:
    function: Json = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    begun = {} if id is None else {"id": id, "type": "function"}
    return {**({} if index is None else {"index": index}), **begun, "function": function}


def _called(id: str, name: str, arguments: str) -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _likely(*tokens: str) -> Json:
    found = [{"token": each, "logprob": -0.1, "bytes": [*each.encode()], "top_logprobs": []} for each in tokens]
    return {"content": found, "refusal": None}


def _thought(text: str) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


_USED: Final = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}

_CHAT: Final = {
    "several choices by turns, with the tokens at the end": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": "", "refusal": None})], usage=None),
            _chat([_delta({"role": "assistant", "content": "", "refusal": None}, 1)], usage=None),
            _chat([_delta({"content": "Régn"}, logprobs=_likely("Régn"))], usage=None),
            _chat([_delta({"content": "雪"}, 1, logprobs=_likely("雪"))], usage=None),
            _chat([_delta({}, 1, "stop")], usage=None),
            _chat([_delta({"content": " 🌧"}, logprobs=_likely(" 🌧"))], usage=None),
            _chat([_delta({}, 0, "stop")], usage=None),
            _chat([], usage=_USED),
        ],
        _completion(
            [
                _choice({"content": "Régn 🌧", "refusal": None}, logprobs=_likely("Régn", " 🌧")),
                _choice({"content": "雪", "refusal": None}, index=1, logprobs=_likely("雪")),
            ],
            usage=_USED,
        ),
        done=True,
    ),
    "the tokens beside the id of the request, as Groq's": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": ""})], x_groq={"id": "req_1"}),
            _chat([_delta({"content": "Régn"})]),
            _chat([_delta({}, 0, "stop")], x_groq={"id": "req_1", "usage": _USED}),
        ],
        _completion([_choice({"content": "Régn"})], usage=_USED, x_groq={"id": "req_1"}),
        done=True,
    ),
    "the tokens with a choice, as Moonshot's": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": ""})]),
            _chat([_delta({"content": "Régn"})]),
            _chat([_delta({}, 0, "stop", usage=_USED)]),
        ],
        _completion([_choice({"content": "Régn"}, usage=_USED)], usage=_USED),
        done=True,
    ),
    "two calls of tools by turns": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": None, "tool_calls": [_call(0, "", "weather", "call_1")]})]),
            _chat([_delta({"tool_calls": [_call(1, "", "now", "call_2")]})]),
            _chat([_delta({"tool_calls": [_call(0, '{"city": "Tr'), _call(1, '{"zone"')]})]),
            _chat([_delta({"tool_calls": [_call(0, 'omsø"}')]})]),
            _chat([_delta({"tool_calls": [_call(1, ': "UTC"}')]})]),
            _chat([_delta({}, 0, "tool_calls")]),
        ],
        _completion(
            [
                _choice(
                    {
                        "tool_calls": [
                            _called("call_1", "weather", '{"city": "Tromsø"}'),
                            _called("call_2", "now", '{"zone": "UTC"}'),
                        ]
                    },
                    "tool_calls",
                )
            ]
        ),
        done=True,
    ),
    "calls whose later pieces have an empty name and id, or no number": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": "", "tool_calls": [_call(0, "", "weather", "call_1")]})]),
            _chat([_delta({"role": "", "tool_calls": [_call(0, '{"city":', "", "")]})]),
            _chat([_delta({"role": None, "tool_calls": [_call(None, ' "Oslo"}')]})]),
            _chat([_delta({"tool_calls": [_call(None, "{}", "now", "call_2")]})]),
            _chat([_delta({"content": ""}, 0, "tool_calls")]),
        ],
        _completion(
            [
                _choice(
                    {
                        "content": "",
                        "tool_calls": [
                            _called("call_1", "weather", '{"city": "Oslo"}'),
                            _called("call_2", "now", "{}"),
                        ],
                    },
                    "tool_calls",
                )
            ]
        ),
        done=True,
    ),
    "a refusal": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": None, "refusal": ""})]),
            _chat([_delta({"refusal": "I can"})]),
            _chat([_delta({"refusal": "not."})]),
            _chat([_delta({}, 0, "stop")]),
        ],
        _completion([_choice({"refusal": "I cannot."})]),
        done=True,
    ),
    "reasoning, and the tokens with the last piece": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": None, "reasoning_content": ""})], usage=None),
            _chat([_delta({"content": None, "reasoning_content": "It is "})], usage=None),
            _chat([_delta({"content": None, "reasoning_content": "Oslo."})], usage=None),
            _chat([_delta({"content": "Rain", "reasoning_content": None})], usage=None),
            _chat([_delta({"content": "", "reasoning_content": None}, 0, "stop")], usage=_USED),
        ],
        _completion([_choice({"content": "Rain", "reasoning_content": "It is Oslo."})], usage=_USED),
        done=True,
    ),
    "what Azure's filter found, before and after": Stream(
        "openai-chat",
        [
            {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [],
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
            },
            _chat([_delta({"role": "assistant", "content": ""})]),
            _chat([_delta({"content": "Rain"})]),
            _chat([_delta({}, 0, "stop")]),
            {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
                        "content_filter_offsets": {"check_offset": 1, "start_offset": 1, "end_offset": 5},
                    }
                ],
            },
        ],
        {
            **_completion(
                [
                    _choice(
                        {"content": "Rain"},
                        content_filter_results={"hate": {"filtered": False, "severity": "safe"}},
                        content_filter_offsets={"check_offset": 1, "start_offset": 1, "end_offset": 5},
                    )
                ]
            ),
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
        },
        done=True,
    ),
    "all that was said before beside each piece, as Perplexity says it": Stream(
        "openai-chat",
        [
            _chat(
                [_delta({"role": "assistant", "content": "Ra"}, message={"role": "assistant", "content": "Ra"})],
                citations=["https://yr.no"],
            ),
            _chat(
                [_delta({"content": "in"}, 0, "stop", message={"role": "assistant", "content": "Rain"})],
                citations=["https://yr.no"],
                usage=_USED,
            ),
        ],
        _completion([_choice({"content": "Rain"})], citations=["https://yr.no"], usage=_USED),
    ),
    "blocks of content, as Mistral's": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": ""})]),
            _chat([_delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Oslo."}]}]})]),
            _chat([_delta({"content": "Rain"})]),
            _chat([_delta({"content": ""}, 0, "stop")], usage=_USED),
        ],
        _completion(
            [
                _choice(
                    {
                        "content": [
                            {"type": "thinking", "thinking": [{"type": "text", "text": "Oslo."}]},
                            {"type": "text", "text": "Rain"},
                        ]
                    }
                )
            ],
            usage=_USED,
        ),
        done=True,
    ),
    "thoughts in pieces, the last beside the first words, as Mistral's": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": ""})]),
            _chat([_delta({"content": [_thought("It is ")]})]),
            _chat([_delta({"content": [_thought("Tromsø."), {"type": "text", "text": "Ré"}]})]),
            _chat([_delta({"content": "gn"})]),
            _chat([_delta({"content": [{"type": "reference", "reference_ids": [1, 2]}]})]),
            _chat([_delta({"content": " 🌧"})]),
            _chat([_delta({"content": "."})]),
            _chat([_delta({"content": ""}, 0, "stop")], usage=_USED),
        ],
        _completion(
            [
                _choice(
                    {
                        "content": [
                            _thought("It is Tromsø."),
                            {"type": "text", "text": "Régn"},
                            {"type": "reference", "reference_ids": [1, 2]},
                            {"type": "text", "text": " 🌧."},
                        ]
                    }
                )
            ],
            usage=_USED,
        ),
        done=True,
    ),
    "two calls that come whole, as Mistral's": Stream(
        "openai-chat",
        [
            _chat([_delta({"role": "assistant", "content": "I look."})]),
            _chat(
                [
                    _delta(
                        {
                            "tool_calls": [
                                {**_called("call_1", "weather", '{"city": "Tromsø"}'), "index": 0},
                                {**_called("call_2", "weather", '{"city": "Oslo"}'), "index": 1},
                            ]
                        },
                        0,
                        "tool_calls",
                    )
                ],
                usage=_USED,
            ),
        ],
        _completion(
            [
                _choice(
                    {
                        "content": "I look.",
                        "tool_calls": [
                            _called("call_1", "weather", '{"city": "Tromsø"}'),
                            _called("call_2", "weather", '{"city": "Oslo"}'),
                        ],
                    },
                    "tool_calls",
                )
            ],
            usage=_USED,
        ),
        done=True,
    ),
}


def _text(text: str, reason: str | None = None, index: int = 0, logprobs: Json | None = None, **fields: Any) -> Json:
    choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], **fields}


_COMPLETIONS: Final = {
    "a prompt completed twice": Stream(
        "openai-completions",
        [
            _text("Régn", logprobs={"tokens": ["Régn"], "token_logprobs": [-0.1], "text_offset": [0]}),
            _text("Snow", index=1),
            _text(" 🌧", logprobs={"tokens": [" 🌧"], "token_logprobs": [-0.2], "text_offset": [4]}),
            _text("", "stop", 1),
            _text("", "stop"),
            {**_text("", usage=_USED), "choices": []},
        ],
        {
            **_text("", usage=_USED),
            "choices": [
                {
                    "index": 0,
                    "text": "Régn 🌧",
                    "logprobs": {"tokens": ["Régn", " 🌧"], "token_logprobs": [-0.1, -0.2], "text_offset": [0, 4]},
                    "finish_reason": "stop",
                },
                {"index": 1, "text": "Snow", "logprobs": None, "finish_reason": "stop"},
            ],
        },
        done=True,
    ),
}


def _messages(blocks: list[tuple[Json, list[Json], Json]], reason: str = "end_turn", **ending: Any) -> Stream:
    """Return the stream of an answer of Anthropic's: each block as it starts, its pieces, and as it is at last."""
    started = {"input_tokens": 6, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 1}
    head: Json = {
        **{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []},
        **{"stop_reason": None, "stop_sequence": None, "usage": started},
    }
    pieces: list[Json] = [{"type": "message_start", "message": head}, {"type": "ping"}]
    for index, (start, deltas, _) in enumerate(blocks):
        pieces.append({"type": "content_block_start", "index": index, "content_block": start})
        pieces += [{"type": "content_block_delta", "index": index, "delta": each} for each in deltas]
        pieces.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": reason, "stop_sequence": None, **ending}
    pieces.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4}})
    usage = {**started, "output_tokens": 4}
    whole = {**head, "content": [each for _, _, each in blocks], **delta, "usage": usage}
    return Stream("anthropic-messages", [*pieces, {"type": "message_stop"}], whole)


def _written(*pieces: str) -> list[Json]:
    return [{"type": "input_json_delta", "partial_json": each} for each in pieces]


_CITED: Final = {
    "type": "char_location",
    "cited_text": "våt",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 3,
    "file_id": None,
}
_FOUND: Final = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "title": "yr",
            "url": "https://yr.no",
            "encrypted_content": "abc",
            "page_age": None,
        }
    ],
}
_SEARCH: Final[Json] = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
_USE: Final[Json] = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
_THOUGHT: Final = {"type": "thinking", "thinking": "", "signature": ""}

_ANTHROPIC: Final = {
    "thinking, signed and hidden, and two calls": _messages(
        [
            (
                _THOUGHT,
                [
                    {"type": "thinking_delta", "thinking": "It is "},
                    {"type": "thinking_delta", "thinking": "Tromsø."},
                    {"type": "signature_delta", "signature": "c2ln"},
                ],
                {"type": "thinking", "thinking": "It is Tromsø.", "signature": "c2ln"},
            ),
            ({"type": "redacted_thinking", "data": "abc"}, [], {"type": "redacted_thinking", "data": "abc"}),
            (
                {"type": "text", "text": ""},
                [{"type": "text_delta", "text": "I look"}, {"type": "text_delta", "text": " 🌧"}],
                {"type": "text", "text": "I look 🌧"},
            ),
            (_USE, _written("", '{"city": "Tr', 'omsø"}'), {**_USE, "input": {"city": "Tromsø"}}),
            ({**_USE, "id": "toolu_2"}, _written(""), {**_USE, "id": "toolu_2"}),
        ],
        "tool_use",
    ),
    "a search of the server's, and citations": _messages(
        [
            (_SEARCH, _written("", '{"query":', ' "Oslo"}'), {**_SEARCH, "input": {"query": "Oslo"}}),
            (_FOUND, [], _FOUND),
            (
                {"type": "text", "text": "", "citations": []},
                [
                    {"type": "citations_delta", "citation": _CITED},
                    {"type": "text_delta", "text": "Regn"},
                    {"type": "citations_delta", "citation": {**_CITED, "start_char_index": 9}},
                ],
                {"type": "text", "text": "Regn", "citations": [_CITED, {**_CITED, "start_char_index": 9}]},
            ),
        ]
    ),
}


def _gemini(parts: list[Json], index: int = 0, **fields: Any) -> Json:
    candidate = {"content": {"parts": parts, "role": "model"}, **fields, "index": index}
    used = {"promptTokenCount": 9, "totalTokenCount": 9}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": "gemini-2.5-flash", "responseId": "r1"}


_GEMINI_USED: Final = {
    **{"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 1, "totalTokenCount": 13},
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
}
_SIGNED: Final = {"functionCall": {"name": "weather", "args": {"city": "Tromsø"}}, "thoughtSignature": "c2ln"}
_GEMINI_CITED: Final = [{"startIndex": at, "endIndex": at + 4, "uri": "https://yr.no"} for at in (0, 5)]
_CODE: Final[list[Json]] = [
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
]


def _grounds(*places: int) -> Json:
    segments = [{"startIndex": 5 * each, "endIndex": 5 * each + 4, "text": "Régn"} for each in places]
    return {
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": f"https://yr.no/{each}", "title": "yr"}} for each in places],
            "groundingSupports": [
                {"segment": segment, "groundingChunkIndices": [each]}
                for segment, each in zip(segments, places, strict=True)
            ],
        }
    }


_GEMINI: Final = {
    "thoughts, words and signed calls": Stream(
        "gemini",
        [
            _gemini([{"text": "It is ", "thought": True}]),
            _gemini([{"text": "Tromsø.", "thought": True}]),
            _gemini([{"text": "Régn"}]),
            _gemini([{"text": " 🌧"}]),
            _gemini([_SIGNED, {"functionCall": {"name": "now", "args": {}}}]),
            {**_gemini([{"text": ""}], finishReason="STOP"), "usageMetadata": _GEMINI_USED},
        ],
        {
            **_gemini(
                [
                    {"text": "It is Tromsø.", "thought": True},
                    {"text": "Régn 🌧"},
                    _SIGNED,
                    {"functionCall": {"name": "now", "args": {}}},
                    {"text": ""},
                ],
                finishReason="STOP",
            ),
            "usageMetadata": _GEMINI_USED,
        },
    ),
    "two candidates by turns": Stream(
        "gemini",
        [
            _gemini([{"text": "Rain"}]),
            _gemini([{"text": "Snow"}], 1),
            _gemini([{"text": "."}], 1, finishReason="STOP"),
            {**_gemini([{"text": "."}], finishReason="STOP"), "usageMetadata": _GEMINI_USED},
        ],
        {
            **_gemini([]),
            "candidates": [
                _gemini([{"text": "Rain."}], finishReason="STOP")["candidates"][0],
                _gemini([{"text": "Snow."}], 1, finishReason="STOP")["candidates"][0],
            ],
            "usageMetadata": _GEMINI_USED,
        },
    ),
    "words with grounds and citations": Stream(
        "gemini",
        [
            _gemini([{"text": "Régn"}], citationMetadata={"citationSources": _GEMINI_CITED[:1]}),
            _gemini([{"text": " Régn"}], **_grounds(0), citationMetadata={"citationSources": _GEMINI_CITED[1:]}),
            {**_gemini([{"text": "."}], **_grounds(1), finishReason="STOP"), "usageMetadata": _GEMINI_USED},
        ],
        {
            **_gemini(
                [{"text": "Régn Régn."}],
                **_grounds(0, 1),
                citationMetadata={"citationSources": _GEMINI_CITED},
                finishReason="STOP",
            ),
            "usageMetadata": _GEMINI_USED,
        },
    ),
    "code that is run": Stream(
        "gemini",
        [
            _gemini([{"text": "I "}]),
            _gemini([{"text": "count."}, _CODE[0]]),
            _gemini([_CODE[1]]),
            _gemini([{"text": "It is "}]),
            {**_gemini([{"text": "1."}], finishReason="STOP"), "usageMetadata": _GEMINI_USED},
        ],
        {
            **_gemini([{"text": "I count."}, *_CODE, {"text": "It is 1."}], finishReason="STOP"),
            "usageMetadata": _GEMINI_USED,
        },
    ),
}


def _response(output: list[Json], status: str, usage: Json | None) -> Json:
    return {
        **{"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-5"},
        **{"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "output": output},
        **{"parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0},
        "usage": usage,
    }


_ITEMS: Final[list[Json]] = [
    {
        **{"id": "rs_1", "type": "reasoning", "encrypted_content": "abc"},
        "summary": [{"type": "summary_text", "text": "It is Tromsø."}],
    },
    {
        **{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"},
        "content": [{"type": "output_text", "text": "Régn 🌧", "annotations": [], "logprobs": []}],
    },
    {
        **{"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "weather"},
        "arguments": '{"city":"Tromsø"}',
    },
]
_RESPONSES_USED: Final = {
    **{"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
    **{"input_tokens_details": {"cached_tokens": 2}, "output_tokens_details": {"reasoning_tokens": 1}},
}


def _responses() -> list[Json]:
    reasoning, said, called = _ITEMS
    begun = _response([], "in_progress", None)
    of_reasoning, of_said, of_called = (
        {"output_index": place, "item_id": item["id"]} for place, item in enumerate(_ITEMS)
    )
    part, summary = said["content"][0], reasoning["summary"][0]
    found: list[Json] = [
        {"type": "created", "response": begun},
        {"type": "in_progress", "response": begun},
        {"type": "output_item.added", "output_index": 0, "item": {**reasoning, "summary": []}},
        {"type": "reasoning_summary_part.added", **of_reasoning, "summary_index": 0, "part": {**summary, "text": ""}},
        {"type": "reasoning_summary_text.delta", **of_reasoning, "summary_index": 0, "delta": summary["text"]},
        {"type": "reasoning_summary_text.done", **of_reasoning, "summary_index": 0, "text": summary["text"]},
        {"type": "reasoning_summary_part.done", **of_reasoning, "summary_index": 0, "part": summary},
        {"type": "output_item.done", "output_index": 0, "item": reasoning},
        {"type": "output_item.added", "output_index": 1, "item": {**said, "content": [], "status": "in_progress"}},
        {"type": "content_part.added", **of_said, "content_index": 0, "part": {**part, "text": ""}},
        {"type": "output_text.delta", **of_said, "content_index": 0, "delta": "Régn", "logprobs": []},
        {"type": "output_text.delta", **of_said, "content_index": 0, "delta": " 🌧", "logprobs": []},
        {"type": "output_text.done", **of_said, "content_index": 0, "text": part["text"], "logprobs": []},
        {"type": "content_part.done", **of_said, "content_index": 0, "part": part},
        {"type": "output_item.done", "output_index": 1, "item": said},
        {"type": "output_item.added", "output_index": 2, "item": {**called, "arguments": "", "status": "in_progress"}},
        {"type": "function_call_arguments.delta", **of_called, "delta": called["arguments"]},
        {
            **{"type": "function_call_arguments.done", **of_called, "arguments": called["arguments"]},
            "name": "weather",
        },
        {"type": "output_item.done", "output_index": 2, "item": called},
        {"type": "completed", "response": _response(_ITEMS, "completed", _RESPONSES_USED)},
    ]
    return [{**each, "type": f"response.{each['type']}", "sequence_number": n} for n, each in enumerate(found)]


_UNNAMED: Final = _responses()
_UNNAMED[-1] = {**_UNNAMED[-1], "response": _response([], "completed", _RESPONSES_USED)}
_RESPONSES: Final = {
    "a reasoning, a text and a call": Stream(
        "openai-responses", _responses(), _response(_ITEMS, "completed", _RESPONSES_USED)
    ),
    "an end that does not name its items": Stream(
        "openai-responses", _UNNAMED, _response(_ITEMS, "completed", _RESPONSES_USED)
    ),
}


def _line(done: bool = False, **fields: Any) -> Json:
    return {"model": "llama3", "created_at": "2026-01-01T00:00:00Z", **fields, "done": done}


_OLLAMA_USED: Final = {"done_reason": "stop", "total_duration": 5, "prompt_eval_count": 9, "eval_count": 4}
_OLLAMA_CALLS: Final = [{"function": {"name": name, "arguments": {"city": "Tromsø"}}} for name in ("weather", "now")]

_OLLAMA: Final = {
    "thinking, words and calls": Stream(
        "ollama-chat",
        [
            _line(message={"role": "assistant", "content": "", "thinking": "It is "}),
            _line(message={"role": "assistant", "content": "", "thinking": "Tromsø."}),
            _line(message={"role": "assistant", "content": "Régn"}),
            _line(message={"role": "assistant", "content": " 🌧"}),
            *(_line(message={"role": "assistant", "content": "", "tool_calls": [each]}) for each in _OLLAMA_CALLS),
            _line(done=True, message={"role": "assistant", "content": ""}, **_OLLAMA_USED),
        ],
        _line(
            done=True,
            message={
                **{"role": "assistant", "content": "Régn 🌧", "thinking": "It is Tromsø."},
                "tool_calls": _OLLAMA_CALLS,
            },
            **_OLLAMA_USED,
        ),
    ),
    "a prompt completed": Stream(
        "ollama-generate",
        [
            _line(response="", thinking="It is Tromsø."),
            _line(response="Régn"),
            _line(response=" 🌧"),
            _line(done=True, response="", context=[1, 2], **_OLLAMA_USED),
        ],
        _line(done=True, response="Régn 🌧", thinking="It is Tromsø.", context=[1, 2], **_OLLAMA_USED),
    ),
}


def _cohere(kind: str, message: Json | None = None, **fields: Any) -> Json:
    return {"type": kind, **fields, **({} if message is None else {"delta": {"message": message}})}


_COHERE_CITED: Final = [
    {"start": 0, "end": 4, "text": "Régn", "sources": [{"type": "document", "id": "1", "document": {"id": "1"}}]},
    {"start": 5, "end": 6, "text": "🌧", "sources": [{"type": "document", "id": "1", "document": {"id": "1"}}]},
]
_COHERE_USED: Final = {
    "billed_units": {"input_tokens": 5, "output_tokens": 4},
    "tokens": {"input_tokens": 9, "output_tokens": 4},
}
_COHERE_START: Final = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
_COHERE_CALLS: Final = [_called("weather_1", "weather", '{"city":"Tromsø"}'), _called("now_1", "now", "{}")]

_COHERE: Final = {
    "words and citations": Stream(
        "cohere-chat",
        [
            _cohere("message-start", _COHERE_START, id="c1"),
            _cohere("content-start", {"content": {"type": "text", "text": ""}}, index=0),
            _cohere("content-delta", {"content": {"text": "Régn"}}, index=0),
            _cohere("content-delta", {"content": {"text": " 🌧"}}, index=0),
            _cohere("citation-start", {"citations": _COHERE_CITED[0]}, index=0),
            _cohere("citation-end", index=0),
            _cohere("citation-start", {"citations": _COHERE_CITED[1]}, index=1),
            _cohere("citation-end", index=1),
            _cohere("content-end", index=0),
            {**_cohere("message-end", id="c1"), "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USED}},
        ],
        {
            **{"id": "c1", "finish_reason": "COMPLETE", "usage": _COHERE_USED},
            "message": {
                **{"role": "assistant", "content": [{"type": "text", "text": "Régn 🌧"}]},
                "citations": _COHERE_CITED,
            },
        },
    ),
    "a plan and calls": Stream(
        "cohere-chat",
        [
            _cohere("message-start", _COHERE_START, id="c1"),
            _cohere("tool-plan-delta", {"tool_plan": "I look"}),
            _cohere("tool-plan-delta", {"tool_plan": " up."}),
            _cohere("tool-call-start", {"tool_calls": _called("weather_1", "weather", "")}, index=0),
            _cohere("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"city":'}}}, index=0),
            _cohere("tool-call-delta", {"tool_calls": {"function": {"arguments": '"Tromsø"}'}}}, index=0),
            _cohere("tool-call-end", index=0),
            _cohere("tool-call-start", {"tool_calls": _called("now_1", "now", "{}")}, index=1),
            _cohere("tool-call-end", index=1),
            {**_cohere("message-end", id="c1"), "delta": {"finish_reason": "TOOL_CALL", "usage": _COHERE_USED}},
        ],
        {
            **{"id": "c1", "finish_reason": "TOOL_CALL", "usage": _COHERE_USED},
            "message": {"role": "assistant", "tool_plan": "I look up.", "tool_calls": _COHERE_CALLS},
        },
    ),
    "thoughts and words": Stream(
        "cohere-chat",
        [
            _cohere("message-start", _COHERE_START, id="c1"),
            _cohere("content-start", {"content": {"type": "thinking", "thinking": ""}}, index=0),
            _cohere("content-delta", {"content": {"thinking": "It is "}}, index=0),
            _cohere("content-delta", {"content": {"thinking": "Tromsø."}}, index=0),
            _cohere("content-end", index=0),
            _cohere("content-start", {"content": {"type": "text", "text": ""}}, index=1),
            _cohere("content-delta", {"content": {"text": "Régn"}}, index=1),
            _cohere("content-delta", {"content": {"text": " 🌧"}}, index=1),
            _cohere("content-end", index=1),
            {**_cohere("message-end", id="c1"), "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USED}},
        ],
        {
            **{"id": "c1", "finish_reason": "COMPLETE", "usage": _COHERE_USED},
            "message": {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "It is Tromsø."}, {"type": "text", "text": "Régn 🌧"}],
            },
        },
    ),
}

STREAMS: Final = {
    f"{stream.api}: {what}": stream
    for group in (_CHAT, _COMPLETIONS, _ANTHROPIC, _GEMINI, _RESPONSES, _OLLAMA, _COHERE)
    for what, stream in group.items()
}
"""Streams by what they say."""
