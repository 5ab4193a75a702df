"""The queue of what is to be sent to a team, and what changes of the team do to the copies in the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.schema import migrate
from gptcache_magics.store.sqlite.statements import PUT_ENTRY, entry_values, id_number
from gptcache_magics.testing.samples import key, make_entry

A, B, C = (id_number(key(name)) for name in "abc")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Return a database with two shared copies and a private entry, of a team with the number 1."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, ":memory:")
        assert outbox.team_of(db, "postgresql://db/class", "default") == (1, "", None)
        for name in "abc":
            db.execute(PUT_ENTRY, entry_values(make_entry(name)))
        db.execute("UPDATE entry SET team=1 WHERE id IN (?,?)", (A, B))
        yield db


def ids(db: sqlite3.Connection) -> set[int]:
    return {id for (id,) in db.execute("SELECT id FROM entry")}


def test_what_is_queued_again_waits_once_and_is_not_taken_for_sent(db: sqlite3.Connection) -> None:
    outbox.queue(db, 1, outbox.ENTRY, [(A,)])
    taken = outbox.next_to_send(db, 1, 50)
    outbox.queue(db, 1, outbox.ENTRY, [(A,)])
    outbox.sent(db, taken)

    assert [row.id for row in outbox.next_to_send(db, 1, 50)] == [A]
    assert outbox.waiting(db, 1) == {"entry": 1}


def test_when_all_is_cleared_only_shared_copies_go(db: sqlite3.Connection) -> None:
    outbox.drop_all(db, 1)

    assert ids(db) == {C}


def test_what_the_team_has_not_got_yet_outlives_a_clear(db: sqlite3.Connection) -> None:
    outbox.queue(db, 1, outbox.ENTRY, [(A,)])

    outbox.drop_all(db, 1)

    assert ids(db) == {A, C}
    assert [row.kind for row in outbox.next_to_send(db, 1, 50)] == [outbox.OVERTAKEN]
    assert outbox.overtaken(db, outbox.next_to_send(db, 1, 50)) == [A]


def test_a_replaced_copy_goes_and_a_private_entry_stays(db: sqlite3.Connection) -> None:
    outbox.drop_some(db, 1, [(A, "replaced"), (C, "replaced")])

    assert ids(db) == {B, C}
    assert db.execute("SELECT id, why FROM dropped").fetchall() == [(A, "replaced")]


def test_an_answer_of_ones_own_is_private_again(db: sqlite3.Connection) -> None:
    db.execute(PUT_ENTRY, entry_values(make_entry("a", b"another")))

    assert db.execute("SELECT team, author FROM entry WHERE id=?", (A,)).fetchone() == (None, "")


def test_one_kernel_of_a_folder_sends_at_a_time(db: sqlite3.Connection) -> None:
    assert outbox.lease(db, 1, "one")
    assert not outbox.lease(db, 1, "other")
    assert outbox.lease(db, 1, "one")

    outbox.release(db, 1, "one")
    assert outbox.lease(db, 1, "other")


def test_a_kernel_that_was_killed_while_it_sent_keeps_nobody_from_sending(db: sqlite3.Connection) -> None:
    outbox.lease(db, 1, "killed")
    db.execute("UPDATE team SET until=until-?", (outbox.LEASE_SECONDS + 1,))

    assert outbox.lease(db, 1, "other")


def test_a_vector_is_queued_for_a_shared_entry_only(db: sqlite3.Connection) -> None:
    outbox.queue(db, 1, outbox.VECTOR, [(A,), (C,)])

    assert [row.id for row in outbox.next_to_send(db, 1, 50)] == [A]
