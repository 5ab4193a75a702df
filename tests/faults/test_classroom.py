"""A class on one PostgreSQL and one pgbouncer: answers are shared, and the server may go and come back."""

from pathlib import Path

import pytest

from tests.faults.classroom import QUESTIONS, meet
from tests.support.postgres import Database, PgBouncer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.kernel]
KERNELS = 6


def test_a_class_pays_once_and_nobody_fails_when_the_server_is_stopped_and_started(
    tmp_path: Path, postgres: PostgresServer, pgbouncer: PgBouncer, team_database: Database
) -> None:
    report = meet(tmp_path, postgres, pgbouncer, team_database, KERNELS)

    assert report.failures == []
    assert report.wrong == []
    # On a busy machine the server's word may come too late for a call, which does not wait: it pays.
    assert len(report.twice) <= report.questions // 5, report.misses
    before, away, after = QUESTIONS.values()
    assert report.questions <= report.paid <= before + KERNELS * away + after + len(report.twice)
    assert report.entries == report.questions
    assert report.lookups == report.calls == KERNELS * (3 * before + 2 * away + after)
    assert report.authors == KERNELS
