"""Embedders turn texts into vectors: one file for each kind, all behind :class:`.base.Embedder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gptcache_magics.errors import CommandError, MissingDependencyError
from gptcache_magics.semantic.embedders import minilm
from gptcache_magics.semantic.embedders.base import Embedder
from gptcache_magics.semantic.embedders.langchain import LangChainEmbedder

__all__ = ["DEFAULT", "EMBEDDERS", "Embedder", "Maker", "embedder_maker"]


class Maker(NamedTuple):
    """A recipe for an embedder."""

    name: str
    """Name that the embedder will have."""
    make: Callable[[], Embedder]
    """Makes the embedder; it may load a model, which takes a while."""
    given: Any
    """Name or object that the user gave."""


def _minilm() -> Embedder:
    return minilm.MiniLM()


DEFAULT: Final = "minilm"
EMBEDDERS: Final[Mapping[str, Callable[[], Embedder]]] = {DEFAULT: _minilm}
"""Embedders that the user can name."""


def embedder_maker(embedder: Any) -> Maker:
    """Return the recipe for an embedder given by its name, or for any LangChain ``Embeddings``.

    Raises
    ------
    CommandError
        If ``embedder`` is neither.
    MissingDependencyError
        If the embedder needs an extra that is not installed.
    """
    if isinstance(embedder, str):
        if embedder not in EMBEDDERS:
            raise CommandError(
                f"--embedder takes {', '.join(EMBEDDERS)}, or a notebook variable that holds a LangChain Embeddings. "
                f"Got '{embedder}'."
            )
        message = minilm.missing() if embedder == DEFAULT else ""
        if message:
            raise MissingDependencyError(message)
        return Maker(embedder, EMBEDDERS[embedder], embedder)
    if isinstance(embedder, type) or not callable(getattr(embedder, "embed_documents", None)):
        raise CommandError(
            f"--embedder takes {', '.join(EMBEDDERS)}, or an object that is a LangChain Embeddings. "
            f"Got {embedder!r:.100}."
        )
    made = LangChainEmbedder(embedder)
    return Maker(made.name, lambda: made, embedder)
