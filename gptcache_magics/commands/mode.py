"""``%gptcache mode``: what the cache may do."""

from __future__ import annotations

from typing import Final

from gptcache_magics.commands._parser import Parser, check_one_of, one_of
from gptcache_magics.controller import controller
from gptcache_magics.settings import MODES, Mode

HELP = "What the cache may do: auto, replay (never ask the model), refresh (always ask), readonly, bypass."
EXAMPLE = "%gptcache mode replay"
MEANINGS: Final = {
    "auto": "recorded answers are served, anything else asks the model and is stored",
    "replay": "recorded answers only; anything else raises CacheMiss, and no model is called",
    "refresh": "every call is now paid for again, until %gptcache mode auto",
    "readonly": "recorded answers are served, anything else asks the model; nothing is stored",
    "bypass": "every call asks the model; nothing is looked up, nothing is stored",
}


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("name", nargs="?", metavar="NAME", type=one_of("mode", MODES), help=", ".join(MODES))
    parser.values["mode"] = MODES


def mode(name: Mode | None = None) -> str:
    """Set what the cache may do in this kernel; without a name, the line that says what it is."""
    check_one_of("mode", name, MODES)
    source = controller.source()
    if name is not None:
        controller.set_mode(name)
    return f"Mode {source.mode}: {MEANINGS[source.mode]}.{controller.placed if name is not None else ''}"
