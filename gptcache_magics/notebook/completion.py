"""Completion of ``%gptcache`` lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gptcache_magics import commands
from gptcache_magics.commands._cell import CELL_LINE, cell_parser
from gptcache_magics.commands._parser import Declared

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["complete", "completions", "stop_completing"]


def complete(shell: InteractiveShell) -> None:
    """Complete ``%gptcache`` lines in a shell, unless its IPython is too old for that."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return

    @context_matcher()  # type: ignore[untyped-decorator]
    def gptcache_matcher(context: Any) -> dict[str, Any]:
        line = re.split(r"=\s*%", context.line_with_cursor[: context.cursor_position])[-1]
        words = line.lstrip(" %").split(" ")
        if words[0] != "gptcache" or len(words) < 2 or "%gptcache" not in context.full_text:
            return {"completions": []}
        found = completions([CELL_LINE, *words[1:]] if line.lstrip().startswith("%%") else words[1:])
        return {
            "completions": [SimpleCompletion(each, type="magic") for each in found],
            "matched_fragment": words[-1],
            "suppress": True,
            "ordered": True,
        }

    gptcache_matcher.__module__ = __name__
    shell.Completer.custom_matchers.append(gptcache_matcher)


def stop_completing(shell: InteractiveShell) -> None:
    """Undo ``complete``."""
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "__module__", "") != __name__]


def completions(words: Sequence[str]) -> list[str]:
    """Return the words that complete the last one after ``%gptcache``: commands, options, values, models, ids.

    ``%%`` in the place of the command stands for ``%%gptcache``.
    """
    *before, word = words
    return [each for each in _candidates(before, word) if each.startswith(word)]


def _candidates(before: Sequence[str], word: str) -> Iterable[str]:
    if not before:
        return commands.COMMANDS
    name, *given = before
    if name != CELL_LINE and name not in commands.COMMANDS:
        return ()
    declared = (cell_parser() if name == CELL_LINE else commands.parser(name)).declared
    option = _option(declared, given[-1] if given else "")
    if option is not None and not option.flag:
        return option.suggestions
    left = [each.names[-1] for each in declared if each.names and not set(each.names) & set(given)]
    positional = _positional(declared, given)
    return [*(positional.suggestions if positional is not None and not word.startswith("-") else ()), *left]


def _option(declared: Iterable[Declared], word: str) -> Declared | None:
    return next((each for each in declared if word in each.names), None)


def _positional(declared: Sequence[Declared], given: Sequence[str]) -> Declared | None:
    """Return the positional word that follows the given ones."""
    options = [_option(declared, each) for each in ("", *given)]
    values = (before is not None and not before.flag for before in options)
    number = sum(not is_value and not each.startswith("-") for each, is_value in zip(given, values, strict=False))
    positional = [each for each in declared if not each.names]
    return next(iter(positional[number:]), positional[-1] if positional and positional[-1].several else None)
