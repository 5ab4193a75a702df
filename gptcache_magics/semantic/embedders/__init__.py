"""What turns texts into vectors: one file for each kind, all behind :class:`.base.Embedder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gptcache_magics.errors import CommandError, MissingDependencyError
from gptcache_magics.semantic.embedders import minilm
from gptcache_magics.semantic.embedders.base import Embedder
from gptcache_magics.semantic.embedders.langchain import LangChainEmbedder

__all__ = ["DEFAULT", "EMBEDDERS", "Embedder", "Maker", "embedder_maker"]


class Maker(NamedTuple):
    """How to come by an embedder."""

    name: str
    """As the embedder will call itself."""
    make: Callable[[], Embedder]
    """May load a model, and takes its time."""
    given: Any
    """What the user named or gave."""


def _minilm() -> Embedder:
    return minilm.MiniLM()


DEFAULT: Final = "minilm"
EMBEDDERS: Final[Mapping[str, Callable[[], Embedder]]] = {DEFAULT: _minilm}
"""What can be named."""


def embedder_maker(embedder: Any) -> Maker:
    """How to come by the embedder that is meant: by its name, or any LangChain ``Embeddings``.

    Raises
    ------
    CommandError
        If it is neither.
    MissingDependencyError
        If it needs an extra that is not installed.
    """
    if isinstance(embedder, str):
        if embedder not in EMBEDDERS:
            raise CommandError(
                f"--embedder takes {', '.join(EMBEDDERS)}, or a notebook variable that holds a LangChain Embeddings. "
                f"Got '{embedder}'."
            )
        told = minilm.missing()
        if told:
            raise MissingDependencyError(told)
        return Maker(embedder, EMBEDDERS[embedder], embedder)
    if isinstance(embedder, type) or not callable(getattr(embedder, "embed_documents", None)):
        raise CommandError(
            f"--embedder takes {', '.join(EMBEDDERS)}, or an object that is a LangChain Embeddings. "
            f"Got {embedder!r:.100}."
        )
    made = LangChainEmbedder(embedder)
    return Maker(made.name, lambda: made, embedder)
