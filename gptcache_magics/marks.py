"""The mark of a hit, as a message carries it in ``response_metadata["gptcache"]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = ["mark_of", "set_mark"]

NAME: Final = "gptcache"
"""Name in ``response_metadata`` that marks a hit."""


class _Marked(dict[str, Any]):
    """The ``response_metadata`` of a hit, with the mark beside its items.

    The mark is read by its name. It is not one of the items: a message that is printed, quoted in a prompt, compared or
    saved looks like the answer that it repeats, so a prompt that quotes it is the same prompt in every run.
    """

    beside: Mapping[str, Any] = {}
    """The mark, by its name; empty in what others make of this class, as ``dataclasses.asdict`` does."""

    def __missing__(self, name: str) -> Any:
        return self.beside[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.beside

    def get(self, name: str, default: Any = None) -> Any:
        """Return an item or the mark."""
        return super().get(name, self.beside.get(name, default))

    def pop(self, name: str, *default: Any) -> Any:
        """Remove and return an item or the mark."""
        if name not in self.beside:
            return super().pop(name, *default)
        mark, self.beside = self.beside[name], {}
        return mark

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def mark_of(message: object) -> Mapping[str, Any] | None:
    """Return the mark of a hit; None of anything else."""
    metadata = getattr(message, "response_metadata", None)
    return metadata.beside.get(NAME) if isinstance(metadata, _Marked) else None


def set_mark(message: BaseMessage, mark: Mapping[str, Any]) -> None:
    """Mark a message as that of a hit."""
    metadata = _Marked(message.response_metadata)
    metadata.beside = {NAME: dict(mark)}
    vars(message)["response_metadata"] = metadata  # validation would make it a plain dict
