"""Answers that ``langchain_community.cache.GPTCache`` has stored in a manager of the user's.

Such an answer names its prompt, and neither the model nor a parameter. These are known only where ``init_func`` named
the manager's file after LangChain's ``llm_string``, as LangChain's documentation does, itself or by a digest. Our own
answers in such a manager begin with a prefix, so the two are told apart.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from gptcache.manager.data_manager import MapDataManager, SSDataManager
from langchain_core.outputs import Generation

from gptcache_magics import generations

__all__ = ["answers", "generations_of", "holds_any", "is_named_after", "stored_at"]

OURS: Final = re.compile(r"[0-9a-f]{16,}-\d+\n")
"""Beginning of each question that we store."""
DIGESTS: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s")
DIGITS: Final = 16
"""The fewest hexadecimal digits of a digest that name nothing else."""
LOOKED_AT: Final = 3
"""Number of the oldest entries of a database that are looked at: ours came later."""


def answers(manager: Any) -> Iterator[tuple[str, str]]:
    """Yield prompt and answer of each entry that LangChain's class has stored, in its own words."""
    if isinstance(manager, MapDataManager):
        found = [(entry[0], entry[1]) for entry in [*manager.data.values()]]
    elif isinstance(manager, SSDataManager):
        found = [_of_database(manager, id) for id in sorted(manager.s.get_ids(deleted=False))]
    else:
        found = []
    for question, answer in found:
        if isinstance(question, str) and isinstance(answer, str) and not OURS.match(question):
            yield question, answer


def holds_any(manager: Any) -> bool:
    """Return whether LangChain's class has stored anything here, as far as that can be told at once."""
    with suppress(Exception):  # whatever a database raises
        if isinstance(manager, MapDataManager):
            return any(isinstance(key, str) and not OURS.match(key) for key in [*manager.data])
        if isinstance(manager, SSDataManager):
            oldest = sorted(manager.s.get_ids(deleted=False))[:LOOKED_AT]
            return any(not OURS.match(str(_of_database(manager, id)[0])) for id in oldest)
    return False


def is_named_after(manager: Any, llm_string: str) -> bool:
    """Return whether a map has a file of its own for an ``llm_string``."""
    if not isinstance(manager, MapDataManager) or not llm_string:
        return False
    path, data = os.fspath(manager.data_path), llm_string.encode("utf-8", "surrogatepass")
    return llm_string in path or any(hashlib.new(name, data).hexdigest()[:DIGITS] in path for name in DIGESTS)


def generations_of(text: str) -> Sequence[Generation]:
    """Return the generations of an answer in the words of LangChain's class. Raises what the words lead to."""
    return [generations.load(each) if isinstance(each, str) else Generation(**each) for each in json.loads(text)]


def stored_at(manager: Any) -> float:
    """Return the time at which the file of a map was written; it does not say when each answer was."""
    with suppress(Exception):
        return os.stat(manager.data_path).st_mtime
    return 0.0


def _of_database(manager: SSDataManager, id: int) -> tuple[Any, Any]:
    """Return question and answer of an entry."""
    entry = manager.s.get_data_by_id(id)
    question = getattr(entry.question, "content", entry.question)
    [answer] = entry.answers
    return question, getattr(answer, "answer", answer)
