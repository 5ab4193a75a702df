"""Parse the words after a sub-command by the signature of its function, and answer a wrong line with one sentence.

A parameter is declared once, in its annotation: ``limit: Annotated[int | None, Option("-n", help="…")] = None`` is an
option ``-n/--limit``, and ``path: Annotated[str, Word("FILE", help="…")]`` is a positional word. The type says which
values are allowed: one of the words of a ``Literal``, no value for ``bool``, a whole number above 0 for ``int``, and
any text for another type. The parser, the help, the completion and ``checked`` read this declaration.

Options that several commands share are the fields of a ``TypedDict``: ``**selectors: Unpack[Selectors]`` declares them.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from itertools import takewhile
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    ParamSpec,
    TypeVar,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

from gptcache_magics.errors import CommandError
from gptcache_magics.store.postgres.address import is_address
from gptcache_magics.text.choices import LARGEST, check_choice, check_flag, check_number, nearest

__all__ = ["Declared", "Option", "Parser", "Word", "checked", "summary", "whole_number", "words"]

SWITCH: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("yes", "on", "true"), True),
    **dict.fromkeys(("no", "off", "false", "none"), False),
}
"""The words that may follow an option that is on, off or left as it is; without any of them the option is on."""
BRACED: Final = re.compile(r"\{(\w+)\}|\$(\w+)")
"""Finds the name of a variable in braces or after a dollar sign."""
ABOUT: Final = re.compile(r"(?:\w+: )?(--[a-z-]+) takes ")
"""Finds the option at the beginning of an error about its value."""
SUCH_AS: Final = re.compile(r"\bsuch as ([\w.*]+)")
"""Finds an example of a value in the help of an option."""
NAMED: Final = re.compile(r"\{|\$[^\W\d]")
"""Finds a text that may name a variable; a dollar sign before a digit is money."""
NEGATIVE: Final = re.compile(r"-[\d.$]")
"""Finds the beginning of an amount below zero, which is not an option."""
DIGITS: Final = 30
"""Number of digits that are read: ``int`` refuses thousands of them, and 30 are above ``LARGEST``."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Option:
    """Declares a parameter that is typed as ``--name value``."""

    short: str = ""
    """A short name, such as ``-m``."""
    help: str = ""
    metavar: str = ""
    """Placeholder of the value in the help; several words if the option takes several values."""
    suggest: Callable[[], Iterable[str]] = tuple
    """Returns values to complete, if the type does not list them."""
    read: Callable[[str], Any] | None = None
    """Converts the typed text, if the type does not say how; raises ``argparse.ArgumentTypeError``."""
    variable: Literal["", "variable", "function"] = ""
    """Whether the value names a variable or a function of the notebook."""
    may_be_variable: bool = False
    """Whether a value that names no variable is passed on as text."""
    place: bool = False
    """Whether the value is a folder or a file."""
    free: bool = False
    """Whether the value is free text, in which ``{name}`` and ``$name`` do not stand for a variable's value."""
    ending: str = ""
    """Ending of the files that are completed beside folders; without one, every file is."""
    listed: bool = False
    """Whether several values are given with commas between them."""


@dataclass(frozen=True, slots=True)
class Word:
    """Declares a parameter that is typed without ``--name``."""

    metavar: str
    help: str = ""
    suggest: Callable[[], Iterable[str]] = tuple
    place: bool = False
    """As in ``Option``, and so are ``free``, ``ending`` and ``variable``."""
    free: bool = False
    ending: str = ""
    variable: Literal["", "variable", "function"] = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter of a command."""

    name: str
    declaration: Option | Word
    type: Any
    default: Any
    several: bool
    """Whether the parameter is ``*names``."""
    shared: bool = False
    """Whether the parameter is a field of ``**names``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the option, the long one last; empty for a word."""
        if isinstance(self.declaration, Word):
            return ()
        long = f"--{self.name.strip('_').replace('_', '-')}"
        return (self.declaration.short, long) if self.declaration.short else (long,)

    @property
    def types(self) -> tuple[Any, ...]:
        """The type, or the members of a union."""
        return get_args(self.type) if get_origin(self.type) in (Union, UnionType) else (self.type,)

    @property
    def flag(self) -> bool:
        """Whether the option takes no value."""
        return bool in self.types

    @property
    def switch(self) -> bool:
        """Whether the option is on, off, or left as it is."""
        return self.flag and NoneType in self.types

    @property
    def values(self) -> tuple[str, ...]:
        """The allowed words; empty if other values are allowed."""
        return tuple(value for each in self.types if get_origin(each) is Literal for value in get_args(each))

    @property
    def suggestions(self) -> Iterable[str]:
        """Values to complete."""
        return self.values or self.declaration.suggest()

    @property
    def counts(self) -> bool:
        """Whether the value is a number of things."""
        return int in self.types and str not in self.types

    def check(self, value: Any, command: str) -> None:
        """Raise ``CommandError`` unless the type allows the value of a Python argument."""
        if value is None and NoneType in self.types:
            return
        name = command if self.name == "name" else self.name  # as in gm.mode("replay")
        if self.values:
            check_choice(name, value, self.values)
        if self.counts:
            check_number(name, value)
        if self.types == (bool,):
            check_flag(name, value)

    def reader(self, command: str) -> Callable[[str], Any]:
        """Return a converter of typed texts. Its errors name the option or, for a word, ``command``."""
        name = self.names[0] if self.names else command

        def read(text: str) -> Any:
            if self.values and text not in self.values:
                hint = nearest(text, self.values)
                raise argparse.ArgumentTypeError(f"{name} takes {', '.join(self.values)}. Got '{text}'.{hint}")
            if not self.counts:
                return text
            number = whole_number(text)
            if not number:
                raise argparse.ArgumentTypeError(f"{name} takes a whole number above 0. Got '{text}'.")
            if number > LARGEST:
                raise argparse.ArgumentTypeError(f"{name} takes at most {LARGEST:,}. Got a number above that.")
            return number

        return self.declaration.read or read if isinstance(self.declaration, Option) else read


@lru_cache
def declared(function: Callable[..., Any]) -> tuple[Declared, ...]:
    """Return the declared parameters of a function or class: its words, the options that it shares, its own."""
    return tuple(sorted(_declared(function), key=lambda each: (bool(each.names), not each.shared)))


def _declared(function: Callable[..., Any]) -> Iterator[Declared]:
    function = inspect.unwrap(vars(function)["__init__"] if isinstance(function, type) else function)
    names = vars(sys.modules[function.__module__])
    for each in inspect.signature(function).parameters.values():
        # One at a time: the return type may exist for type checkers only.
        hint = eval(each.annotation, names) if isinstance(each.annotation, str) else each.annotation
        if get_origin(hint) is Annotated:
            several = each.kind is inspect.Parameter.VAR_POSITIONAL
            yield Declared(each.name, hint.__metadata__[0], hint.__origin__, each.default, several)
        elif get_origin(hint) is Unpack:
            for name, field in get_type_hints(get_args(hint)[0], include_extras=True).items():
                default = False if field.__origin__ is bool else None
                yield Declared(name, field.__metadata__[0], field.__origin__, default, several=False, shared=True)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that each call checks its arguments by their declarations.

    The signature that ``help`` and IPython show has plain types in place of the declarations, and each shared option.
    """
    by_name = {each.name: each for each in declared(function)}
    signature = _plain(inspect.signature(function), by_name)

    @wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:  # ``**names`` would take any name
            raise TypeError(f"{function.__name__}() {error}") from None
        for name, value in given.items():
            if name in by_name and not by_name[name].several:
                by_name[name].check(value, function.__name__)
        return function(*args, **kwargs)

    vars(checking)["__signature__"] = signature
    return checking


def _plain(signature: inspect.Signature, by_name: Mapping[str, Declared]) -> inspect.Signature:
    """Return a signature with plain types, and with the shared options before those of the function itself."""
    parameters = [
        each.replace(annotation=by_name[each.name].type) if each.name in by_name else each
        for each in signature.parameters.values()
        if each.kind is not each.VAR_KEYWORD
    ]
    shared = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
        for each in by_name.values()
        if each.shared
    ]
    # Sorting keeps the order of equals: the words stay where they are.
    both = sorted([*shared, *parameters], key=lambda each: each.kind)
    return signature.replace(parameters=both)


def summary(function: Callable[..., Any]) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


class Parser(argparse.ArgumentParser):
    """An ``argparse`` parser that raises ``CommandError`` and suggests the nearest option.

    Parameters
    ----------
    typed
        The beginning of the line, such as ``%gptcache stats``.
    function
        The function or class that the words are arguments of.
    example
        A line that ends the help and each error.
    """

    def __init__(self, typed: str, function: Callable[..., Any], example: str) -> None:
        super().__init__(
            prog=typed,
            description=summary(function),
            epilog=f"Example: {example}",
            add_help=False,
            allow_abbrev=False,
        )
        self.example, self._function = example, function
        self.declared = declared(function)
        self._line: list[str] = []
        self._variables: Mapping[str, Any] | None = None
        for each in self.declared:
            self._declare(each)

    def _declare(self, each: Declared) -> None:
        kind = each.declaration
        arguments: dict[str, Any] = {"help": kind.help.replace("%", "%%")}
        if each.switch:
            arguments |= {"nargs": "?", "type": self._reader(each, _switched(each.names[-1])), "metavar": "no"}
            self.add_argument(*each.names, dest=each.name, **arguments)
            return
        if each.flag:
            self.add_argument(*each.names, dest=each.name, action="store_true", **arguments)
            return
        reader = self._reader(each, each.reader(self._name))
        arguments |= {"type": reader, "metavar": kind.metavar or "|".join(each.values) or None}
        if isinstance(kind, Option):
            metavars = tuple(kind.metavar.split())
            if len(metavars) > 1:
                arguments |= {"nargs": len(metavars), "metavar": metavars}
            self.add_argument(*each.names, dest=each.name, default=each.default, **arguments)
        elif each.several:
            self.add_argument(each.name, nargs="*", default=[], **arguments)
        elif each.default is inspect.Parameter.empty:
            self.add_argument(each.name, **arguments)
        else:
            self.add_argument(each.name, nargs="?", default=each.default, **arguments)

    def _reader(self, each: Declared, read: Callable[[str], Any]) -> Callable[[str], Any]:
        """Return a converter of typed texts that puts the values of variables in them first."""
        return lambda text: read(self._expanded(each, text))

    def _expanded(self, each: Declared, text: str) -> str:
        """Return a text with the values of the variables that it names in braces or after a dollar sign.

        Free text stays as it is typed, unless it is as a whole the name of a number where one may stand. An option that
        takes the name of a variable is given that name.
        """
        kind = each.declaration
        if self._variables is None or kind.variable:
            return text
        if kind.free:
            name = BRACED.fullmatch(text)
            number = self._variables.get(name[1] or name[2]) if name is not None and int in each.types else None
            return str(number) if isinstance(number, int) else text
        return _expanded(text, self._variables)

    def parse(self, line: list[str], variables: Mapping[str, Any] | None = None) -> tuple[list[str], dict[str, Any]]:
        """Return the words for ``*names``, and every other argument by its name.

        Parameters
        ----------
        variables
            The variables of a notebook; None where there are none, as in a shell.

        Raises
        ------
        CommandError
            For an unknown or repeated option, a missing word, a value that does not fit, or an unknown variable.
        """
        self._variables = variables
        self._line = line = list(self._joined(line))
        given = [word.partition("=")[0] for word in line if word.startswith("-") and len(word) > 1]
        known = [name for each in self.declared for name in each.names]
        for option in given:
            if option not in known and not re.fullmatch(r"-[\d.]+", option):
                raise CommandError(
                    f"{self._name}: no option '{option}'.{nearest(option, known)} Example: {self.example}"
                )
        for each in self.declared:
            times = sum(option in each.names for option in given)
            if times > 1:
                raise CommandError(f"{self._name}: {each.names[-1]} is given {times} times. Give it once.")
        arguments = vars(self.parse_intermixed_args(line))  # "pin a41f --yes 77c2", too
        several = next((each.name for each in self.declared if each.several), "")
        return arguments.pop(several, []), self._with_variables(arguments, variables or {})

    def call(self, several: Sequence[str], arguments: Mapping[str, Any]) -> Any:
        """Return what the function returns for a parsed line. An error about an option ends with an example of it."""
        words = takewhile(lambda each: not each.several, self.declared) if several else ()
        before = [each.name for each in words]
        named = {name: value for name, value in arguments.items() if name not in before}
        try:
            return self._function(*(arguments[name] for name in before), *several, **named)
        except CommandError as error:
            about = ABOUT.match(str(error))
            option = self._option(about[1]) if about is not None else None
            if option is None or "Example" in str(error) or "%gptcache" in str(error):
                raise
            said = str(error).removeprefix(f"{self._name}: ")
            raise CommandError(f"{self._name}: {said} Example: {self._example(option)}") from error

    def _option(self, name: str) -> Declared | None:
        return next((each for each in self.declared if name in each.names), None)

    def _example(self, option: Declared | None) -> str:
        """Return a line that gives an option a value that it takes; without one, the example of the command."""
        if option is None or option.names[0] in self.example.split():
            return self.example
        needed = any(
            not (each.names or each.several) and each.default is inspect.Parameter.empty for each in self.declared
        )
        bare = not needed and self.example.startswith(("df =", f"{self.prog} -"))
        line = self.prog if bare else self.example
        if option.flag:
            return f"{line} {option.names[-1]}"
        such = SUCH_AS.search(option.declaration.help)
        value = "10" if option.counts else such[1] if such else next(iter(option.suggestions), "")
        return f"{line} {option.names[0]} {value}" if value else self.example

    def _joined(self, line: Iterable[str]) -> Iterator[str]:
        """Yield the words of a line, an option and its value as one word where ``argparse`` would not see the value.

        That is an amount below zero, which begins like an option, and the word after a switch, which may be a place.
        """
        options = {name: each for each in self.declared for name in each.names}
        words = iter([*line, None])
        word = next(words)
        while word is not None:
            option, following = options.get(word), next(words)
            if option is not None and option.switch:
                is_value = following is not None and following.lower() in SWITCH
                word = f"{word}={following if is_value else 'yes'}"
            else:
                is_value = option is not None and not option.flag and bool(NEGATIVE.match(following or ""))
                word = f"{word}={following}" if is_value else word
            yield word
            word = next(words) if is_value else following

    def _with_variables(self, arguments: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with variables and functions of a notebook in place of their names."""
        found = dict(arguments)
        for each in self.declared:
            kind, name = each.declaration, arguments.get(each.name)
            if kind.variable and name is not None:
                if name not in variables and not (isinstance(kind, Option) and kind.may_be_variable):
                    option = each.names[-1] if each.names else kind.metavar
                    raise CommandError(f"{option} names a {kind.variable} of this notebook. There is no '{name}'.")
                found[each.name] = variables.get(name, name)
        return found

    def error(self, message: str) -> NoReturn:
        """Raise ``CommandError`` with argparse's message, without its prefix."""
        problem, about = message, None
        if message.startswith("argument "):
            option, problem = message.removeprefix("argument ").split(": ", 1)
            option = option.split("/")[-1]
            about = self._option(option)
            problem = f"{option} needs a value" if problem.startswith("expected") else problem
            problem = problem.replace("ignored explicit argument", f"{option} takes no value. Got")
        problem = problem.replace("the following arguments are required", "missing")
        if problem.startswith("unrecognized arguments"):
            problem = problem.replace("unrecognized arguments", "too many words")
            if "@" in problem and any(is_address(word) and "@" not in word for word in self._line):
                problem = "too many words. In an address, write a blank as %20."
            elif not all(action.option_strings for action in self._actions):
                problem += ". Put quotes around a name with spaces."
        problem = problem if problem.startswith(f"{self._name} ") else f"{self._name}: {problem}"
        raise CommandError(f"{problem if problem[-1:] in '.?' else problem + '.'} Example: {self._example(about)}")

    @property
    def _name(self) -> str:
        return self.prog.split()[-1]


def _switched(name: str) -> Callable[[str], bool]:
    """Return a converter of the word after a switch."""

    def read(text: str) -> bool:
        if text.lower() not in SWITCH:
            raise argparse.ArgumentTypeError(f"{name} takes yes or no. Got '{text}'.")
        return SWITCH[text.lower()]

    return read


def _expanded(text: str, variables: Mapping[str, Any]) -> str:
    """Return a text with its variables expanded as IPython expands them, unless it is a place that exists."""
    if not NAMED.search(text) or os.path.exists(os.path.expanduser(text)):
        return text
    from IPython.utils.text import DollarFormatter

    try:
        return str(DollarFormatter().vformat(text.replace("${", "{"), (), variables))
    except Exception as error:  # the braces may hold any expression
        raise CommandError(f"{text} cannot be expanded: {type(error).__name__}: {error}") from error


def words(line: str) -> list[str]:
    """Split a line as a shell would, without a Python comment or a final semicolon."""
    line = line.rstrip().removesuffix(";")
    ends = [match.start() for match in re.finditer(r"(?:^|\s)#(?=\s|$)", line)]
    for end in (*ends, len(line)):  # a "#" within quotes leaves the quotes open, so the next "#" is tried
        try:
            return shlex.split(line[:end])
        except ValueError as error:
            problem = str(error).lower()
    raise CommandError(f"{line.strip()}: {problem}. Close the quotation mark.")


def whole_number(text: str) -> int | None:
    """Return the number that the first digits of a text of digits make; None for another text."""
    return int(text.lstrip("0")[:DIGITS] or 0) if text.isdecimal() else None
