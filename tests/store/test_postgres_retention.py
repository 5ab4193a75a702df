"""Roles, figures and pruning of a team's store, against a real PostgreSQL."""

import time

import pytest

from gptcache_magics.errors import StoreError
from gptcache_magics.testing.samples import GPT, key, make_entry
from tests.support.postgres import Database

pytest.importorskip("psycopg")

from psycopg import connect

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.postgres.facts import facts
from gptcache_magics.store.postgres.retention import Limits, prune
from gptcache_magics.store.postgres.roles import role_of
from gptcache_magics.store.postgres.script import script


def connected(url: str, space: str = "class") -> TeamDatabase:
    team = TeamDatabase(Address.parse(url, space, pooled=False))
    team.connect()
    return team


def test_the_printed_roles_let_students_read_and_writers_write_in_their_space_only(team_database: Database) -> None:
    owner = connected(team_database.url)
    owner.put([make_entry("a")], [GPT])
    for _ in range(2):  # it may be run again
        team_database.run(script("class"))
        team_database.run(script('o\'ther $$ "space"'))

    student = connected(team_database.role("student", role_of("class", "reader")))
    assert student.readonly
    assert student.find(key("a")).entry is not None

    writer_url = team_database.role("writer", role_of("class", "writer"))
    writer = connected(writer_url)
    assert not writer.readonly
    writer.put([make_entry("b")], [GPT])
    assert writer.find(key("b")).author == "writer"
    with pytest.raises(StoreError):
        connected(writer_url, "other").put([make_entry("c")], [GPT])
    with pytest.raises(StoreError):
        writer.remove(None)
    assert owner.find(key("a")).entry is not None


def test_pruning_does_what_its_dry_run_says(team_database: Database) -> None:
    owner = connected(team_database.url)
    owner.put([make_entry(name, expires=time.time() - 60 if name == "old" else None) for name in ("old", "new")], [GPT])
    with connect(team_database.url, autocommit=True) as db:
        assert facts(db).spaces[0].entries == 2
        assert prune(db, Limits(), dry_run=True).expired == 1
        assert facts(db).spaces[0].entries == 2
        assert prune(db, Limits()).expired == 1
        assert [space.entries for space in facts(db, "class").spaces] == [1]
    assert owner.find(key("old")).entry is None
    assert owner.find(key("new")).entry is not None


def test_a_dry_run_counts_the_questions_of_every_space(team_database: Database) -> None:
    for space in ("class", 'o\\"ther,{}'):
        connected(team_database.url, space).put([make_entry(name) for name in "ab"], [GPT])
    with connect(team_database.url, autocommit=True) as db:
        would = prune(db, Limits(older=time.time() + 60), dry_run=True)
        did = prune(db, Limits(older=time.time() + 60))

    assert (would.older, would.questions) == (did.older, did.questions) == (4, 4)
