"""Embeddings of OpenAI, Cohere, Google and Ollama: vectors that depend on model and text alone."""

import base64
import re
import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from tests.support.provider_server.answers import Json

__all__ = ["embedded"]

DIMENSIONS = 8
GOOGLE = re.compile(r"/v1(?:beta)?/(?:.+/)?models/([^/]+):(embedContent|batchEmbedContents)")


def embedded(path: str, body: Json) -> Json | None:
    """Return the answer to a request for embeddings; None for another request."""
    google = GOOGLE.fullmatch(path)
    if google is not None:
        return _google(google[1], body)
    answer = ROUTES.get(path) or (_openai if re.fullmatch(r"/openai/deployments/[^/]+/embeddings", path) else None)
    return answer(body) if answer is not None else None


def vector(*seed: object, dimensions: int | None = None) -> list[float]:
    """Return a vector of float32 numbers, as decimals of 8 digits, that ``seed`` makes."""
    numbers = (blake2b(f"{seed} {place}".encode(), digest_size=4).digest() for place in range(dimensions or DIMENSIONS))
    return [round(int.from_bytes(number, "big") / 2**31 - 1, 8) for number in numbers]


def _openai(body: Json) -> Json:
    texts = body["input"]
    texts = [texts] if isinstance(texts, str) or isinstance(texts[0], int) else texts
    data: list[Json] = []
    for place, text in enumerate(texts):
        found: Any = vector(body.get("model"), text, dimensions=body.get("dimensions"))
        if body.get("encoding_format") == "base64":
            found = base64.b64encode(struct.pack(f"<{len(found)}f", *found)).decode()
        data.append({"object": "embedding", "index": place, "embedding": found})
    tokens = sum(_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": "emb-1", "object": "list", "model": body.get("model"), "data": data, "usage": usage}


def _cohere(body: Json) -> Json:
    found = [vector(body["model"], body.get("input_type"), text) for text in body["texts"]]
    kinds: Json = {}
    for kind in body.get("embedding_types") or ["float"]:
        kinds[kind] = found if kind == "float" else [[round(127 * each) for each in row] for row in found]
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(map(_tokens, body["texts"]))}}
    return {
        "id": "e-1",
        "embeddings": kinds,
        "texts": body["texts"],
        "meta": meta,
        "response_type": "embeddings_by_type",
    }


def _cohere_1(body: Json) -> Json:
    whole = _cohere(body)
    if body.get("embedding_types"):
        return whole
    return {**whole, "embeddings": whole["embeddings"]["float"], "response_type": "embeddings_floats"}


def _google(model: str, body: Json) -> Json:
    def one(asked: Json) -> Json:
        text = "".join(part["text"] for part in asked["content"]["parts"])
        return {"values": vector(model, text, asked.get("taskType"), dimensions=asked.get("outputDimensionality"))}

    return {"embeddings": [one(each) for each in body["requests"]]} if "requests" in body else {"embedding": one(body)}


def _ollama(body: Json) -> Json:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    found = [vector(body["model"], text) for text in texts]
    took = {"total_duration": 14143917, "load_duration": 1019500, "prompt_eval_count": sum(map(_tokens, texts))}
    return {"model": body["model"], "embeddings": found, **took}


def _ollama_1(body: Json) -> Json:
    return {"embedding": vector(body["model"], body["prompt"])}


def _tokens(text: str | list[int]) -> int:
    return len(text.split()) if isinstance(text, str) else len(text)


ROUTES: dict[str, Callable[[Json], Json]] = {
    "/v1/embeddings": _openai,
    "/v1/embed": _cohere_1,
    "/v2/embed": _cohere,
    "/api/embed": _ollama,
    "/api/embeddings": _ollama_1,
}
