"""A day is found in a prompt in the spellings that code gives it, and no other day is taken for it."""

from datetime import datetime

import pytest

from gptcache_magics.text.day import spelling_of

NOW = datetime(2026, 11, 6, 9, 5, 7)
FORMATS = [
    *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%y", "%d-%m-%Y", "%d-%b-%Y"),
    *("%A, %d %B %Y", "%B %d, %Y", "%b %d %Y", "%a %b %d %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f"),
]


@pytest.mark.parametrize(
    "text",
    [
        *(NOW.strftime(each) for each in FORMATS),
        *(NOW.ctime(), repr(NOW), repr(NOW.date()), str(NOW.date())),
        *("November 6th, 2026", "the 6th of November 2026", "6 Nov. 2026", "11/6/2026", "NOVEMBER 6, 2026"),
    ],
)
def test_the_usual_spellings_are_found(text: str) -> None:
    for sentence in (text, f"Today is {text}.", f"({text})", f"Date:\n{text}\n"):
        assert spelling_of(NOW.date(), sentence), sentence


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-16", "2025-11-06", "12026-11-06", "2026-11-061", "November 16, 2026", "16 November 2026"),
        *(
            "November 2026",
            "11/06",
            "v2026.11.06.1",
            "report-2026-11-06.pdf",
            "/data/2026/11/06/x",
            "2026-12-06",
            "6 2026",
        ),
    ],
)
def test_other_days_and_other_numbers_are_not(text: str) -> None:
    assert spelling_of(NOW.date(), f"See {text} there") == ""
