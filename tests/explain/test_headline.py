"""What differs, in one short line, as the panel and ``why`` begin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptcache_magics.explain.headline import headline
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.explain.test_causes import NEWER, PLAIN, REPORT, Log, chat, configured


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    store = SQLiteStore(tmp_path)
    yield Log(store)
    store.close()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (configured(temperature=0.2), configured(temperature=0.7), "Another temperature: 0.2 → 0.7"),
        (PLAIN, configured(max_tokens=9), "Another max_tokens: (default) → 9"),
        (PLAIN, configured("gpt-5"), "Another model: gpt-4o-mini → gpt-5"),
        (PLAIN, configured(base_url="http://b"), "Another base URL: (default) → http://b"),
        (PLAIN, configured(tools=[{"name": "search"}]), "Other tools added: search"),
        (PLAIN, configured(stop=["."]), 'Another parameter: stop added: ["."]'),
        (
            configured(temperature=0.2, seed=1),
            configured(temperature=0.7, seed=2),
            "Another seed: 1 → 2 (and 1 more difference)",
        ),
    ],
)
def test_a_configuration(log: Log, before: Configuration, after: Configuration, line: str) -> None:
    log.ask(REPORT, before)
    log.ask(REPORT, after)

    assert headline(log.why()) == line


@pytest.mark.parametrize(
    ("before", "after", "line", "without_words"),
    [
        (REPORT, NEWER, "Other words: 2023 → 2024", "Other words"),
        (
            "Name three uses of a cache in a short sentence, and then two more of them in a longer one, please, today.",
            "Name four uses of a cache in a short sentence, and then six more of them in a longer one, please, now.",
            "Other words: three → four, two → six (and 1 more place)",
            "Other words",
        ),
        (REPORT, f"Please. {REPORT}", "Other words: with “Please.”", "Other words"),
        (
            chat(("system", "Be brief."), ("human", REPORT)),
            chat(("system", "Be thorough."), ("human", REPORT)),
            "Other words in the system message: brief → thorough",
            "Other words in the system message",
        ),
        (
            chat(("human", REPORT)),
            chat(("system", "Be brief."), ("human", REPORT)),
            "Another conversation: the system message was added",
            "Another conversation: the system message was added",
        ),
        (
            "Compare red with blue in one line.",
            "Compare blue with red in one line.",
            "Another order of the same words",
            "Another order of the same words",
        ),
    ],
)
def test_words(log: Log, before: str, after: str, line: str, without_words: str) -> None:
    log.ask(before)
    log.ask(after)

    assert headline(log.why()) == line
    assert headline(log.why(), words=False) == without_words


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "First time"),
        ({"reason": Reason(Kind.NOT_STORED, "cut off (length)"), "stored": False}, "Not stored: cut off (length)"),
        ({"reason": Reason(Kind.EXPIRED), "stored": False}, "The answer was stored, but it had expired"),
        ({"mode": "refresh", "reason": Reason(Kind.MODE, "refresh")}, "Mode refresh: every call asks the model"),
    ],
)
def test_what_is_no_difference(log: Log, fields: dict[str, Any], line: str) -> None:
    log.ask(REPORT, **fields)

    assert headline(log.why()).startswith(line)
