"""The exceptions this package raises, in one small tree.

GPTCacheMagicsError
├── StoreError            the place that holds the answers cannot be used
│   └── StoreLockedError  others keep it busy
├── NotStorable           an answer that no later call may be given (in store.reasons)
├── ExactOnly             a question that may not be matched by its meaning (in store.reasons)
├── CommandError          a word, option or value that a command does not accept
├── CacheMiss             nothing is recorded, and the mode forbids asking the model
│   └── EmbeddingMiss     embeddings are not recorded
├── BudgetReached         the money for this run is spent
└── MissingDependencyError
"""

__all__ = [
    "BudgetReached",
    "CacheMiss",
    "CommandError",
    "EmbeddingMiss",
    "GPTCacheMagicsError",
    "MissingDependencyError",
    "StoreError",
    "StoreLockedError",
]


class GPTCacheMagicsError(Exception):
    """Base of every error of this package. The message says what to type next."""


class StoreError(GPTCacheMagicsError):
    """The store could not be opened, read or written."""


class StoreLockedError(StoreError):
    """Another process, or another thread, keeps the store busy."""


class CommandError(GPTCacheMagicsError):
    """A sub-command, option or value that does not exist or does not fit."""


class _Refused(GPTCacheMagicsError):
    """A model call that was not made. IPython shows the sentence; the traceback would be LangChain's."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class CacheMiss(_Refused):
    """Nothing is recorded for this call and the mode is ``replay``: the model was not asked."""


class EmbeddingMiss(CacheMiss):
    """The mode is ``replay``, and embeddings are not recorded: the embedder was not asked."""


class BudgetReached(_Refused):
    """The money for this run is spent: the call was not sent. Hits still work."""


class MissingDependencyError(GPTCacheMagicsError, ImportError):
    """A package that gptcache needs is not installed. Nothing is ever installed at run time."""
