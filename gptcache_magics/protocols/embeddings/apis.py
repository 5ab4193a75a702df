"""The APIs of embeddings: OpenAI's, Cohere's, Google's and Ollama's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.embeddings.base import EmbeddingAPI, Inputs, listed, numbered, tokens_at
from gptcache_magics.protocols.gemini import unusual_version

__all__ = ["CohereEmbeddings", "GoogleEmbeddings", "OllamaEmbedding", "OllamaEmbeddings", "OpenAIEmbeddings"]

_DEPLOYMENT: Final = re.compile(r"/deployments/([^/]+)/embeddings$")
_GOOGLE: Final = re.compile(
    r"(.*?)/((?:v\d\w*/)?(?:projects/.+/)?models/([^/:]+)):(?:embedContent|batchEmbedContents)$"
)
_VERTEX: Final = re.compile(r"(.*?)/((?:v\d\w*/)?projects/.+/models/([^/:]*embedding[^/:]*)):predict$")


class OpenAIEmbeddings(EmbeddingAPI):
    """OpenAI's, and that of Azure, Mistral, Voyage, vLLM, LM Studio and others.

    Source: https://platform.openai.com/docs/api-reference/embeddings.
    """

    name: ClassVar[str] = "openai-embeddings"
    provider: ClassVar[str] = "openai"

    def fits(self, path: str) -> str | None:
        return path.removesuffix("/embeddings") if path.endswith("/embeddings") else None

    def read(self, body: Json, path: str) -> Inputs:
        deployment = _DEPLOYMENT.search(path)
        model = body.get("model") or (deployment[1] if deployment is not None else None)
        parameters = {name: value for name, value in body.items() if name not in ("model", "input")}
        return Inputs(_named(model), listed(body.get("input")), parameters)

    def only(self, body: Json, places: Sequence[int]) -> Json:
        return _only(body, "input", places)

    def items(self, whole: Json, number: int) -> list[Any]:
        items = sorted(numbered(whole["data"], number), key=lambda item: item["index"])
        if [item["index"] for item in items] != [*range(number)]:
            raise ValueError("the places of its vectors are others than those of the texts")
        return [{name: value for name, value in item.items() if name != "index"} for item in items]

    def vectors(self, item: Any) -> list[Any]:
        return [item["embedding"]]

    def rest(self, whole: Json) -> Json:
        return {**whole, "data": []}

    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        return {**rest, "data": [{**item, "index": place} for place, item in enumerate(items)]}

    def tokens(self, whole: Json) -> int | None:
        found = tokens_at(whole, "usage", "prompt_tokens")
        return tokens_at(whole, "usage", "total_tokens") if found is None else found

    def with_tokens(self, rest: Json, tokens: int) -> Json:
        return _counted(rest, "usage", dict.fromkeys(("prompt_tokens", "total_tokens"), tokens))


class CohereEmbeddings(EmbeddingAPI):
    """Cohere's, versions 1 and 2: https://docs.cohere.com/reference/embed."""

    name: ClassVar[str] = "cohere-embed"
    provider: ClassVar[str] = "cohere"

    def fits(self, path: str) -> str | None:
        return next((path.removesuffix(end) for end in ("/v1/embed", "/v2/embed") if path.endswith(end)), None)

    def version(self, path: str) -> str:
        return path.split("/")[-2]

    def read(self, body: Json, path: str) -> Inputs:
        if body.get("images") or body.get("inputs"):
            raise NotRead("images")
        parameters = {name: value for name, value in body.items() if name not in ("model", "texts")}
        texts = body.get("texts")
        return Inputs(_named(body.get("model")), listed(texts if isinstance(texts, list) else None), parameters)

    def only(self, body: Json, places: Sequence[int]) -> Json:
        return _only(body, "texts", places)

    def items(self, whole: Json, number: int) -> list[Any]:
        found, said = whole["embeddings"], whole.get("texts")
        if isinstance(found, dict):  # by type
            found = {kind: numbered(each, number) for kind, each in found.items() if each}
            rows: list[Any] = [{kind: each[place] for kind, each in found.items()} for place in range(number)]
        else:
            rows = numbered(found, number)
        if not isinstance(said, list) or len(said) != number:
            return [{"vectors": row} for row in rows]
        return [{"vectors": row, "text": text} for row, text in zip(rows, said, strict=True)]

    def vectors(self, item: Any) -> list[Any]:
        vectors = item["vectors"]
        return [*vectors.values()] if isinstance(vectors, dict) else [vectors]

    def rest(self, whole: Json) -> Json:
        left = [] if not isinstance(whole["embeddings"], dict) else {name: [] for name in whole["embeddings"]}
        return {**whole, "embeddings": left, **({"texts": []} if whole.get("texts") else {})}

    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        rows: Any = [item["vectors"] for item in items]
        if isinstance(rest["embeddings"], dict):
            kinds = {**dict.fromkeys(rest["embeddings"]), **dict.fromkeys(kind for row in rows for kind in row)}
            rows = {kind: [row[kind] for row in rows if kind in row] for kind in kinds}
        texts = [item["text"] for item in items if "text" in item]
        return {**rest, "embeddings": rows, **({"texts": texts} if len(texts) == len(items) else {})}

    def tokens(self, whole: Json) -> int | None:
        return tokens_at(whole, "meta", "billed_units", "input_tokens")

    def with_tokens(self, rest: Json, tokens: int) -> Json:
        meta = rest.get("meta")
        if not isinstance(meta, dict):
            return rest
        for name in ("billed_units", "tokens"):
            used = meta.get(name)
            number = float(tokens) if isinstance(used, dict) and isinstance(used.get("input_tokens"), float) else tokens
            meta = _counted(meta, name, {"input_tokens": number})
        return {**rest, "meta": meta}


class GoogleEmbeddings(EmbeddingAPI):
    """Google's, of one text, of several, and of Vertex: https://ai.google.dev/api/embeddings."""

    name: ClassVar[str] = "gemini-embeddings"
    provider: ClassVar[str] = "google_genai"

    def fits(self, path: str) -> str | None:
        found = _GOOGLE.fullmatch(path) or _VERTEX.fullmatch(path)
        return f"{found[1]}/{found[2].rpartition('models/')[0]}".rstrip("/") if found else None

    def version(self, path: str) -> str:
        return unusual_version(path)

    def read(self, body: Json, path: str) -> Inputs:
        found = _GOOGLE.fullmatch(path) or _VERTEX.fullmatch(path)
        assert found is not None
        field = self._field(body)
        each = body[field] if field is not None else [body]
        if not isinstance(each, list) or not each or not all(isinstance(one, dict) for one in each):
            raise NotRead("it has no texts")
        for one in each:
            _check_texts(one)
        own = ("model", f"models/{found[3]}")
        texts = [{name: value for name, value in one.items() if (name, value) != own} for one in each]
        parameters = {name: value for name, value in body.items() if name != field} if field is not None else {}
        return Inputs(found[3], texts, parameters)

    def only(self, body: Json, places: Sequence[int]) -> Json:
        field = self._field(body)
        return body if field is None else _only(body, field, places)

    def items(self, whole: Json, number: int) -> list[Any]:
        if "embedding" in whole:
            return numbered([whole["embedding"]], number)
        return numbered(whole["predictions" if "predictions" in whole else "embeddings"], number)

    def vectors(self, item: Any) -> list[Any]:
        return [item.get("embeddings", item)["values"]]

    def rest(self, whole: Json) -> Json:
        return {name: value for name, value in whole.items() if name not in ("embedding", "embeddings", "predictions")}

    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        field = self._field(body)
        if field is None:
            return {"embedding": items[0], **rest}
        return {"predictions" if field == "instances" else "embeddings": [*items], **rest}

    def tokens(self, whole: Json) -> int | None:
        counts = [tokens_at(each, "embeddings", "statistics", "token_count") for each in whole.get("predictions") or ()]
        if counts and None not in counts:
            return sum(filter(None, counts))
        return tokens_at(whole, "usageMetadata", "promptTokenCount")

    def with_tokens(self, rest: Json, tokens: int) -> Json:
        return _counted(rest, "usageMetadata", dict.fromkeys(("promptTokenCount", "totalTokenCount"), tokens))

    def text(self, sent: Any) -> str:
        content = sent.get("content")
        if isinstance(content, str):
            return content
        return "\n".join(part["text"] for part in content["parts"])

    @staticmethod
    def _field(body: Json) -> str | None:
        """Return the name of the list of texts; None in a request for one."""
        return next((name for name in ("requests", "instances") if name in body), None)


class OllamaEmbeddings(EmbeddingAPI):
    """Ollama's: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings."""

    name: ClassVar[str] = "ollama-embed"
    provider: ClassVar[str] = "ollama"
    arriving: ClassVar[frozenset[str]] = frozenset({"keep_alive"})
    path: ClassVar[str] = "/api/embed"
    field: ClassVar[str] = "input"
    answered: ClassVar[str] = "embeddings"

    def fits(self, path: str) -> str | None:
        return path.removesuffix(self.path) if path.endswith(self.path) else None

    def read(self, body: Json, path: str) -> Inputs:
        parameters = {name: value for name, value in body.items() if name not in ("model", self.field, *self.arriving)}
        return Inputs(_named(body.get("model")), listed(body.get(self.field)), parameters)

    def only(self, body: Json, places: Sequence[int]) -> Json:
        return _only(body, self.field, places)

    def items(self, whole: Json, number: int) -> list[Any]:
        return numbered(whole[self.answered], number)

    def vectors(self, item: Any) -> list[Any]:
        return [item]

    def rest(self, whole: Json) -> Json:
        return {name: value for name, value in whole.items() if name != self.answered}

    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        return {**rest, self.answered: [*items]}

    def tokens(self, whole: Json) -> int | None:
        return tokens_at(whole, "prompt_eval_count")

    def with_tokens(self, rest: Json, tokens: int) -> Json:
        return {**rest, "prompt_eval_count": tokens} if "prompt_eval_count" in rest else rest


class OllamaEmbedding(OllamaEmbeddings):
    """Ollama's of before, for one text, whose vector has another length."""

    name: ClassVar[str] = "ollama-embeddings"
    path: ClassVar[str] = "/api/embeddings"
    field: ClassVar[str] = "prompt"
    answered: ClassVar[str] = "embedding"

    def items(self, whole: Json, number: int) -> list[Any]:
        return numbered([whole[self.answered]], number)

    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        return {**rest, self.answered: items[0]}


def _named(model: Any) -> str:
    if not isinstance(model, str) or not model:
        raise NotRead("it names no model")
    return model


def _only(body: Json, name: str, places: Sequence[int]) -> Json:
    """Return a request with some of its texts; one that is no list, or one list of tokens, is the only one."""
    sent = body[name]
    if not isinstance(sent, list) or type(sent[0]) is int:
        return body
    return {**body, name: [sent[place] for place in places]}


def _counted(value: Json, name: str, counts: Json) -> Json:
    """Return an answer with other numbers of tokens, where it has some."""
    used = value.get(name)
    if not isinstance(used, dict):
        return value
    return {**value, name: {**used, **{name: number for name, number in counts.items() if name in used}}}


def _check_texts(sent: Json) -> None:
    """Raise ``NotRead`` unless all that is sent is text."""
    content = sent.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    only_text = isinstance(parts, list) and bool(parts) and all(map(_is_text, parts))
    if not only_text and not isinstance(content, str):
        raise NotRead("images")


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.keys() == {"text"} and isinstance(part["text"], str)
