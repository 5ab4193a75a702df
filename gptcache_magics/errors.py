"""The exceptions this package raises, in one small tree.

GPTCacheMagicsError
├── StoreError            the place that holds the answers cannot be used
├── NotStorable           an answer that no later call may be given
├── CommandError          a word, option or value that a command does not take
└── MissingDependencyError
"""

__all__ = ["CommandError", "GPTCacheMagicsError", "MissingDependencyError", "NotStorable", "StoreError"]


class GPTCacheMagicsError(Exception):
    """Base of every error of this package. The message says what to type next."""


class StoreError(GPTCacheMagicsError):
    """The store could not be opened, read or written."""


class NotStorable(GPTCacheMagicsError):
    """The answer is not one a later call may be given. The message is the reason that tables show."""


class CommandError(GPTCacheMagicsError):
    """A sub-command, option or value that does not exist or does not fit."""


class MissingDependencyError(GPTCacheMagicsError, ImportError):
    """A package that gptcache wants is not installed. Nothing is ever installed at run time."""
