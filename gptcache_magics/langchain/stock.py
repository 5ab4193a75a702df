"""Take over what LangChain's own GPTCache stored with an ``init_func``, as answers of a model that the user names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration

from gptcache_magics import generations
from gptcache_magics.engines import stock
from gptcache_magics.engines.init_func import InitFuncEngine
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.identity.key import identify
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.request import ModelRequest
from gptcache_magics.lookup.answers import Answers
from gptcache_magics.settings import Scope
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.protocol import Store

__all__ = ["Taken", "take_over"]


@dataclass(slots=True)
class Taken:
    """The result of taking answers over."""

    added: int = 0
    kept: int = 0
    """Number of prompts to which the model has an answer already."""
    refused: int = 0
    """Number of answers that cannot be read, or that no later call should be given."""


def take_over(answers: Answers, store: Store, init_func: Callable[..., None], model: Any, *, replace: bool) -> Taken:
    """Store the answers of LangChain's own class as those of plain calls of ``model``.

    Parameters
    ----------
    replace
        Whether they take the place of answers that the model has already.

    Raises
    ------
    CommandError
        If ``model`` is not a model of LangChain's.
    StoreError
        If the store fails. It keeps what was stored until then.
    """
    llm_string = _llm_string(model)
    engine = InitFuncEngine(store, init_func)
    try:
        found = engine.stock_answers(llm_string)
    finally:
        engine.close()
    taken = Taken()
    for prompt, text in found:
        call = ModelCall(model, {}, isinstance(model, BaseChatModel))
        request = ModelRequest(identify(call, prompt), Scope(), call, prompt, llm_string)
        try:
            with waiting(Patience(command=True)):
                if not replace and answers.find(request).found is not None:
                    taken.kept += 1
                    continue
                answer = stock.generations_of(text)
                if any(getattr(getattr(each, "message", None), "tool_calls", None) for each in answer):
                    taken.refused += 1  # the call had tools, and these are not known
                    continue
                answers.save(request, answer, generations, None, generations.usage(answer), None)
                taken.added += 1
        except StoreError:
            raise
        except Exception:  # whatever the words lead to
            taken.refused += 1
    return taken


class _Listener(BaseCache):
    """Hears LangChain's words for a model, and answers in its place."""

    llm_string = ""

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        self.llm_string = llm_string
        return [ChatGeneration(message=AIMessage("heard"))]

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None: ...

    def clear(self, **kwargs: Any) -> None: ...


def _llm_string(model: Any) -> str:
    """Return LangChain's words for a plain call of a model, which is not asked."""
    if not isinstance(model, BaseChatModel | BaseLLM):
        raise CommandError(
            f"load: --model is the LangChain model that gave the answers, itself and not what bind() makes of it. "
            f"Got a {type(model).__name__}. Example: %gptcache load --init set_up --model llm"
        )
    listener = _Listener()
    asked = model.model_copy(update={"cache": listener, "callbacks": None})
    generate = inspect.unwrap(type(asked).generate)  # not through our hooks: it is nobody's call
    generate(asked, [[HumanMessage("?")]] if isinstance(model, BaseChatModel) else ["?"])
    return listener.llm_string
