"""The request that LangChain makes of the cache, with the second key that its answer may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from gptcache_magics.identity.key import Identity, identify_by_llm_string
from gptcache_magics.identity.model import model_name
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.lookup.request import Request

__all__ = ["ModelRequest"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelRequest(Request):
    """A request of a LangChain model."""

    current: bool = False
    """Whether ``llm_string`` has meant one configuration so far: a changed model still has its old one."""

    def fallback(self) -> Identity | None:
        """Return the identity by ``llm_string``, if that surely means the model that asks, as it is now."""
        if self.call is None or not self.llm_string or not self.current:
            return None
        call = cast(ModelCall, self.call)
        plain = identify_by_llm_string(self.prompt, self.llm_string)
        name = model_name(call.model, call.kwargs)
        return plain if not name or plain.configuration.model == name else None
