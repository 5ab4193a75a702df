"""Mask what differs from run to run in a prompt: ids, addresses, dates, times and the order of dicts and sets.

Two prompts that are equal once they are masked differ in nothing else: names, numbers, versions and years stay. A
masked text is numbered by its first use, so that a prompt which uses one id twice is not one that uses two.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.literals import in_order
from gptcache_magics.identity.traces import known_as, traces, traces_of
from gptcache_magics.text.enumeration import enumerated
from gptcache_magics.text.messages import chat_messages

__all__ = [
    "RULES",
    "Comparison",
    "Masked",
    "Volatile",
    "compared",
    "difference",
    "left_out",
    "masked",
    "named",
    "outlasting",
    "pattern_of",
    "shape_of",
]

# A letter before a word may be the end of an escape, as in the JSON text of a tool's arguments.
_ESCAPE: Final = r"(?<=\\[nrt])|(?<=\\u[0-9a-fA-F]{4})"
_BEGIN: Final = rf"(?:(?<![0-9A-Za-z_])|{_ESCAPE})"
_END: Final = r"(?![0-9A-Za-z_])"
_HEX: Final = "[0-9a-f]|[0-9A-F]"


def _mixed(letters: str, length: str) -> str:
    """Return the pattern of a word of letters and digits with both in it: a number or a name is none."""
    word = f"[0-9{letters}]{{{length}}}{_END}"
    return f"(?=[{letters}]*[0-9])(?=[0-9]*[{letters}]){word}"


_UUID: Final = "|".join(f"{h}{{8}}-(?:{h}{{4}}-){{3}}{h}{{12}}" for h in ("[0-9a-f]", "[0-9A-F]"))
# Of a provider: random letters, so that some small letter stands by itself; the words of a name in code are longer.
_SHORT_WORDS: Final = "(?:By|To|In|Of|On|Is|At|My|Id|Or|If|No|Up)(?![a-z])"
_WORDS_OF_CODE: Final = (
    rf"(?!(?:[a-z]{{2,}}(?![a-z])|{_SHORT_WORDS}|[A-Z]{{1,4}}(?![A-Z])|[0-9]{{1,4}}(?![0-9]))+{_END})"
)
_LONG_ID: Final = rf"(?=[0-9a-z]*[A-Z])(?=[0-9A-Z]*[a-z])(?=[A-Za-z]*[0-9]){_WORDS_OF_CODE}[0-9A-Za-z]{{22,32}}{_END}"
_OF_ID: Final = "|".join(
    rf"(?<=(?<![A-Za-z])[iI][dD]{between})|(?<=[a-z]I[dD]{between})"
    for between in ("=", ":", " ", ": ", "='", '="', "': '", '": "', '":"', r'\\": \\"', r'\\":\\"')
)
"""The text before an id that looks like any digest: ``id='``, ``"doc_id": "``."""
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
    # UUIDs, ULIDs of this century, what providers name calls, messages and answers, and a digest that is called an id.
    "id": rf"(?:(?<![0-9A-Za-z])|{_ESCAPE})(?:{_UUID})(?![0-9A-Za-z])"
    rf"|(?:{_OF_ID})(?:{_mixed('a-f', '32')}|{_mixed('A-F', '32')})"
    rf"|{_BEGIN}(?:01(?=[0-9]*[A-Z])[0-9A-HJKMNP-TV-Z]{{24}}{_END}"
    rf"|(?:call_|toolu_|chatcmpl-|msg_|resp_)(?:{_LONG_ID}|{_mixed('a-f', '16,64')}))",
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
_THE: Final = {"id": "the id", "address": "the address", "date": "the date", "time": "the time"}
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
    rest: str
    """Everything else, with a mark in place of each."""


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
        return Masked(mask.text(prompt).encode("utf-8", "surrogatepass"), mask.found, mask.rest)
    return Masked(dumps([mask.message(message, at) for at, message in enumerate(messages)]), mask.found, mask.rest)


def shape_of(prompt: str) -> str:
    """Return blake2b-64 over a prompt that every rule has masked: prompts with another shape are never the same."""
    return blake2b(masked(prompt).text, digest_size=8).hexdigest()


def named(rules: Iterable[str]) -> str:
    """Return what rules leave out, in words: ``an id, a date and another order``."""
    return enumerated([_WORDS[rule] for rule in dict.fromkeys(rules)])


def left_out(rules: Iterable[str]) -> str:
    """Return what rules leave out of every prompt: ``ids and dates``."""
    return enumerated([_ALL[rule] for rule in RULES if rule in {*rules}])


class Comparison(NamedTuple):
    """The differences between two prompts that are the same once they are masked."""

    differing: list[Volatile]
    """The masked texts of the new prompt that the old one does not have at their place."""
    names: dict[tuple[str, str], str]
    """For each rule and text of the old prompt that is another in the new one, that of the new one."""
    objection: str
    """Why they mean something else all the same, after *the same but for an id*; empty if they do not."""


def difference(old: str, new: str, rules: Collection[str] = _NAMES) -> list[Volatile] | None:
    """Return the masked texts of ``new`` that ``old`` does not have at their place; None if other words differ.

    The order is one of them where members of a dict or set stand in another order.
    """
    found = compared(old, new, rules)
    return None if found is None or found.objection else found.differing


def compared(old: str, new: str, rules: Collection[str] = _NAMES) -> Comparison | None:
    """Compare two prompts; None if they differ in more than what rules mask."""
    before, after = masked(old, rules), masked(new, rules)
    if before.text != after.text:
        return None
    differing, names = [], dict[tuple[str, str], str]()
    for there, here in zip(before.found, after.found, strict=True):
        if there.text != here.text:
            differing.append(here)
            names[there.rule, there.text] = here.text
    objection = _misplaced(before.found, after.found) or _elsewhere(names, after.rest)
    if "order" in rules and old != new:
        as_written = set(rules) - {"order"}
        one, other = masked(old, as_written), masked(new, as_written)
        if one.text != other.text:
            differing.append(Volatile("order", _first_difference(old, new, as_written), ""))
    return Comparison(differing, names, objection)


def outlasting(names: Mapping[tuple[str, str], str], text: str, *, weekdays: bool = True) -> str:
    """Return the rule of a replaced text that another text still tells of, in whatever form; empty if of none."""
    for rule in dict.fromkeys(rule for rule, _ in names):
        old = {each: here for (of, each), here in names.items() if of == rule}
        gone = {trace for each, here in old.items() for trace in traces_of(rule, each) - traces_of(rule, here)}
        told = gone & traces(rule, text)
        if any(weekdays or not each.isalpha() or rule != "date" for each in told):
            return rule
    return ""


def _misplaced(before: Sequence[Volatile], after: Sequence[Volatile]) -> str:
    """Return an objection to ids that stand in another place, and to dates and times that have changed places."""
    new, old = dict[tuple[str, str], tuple[str, str]](), dict[tuple[str, str], tuple[str, str]]()
    for there, here in zip(before, after, strict=True):
        one, other = ((each.rule, known_as(each.rule, each.text)) for each in (there, here))
        if new.setdefault(one, other) != other or old.setdefault(other, one) != one:
            return f"; {_ALL[there.rule]} stand in other places"
    moved = {one: other for one, other in new.items() if one != other}
    for one, other in moved.items():
        end: tuple[str, str] | None = other
        for _ in moved:  # days that have all moved on come to an end
            if end is None or end == one:
                break
            end = moved.get(end)
        if end == one or (other in moved and one[0] in ("id", "address")):
            return f"; {_ALL[one[0]]} stand in other places"
    return ""


def _elsewhere(names: Mapping[tuple[str, str], str], rest: str) -> str:
    """Return an objection to a text that is replaced, and that also stands where it counts."""
    back = {(rule, new): old for (rule, old), new in names.items()}
    rule = outlasting(names, rest, weekdays=False) or outlasting(back, rest, weekdays=False)
    return f"; the prompt names {_THE[rule]} in another place, too" if rule else ""


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
        self._rest: list[str] = []
        self._pattern = pattern_of(frozenset(rules))
        self._sorts = "order" in rules
        self._numbers: dict[tuple[str, str], int] = {}
        self._at = 0

    @property
    def rest(self) -> str:
        """The text that was not masked."""
        return "‹›".join(self._rest)

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
            self._rest += value
            return {name: self._value(value[name]) for name in sorted(value)}
        return value

    def text(self, text: str) -> str:
        """Return a masked text. A quotation mark of ours is doubled, so that nobody can write a masked text."""
        if self._sorts and "{" in text:
            text = in_order(text, lambda member: self._pattern.sub(_unnumbered, member))
        parts, end = [], 0
        for match in self._pattern.finditer(text):
            parts += [text[end : match.start()].replace("‹", "‹‹"), self._numbered(match)]
            self._rest.append(text[end : match.start()])
            end = match.end()
        self._rest.append(text[end:])
        return "".join([*parts, text[end:].replace("‹", "‹‹")])

    def _numbered(self, match: re.Match[str]) -> str:
        rule = str(match.lastgroup)
        self.found.append(Volatile(rule, self._at, match[0]))
        return f"‹{rule} {self._numbers.setdefault((rule, match[0]), len(self._numbers) + 1)}›"


def _unnumbered(match: re.Match[str]) -> str:
    return f"‹{match.lastgroup}›"


_PATTERNS: Final[dict[frozenset[str], re.Pattern[str]]] = {}


def pattern_of(rules: frozenset[str]) -> re.Pattern[str]:
    """Return the pattern of some rules: each is a group of its name."""
    found = _PATTERNS.get(rules)
    if found is None:
        parts = [f"(?P<{name}>{rule})" for name, rule in RULES.items() if rule and name in rules]
        found = _PATTERNS[rules] = re.compile("|".join(parts) or "(?!)")
    return found
