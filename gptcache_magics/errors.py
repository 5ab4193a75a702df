"""The exceptions this package raises, in one small tree.

    GPTCacheMagicsError
    ├── StoreError            the place that holds the answers cannot be used
    │   ├── StoreLockedError  others keep it busy
    │   │   └── NotWrittenYetError
    │   └── TeamAway          the team's store cannot be asked now
    ├── NotStorable           an answer that no later call may be given (in store.reasons)
    ├── Unusable              a stored answer that does not fit this call (in store.reasons)
    ├── ExactOnly             a question that may not be matched by its meaning (in store.reasons)
    ├── CommandError          a word, option or value that a command does not accept
    ├── CacheMiss             nothing is recorded, and the mode forbids asking the model
    │   └── EmbeddingMiss     embeddings are not recorded
    ├── BudgetReached         the money for this run is spent
    └── MissingDependencyError

The message of each says what was given, what is allowed and what to type next.
"""

from gptcache_magics.unprintable import printable

__all__ = [
    "BudgetReached",
    "CacheMiss",
    "CommandError",
    "EmbeddingMiss",
    "GPTCacheMagicsError",
    "MissingDependencyError",
    "NotWrittenYetError",
    "StoreError",
    "StoreLockedError",
    "TeamAway",
]


class GPTCacheMagicsError(Exception):
    """Base of every error of this package. The message says what to type next."""

    def __str__(self) -> str:
        """Return the message without characters that a terminal would obey: it may quote a prompt or a name."""
        return printable(super().__str__())


class StoreError(GPTCacheMagicsError):
    """The store could not be opened, read or written."""


class StoreLockedError(StoreError):
    """Another process, or another thread, keeps the store busy."""


class NotWrittenYetError(StoreLockedError):
    """The store is busy. It holds the answer in memory, and writes the answer when it can."""


class TeamAway(StoreError):
    """The team's store did not answer in time, or is known to be away. The local store goes on."""


class CommandError(GPTCacheMagicsError):
    """A sub-command, option or value that does not exist or does not fit."""


class _Refused(GPTCacheMagicsError):
    """A model call that was not made. IPython shows the sentence; the traceback would be LangChain's.

    Beside the message every argument has a default, so that copies and pickles keep the fields.
    """

    def __init__(self, message: str = "", *, prompt: str = "", model: str = "") -> None:
        super().__init__(message)
        self.prompt = prompt
        """The text of the last human message, or of the whole prompt of a completion model; empty if unknown."""
        self.model = model
        """The model's name, as in the tables; empty if unknown."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class CacheMiss(_Refused):
    """Nothing is recorded for this call and the mode is ``replay``: the model was not asked."""

    def __init__(
        self, message: str = "", *, prompt: str = "", model: str = "", closest: str | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, prompt=prompt, model=model)
        self.closest = closest
        """The id of the closest recorded entry, for ``show``; None if there is none."""
        self.reason = reason
        """The reason as the call knew it; the table of lookups and ``why`` name the cause, which is found later."""


class EmbeddingMiss(CacheMiss):
    """The mode is ``replay``, and embeddings are not recorded: the embedder was not asked."""


class BudgetReached(_Refused):
    """The money for this run is spent: the call was not sent. Hits still work."""

    def __init__(
        self, message: str = "", *, prompt: str = "", model: str = "", spent: float = 0.0, limit: float = 0.0
    ) -> None:
        super().__init__(message, prompt=prompt, model=model)
        self.spent = spent
        """US dollars that this run has spent."""
        self.limit = limit
        """US dollars that this run may spend."""


class MissingDependencyError(GPTCacheMagicsError, ImportError):
    """A package that gptcache needs is not installed. Nothing is ever installed at run time."""
