"""A short pass of the faults in front of a team's store: nothing is lost in the folder, and all of it is sent."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.store.protocol import Selection, team_behind
from tests.faults.rounds import ROUNDS
from tests.faults.worker import TEAM
from tests.support.postgres import Database
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SECONDS = 3.0


@pytest.mark.parametrize("name", ["killed", "interrupted", "cancelled", "locked"])
def test_nothing_is_lost_in_front_of_a_team(
    tmp_path: Path, team_database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(TEAM, team_database.url)
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "store"))
    assert ROUNDS[name](7, SECONDS, tmp_path) == []

    gm.on(team_database.url)
    team = team_behind(gm.current().store)
    assert team is not None
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db")) as db:
        wait_until(lambda: db.execute("SELECT count(*) FROM outbox").fetchone() == (0,))
    held = {row.key for row in gm.current().store.entries(Selection())}
    assert all(team.database.find(key).entry is not None for key in held)
    gm.off()
