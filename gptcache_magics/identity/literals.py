"""Write the dicts and sets in a text in one order: Python's and JSON's literals, as ``repr`` and ``json`` write them.

So are the documents of a retriever, which notebooks take from a set. Any other list keeps its order, and so does
everything that is not certainly a literal: code, a template, broken JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["in_order"]

MOST_CHARACTERS: Final = 50_000
"""Characters of a text in which literals are looked for."""
MOST_NESTED: Final = 50
MOST_MARKS: Final = 50_000
"""Brackets, commas and strings of a text that are read."""

_STRING: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_TOKEN: Final = re.compile(rf"""{_STRING}|['"]|[\[\]{{}}(),:]""", re.DOTALL)
_NUMBER: Final = r"[+-]?[0-9][0-9_.eE+-]*"
_KEY: Final = re.compile(rf"\s*(?P<name>{_STRING}|(?P<number>{_NUMBER})):(?P<blank>\s*)", re.DOTALL)
# As repr writes strings: in C, {"b", "a"} is an array, which has an order. A set of numbers has one, too.
_TEXT: Final = r"""b?'(?:[^'\\]|\\.)*'|b?"(?=[^"]*')(?:[^"\\]|\\.)*\""""
_HASHED: Final = rf"""{_TEXT}|(?:frozenset)?\((?=.*['<]).*\)|<.* at 0x.*>|<[\w.]+: .*>|(?:UUID|PosixPath)\(.*\)"""
_MEMBER: Final = re.compile(rf"\s*(?:(?P<hashed>{_HASHED})|{_NUMBER}|\([^'\"]*\)|None|True|False)\s*", re.DOTALL)
_SPACED: Final = re.compile(r" \S|\n *\S")
"""Beginning of a member after a comma, as repr and json write it."""
_DOCUMENT: Final = re.compile(r"\s*Document\(.*\)\s*", re.DOTALL)
"""A document of LangChain's, as repr writes it."""
_BEGIN: Final = re.compile(r"\{|\[(?=Document\()")
_NO_LITERAL: Final = re.compile(r"[\w\\^$%#)\]}]$")
"""End of the text before a bracket that opens a quantifier, an index or a block of code."""
_ARRAY: Final = re.compile(r"\]\s*=\s*$|\w<[^<>\n]*>\s*(?:\w+\s*=?\s*)?$|[\w\])]$")
"""End of the text before the members of an array, in C and the like."""
ARRAY: Final = 80
"""Characters before a bracket that may declare an array."""
_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}


class _Unbalanced(ValueError):
    """The text is not a literal."""


def in_order(text: str, key: Callable[[str], str] = str) -> str:
    """Return a text with the members of each dict and set, and of each list of documents, in order.

    Parameters
    ----------
    key
        Returns what a member is sorted by. Members with the same key stay in their order.
    """
    if len(text) > MOST_CHARACTERS:
        return text
    reader = _Reader(text, key)
    parts: list[str] = []
    at = 0
    while reader.left and (opening := _BEGIN.search(text, at)):
        parts.append(text[at : opening.start()])
        try:
            literal, at = reader.brackets(opening.start())
            if _ARRAY.search(text[max(0, opening.start() - ARRAY) : opening.start()]) or text[at : at + 1] == ";":
                literal = text[opening.start() : at]
        except _Unbalanced:
            literal, at = opening[0], opening.end()
        parts.append(literal)
    return "".join([*parts, text[at:]])


class _Reader:
    """Reads the literals of a text."""

    def __init__(self, text: str, key: Callable[[str], str]) -> None:
        self._text, self._key = text, key
        self.left = MOST_MARKS
        """Number of marks that are still read, so that a text full of broken literals takes no time."""

    def brackets(self, start: int, depth: int = 0) -> tuple[str, int]:
        """Return the brackets that open at ``start`` with everything in them in order, and their end."""
        opening, before = self._text[start], self._text[max(start - 1, 0) : start]
        members: list[str] = []
        parts: list[str] = []
        at = start + 1
        while depth <= MOST_NESTED and self.left:
            token = _TOKEN.search(self._text, at)
            if token is None:
                break
            self.left -= 1
            parts.append(self._text[at : token.start()])
            mark, at = token[0], token.end()
            if mark in _PAIRS:
                mark, at = self.brackets(token.start(), depth + 1)
            elif mark in ("'", '"'):
                break
            elif mark in _PAIRS.values() or mark == ",":
                members.append("".join(parts))
                parts = []
                if mark == ",":
                    continue
                if mark != _PAIRS[opening]:
                    break
                if opening == "{" and len(members) > 1 and not _NO_LITERAL.search(before):
                    members = _sorted(members, self._key)
                if opening == "[" and len(members) > 1 and all(map(_DOCUMENT.fullmatch, members)):
                    members = _sorted_in_place(members, self._key)
                return f"{opening}{','.join(members)}{mark}", at
            parts.append(mark)
        raise _Unbalanced


def _sorted(members: list[str], key: Callable[[str], str]) -> list[str]:
    """Return the members of a dict or a set in order; as they are if they are of neither, or a name is there twice."""
    spaced = all(map(_SPACED.match, members[1:]))
    keys = [_KEY.match(member) for member in members]
    named = [match for match in keys if match]
    if len(named) < len(members):
        found = [_MEMBER.fullmatch(member) for member in members]
        if named or not spaced or not all(found) or not any(match["hashed"] for match in found if match):
            return members
    elif (
        len({match["name"] for match in named}) < len(named)
        or all(match["number"] for match in named)
        or any((match["blank"] == " ") is not spaced for match in named)
        or not (spaced or _compact(members))
    ):
        return members
    return _sorted_in_place(members, key)


def _compact(members: list[str]) -> bool:
    """Return whether members have no blanks around them, as JSON without blanks."""
    return all(member == member.strip() for member in members)


def _sorted_in_place(members: list[str], key: Callable[[str], str]) -> list[str]:
    """Return members in order. The blanks around a member belong to its place."""
    inner = sorted((member.strip() for member in members), key=lambda member: key(" ".join(member.split())))
    return [_in_place_of(member, each) for member, each in zip(members, inner, strict=True)]


def _in_place_of(member: str, other: str) -> str:
    """Return another member with the blanks around a member."""
    return f"{member[: len(member) - len(member.lstrip())]}{other}{member[len(member.rstrip()) :]}"
