"""Read the file of LangChain's ``SQLiteCache`` as entries."""

from __future__ import annotations

import json
import os
from pathlib import Path

from langchain_core.outputs import Generation

from gptcache_magics import generations
from gptcache_magics.bundle.files import Contents
from gptcache_magics.bundle.langchain_sqlite import Answered, answered
from gptcache_magics.errors import CommandError
from gptcache_magics.finish import check_storable, finish_reason
from gptcache_magics.identity.key import identify_by_llm_string
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.store.reasons import NotStorable, not_stored

__all__ = ["read_langchain"]


def read_langchain(path: str | Path) -> Contents:
    """Read the answers of a ``SQLiteCache`` as entries that are found by prompt and ``llm_string``.

    Raises
    ------
    CommandError
        If the file does not exist.
    StoreError
        If the file is not a ``SQLiteCache``, or cannot be read.
    """
    file = Path(os.path.expanduser(path))
    if os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file):  # reading one may wait for ever
        raise CommandError(f"{path} is a pipe or a device. LangChain's SQLiteCache is a file, such as .langchain.db")
    if not os.path.isfile(file):
        raise CommandError(f"There is no file {path}. LangChain's SQLiteCache calls it .langchain.db")
    created = file.stat().st_mtime  # the file does not say when each was stored
    contents = Contents(unit="row")
    configurations: dict[str, Configuration] = {}
    for each in answered(file):
        try:
            entry, configuration = _entry(each, created)
        except NotStorable as refusal:
            contents.refused.append((each.row, refusal.reason.detail))
        else:
            configurations[configuration.key] = configuration
            contents.entries.append(entry)
    contents.refused.sort()
    contents.configurations.extend(configurations.values())
    return contents


def _entry(each: Answered, created: float) -> tuple[Entry, Configuration]:
    """Return the entry of one answer, found by its prompt and ``llm_string`` as LangChain finds it."""
    if each.refused:
        raise not_stored(each.refused)
    try:
        answer = [_generation(response) for response in each.responses]
        check_storable(answer)
        identity = identify_by_llm_string(each.prompt, each.llm_string)
        data = generations.encode(answer)
    except NotStorable:
        raise
    except Exception as error:  # whatever a class of LangChain raises for its arguments
        raise not_stored("it cannot be read") from error
    entry = Entry(
        key=identity.key,
        configuration=identity.configuration.key,
        prompt=identity.prompt,
        question=identity.question,
        answer=data,
        created=created,
        usage=generations.usage(answer),
        finish_reason=finish_reason(answer),
        prompt_digest=identity.prompt_digest,
    )
    return entry, identity.configuration


def _generation(response: str) -> Generation:
    """Load what LangChain's ``dumps`` wrote; an early version wrote the text itself."""
    try:
        dumped = json.loads(response)
    except ValueError:
        return Generation(text=response)
    return generations.load(response) if isinstance(dumped, dict) and "lc" in dumped else Generation(text=response)
