"""``%gptcache label``: say whether a match by meaning was right."""

from __future__ import annotations

from typing import Literal

from gptcache_magics.commands._parser import Parser, check_one_of, one_of
from gptcache_magics.commands.why import numbered
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.labels import VERDICTS
from gptcache_magics.semantic.labels import label as put

HELP = "Say whether the stored answer is right for what a lookup asked; after a wrong one the model is asked."
EXAMPLE = "%gptcache label 128 wrong"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("number", metavar="NUMBER", help="of a lookup, from %%gptcache lookups")
    parser.add_argument("verdict", metavar="right|wrong", type=one_of("label", VERDICTS), help="your judgement")


def label(number: int | str, verdict: Literal["right", "wrong"]) -> str:
    """Label the match by meaning of a lookup; the line to print.

    Parameters
    ----------
    number
        Of the lookup: a hit by meaning, or a miss that was near one.
    verdict
        ``right`` or ``wrong``: whether the stored answer answers what was asked.
    """
    check_one_of("verdict", verdict, VERDICTS)
    text = str(number).removeprefix("#")
    if not text.isdecimal():
        raise CommandError(
            f"label: a lookup has a number. Got '{number}'. Example: {EXAMPLE}. In code: gm.label(128, \"wrong\")"
        )
    source = controller.source()
    source.flush()
    lookup = numbered(source.store, int(text))
    return put(source.store, lookup.number, lookup.question_id, lookup.near, right=verdict == "right")
