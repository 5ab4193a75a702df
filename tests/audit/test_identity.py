"""The identity audit: the key of a call is at least as fine as its request.

Every field of a class and every argument of its SDK is given different values, None over a set field and an empty
container over a full one; tools, schemas and histories differ in one thing. A server catches the requests. Two calls
whose requests differ must not have been looked up under one key, because one would be served the other's answer.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import gptcache_magics as gm
from tests.audit.audit import audit, environment
from tests.audit.subjects import HEAVY, MAIN, Subject
from tests.audit.wire import Wire

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
INSTALLED: Final = [each for each in (*MAIN, *HEAVY) if each.installed]
ANSWERED: Final = [each for each in INSTALLED if each.answers]


def test_every_package_of_the_audit_has_a_class() -> None:
    extra = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]["audit"]
    packages = {re.split(r"[^\w-]", each)[0].replace("-", "_") for each in extra}

    assert packages == {each.path.partition(".")[0] for each in HEAVY}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a client of AWS takes a quarter of a second to make
@pytest.mark.parametrize("subject", INSTALLED, ids=str)
@pytest.mark.usefixtures("only_loopback")
@pytest.mark.filterwarnings("ignore")  # of what providers say about odd values and of clients thrown away
def test_calls_whose_requests_differ_have_different_keys(
    subject: Subject, wire: Wire, cache: gm.GPTCache, record_property: Callable[[str, Any], None]
) -> None:
    report = audit(subject, wire, cache)
    record_property("audit", report.row)

    assert report.wrong == []
    if subject.thrifty:
        assert report.thriftless == []
    assert len(report.observed) >= subject.least
    assert report.unreadable <= subject.unreadable


@pytest.mark.slow
@pytest.mark.parametrize("subject", ANSWERED, ids=str)
@pytest.mark.usefixtures("only_loopback")
@pytest.mark.filterwarnings("ignore")
def test_a_call_that_is_made_again_is_not_sent_again(subject: Subject, wire: Wire, cache: gm.GPTCache) -> None:
    wire.answers, wire.requests = dict(subject.answers), []
    with environment(subject.variables(wire.url)):
        first = subject.kind(**subject.base(wire.url)).invoke("What is a tide?")
        again = subject.kind(**subject.base(wire.url)).invoke("What is a tide?")
    wire.answers = {}

    assert first.content == again.content == "An answer."
    assert len(wire.requests) == 1
    assert [each.outcome for each in cache.ledger.recent] == ["miss", "hit"]
