"""Amounts: one way to write each kind, and the way back from what a person types."""

from functools import partial

import pytest

from gptcache_magics.errors import CommandError
from gptcache_magics.text import amounts
from gptcache_magics.text.amounts import UNKNOWN

seconds_of = partial(amounts.seconds_of, allowed="a time")
NAN = float("nan")


WRITTEN = {
    amounts.figure: {
        **{0: "0", 0.0123: "0.012", 0.0999: "0.10", 0.996: "1.0", 4.24: "4.2", 9.96: "10", 22.5: "22"},
        **{312.6: "313", 1_234.5: "1,234"},
    },
    amounts.money: {
        **{0.0: "$0", 0.0000001: "<$0.0001", 0.0000204: "<$0.0001", 0.00006: "$0.0001", 0.0041: "$0.0041"},
        **{0.01: "$0.01", 0.5: "$0.50", 0.99996: "$1.00", 12.345: "$12.35", 1234.5: "$1,234.50", NAN: UNKNOWN},
    },
    amounts.duration: {
        **{0: "0 s", 0.00081: "0.81 ms", 0.031: "31 ms", 0.0996: "0.10 s", 0.23: "0.23 s", 4.2: "4.2 s"},
        **{59.4: "59 s", 59.6: "1 min", 200: "3 min 20 s", 508: "8 min 28 s", 3_599.6: "1 h", 11_100: "3 h 5 min"},
        **{90_000: "1 d 1 h", 604_800: "7 d", NAN: UNKNOWN},
    },
    amounts.byte_size: {
        **{0: "0 B", 840: "840 B", 1_500: "1.5 kB", 34_000: "34 kB", 999_600: "1.0 MB", 1.24e6: "1.2 MB"},
        **{3.4e9: "3.4 GB", 2e12: "2,000 GB"},
    },
    amounts.percent: {0: "0%", 0.001: "<1%", 0.25: "25%", 0.999: ">99%", 1: "100%"},
    amounts.cosine: {1: "1.00", 0.9999: "0.99", 0.93: "0.93"},
}


@pytest.mark.parametrize(
    ("write", "amount", "text"),
    [(write, amount, text) for write, texts in WRITTEN.items() for amount, text in texts.items()],
)
def test_an_amount_reads_the_same_everywhere(write, amount, text):
    assert write(amount) == text


@pytest.mark.parametrize(
    ("number", "one", "text"),
    [
        *((1, "entry", "1 entry"), (1_234, "entry", "1,234 entries"), (0, "hit", "0 hits"), (2, "miss", "2 misses")),
        (3, "day", "3 days"),
    ],
)
def test_a_number_stands_with_its_noun(number, one, text):
    assert amounts.counted(number, one) == text


def test_an_irregular_plural_is_given():
    assert amounts.counted(1, "call of unknown price is", "calls of unknown price are") == "1 call of unknown price is"
    assert amounts.counted(2, "call of unknown price is", "calls of unknown price are").endswith(
        "calls of unknown price are"
    )


def test_tokens_are_told_apart_by_their_direction():
    assert amounts.tokens(1_234, 56) == "1,234 tokens in, 56 out"
    assert amounts.tokens(1, 1) == "1 token in, 1 out"


@pytest.mark.parametrize(
    ("read", "text", "amount"),
    [
        *((amounts.bytes_of, "800kB", 8e5), (amounts.bytes_of, "2GB", 2e9)),
        *((amounts.dollars_of, "2usd", 2), (amounts.dollars_of, "$0.50", 0.5)),
        *(
            (seconds_of, "30m", 1_800),
            (seconds_of, "1h", 3_600),
            (seconds_of, "7d", 604_800),
            (seconds_of, "2w", 1_209_600),
        ),
    ],
)
def test_typed_amounts_are_read(read, text, amount):
    assert read(text) == amount


def test_a_suggested_budget_can_be_typed():
    assert amounts.typed_money(0.5) == "0.50usd"
    assert amounts.dollars_of(amounts.typed_money(1_234.5)) == 1_234.5


def test_a_typed_amount_without_a_known_unit_is_an_error_that_says_what_is_allowed():
    with pytest.raises(CommandError, match=r"--max-size takes a size such as 500MB or 2GB\. Got '5TB'\."):
        amounts.bytes_of("5TB")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1 / 1000, "<1%"), (1 / 200, "<1%"), (1 / 100, "1%"), (199 / 200, ">99%"), (0.994, "99%"), (1, "100%")],
)
def test_a_few_are_not_none_and_nearly_all_are_not_all(share, text):
    assert amounts.percent(share) == text
