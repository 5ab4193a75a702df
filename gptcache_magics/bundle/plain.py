"""Write the line of an entry as nearly all of them are: its answer decodes, and nothing in it looks like a key.

Prompt and answer are parsed once, and all their texts are searched at once. An entry about which there is a doubt is
looked at closely elsewhere, with the same line as a result.
"""

from __future__ import annotations

from gptcache_magics.bundle.forms import json_form, messages_of
from gptcache_magics.bundle.lines import MASKED_PROMPT, line_of
from gptcache_magics.bundle.masks import is_clean
from gptcache_magics.generations import surely_readable, text_if_readable
from gptcache_magics.store.protocol import EntryRow

__all__ = ["plain_line"]


def plain_line(row: EntryRow) -> bytes | None:
    """Return an entry as JSON, without a line break; None if its answer may be damaged, or a text may be masked."""
    answer, messages = json_form(row.answer), messages_of(row.prompt)
    rows = answer.get("answer") if isinstance(answer, dict) else answer
    if not isinstance(rows, list) or MASKED_PROMPT in row.tags:
        return None
    if messages is None and row.prompt.startswith("[{"):  # a JSON of another form, with names
        return None
    if not is_clean(row.prompt if messages is None else messages, rows):
        return None
    readable = surely_readable(rows) or text_if_readable(row.answer) is not None
    return line_of(row, messages, answer) if readable else None
