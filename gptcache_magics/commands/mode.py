"""``%gptcache mode``: show or set what the cache may do."""

from __future__ import annotations

from typing import Annotated, Final

from gptcache_magics.commands._parser import Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.settings import MODES, Mode

EXAMPLE = "%gptcache mode replay"
MEANINGS: Final = {
    "auto": "recorded answers are served, anything else asks the model and is stored",
    "replay": "recorded answers only; anything else raises CacheMiss, and no model is called",
    "refresh": "every call is now paid for again, until %gptcache mode auto",
    "readonly": "recorded answers are served, anything else asks the model; nothing is stored",
    "bypass": "every call asks the model; nothing is looked up, nothing is stored",
}


@checked
def mode(name: Annotated[Mode | None, Word("NAME", help=", ".join(MODES))] = None) -> str:
    """Show or set what the cache may do: auto, replay (never ask the model), refresh (always ask), readonly, bypass."""
    source = controller.source()
    if name is not None:
        controller.set_mode(name)
    return f"Mode {source.mode}: {MEANINGS[source.mode]}.{controller.placed if name is not None else ''}"
