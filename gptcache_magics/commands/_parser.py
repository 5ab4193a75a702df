"""Parse the words after a sub-command, and answer a wrong one with one sentence that says what to type."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from gptcache_magics.errors import CommandError

__all__ = [
    *("LAST", "Parser", "cell_option", "check_one_of", "check_positive", "nearest", "one_of", "place"),
    *("positive", "since", "words"),
]

LAST = "last"


class Parser(argparse.ArgumentParser):
    """An ``argparse`` parser that raises ``CommandError`` and suggests the nearest option."""

    def __init__(self, name: str, description: str, example: str) -> None:
        self.options: list[tuple[str, ...]] = []
        """The names of each option, the long one last."""
        self.with_value: set[str] = set()
        self.values: dict[str, tuple[str, ...]] = {}
        """Values to complete, by option."""
        self.example = example
        super().__init__(
            prog=f"%gptcache {name}",
            description=description,
            epilog=f"Example: {example}",
            add_help=False,
            allow_abbrev=False,
        )

    def add_option(self, *names: str, values: Iterable[str] = (), **kwargs: Any) -> None:
        """Declare an option; ``values`` are the only ones it takes."""
        self.options.append(names)
        if kwargs.get("action") != "store_true":
            self.with_value.update(names)
        values = tuple(values)
        if values:
            self.values.update(dict.fromkeys(names, values))
            kwargs.setdefault("type", one_of(names[-1], values))
            kwargs.setdefault("metavar", "|".join(values))
        self.add_argument(*names, **kwargs)

    def parse(self, line: list[str]) -> dict[str, Any]:
        """The arguments by name.

        Raises
        ------
        CommandError
            For an unknown or repeated option, a missing word, or a value that does not fit.
        """
        given = [word.partition("=")[0] for word in line if word.startswith("-") and len(word) > 1]
        known = [name for names in self.options for name in names]
        for option in given:
            if option not in known and not re.fullmatch(r"-[\d.]+", option):
                raise CommandError(
                    f"{self._name}: no option '{option}'.{nearest(option, known)} Example: {self.example}"
                )
        for names in self.options:
            times = sum(option in names for option in given)
            if times > 1:
                raise CommandError(f"{self._name}: {names[-1]} is given {times} times. Give it once.")
        return vars(self.parse_args(line))

    def error(self, message: str) -> NoReturn:
        """Say what was wrong, without the name that argparse puts before it."""
        told = message
        if message.startswith("argument "):
            option, told = message.removeprefix("argument ").split(": ", 1)
            told = f"{option.split('/')[-1]} wants a value" if told.startswith("expected") else told
        told = told.replace("the following arguments are required", "missing")
        if told.startswith("unrecognized arguments"):
            told = told.replace("unrecognized arguments", "too many words")
            if not all(action.option_strings for action in self._actions):
                told += ". Put quotes around a name with spaces."
        told = told if told.startswith(f"{self._name} ") else f"{self._name}: {told}"
        raise CommandError(f"{told if told[-1:] in '.?' else told + '.'} Example: {self.example}")

    @property
    def _name(self) -> str:
        return self.prog.split()[-1]


def words(line: str) -> list[str]:
    """Split a line as a shell would; a comment and a final semicolon, as Python has them, do not count."""
    line = line.rstrip().removesuffix(";")
    ends = [match.start() for match in re.finditer(r"(?:^|\s)#(?=\s|$)", line)]
    for end in (*ends, len(line)):  # a "#" within quotes leaves the quotes open, so the next one is tried
        try:
            return shlex.split(line[:end])
        except ValueError as error:
            told = str(error).lower()
    raise CommandError(f"{line.strip()}: {told}. Close the quotation mark.")


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'stats' or 'status'?`` with a space before it, or nothing."""
    plain = {each.lstrip("-"): each for each in known}
    matches = [plain[match] for match in difflib.get_close_matches(word.lstrip("-"), plain, n=2, cutoff=0.6)]
    return f" Did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""


def check_one_of(name: str, value: str | None, values: tuple[str, ...]) -> None:
    """Raise ``CommandError`` unless the value of a Python argument is one of these words, or None."""
    if value is not None and value not in values:
        raise CommandError(f"{name} is one of {', '.join(values)}. Got {value!r}.{nearest(str(value), values)}")


def check_positive(name: str, value: int | None) -> None:
    """Raise ``CommandError`` unless the value of a Python argument is a whole number above zero, or None."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise CommandError(f"{name} is a whole number above 0. Got {value!r}.")


def one_of(name: str, values: tuple[str, ...]) -> Callable[[str], str]:
    """A type for argparse: one of these words."""

    def check(text: str) -> str:
        if text not in values:
            raise argparse.ArgumentTypeError(f"{name} takes {', '.join(values)}. Got '{text}'.{nearest(text, values)}")
        return text

    return check


def positive(name: str) -> Callable[[str], int]:
    """A type for argparse: a whole number above zero."""

    def check(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{name} takes a whole number above 0. Got '{text}'.")
        return int(text)

    return check


def since(parser: Parser) -> None:
    """The options of every table: which time, and which place."""
    parser.add_option("--since", metavar="WHEN", help="run, today, all, or a time such as 1h or 7d (default: run)")
    place(parser)


def place(parser: Parser) -> None:
    """The option to read a store that is not on."""
    parser.add_option("--at", metavar="WHERE", help="read this store, on or not")


def cell_option(parser: Parser, help: str) -> None:
    """The option that names a cell of this run; ``selecting.cell_number`` says which number is meant."""
    parser.add_option("--cell", values=(LAST,), type=_cell, metavar=f"N|{LAST}", help=help)


def _cell(text: str) -> int | str:
    if text != LAST and not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"--cell takes the number beside a cell, such as 12, or {LAST}. Got '{text}'.")
    return text if text == LAST else int(text)
