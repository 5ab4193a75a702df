"""A stream amounts to the whole answer, however it is written, and to none where something of it is missing."""

import json
import re

import orjson
import pytest

from gptcache_magics.protocols import PROTOCOLS
from gptcache_magics.protocols.base import Incomplete
from gptcache_magics.sdk import answers
from tests.protocols.streams import STREAMS, Json, Stream

EACH = [pytest.param(stream, id=what) for what, stream in STREAMS.items()]
ASKED: Json = {"stream": True, "stream_options": {"include_usage": True}}


def fold(stream: Stream, raw: bytes) -> Json | None:
    """Return the answer that a stream amounts to; None if it is not whole."""
    try:
        return PROTOCOLS[stream.api].fold(raw)
    except (Incomplete, ValueError):
        return None


@pytest.mark.parametrize("stream", EACH)
def test_a_stream_amounts_to_the_whole_however_it_is_written(stream: Stream) -> None:
    api = PROTOCOLS[stream.api]
    ways: list[Json] = [{}, {"line": "\r\n"}, {"ascii": True}, {"spaced": True}, {"split": True}]
    for written in ways:
        assert api.fold(stream.raw(**written)) == stream.whole, written
    if stream.api.startswith(("anthropic", "ollama", "cohere")) or stream.done:
        assert api.ended(stream.raw(**written)[-512:])
    assert api.fold(stream.raw().removesuffix(b"data: [DONE]\n\n")) == stream.whole
    assert api.fold(stream.raw().rstrip(b"\n")) == stream.whole


@pytest.mark.parametrize("stream", [each for each in EACH if not each.values[0].api.startswith("ollama")])  # type: ignore[union-attr]
def test_what_is_no_part_of_an_answer_is_passed_over(stream: Stream) -> None:
    noise = [b": keep-alive\n\n", b":\r\n\r\n", b"retry: 5\n\n", b"id: 7\n\n", b"event: ping\n\n", b"data:\n\n"]
    if "openai-chat" not in stream.api and "completions" not in stream.api and stream.api != "gemini":
        noise.append(b'event: novelty\ndata: {"type":"novelty","index":0}\n\n')
    raw = b"".join(event + noise[at % len(noise)] for at, event in enumerate(stream.events()))
    assert fold(stream, raw) == stream.whole


@pytest.mark.parametrize("stream", EACH)
def test_the_stream_of_a_stream_says_the_same(stream: Stream) -> None:
    api = PROTOCOLS[stream.api]
    whole = api.fold(stream.raw())
    assert {"usage": None, **api.fold(api.unfold(whole, ASKED))} == {"usage": None, **whole}
    assert api.answers(whole) == api.answers(stream.whole)


@pytest.mark.parametrize("stream", EACH)
def test_a_stream_that_is_cut_anywhere_is_none_but_where_all_has_come(stream: Stream) -> None:
    api, raw = PROTOCOLS[stream.api], stream.raw()
    step = 1 if len(raw) < 2_500 else 3
    for at in [*range(0, len(raw) - 300, step), *range(max(len(raw) - 300, 0), len(raw))]:
        cut = raw[:at]
        for ending in ("left", "broken"):
            answer = answers.read(api, cut, in_pieces=True)
            kept = answers.cut_short(answer, cut, ASKED, ending).whole  # type: ignore[arg-type]
            assert kept is None or kept == stream.whole, (ending, cut[-80:])
            assert ending == "left" or kept is None or api.ended(cut), cut[-80:]
            assert not api.ended(cut) or fold(stream, cut) == stream.whole, cut[-80:]


@pytest.mark.parametrize("stream", EACH)
def test_an_error_at_any_place_of_a_stream_makes_it_none(stream: Stream) -> None:
    events = stream.events()
    said: Json = {"error": {"type": "overloaded_error", "message": "Overloaded"}}
    if stream.api.startswith("ollama"):
        error = b'{"error":"out of memory"}\n'
    elif stream.api == "anthropic-messages":
        error = b"event: error\ndata: " + orjson.dumps({"type": "error", **said}) + b"\n\n"
    elif stream.api == "openai-responses":
        error = b'event: error\ndata: {"type":"error","code":"server_error","message":"m"}\n\n'
    elif stream.api == "cohere-chat":
        error = b'event: message-end\ndata: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"m"}}\n\n'
    else:
        error = b"data: " + orjson.dumps(said) + b"\n\n"
    for at in range(len(events)):
        assert fold(stream, b"".join([*events[:at], error])) is None, at


@pytest.mark.parametrize("api", sorted(PROTOCOLS))
def test_an_event_named_error_makes_a_stream_none(api: str) -> None:
    stream = next(each for each in STREAMS.values() if each.api == api)
    if api.startswith("ollama"):
        return
    *before, last = stream.events()
    assert fold(stream, b"".join([*before, b'event: error\ndata: {"message":"m"}\n\n', last])) is None


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 12345678901234567890123])
def test_an_answer_with_a_number_that_cannot_be_kept_is_none(number: int) -> None:
    text = str(number)
    called = {"id": "toolu_1", "type": "tool_use", "name": "f", "input": {"id": number}}
    whole = {"type": "message", "role": "assistant", "content": [called], "stop_reason": "tool_use"}
    api = PROTOCOLS["anthropic-messages"]
    assert answers.read(api, json.dumps(whole).encode(), in_pieces=False).whole is None
    assert answers.read(api, json.dumps(whole).replace(text, f'"{text}"').encode(), in_pieces=False).whole
    start = {**called, "input": {}}
    pieces = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": each}}
            for each in ('{"id": ', text[:9], text[9:], "}")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    ]
    stream = Stream("anthropic-messages", pieces, whole)
    assert fold(stream, stream.raw()) is None
    assert fold(stream, stream.raw().replace(text[9:].encode(), b"")) is not None
    for name in ("gemini", "ollama-chat"):
        stream = next(each for each in STREAMS.values() if each.api == name)
        huge = stream.raw().replace('{"city":"Tromsø"}'.encode(), b'{"city":%d}' % number)
        assert fold(stream, huge) is None
        assert fold(stream, huge.replace(text.encode(), b"7")) is not None


@pytest.mark.parametrize("stream", EACH)
@pytest.mark.parametrize(
    "junk",
    [
        b"data: {oops\n\n",
        b": wait\n\n",
        b"event: error\ndata: oops\n\n",
        b'data: {"x":\n\n',
        b"\xff\xfe\n\n",
        b"{oops\n",
    ],
)
def test_what_follows_the_end_of_an_answer_takes_nothing_from_it(stream: Stream, junk: bytes) -> None:
    api, raw = PROTOCOLS[stream.api], stream.raw() + junk
    if not api.ended(stream.raw()[-512:]):  # nothing says that this was the end
        return
    assert api.ended(raw[-512:])
    answer = answers.read(api, raw, in_pieces=True)
    for ending in ("left", "broken"):
        assert answers.cut_short(answer, raw, ASKED, ending).whole == stream.whole  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", EACH)
@pytest.mark.parametrize(
    "said", ["[DONE]", "data: [DONE]", "event: message_stop", '"done":true', '{"type":"message-end"}']
)
def test_words_like_an_end_do_not_end_an_answer(stream: Stream, said: str) -> None:
    api, raw, words = PROTOCOLS[stream.api], b"", json.dumps(said)[1:-1].encode()
    for event in stream.events()[:-3]:
        raw += re.sub("Régn|I look|Regn|It is ".encode(), lambda _: words, event)
        assert not api.ended(raw[-512:]), raw[-200:]


@pytest.mark.parametrize(
    ("api", "piece"),
    [
        ("ollama-chat", {"message": {"tool_calls": [{"function": {"arguments": {"done": True}}}]}, "done": False}),
        ("ollama-generate", {"response": "a", "more": [{"done": True}]}),
        ("anthropic-messages", {"type": "content_block_start", "content_block": {"content": {"type": "message_stop"}}}),
        ("cohere-chat", {"type": "citation-start", "delta": {"message": {"citations": {"type": "message-end"}}}}),
    ],
)
def test_a_field_within_a_piece_does_not_end_an_answer(api: str, piece: Json) -> None:
    one = Stream(api, [piece, piece], {})
    assert not PROTOCOLS[api].ended(one.raw())
