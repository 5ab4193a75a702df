"""Regular expressions that people type."""

import json
import re
import sqlite3
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptcache_magics.errors import CommandError
from gptcache_magics.text.grep import Grep

PIECES = st.sampled_from(
    [
        *string.ascii_letters,
        *'0129 .?*+^$()[]{}|\\/-_%"<>&:',
        "(?:",
        "\\d",
        "\\.",
        "\\x41",
        "\\101",
        "{2}",
        "{0,1}",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=30).map("".join))
@example("capital of", "CAPITAL OF")
@example("colou?r", "color")
@example("a[]x]bcd", "a]bcd")
@example("abc{0}def", "abdef")
@example("kiss", "\N{KELVIN SIGN}iſſ")
@example("xyz|abc", "abc")
@example("50%_off", "50%_off")
@example("\\x41bcd", "Abcd")
@example("a\\.b\\?", "a.b?")
def test_what_is_found_fits_what_sql_looks_for(pattern: str, text: str) -> None:
    try:
        grep = Grep(pattern)
    except CommandError:
        return
    if grep.likes and grep.found_in(text):
        db = sqlite3.connect(":memory:")
        for each in (text, json.dumps(text)):
            assert any(db.execute("SELECT ? LIKE ?", (each, like)).fetchone() == (1,) for like in grep.likes)


@pytest.mark.parametrize(
    ("pattern", "likes"),
    [
        ("capital of", ["%cap%tal of%"]),
        ("^Translate: .* into", ["%Tran%late: %"]),
        (r"volcano\?$", ["%volcano?%"]),
        ("(red|blue) house", ["% hou%e%"]),
        ("ab", []),
        ("red|b[lL]ue|green", []),
        ("|".join(["volcano"] * 2_000), []),
        ("red|blue house|gr?een", ["%red%", "%blue hou%e%", "%een%"]),
        (r"\d+ metres", ["% metre%%"]),
    ],
)
def test_the_longest_text_that_must_be_there_is_looked_for(pattern: str, likes: list[str]) -> None:
    assert Grep(pattern).likes == likes


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "*", r"\p{nonsense}", "(?P<a>", "a**"])
def test_what_is_no_regular_expression_is_said(pattern: str) -> None:
    with pytest.raises(CommandError, match="--grep takes a regular expression"):
        Grep(pattern)


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(a|a)*$"])
def test_a_pattern_that_explodes_is_stopped(pattern: str) -> None:
    with pytest.raises(CommandError, match="takes too long"):
        Grep(pattern).found_in("a" * 60 + "?")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*)*x", "(a*)*b", "([a-z]+)*!"])
def test_a_pattern_that_explodes_in_other_libraries_is_answered(pattern: str) -> None:
    assert not Grep(pattern).found_in("a" * 60 + "?")


def test_patterns_mean_what_they_mean_in_python() -> None:
    text = "What is the capital of Peru?\nAnswer in 2 words, s'il vous plaît."
    for pattern in (
        r"^answer",
        r"(?m)^answer",
        r"PERU\?$",
        r"\bcap\w+ of\b",
        "plaît",
        "PLAÎT",
        r"(\w)\1",
        "[[:x]",
        "a{,3}b",
    ):
        assert Grep(pattern).found_in(text) == bool(re.search(pattern, text, re.IGNORECASE)), pattern
