"""Show a line of code without the credentials that are written into it: ``API_KEY = "•••"``.

A line names its cell in tables and is stored with each lookup. The line need not be Python, nor complete, so it is read
from left to right: after a name that looks like that of a credential, every literal is hidden.
"""

from __future__ import annotations

import re
from typing import Final

from gptcache_magics.text.masking import HIDDEN, scrubbed
from gptcache_magics.text.secret_names import is_doubtful, is_hidden
from gptcache_magics.text.word_diff import beginning

__all__ = ["short_line", "shown_line", "telling_line"]

_PART: Final = re.compile(
    r"""(?P<prefix>\b[rRbBfFuU]{1,2})?(?P<quote>\"\"\"|'''|"|')(?P<content>(?:\\.|(?!(?P=quote)).)*)(?P<end>(?P=quote)?)"""
    r"|(?P<comment>\#.*)|(?P<name>[^\W\d][\w-]*)|(?P<number>\d[\d_.]*)|."
)
_ALSO: Final = frozenset(
    {"connect", "environ", "export", "headers", "login", "putenv", "set_env", "setenv", "tokens", "TOKENS"}
)
"""Further names after which literals are hidden: what they set or open may be anything."""
_SAYS_LITTLE: Final = re.compile(r"#|%|!|@|import\b|from\b")
"""Start of a comment, of a magic, of a decorator or of an import."""
_LONG_IMPORT: Final = re.compile(r"^from\s[^\n(]*\([^)]*\)", re.M)
SHORT: Final = 60
"""Number of characters of a line that names its cell."""
LONGEST: Final = 2_000
"""Number of characters that are read of a line."""
_VARIABLE: Final = re.compile(r"(\s*(?:%(?:set_)?env|!\s*(?:export|set))\s+[A-Za-z_]\w*\s*(?:=|\s)\s*)\S.*")
_ASSIGNED: Final = re.compile(r"\s*!\s*[A-Za-z_]\w*=")
"""A shell's variable in front of a command."""
_SHORT_OPTION: Final = re.compile(r"\s-[pu]\S*\s*\S")
"""Options of ``mysql``, ``curl`` and others for user and password."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_.-]{0,40}")
_LIKE_A_KEY: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).*\w{16,}.*")
_STATED: Final = re.compile(r"[A-Z][A-Z_]+|[A-Z][a-z]*(?:-[A-Z][a-z]*)+|[a-z]+(?:_[a-z]+)*")
"""Spellings of variables, headers and options."""


def telling_line(source: str) -> str:
    """Return the first line of a cell that is not an import, a comment or a magic; its first line if all are."""
    lines = _lines(_LONG_IMPORT.sub("", source))
    telling = (line for line in lines if not _SAYS_LITTLE.match(line))
    return short_line(next(telling, "".join(_lines(source)[:1])))


def short_line(line: str) -> str:
    """Return the words at the beginning of a line of code, without what may be a credential."""
    return beginning(shown_line(line), SHORT)


def _lines(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if line.strip()]


def shown_line(line: str) -> str:
    """Return a line of code in which literals that may be credentials are hidden."""
    line = line[:LONGEST]
    if variable := _VARIABLE.fullmatch(line):
        return variable[1] + HIDDEN
    start = line.lstrip()[:1]
    if start == "!" and _ASSIGNED.match(line):
        return f"! {HIDDEN}"
    if start == "!" and (_SHORT_OPTION.search(line) or any(map(_is_credential, re.findall(r"[A-Za-z_][\w-]*", line)))):
        return f"{line.split()[0]} {HIDDEN}"
    parts: list[str] = []
    hides = any(_is_credential(name) for comment in _comments(line) for name in re.findall(r"[A-Za-z_][\w-]*", comment))
    for part in _PART.finditer(line):
        text = part.group()
        if part["comment"]:
            parts.append(f"# {HIDDEN}" if hides else scrubbed(text))
        elif part["name"]:
            parts.append(text)
            if _is_credential(text):
                if start == "%":
                    return f"{scrubbed(''.join(parts))} {HIDDEN}"
                hides = True
        elif part["number"]:
            assigned = hides and re.search(r"=\s*$", "".join(parts[-3:])) and len(text) > 3
            parts.append(HIDDEN if assigned else text)
        elif part["quote"]:
            content, after = part["content"], line[part.end() :].lstrip()[:1]
            if _names_something(content, "".join(parts), after):
                parts.append(text)
                hides = hides or _is_credential(content)
            elif hides or _LIKE_A_KEY.fullmatch(content):
                parts.append(f"{part['prefix'] or ''}{part['quote']}{HIDDEN}{part['end']}")
            else:
                parts.append(f"{part['prefix'] or ''}{part['quote']}{scrubbed(content)}{part['end']}")
        else:
            parts.append(text)
    return scrubbed("".join(parts)) if start in ("%", "!") else "".join(parts)


def _is_credential(name: str) -> bool:
    return is_hidden(name) or name in _ALSO


def _comments(line: str) -> list[str]:
    return [part["comment"] for part in _PART.finditer(line) if part["comment"]]


def _names_something(content: str, before: str, after: str) -> bool:
    """Return whether a literal is a key of a mapping or the name of a variable or header."""
    if (after == "]" and re.search(r"[\w)\]]\[\s*$", before)) or (after == ":" and re.search(r"[{,]\s*$", before)):
        return _NAME.fullmatch(content) is not None
    return after == "," and _STATED.fullmatch(content) is not None and is_doubtful(content)
