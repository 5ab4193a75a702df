"""Save entries to a file and load them: a *bundle*, to commit beside a notebook or to hand to a class.

A bundle is JSON Lines: a header, then a line for each configuration and, below it, a line for each of its entries by
prompt. The same entries give the same bytes, so a difference between two bundles is a difference between answers. It
leaves out hits, pins, expiry, history and the time of saving. Text that looks like a key is masked.

LangChain's ``SQLiteCache`` is read into the same contents.
"""

from gptcache_magics.bundle.files import Contents, Saved, as_file, is_bundle, opened, read, save
from gptcache_magics.bundle.langchain import read_langchain
from gptcache_magics.bundle.lines import MASKED_PROMPT

__all__ = ["MASKED_PROMPT", "Contents", "Saved", "as_file", "is_bundle", "opened", "read", "read_langchain", "save"]
