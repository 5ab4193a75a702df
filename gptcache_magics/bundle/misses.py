"""Write and read the lines of a bundle that hold questions without an answer: what somebody asked in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gptcache_magics.bundle.forms import dumps
from gptcache_magics.bundle.lines import count_of, key_in, number_of, text_of
from gptcache_magics.text.masking import masked

__all__ = ["MISS", "Miss", "miss_from", "miss_line"]

MISS: Final = "miss"
CHARACTERS: Final = 2_000
"""Most characters of a question, as of one in a lookup."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that no stored answer served."""

    question: str
    configuration: str
    """Key of the configuration that was asked."""
    at: float
    """When it was asked last."""
    times: int = 1
    cause: str = ""
    """The cause as ``lookups`` shows it; empty if not known."""
    prompt_digest: str = ""
    key: str = ""
    """Key or id of the call."""
    prompt: str | None = None
    """The whole prompt, where it is known."""
    replayed: bool = True
    """Whether it was asked in mode ``replay``, or elsewhere, so that addresses do not count."""


def miss_line(miss: Miss) -> bytes:
    """Return a miss as JSON, without a line break. What looks like a key is masked."""
    fields = {"at": miss.at, "times": miss.times, "cause": miss.cause, "prompt_digest": miss.prompt_digest}
    return dumps(
        {
            MISS: masked(miss.question),
            **{name: value for name, value in fields.items() if value},
            "configuration": miss.configuration,
        }
    )


def miss_from(fields: Mapping[str, Any]) -> Miss:
    """Return a miss after checking every field. Raises ``ValueError``."""
    at, times = number_of(fields, "at"), count_of(fields, "times")
    if at is None:
        raise ValueError("'at' is missing")
    return Miss(
        question=text_of(fields, MISS)[:CHARACTERS],
        configuration=key_in(fields, "configuration"),
        at=at,
        times=times or 1,
        cause=text_of(fields, "cause")[:100],
        prompt_digest=text_of(fields, "prompt_digest")[:16],
    )
