"""Tell the model calls over HTTP whose answers are not kept: they are counted, and mode ``replay`` refuses them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["EMBEDDINGS", "unkept"]

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
    )
)
"""What the paths of POST requests end with, and what such a call makes."""


@lru_cache(maxsize=256)
def unkept(path: str) -> str:
    """Return what a request makes that is not kept; empty for one that asks no model."""
    return next((what for pattern, what in _UNKEPT if pattern.search(path)), "")
