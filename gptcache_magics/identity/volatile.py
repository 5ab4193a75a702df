"""Mask what differs from run to run in a prompt: ids, addresses, dates, times and the order of dicts and sets.

Two prompts that are equal once they are masked differ in nothing else: names, numbers, versions and years stay. A
masked text is numbered by its first use, so that a prompt which uses one id twice is not one that uses two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.literals import in_order
from gptcache_magics.text.messages import chat_messages

__all__ = ["RULES", "Masked", "Volatile", "difference", "left_out", "masked", "named", "renaming", "shape_of"]

# A letter before a word may be the end of an escape, as in the JSON text of a tool's arguments.
_BEGIN: Final = r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrt]))"
_END: Final = r"(?![0-9A-Za-z_])"
_HEX: Final = "[0-9a-f]|[0-9A-F]"


def _mixed(letters: str, length: str) -> str:
    """Return the pattern of a word of letters and digits with both in it: a number or a name is none."""
    word = f"[0-9{letters}]{{{length}}}{_END}"
    return f"(?=[{letters}]*[0-9])(?=[0-9]*[{letters}]){word}"


_UUID: Final = "|".join(f"{h}{{8}}-(?:{h}{{4}}-){{3}}{h}{{12}}" for h in ("[0-9a-f]", "[0-9A-F]"))
_LONG_ID: Final = f"(?=[0-9a-z]*[A-Z])(?=[0-9A-Z]*[a-z])(?=[A-Za-z]*[0-9])[0-9A-Za-z]{{22,}}{_END}"
_SHORT_ID: Final = f"(?=(?:[a-z]*[0-9]+[a-z]+){{2}})[0-9a-z]{{8,}}{_END}"
_DAY: Final = "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:s|nes|rs|ur)?(?:day)?,? )?"
_MONTH: Final = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?)"
)
_D: Final = "(?:3[01]|[12][0-9]|0?[1-9])"
_DD: Final = "(?:3[01]|[12][0-9]|0[1-9])"
_MM: Final = "(?:1[0-2]|0[1-9])"
_YEAR: Final = "(?:19|20)[0-9]{2}"
_HOURS: Final = "(?:2[0-3]|[01][0-9]):[0-5][0-9]"
_CLOCK: Final = f"{_HOURS}:[0-5][0-9]"
_ZONE: Final = r"(?: ?(?:Z|UTC|GMT|CES?T)(?![0-9A-Za-z_])| ?[+-](?:1[0-4]|0[0-9]):?[0-5][0-9](?![0-9]))"
_OF_DATE: Final = r"(?<=[0-9]{4}-[0-9]{2}-[0-9]{2})"
# As Python writes a moment: "datetime.datetime(2026, 1, 5, 9, 0)".
_CALL: Final = rf"\bdatetime\({_YEAR}, {_D}, {_D}(?=, (?:1?[0-9]|2[0-3]), [0-5]?[0-9][,)])"
_OF_CALL: Final = "|".join(
    rf"(?<=\bdatetime\([0-9]{{4}}, {month}, {day})" for month in ("[0-9]", "[0-9]{2}") for day in ("[0-9]", "[0-9]{2}")
)
_NOT_VERSION: Final = "".join(
    f"(?<!{name}{between})"
    for name in ("version", "Version", "VERSION")
    for between in ("=", ":", ": ", " ", '": "', "': '", '":"')
)
RULES: Final[Mapping[str, str]] = {
    # UUIDs and MD5s, ULIDs of this century, and what providers name calls, messages and answers.
    "id": rf"(?<![0-9A-Za-z])(?:{_UUID})(?![0-9A-Za-z])|(?<=\\[nrt])(?:{_UUID})(?![0-9A-Za-z])"
    rf"|{_BEGIN}(?:{_mixed('a-f', '32')}|{_mixed('A-F', '32')}|01(?=[0-9]*[A-Z])[0-9A-HJKMNP-TV-Z]{{24}}{_END}"
    rf"|(?:call_|toolu_|chatcmpl-|msg_|resp_)(?:{_LONG_ID}|{_SHORT_ID}))",
    # Of an object as Python writes it, or as Linux places it; and what ``tempfile`` makes up.
    "address": r"(?<=\bat )0x(?:[0-9a-fA-F]{6,16}(?=>|; to )"
    r"|(?:[0-9a-fA-F]{9,16}|(?:7f|5[56])[0-9a-f]{4,6})(?![0-9A-Za-z_]))"
    r"|(?<=[/\\])tmp(?=[a-z]*[0-9_])[a-z0-9_]{8}(?![0-9A-Za-z_])",
    "date": rf"{_BEGIN}(?<!-){_NOT_VERSION}(?:"
    rf"{_DAY}(?:{_YEAR}-{_MM}-{_DD}(?:(?=T[0-9]{{2}}:)|(?![0-9A-Za-z_-]))"
    rf"|{_YEAR}/{_MM}/{_DD}(?![0-9A-Za-z_/])"
    rf"|{_D}(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH}\.?,?[ -]{_YEAR}{_END}|{_MONTH}\.? {_D}(?:st|nd|rd|th)?,? {_YEAR}{_END}"
    rf"|{_MONTH}  ?{_D}(?= {_CLOCK} {_YEAR}{_END})|(?:datetime\.)?date\({_YEAR}, {_D}, {_D}\)|{_CALL}"
    rf"|{_D}/{_D}/{_YEAR}(?![0-9A-Za-z_/])))",
    "time": rf"(?:(?<=[0-9]T)|(?<=[^0-9A-Za-z_:.,+-])|(?<=\\[nrt])|^)"
    rf"(?:{_CLOCK}(?:\.[0-9]{{1,9}})?{_ZONE}?(?![0-9A-Za-z_:,])|{_HOURS}{_ZONE})"
    rf"|(?<=[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]){_HOURS}(?![0-9A-Za-z_:])"
    rf"|(?=, [0-9])(?:{_OF_CALL}), (?:1?[0-9]|2[0-3]), [0-5]?[0-9](?:, [0-5]?[0-9](?:, [0-9]{{1,6}})?)?"
    r"(?=\)|, (?:tzinfo|fold)=)",
    "order": "",
}
"""The rules by their names; of ``order``, which is no pattern, the text is empty."""
_NAMES: Final = tuple(RULES)
_WORDS: Final = {"id": "an id", "address": "an address", "date": "a date", "time": "a time", "order": "another order"}
_ALL: Final = {"id": "ids", "address": "addresses", "date": "dates", "time": "times", "order": "the order of members"}


class Volatile(NamedTuple):
    """A text that a rule masks."""

    rule: str
    at: int
    """Place of its message in the prompt, from 0."""
    text: str


class Masked(NamedTuple):
    """A prompt without what its rules mask."""

    text: bytes
    found: list[Volatile]
    """The masked texts, in the order of the masked prompt."""


def masked(prompt: str, rules: Collection[str] = _NAMES) -> Masked:
    """Return a prompt as rules leave it.

    Parameters
    ----------
    prompt
        The prompt as a store keeps it: the messages of a chat as JSON, or a text.
    """
    return _masked(prompt, frozenset(rules))


@lru_cache(maxsize=8)  # one prompt is compared with several, and an answer is renamed after the comparison
def _masked(prompt: str, rules: frozenset[str]) -> Masked:
    mask = _Mask(rules)
    messages = chat_messages(prompt)
    if messages is None:
        return Masked(mask.text(prompt).encode("utf-8", "surrogatepass"), mask.found)
    return Masked(dumps([mask.message(message, at) for at, message in enumerate(messages)]), mask.found)


def shape_of(prompt: str) -> str:
    """Return blake2b-64 over a prompt that every rule has masked: prompts with another shape are never the same."""
    return blake2b(masked(prompt).text, digest_size=8).hexdigest()


def named(rules: Iterable[str]) -> str:
    """Return what rules leave out, in words: ``an id, a date and another order``."""
    names = [_WORDS[rule] for rule in dict.fromkeys(rules)]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def left_out(rules: Iterable[str]) -> str:
    """Return what rules leave out of every prompt: ``ids and dates``."""
    names = [_ALL[rule] for rule in RULES if rule in {*rules}]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def difference(old: str, new: str, rules: Collection[str] = _NAMES) -> list[Volatile] | None:
    """Return the masked texts of ``new`` that ``old`` does not have at their place; None if other words differ.

    The order is one of them where members of a dict or set stand in another order.
    """
    before, after = masked(old, rules), masked(new, rules)
    if before.text != after.text:
        return None
    pairs = zip(before.found, after.found, strict=True)
    differing, replaced = [], set[str]()
    for there, here in pairs:
        if there.text != here.text:
            differing.append(here)
            replaced.add(there.text)
    if any(each.rule == "id" and each.text in replaced for each in differing):
        return None  # an id that both prompts have names something, and is there in another place
    if "order" in rules and old != new:
        as_written = set(rules) - {"order"}
        one, other = masked(old, as_written), masked(new, as_written)
        if one.text != other.text:
            differing.append(Volatile("order", _first_difference(old, new, as_written), ""))
    return differing


def renaming(old: str, new: str, rules: Collection[str]) -> Callable[[str], str]:
    """Return a function that writes into an answer to ``old`` the ids, dates and so on of ``new``."""
    pairs = zip(masked(old, rules).found, masked(new, rules).found, strict=True)
    names = {there.text: here.text for there, here in pairs if there.text != here.text}
    if not names:
        return str
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found = re.compile(rf"{_BEGIN}(?:{longest_first})(?![0-9A-Za-z])")
    return lambda text: found.sub(lambda match: names[match[0]], text)


def _first_difference(old: str, new: str, rules: Collection[str]) -> int:
    """Return the place of the first message that differs once it is masked."""
    before, after = chat_messages(old) or [], chat_messages(new) or []
    one, other = _Mask(rules), _Mask(rules)
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (a, b) in pairs if one.message(a, at) != other.message(b, at)), 0)


class _Mask:
    """Masks the messages of one prompt."""

    def __init__(self, rules: Collection[str]) -> None:
        self.found: list[Volatile] = []
        self._pattern = _pattern(frozenset(rules))
        self._sorts = "order" in rules
        self._numbers: dict[tuple[str, str], int] = {}
        self._at = 0

    def message(self, message: Mapping[str, Any], at: int) -> dict[str, Any]:
        """Return a serialised message with its fields masked."""
        self._at = at
        return {**message, "kwargs": self._value(message["kwargs"])}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [*map(self._value, value)]
        if isinstance(value, dict):
            return {name: self._value(value[name]) for name in sorted(value)}
        return value

    def text(self, text: str) -> str:
        """Return a masked text. A quotation mark of ours is doubled, so that nobody can write a masked text."""
        if self._sorts and "{" in text:
            text = in_order(text, lambda member: self._pattern.sub(_unnumbered, member))
        parts, end = [], 0
        for match in self._pattern.finditer(text):
            parts += [text[end : match.start()].replace("‹", "‹‹"), self._numbered(match)]
            end = match.end()
        return "".join([*parts, text[end:].replace("‹", "‹‹")])

    def _numbered(self, match: re.Match[str]) -> str:
        rule = str(match.lastgroup)
        self.found.append(Volatile(rule, self._at, match[0]))
        return f"‹{rule} {self._numbers.setdefault((rule, match[0]), len(self._numbers) + 1)}›"


def _unnumbered(match: re.Match[str]) -> str:
    return f"‹{match.lastgroup}›"


_PATTERNS: Final[dict[frozenset[str], re.Pattern[str]]] = {}


def _pattern(rules: frozenset[str]) -> re.Pattern[str]:
    """Return the pattern of some rules: each is a group of its name."""
    found = _PATTERNS.get(rules)
    if found is None:
        parts = [f"(?P<{name}>{rule})" for name, rule in RULES.items() if rule and name in rules]
        found = _PATTERNS[rules] = re.compile("|".join(parts) or "(?!)")
    return found
