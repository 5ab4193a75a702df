"""What a terminal would obey is shown as an escape, wherever foreign text is told."""

import logging
import pickle
from typing import get_args

import pytest

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.log import tell
from gptcache_magics.replay.report import Level, Problem, Report
from gptcache_magics.unprintable import printable
from tests.support.shell import Typist, ask

HOSTILE = "\x1b]0;title\x07\x1b[2Jx\u202ey\u2066z\0\u200b\x9b31m\U000e0041\u2028\rend"


def test_what_hides_or_reorders_text_is_escaped_and_writing_is_not() -> None:
    assert printable(HOSTILE).isascii()
    assert printable(HOSTILE).isprintable()
    for text in ("two\nlines\tand a tab", "👩‍💻 👨‍👩‍👧", "می‌خواهم", "שלום", "e\u0301"):
        assert printable(text) == text


def test_an_error_shows_what_it_quotes_and_can_be_pickled() -> None:
    error = CommandError(f"No file {HOSTILE}")
    assert str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_log_shows_what_it_quotes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gptcache_magics"):
        tell(logging.INFO, "%s in %.1f s", HOSTILE, 1.5)
    (message,) = caplog.messages
    assert message.isprintable()
    assert message.endswith("in 1.5 s")


def test_commands_show_what_is_stored_and_typed(magic: Typist) -> None:
    magic.told("on store")
    ask(f"question {HOSTILE}")
    (id,) = gm.entries().index
    for shown in (repr(gm.show(id)), repr(gm.show(id, raw=True)), repr(gm.why()), repr(gm.status())):
        assert shown.replace("\n", "").isprintable()
    assert magic.refused(f"show {HOSTILE.replace(chr(13), '')}").isprintable()
    magic.told("off")


def test_a_report_of_a_notebook_shows_what_it_quotes() -> None:
    problems = [Problem(1, f"ask({HOSTILE})", "error", HOSTILE, level=level) for level in get_args(Level)]
    report = Report(f"{HOSTILE}.ipynb", f"{HOSTILE}.jsonl", 1, 0, tuple(problems), (HOSTILE,))
    assert repr(report).replace("\n", "").isprintable()
    assert r"\x1b[2Jx\u202ey" in repr(report)
