"""Our cache as LangChain's models ask it: within a call that says which model is asking.

Taking the identity of the model is part of a lookup, so a bare ``cache.lookup(prompt, llm_string)`` would flatter us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation
from payloads import model

import gptcache_magics as gm
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.lookup.running import within

__all__ = ["Asked"]

ARGUMENTS = dict.fromkeys(("callbacks", "tags", "metadata", "run_name", "run_id"))
"""Arguments that ``invoke`` hands to ``generate``."""


class Asked(BaseCache):
    """Does around each lookup and update what the wraps of ``gptcache_magics.langchain.hooks`` do around a call."""

    def __init__(self, cache: gm.GPTCache) -> None:
        self.cache, self._model = cache, model()
        self._missed: dict[str, ModelCall] = {}

    def lookup(self, prompt: str, llm_string: str) -> Any:
        """Look up, in a separate call."""
        call = self._call()
        found = self._within(call, self.cache.lookup, prompt, llm_string)
        if found is None:
            self._missed[prompt] = call
        return found

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Update, in the call that missed; of a prompt that was not looked up, in a call that refreshes."""
        if prompt not in self._missed:
            with gm.using(mode="refresh"):
                self.lookup(prompt, llm_string)
        self._within(self._missed.pop(prompt), self.cache.update, prompt, llm_string, return_val)

    def clear(self, **kwargs: Any) -> None:
        """Clear."""
        self.cache.clear()

    def _call(self) -> ModelCall:
        return ModelCall(model=self._model, kwargs=ARGUMENTS, chat=True)

    @staticmethod
    def _within(call: ModelCall, work: Callable[..., Any], *arguments: Any) -> Any:
        with call.running, within(call):
            return work(*arguments)
