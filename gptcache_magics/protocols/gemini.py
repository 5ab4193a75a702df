"""Google's ``generateContent``: https://ai.google.dev/api/generate-content, also that of Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from gptcache_magics.protocols.base import Incomplete, Json, NotRead, Protocol
from gptcache_magics.protocols.events import event, events
from gptcache_magics.protocols.json_values import changed, count, loads
from gptcache_magics.protocols.messages import (
    absent_from,
    message,
    place_of,
    sent_with,
    split_calls,
    tool_call,
    usage_metadata,
)
from gptcache_magics.store.records import Usage

__all__ = ["Gemini", "unusual_version"]

_PATH: Final = re.compile(r"(.*?)/?(?:models/|((?:tunedModels|endpoints)/))([^/:]+):(?:streamG|g)enerateContent")
_VERSION: Final = re.compile(r".*/(v\d\w*)/")
_USUAL: Final = frozenset({"v1beta", "v1beta1"})
"""The versions that Google's client asks by default: of the Gemini API, and of Vertex AI."""
ROLES: Final = {"user": "human", "model": "ai"}
SYSTEM: Final = ("systemInstruction", "system_instruction")
ADDED: Final = {"thinking": ("thinking",), "image": ("base64", "mime_type")}
"""Names that a block has beside those of the part that it is, by its type."""
CONFIG: Final = ("generationConfig", "generation_config")
TEXT: Final = frozenset({"text"})
GROWING: Final = frozenset({"citationMetadata", "groundingMetadata", "logprobsResult", "urlContextMetadata"})
"""Fields beside the text of a candidate, of which each piece may say a part."""
LIKELY: Final = frozenset({"topCandidates", "chosenCandidates"})
"""Lists with an item for each word, which may come twice."""
OF_BLOCKS: Final = frozenset({"type", "thinking", "base64", "mime_type", "part"})
"""Names that blocks of content have beside what is sent."""


def unusual_version(path: str) -> str:
    """Return the version of Google's API that a path names; empty for one that its client asks by default."""
    found = _VERSION.match(path)
    return found[1] if found is not None and found[1] not in _USUAL else ""


class Gemini(Protocol):
    """Contents."""

    name: ClassVar[str] = "gemini"
    api: ClassVar[str] = "generateContent"
    provider: ClassVar[str] = "google_genai"
    arriving: ClassVar[frozenset[str]] = frozenset()

    def fits(self, path: str) -> str | None:
        found = _PATH.fullmatch(path)
        return None if found is None else found[1]

    def model(self, body: Json, path: str) -> str:
        found = _PATH.fullmatch(path)
        if found is None:
            raise NotRead("it names no model")
        return f"{found[2] or ''}{found[3]}"

    def api_at(self, path: str) -> str:
        return f"{self.api} {unusual_version(path)}".rstrip()

    def streams(self, body: Json, path: str) -> bool:
        return path.endswith(":streamGenerateContent")

    def messages(self, body: Json) -> list[Json]:
        contents = body.get("contents")
        if isinstance(contents, dict):
            given, place = [contents], "contents"
        elif isinstance(contents, list) and contents:
            given, place = contents, ""
        else:
            raise NotRead("it has no contents")
        found = [_message(body[name], "system", name) for name in SYSTEM if name in body]
        for each in given:
            if not isinstance(each, dict):
                raise NotRead("a content is no object")
            role = each.get("role", "user")
            found.append(_message(each, ROLES.get(role, "human") if isinstance(role, str) else "human", place))
        return found

    def asking(self, messages: Sequence[Json]) -> Json:
        body: Json = {"contents": []}
        for each in messages:
            sent = sent_with(each)
            if place := place_of(each):
                body[place] = _content(each, sent)
                continue
            if "role" not in sent and not {"role", "parts"} & {*absent_from(each)}:
                sent["role"] = "model" if each["type"] == "ai" else "user"
            body["contents"].append(_content(each, sent))
        return body

    def parameters(self, body: Json) -> Json:
        empty = [name for name in CONFIG if body.get(name) == {}]  # as good as absent
        return {name: value for name, value in body.items() if name not in ("contents", *SYSTEM, *empty)}

    def goes_past(self, body: Json) -> str:
        config: Json = next((body[name] for name in CONFIG if body.get(name)), {})
        modalities = config.get("responseModalities") or config.get("response_modalities") or ()
        return "audio" if "AUDIO" in modalities else ""

    def answers(self, whole: Json) -> list[Json]:
        usage, found = usage_metadata(self.usage(whole)), list[Json]()
        for candidate in whole.get("candidates") or ():
            parts = (candidate.get("content") or {}).get("parts") or []
            calls = [part["functionCall"] for part in parts if "functionCall" in part]
            blocks = [_block(part) for part in parts if "functionCall" not in part]
            plain = all(block.keys() == {"type", "text"} and block["type"] == "text" for block in blocks)
            found.append(
                {
                    "content": "".join(block["text"] for block in blocks) if plain else blocks,
                    "response_metadata": {"finish_reason": candidate.get("finishReason")},
                    **split_calls([*map(_call, calls)]),
                    **(usage if not found else {}),
                }
            )
        return found

    def usage(self, whole: Json) -> Usage:
        used = whole.get("usageMetadata")
        if not isinstance(used, dict):
            return Usage()
        sent, said = count(used.get("promptTokenCount")), count(used.get("candidatesTokenCount"))
        thought = count(used.get("thoughtsTokenCount")) or 0
        tools = count(used.get("toolUsePromptTokenCount")) or 0
        read = count(used.get("cachedContentTokenCount")) or None
        if sent is not None and said is None and "totalTokenCount" in used:
            said = 0  # left out where nothing but thoughts came
        return Usage(None if sent is None else sent + tools, None if said is None else said + thought, read)

    def fold(self, raw: bytes) -> Json:
        whole: Json = {}
        candidates: dict[int, Json] = {}
        for piece in _pieces(raw):
            if "error" in piece:
                raise Incomplete("an error in the stream")
            whole.update({name: value for name, value in piece.items() if name != "candidates"})
            for part in piece.get("candidates") or ():
                _add(candidates.setdefault(part.get("index") or 0, {}), part)
        if not candidates or not all(each.get("finishReason") for each in candidates.values()):
            raise Incomplete("no finish reason")
        return {"candidates": [candidates[each] for each in sorted(candidates)], **whole}

    def unfold(self, whole: Json, body: Json) -> bytes:
        return event(whole)

    def ended(self, tail: bytes) -> bool:
        return False  # what follows the finish reason may still add to the usage

    def settled(self, raw: bytes, body: Json) -> bool:
        return False  # some servers say the finish reason in each piece

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        return _with_parts(whole, lambda part: _reworded(part, change))

    def with_text(self, whole: Json, text: str) -> Json:
        first, *others = whole["candidates"]
        content = first.get("content") or {}
        parts = content.get("parts") or ()
        kept = [part for part in parts if not isinstance(part.get("text"), str) or part.get("thought")]
        return {**whole, "candidates": [{**first, "content": {**content, "parts": [{"text": text}, *kept]}}, *others]}

    def error(self, kind: str, message: str, status: int) -> Json:
        return {"error": {"code": status, "message": message, "status": kind}}


def _message(content: Any, kind: str, place: str) -> Json:
    if not isinstance(content, dict):
        return message(kind, content, {}, place=place)
    fields: Json = {"place": place}
    parts = content.get("parts")
    if not isinstance(parts, list) or not all(map(_is_part, parts)):
        return message(kind, "", {"content": content}, absent=["parts"], **fields)
    # In a list, the role is told by the message's kind.
    told = not place and "role" in content and ROLES.get(str(content["role"])) == kind
    sent = {name: value for name, value in content.items() if name != "parts" and not (told and name == "role")}
    if not told and "role" not in content:
        fields["absent"] = ["role"]
    if kind == "ai":
        calls = [part["functionCall"] for part in parts if isinstance(part.get("functionCall"), dict)]
        fields |= split_calls([*map(_call, calls)])
    results = [part["functionResponse"] for part in parts if isinstance(part.get("functionResponse"), dict)]
    if results and kind == "human":
        kind, sent = "tool", {**sent, **({"role": content["role"]} if "role" in content else {})}
        fields["tool_call_id"] = str(results[0].get("id") or results[0].get("name") or "")
    plain = len(parts) == 1 and parts[0].keys() == TEXT and isinstance(parts[0]["text"], str)
    return message(kind, parts[0]["text"] if plain else [_block(part) for part in parts], sent, **fields)


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text", ""), str)


def _block(part: Json) -> Json:
    """Return a part as a block of content: it has no type of its own."""
    if not part.keys().isdisjoint(OF_BLOCKS):
        return {"type": "part", "part": part}
    if isinstance(part.get("text"), str):
        if part.get("thought"):
            return {**part, "type": "thinking", "thinking": part["text"]}
        return {**part, "type": "text"}
    data = part.get("inlineData")
    mime = (data.get("mimeType") or data.get("mime_type")) if isinstance(data, dict) else ""
    if isinstance(data, dict) and str(mime).startswith("image/"):
        return {**part, "type": "image", "base64": data.get("data"), "mime_type": mime}
    return {**part, "type": min(part, default="part")}


def _content(read: Json, sent: Json) -> Any:
    """Return a content as it was sent, from its message and what that was sent with."""
    absent, content = absent_from(read), read["content"]
    if "parts" in absent:
        return sent["content"]
    if place_of(read) and "role" not in sent and "role" not in absent:
        return sent.get("content", content)
    return {**sent, "parts": [{"text": content}] if isinstance(content, str) else [*map(_part, content)]}


def _part(block: Json) -> Json:
    """Return the part that a block of content is."""
    if block["type"] == "part" and "part" in block:
        part: Json = block["part"]
        return part
    added = {"type", *ADDED.get(block["type"], ())}
    return {name: value for name, value in block.items() if name not in added}


def _pieces(raw: bytes) -> list[Json]:
    """Return the pieces of a stream: events, or without ``alt=sse`` a list."""
    if raw.lstrip()[:1] == b"[":
        pieces: list[Json] = loads(raw)
        return pieces
    return [loads(data) for _, data in events(raw)]


def _add(candidate: Json, piece: Json) -> None:
    """Add a piece of a candidate to what came of it before; texts of one kind that follow each other are one."""
    for name, value in piece.items():
        if name != "content":
            candidate[name] = _grown(candidate.get(name), value) if name in GROWING else value
    content = piece.get("content")
    if not isinstance(content, dict):
        return
    before = candidate.setdefault("content", {"parts": []})
    before.update({name: value for name, value in content.items() if name != "parts"})
    parts = before["parts"]
    for part in content.get("parts") or ():
        last = parts[-1] if parts else {}
        if isinstance(part.get("text"), str) and _like(last, part):
            parts[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            parts.append(part)


def _grown(before: Any, piece: Any) -> Any:
    """Return what is said beside a text with what a later piece says: lists grow by what is not in them."""
    if not isinstance(before, dict) or not isinstance(piece, dict):
        return before if piece is None else piece
    new = {**before, **piece}
    for name, each in piece.items():
        old = before.get(name)
        if isinstance(each, list) and isinstance(old, list):
            new[name] = [*old, *each] if name in LIKELY else [*old, *(item for item in each if item not in old)]
    return new


def _like(last: Json, part: Json) -> bool:
    """Return whether two parts that follow each other are pieces of one text."""
    return last.keys() == part.keys() <= {"text", "thought"} and last.get("thought") == part.get("thought")


def _call(call: Json) -> Json:
    return tool_call(call.get("name"), call.get("args") or {}, call.get("id"))


def _with_parts(whole: Json, change: Callable[[Json], Json]) -> Json:
    candidates = []
    for each in whole.get("candidates") or ():
        content = each.get("content")
        if isinstance(content, dict) and content.get("parts"):
            each = {**each, "content": {**content, "parts": [*map(change, content["parts"])]}}
        candidates.append(each)
    return {**whole, "candidates": candidates}


def _reworded(part: Json, change: Callable[[str], str]) -> Json:
    if isinstance(part.get("text"), str):
        return {**part, "text": change(part["text"])}
    call = part.get("functionCall")
    if isinstance(call, dict):
        return {**part, "functionCall": {**call, "args": changed(call.get("args"), change)}}
    return part
