"""Tell the requests over HTTP whose answers are not kept.

Known model calls are counted, and mode ``replay`` refuses them. Providers add others with each release, so ``replay``
also refuses whatever is not known to run no model.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["EMBEDDINGS", "READING", "runs_no_model", "unkept"]

EMBEDDINGS: Final = "embeddings"
_UNKEPT: Final = tuple(
    (re.compile(rf"(?:{pattern})$"), what)
    for pattern, what in (
        (r"/embeddings|/v[12]/embed|/api/embed|:(batchE|e)mbedContents?", EMBEDDINGS),
        (r"/audio/(speech|transcriptions|translations)", "audio"),
        (r"/images/(generations|edits|variations)|:generateImages|:predict", "images"),
        (r"/videos|:predictLongRunning|:generateVideos", "videos"),
        (r"/batches|/batch/jobs|:batchGenerateContent", "batches"),
        (r"/model/[^/]+/(invoke|converse)(-with-response-stream|-stream)?", "a model on Bedrock"),
        (r":(streamR|r)awPredict", "a model on Vertex"),
        (r"/v1/complete", "text completions of Anthropic's"),
        (r"/responses/compact", "a compacted conversation"),
        (r"/fim/completions", "a fill in the middle"),
        (r"/agents/completions|/conversations(/.*)?", "agents"),
        (r"/threads/runs|/threads/[^/]+/runs", "assistants"),
        (r"/v1/chat|/v1/generate", "version 1 of Cohere's API"),
        (r"/moderations|/classifications", "moderation"),
        (r"/rerank", "ranking"),
        (r"/ocr", "reading of documents"),
        (
            r"/predictions|/endpoints/[^/]+/invocations(-response-stream)?|/ai/run/.+|/cortex/inference:complete"
            r"|/v1/inference/.+|/generation|/ml/v1/text/.+|/serving-endpoints/.+/invocations",
            "a model of another API",
        ),
    )
)
"""The ends of the paths of POST requests, each with what such a call makes."""


@lru_cache(maxsize=256)
def unkept(path: str) -> str:
    """Return what a request makes that is not kept; empty for one that asks no model."""
    return next((what for pattern, what in _UNKEPT if pattern.search(path)), "")


READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods of requests that run no model in any API: those that list, fetch and remove."""
_NO_MODEL: Final = re.compile(
    r".*(?:"
    r"/messages/count_tokens|:(count|compute)Tokens|/responses/input_tokens|/(de)?tokenize"  # counts, free of charge
    r"|/files(:register)?|/uploads(/[^/]+/(parts|complete))?"  # a vector store embeds its files
    r"|[/:]cancel"
    r"|/api/(show|pull|push|create|copy|blobs/[^/]+)"  # what Ollama keeps of models
    r"|/(check-api-key|(access_)?token|oauth)"  # signing in comes before a call whose answer is recorded
    r")"
)
"""Paths of requests that write and run no model. A notebook counts and uploads before it makes a recorded call.

Moderation is not among them: a model answers. Nor are empty conversations, stores and sessions: they are of use only
to model calls that replay refuses.
"""


@lru_cache(maxsize=256)
def runs_no_model(path: str) -> bool:
    """Return whether a request that writes is known to run no model."""
    return _NO_MODEL.fullmatch(path) is not None and "/vector_stores/" not in path
