"""The identity audit: the key of a call is at least as fine as its request.

Every field of a class and every argument of its SDK is given different values, None over a set field and an empty
container over a full one; tools, schemas and histories differ in one thing. A server catches the requests. Two calls
whose requests differ must not have been looked up under one key, because one would be served the other's answer.
"""

from collections.abc import Callable
from typing import Any

import pytest

import gptcache_magics as gm
from tests.audit.audit import audit
from tests.audit.subjects import MAIN, Subject
from tests.audit.wire import Wire


@pytest.mark.slow
@pytest.mark.parametrize("subject", MAIN, ids=str)
@pytest.mark.usefixtures("only_loopback")
@pytest.mark.filterwarnings("ignore")  # of what providers say about odd values and of clients thrown away
def test_calls_whose_requests_differ_have_different_keys(
    subject: Subject, wire: Wire, cache: gm.GPTCache, record_property: Callable[[str, Any], None]
) -> None:
    report = audit(subject, wire, cache)
    record_property("audit", report.row)

    assert report.wrong == []
    assert len(report.observed) >= subject.least
    assert report.unreadable <= subject.unreadable
