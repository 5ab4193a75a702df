"""The request that LangChain makes of the cache, with the second key that its answer may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pydantic import TypeAdapter

from gptcache_magics.generations import FROM_TEXT
from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import Identity, identify_by_llm_string
from gptcache_magics.identity.llm_string import names
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.lookup.request import Request
from gptcache_magics.store.reasons import Kind, Reason, Unusable

__all__ = ["ModelRequest"]


@dataclass(slots=True, eq=False)
class ModelRequest(Request):
    """A request of a LangChain model."""

    def parse(self, text: str, stored: Any) -> Any:
        """Return the object that the ``openai`` package parses from the text with the schema of the call.

        Parameters
        ----------
        stored
            The value that stands in the stored answer for the object: plain data if version 0.1 stored it.

        Raises
        ------
        Unusable
            If the text does not fit the schema, or the call has none.
        """
        schema = None
        if self.call is not None:
            call = cast(ModelCall, self.call)
            fields = getattr(call.model, "model_kwargs", None) or {}
            schema = call.kwargs.get("response_format", fields.get("response_format"))
        if not isinstance(schema, type):
            if stored == FROM_TEXT:
                raise Unusable(Reason(Kind.UNPARSED, "the call names no schema"))
            return stored
        if not text:
            return stored
        try:
            return TypeAdapter(schema).validate_json(text)
        except Exception as error:  # whatever a validator of the user's raises
            raise Unusable(Reason(Kind.UNPARSED, type(error).__name__)) from error

    def fallback(self) -> Identity | None:
        """Return the identity by ``llm_string``; None for a completion, of which that never says everything."""
        call = self.call
        if not isinstance(call, Call) or not call.chat or not self.llm_string:
            return None
        return identify_by_llm_string(self.prompt, self.llm_string)

    def says_everything(self) -> bool:
        """Return whether ``llm_string`` names the model and everything else that counts. Reads the model again."""
        return isinstance(self.call, Call) and bool(self.llm_string) and names(self.llm_string, self.call)
