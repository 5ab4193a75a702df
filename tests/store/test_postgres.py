"""The server side of a team's store, against a real PostgreSQL."""

import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from gptcache_magics.errors import StoreError, TeamAway
from gptcache_magics.store.protocol import LabelRow, Lookup, LookupRow, Period
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, key, lookup, make_entry
from tests.support.network import SilentServer
from tests.support.postgres import PASSWORD, Database, PgBouncer, PostgresServer

pytest.importorskip("psycopg")

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.postgres.line import Late, _run
from gptcache_magics.store.postgres.roles import role_of, statements
from gptcache_magics.store.postgres.schema import ADDED, ADDITIONS, MAKE_WEEKS, MARK, STEPS, VERSION
from gptcache_magics.store.postgres.script import script

Opened = Callable[..., TeamDatabase]
WITHIN = 2.0
"""Seconds within which a call ends that may take half a second: machines are slow."""


def at(url: str, space: str = "default", origin: str = "", *, pooled: bool = False) -> TeamDatabase:
    return TeamDatabase(Address.parse(url, space, pooled=pooled), origin)


@pytest.fixture
def opened(team_database: Database) -> Iterator[Opened]:
    """Return what connects to the database of this test."""
    made = []

    def connected(space: str = "default", origin: str = "", url: str = "", connect: bool = True) -> TeamDatabase:
        made.append(at(url or team_database.url, space, origin))
        if connect:
            made[-1].connect()
        return made[-1]

    yield connected
    for each in made:
        each.close()


@pytest.fixture
def team(opened: Opened) -> TeamDatabase:
    return opened(origin="one")


def rows_of(*lookups: Lookup) -> list[LookupRow]:
    """Return lookups as a local store gives them back."""
    local = SQLiteStore(":memory:")
    local.record(lookups, [GPT], 100)
    rows = list(local.lookups(Period()))
    local.close()
    return rows


def messages(url: str) -> str:
    """Return the sentence that connecting ends with."""
    with pytest.raises(StoreError) as caught:
        at(url).connect()
    said = str(caught.value)
    assert PASSWORD not in said
    return said


# Answers


def test_what_one_puts_another_finds_with_the_name_of_its_author(opened: Opened) -> None:
    entry = make_entry("a")
    opened().put([entry], [GPT])
    found = opened().find(entry.key)

    assert found.entry == entry
    assert found.author == "postgres"
    assert not found.damaged
    assert opened().find(key("b")).entry is None


@pytest.mark.parametrize("odd", ["nul \0 here", "half a pair \ud800", "🌍" * 3000, ""])
def test_any_text_comes_back_as_it_was(team: TeamDatabase, odd: str) -> None:
    entry = replace(make_entry("a"), prompt=odd, answer=odd.encode("utf-8", "surrogatepass"), question=odd)
    team.put([entry], [replace(GPT, label=odd, parameters=odd)])

    found = team.find(entry.key).entry
    assert found is not None
    assert (found.prompt, found.answer) == (entry.prompt, entry.answer)
    assert "\0" not in found.question


def test_a_newer_answer_replaces_an_older_one_and_is_told_to_all(opened: Opened, team_database: Database) -> None:
    one, two = opened(origin="one"), opened(origin="two")
    old = make_entry("a")
    new = replace(old, answer=b"Fnew", created=old.created + 10)
    one.put([old], [GPT])
    assert one.changes(0) == []

    two.put([new], [GPT])
    two.put([new], [GPT])
    one.put([replace(old, answer=b"Folder", created=old.created - 10)], [GPT])
    changes = one.changes(0)
    assert changes is not None
    assert [(change.id, change.why, change.origin) for change in changes] == [(old.key[:16], "replaced", "two")]
    assert one.find(old.key).entry == new
    assert one.find(old.key).newest == changes[-1].sequence == one.newest()
    assert team_database.ask("SELECT replaced FROM gptcache.history") == [(new.created,)]


def test_an_answer_from_the_future_can_be_replaced(team: TeamDatabase) -> None:
    entry = make_entry("a")
    team.put([replace(entry, created=time.time() + 10**6)], [GPT])
    found = team.find(entry.key).entry
    assert found is not None
    assert found.created < time.time() + 60


def test_two_spaces_know_nothing_of_each_other(opened: Opened) -> None:
    one, two = opened("one"), opened("two")
    one.put([make_entry("a")], [GPT])
    assert two.find(key("a")).entry is None
    two.put([make_entry("a")], [GPT])
    two.remove(None)
    assert one.find(key("a")).entry is not None
    assert one.newest() == 0


def test_a_removal_is_told_to_all(opened: Opened) -> None:
    one, two = opened(origin="one"), opened(origin="two")
    one.put([make_entry("a"), make_entry("b")], [GPT])
    assert one.remove([key("a")]) == 1
    assert one.remove(None) == 1
    changes = two.changes(0)
    assert changes is not None
    assert [(change.id, change.why, change.origin) for change in changes] == [
        (key("a")[:16], "removed", "one"),
        (None, "removed", "one"),
    ]
    assert two.find(key("b")).entry is None


def test_changes_that_are_not_kept_are_missed_by_nobody(team: TeamDatabase, team_database: Database) -> None:
    for _ in range(3):
        team.remove([key("a")])
    assert [change.sequence for change in team.changes(1) or ()] == [2, 3]
    team_database.ask("DELETE FROM gptcache.change WHERE sequence <= 2")
    assert team.changes(1) is None
    assert [change.sequence for change in team.changes(2) or ()] == [3]
    assert team.changes(99) is None, "the database was made again, or restored"


def test_changes_become_visible_in_their_order(opened: Opened) -> None:
    watcher, writers = opened(), [opened(origin=str(number)) for number in range(4)]
    seen: list[int] = []

    def write(writer: TeamDatabase) -> None:
        for number in range(10):
            writer.remove([key(f"{writer.origin} {number}")])

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(write, writer) for writer in writers]
        while not all(each.done() for each in running) or len(seen) < 40:
            seen += [change.sequence for change in watcher.changes(seen[-1] if seen else 0) or ()]
        for each in running:
            each.result()
    assert seen == list(range(1, 41))


def test_many_writers_at_once_lose_nothing(opened: Opened) -> None:
    def write(number: int) -> None:
        team = opened(origin=str(number))
        for step in range(5):
            team.put(
                [replace(make_entry(str(n)), answer=b"F%d %d" % (number, step), created=1e9 + step) for n in range(20)],
                [GPT],
            )

    opened()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    assert all(opened(origin="").find(make_entry(str(n)).key).entry is not None for n in range(20))


def test_lookups_are_kept_once_and_count_their_hits(team: TeamDatabase, team_database: Database) -> None:
    team.put([make_entry("a")], [GPT])
    rows = rows_of(lookup(1, "hit", "a"), lookup(2, "miss", "b"))
    team.record(rows, [GPT])
    team.record(rows, [GPT])
    assert team_database.ask("SELECT count(*), min(author) FROM gptcache.lookup") == [(2, "postgres")]
    assert team_database.ask("SELECT hits FROM gptcache.entry") == [(1,)]


def test_lookups_of_any_date_find_a_place(team: TeamDatabase, team_database: Database) -> None:
    now = time.time()
    rows = rows_of(lookup(1, "miss", "a"), lookup(2, "miss", "b"), lookup(3, "miss", "c"))
    team.record([row._replace(at=at) for row, at in zip(rows, (now, 5.0, now * 2), strict=True)], [])
    assert team_database.ask("SELECT count(*) FROM gptcache.lookup") == [(3,)]
    assert team_database.ask("SELECT count(*) FROM gptcache.lookup_other") == [(2,)]


def test_lookups_of_a_week_that_was_not_made_in_time_move_there(team: TeamDatabase, team_database: Database) -> None:
    (week,) = team_database.ask(
        "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'gptcache.lookup'::regclass"
    )[0]
    team_database.ask(f"DROP TABLE {week}")
    team.record([rows_of(lookup(1, "miss", "a"))[0]._replace(at=time.time())], [])
    team_database.ask("SELECT gptcache.make_weeks()")
    assert team_database.ask(f"SELECT count(*) FROM {week}") == [(1,)]


def test_vectors_come_with_their_entries(team: TeamDatabase) -> None:
    team.put([make_entry("a"), make_entry("b")], [GPT])
    vector = np.array([0.6, 0.8], "<f4").tobytes()
    team.put_vectors("e/2", [(key("a"), "c0" * 16, vector), (key("missing"), "c0" * 16, vector)])
    team.put_vectors("e/2", [(key("b"), "c0" * 16, vector)])
    first, second = team.vectors("e/2", "c0" * 16, 0, 10)
    assert {first.entry.key, second.entry.key} == {key("a"), key("b")}
    assert np.allclose(np.frombuffer(first.vector, "<f4"), [0.6, 0.8], atol=1e-3)
    assert team.vectors("e/2", "c0" * 16, first.sequence, 10) == [second]
    assert team.vectors("e/2", "c0" * 16, 0, 1) == [first]
    team.remove([key("a")])
    assert len(team.vectors("e/2", "c0" * 16, 0, 10)) == 1


def test_the_newest_verdict_counts(team: TeamDatabase) -> None:
    row = LabelRow(key("a")[:16], key("b")[:16], False, 0.9, "", "", "", "e/2", 10.0, "asked", "stored")
    team.put_labels([row])
    assert team.judged_wrong(key("a")) == {key("b")[:16]}
    team.put_labels([row._replace(right=True, at=9.0)])
    assert team.judged_wrong(key("a"))
    team.put_labels([row._replace(right=True, at=11.0)])
    assert not team.judged_wrong(key("a"))


# Hostile rows


@pytest.mark.parametrize(
    "damage",
    [
        "answer = 'not compressed'",
        "prompt = '\\x00'",
        "digest = digest + 1",
        "answer = substr(answer, 1, 5)",
    ],
)
def test_a_damaged_row_is_not_served_and_any_answer_replaces_it(
    team: TeamDatabase, team_database: Database, damage: str
) -> None:
    entry = make_entry("a")
    team.put([entry], [GPT])
    team_database.ask(f"UPDATE gptcache.entry SET {damage}")
    found = team.find(entry.key)
    assert (found.entry, found.damaged) == (None, True)

    team.put([replace(entry, created=entry.created - 100)], [GPT])
    assert team.find(entry.key).entry is not None


def test_a_bomb_is_not_unpacked(team: TeamDatabase, team_database: Database) -> None:
    entry = make_entry("a")
    team.put([entry], [GPT])
    team_database.ask("UPDATE gptcache.entry SET answer = %s", zlib.compress(bytes(2**30), 9))
    assert team.find(entry.key).damaged


def test_the_key_of_another_entry_is_refused_by_the_server(team: TeamDatabase, team_database: Database) -> None:
    team.put([make_entry("a")], [GPT])
    with pytest.raises(Exception, match="violates check constraint"):
        team_database.ask("UPDATE gptcache.entry SET id = %s", id_number(key("b")))


def test_what_the_database_refuses_does_not_hold_up_the_rest(team: TeamDatabase, team_database: Database) -> None:
    good, bad = make_entry("a"), replace(make_entry("b"), created=-5.0)
    team.put([bad, good], [GPT])
    assert team.find(good.key).entry == good
    assert team.find(bad.key).entry is None

    huge = replace(make_entry("c"), answer=bytes(9 * 2**20))
    team.put([huge], [GPT])
    assert team.find(huge.key).entry is None


def test_nobody_signs_with_the_name_of_another(team: TeamDatabase, team_database: Database) -> None:
    team.put([make_entry("a")], [GPT])
    team_database.ask("UPDATE gptcache.entry SET author = 'eve'")
    assert team.find(key("a")).author == "postgres"


# Setting up, and what is refused


def test_eight_set_up_at_once(opened: Opened, team_database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: opened(), range(8)))
    assert team_database.ask("SELECT version FROM gptcache.schema") == [(VERSION,)]


@pytest.fixture
def without_additions(team_database: Database) -> Database:
    """Return the database with a store and roles as the first kernels of this schema made them, and a lookup."""
    for statement in (*MARK, *(each for step in STEPS for each in step)):
        team_database.ask(statement)
    team_database.ask(f"UPDATE gptcache.schema SET version = {VERSION}")
    earlier = (re.sub(r", gptcache\.embedding\w*", "", each) for each in statements("default"))
    team_database.run("\n".join(each for each in earlier if "gptcache.embedding" not in each))
    _look_up_as_before(team_database, 1)
    return team_database


def _look_up_as_before(database: Database, number: int) -> None:
    """Store a lookup as a kernel does that knows of no face."""
    names = "space, at, run, number_in_run, outcome, reason_kind, reason_detail, mode, embedder, objection_kind"
    names += ", objection_guard, objection_detail, notebook, cell, cell_line"
    row = f"'default', {time.time()}, 'before', {number}, 'miss', '', '', 'auto', '', '', '', '', '', '', ''"
    changes = "ON CONFLICT (space, run, number_in_run, at) DO UPDATE SET outcome = excluded.outcome"
    database.ask(f"INSERT INTO gptcache.lookup ({names}) VALUES ({row}) {changes}")


@pytest.mark.parametrize("by", ["connecting", "script"])
def test_lookups_get_faces_and_kernels_of_before_write_on(without_additions: Database, opened: Opened, by: str) -> None:
    if by == "script":
        for _ in range(2):
            without_additions.run(script("default"))
    team = opened()
    assert without_additions.ask(ADDED) == [(len(ADDITIONS),)]

    team.record(rows_of(lookup(1, at=time.time(), face="openai")), [GPT])
    _look_up_as_before(without_additions, 2)
    faces = "SELECT run, number_in_run, face FROM gptcache.lookup ORDER BY number"
    assert without_additions.ask(faces) == [
        ("before", 1, "langchain"),
        ("run", 1, "openai"),
        ("before", 2, "langchain"),
    ]
    weeks = "SELECT min(relname) FROM pg_class WHERE relname ~ '^lookup_[0-9]+$' AND relkind = 'r'"
    ((week,),) = without_additions.ask(weeks)
    without_additions.ask(f"DROP TABLE gptcache.{week}")
    assert without_additions.ask(MAKE_WEEKS) == [(1,)]  # a partition that is made later is like the others
    _look_up_as_before(without_additions, 3)
    team.record(rows_of(lookup(2, at=time.time(), face="anthropic")), [GPT])
    assert without_additions.ask(faces) == [("before", 3, "langchain"), ("run", 2, "anthropic")]


def test_a_member_who_may_not_add_learns_what_to_type(without_additions: Database) -> None:
    url = without_additions.role("member", role_of("default", "writer"))
    said = messages(url)
    assert "this role may not make it" in said
    assert "team init postgresql://OWNER@" in said
    without_additions.run(script("default"))
    TeamDatabase(Address.parse(url)).connect()


def test_a_newer_schema_is_left_alone(team: TeamDatabase, team_database: Database) -> None:
    team_database.ask("UPDATE gptcache.schema SET version = 99")
    assert "newer gptcache-magics" in messages(team_database.url)
    assert team_database.ask("SELECT version FROM gptcache.schema") == [(99,)]


@pytest.mark.parametrize(
    "theirs", ["CREATE TABLE gptcache.notes (a int)", "CREATE TABLE gptcache.schema (version int)"]
)
def test_a_schema_of_somebody_else_is_left_alone(team_database: Database, theirs: str) -> None:
    team_database.ask("CREATE SCHEMA gptcache")
    team_database.ask(theirs)
    assert "belongs to another program" in messages(team_database.url)


def test_an_empty_schema_may_be_ours(opened: Opened, team_database: Database) -> None:
    team_database.ask("CREATE SCHEMA gptcache")
    opened()


def test_a_role_that_may_not_set_up_learns_what_to_type(team_database: Database) -> None:
    said = messages(team_database.role(f"nobody_{os.getpid()}"))
    assert "team init postgresql://" in said


def test_a_role_without_rights_learns_what_to_type(team: TeamDatabase, team_database: Database) -> None:
    nobody = f"nobody_{os.getpid()}"
    url = team_database.role(nobody)
    said = messages(url)
    assert f"The role {nobody} may not use the store" in said
    assert "team init postgresql://OWNER@" in said
    *_, grant = said.partition("in psql: ")
    team_database.run(script("default"))
    team_database.ask(grant)
    TeamDatabase(Address.parse(url)).connect()


def test_a_role_that_may_only_read_is_known(team: TeamDatabase, team_database: Database, opened: Opened) -> None:
    reader = f"reader_{os.getpid()}"
    url = team_database.role(reader)
    team_database.run(
        f"GRANT USAGE ON SCHEMA gptcache TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA gptcache TO {reader}"
    )
    team.put([make_entry("a")], [GPT])
    reading = opened(url=url)
    assert reading.readonly
    assert not team.readonly
    assert reading.find(key("a")).entry is not None
    with pytest.raises(StoreError, match="does not allow that"):
        reading.put([make_entry("b")], [GPT])
    assert reading.find(key("a")).entry is not None, "a refusal does not make the store count as away"


def test_bad_addresses_get_one_sentence(postgres: PostgresServer) -> None:
    assert "refuses the role or its password" in messages(postgres.url(password="wrong-horse-8"))
    assert "wrong-horse-8" not in messages(postgres.url(password="wrong-horse-8"))
    assert "createdb" in messages(postgres.url("no_such_database"))
    assert "nobody listens" in messages(f"postgresql://u:{PASSWORD}@127.0.0.1:1/db")
    assert "No host is found" in messages(f"postgresql://u:{PASSWORD}@no-such-host.invalid/db")


def test_what_only_the_user_can_mend_is_not_called_away(postgres: PostgresServer) -> None:
    team = at(f"{postgres.url()}?sslmode=require")
    with pytest.raises(StoreError) as caught:
        team.connect()

    assert not isinstance(caught.value, TeamAway)
    assert "does not offer TLS" in str(caught.value)
    assert "sslrootcert" not in str(caught.value)
    assert "does not take: invalid sslmode value" in messages(f"{postgres.url()}?sslmode=nonsense")
    assert "~/.pg_service.conf" in messages("postgresql:///?service=no_such_service")


@pytest.mark.parametrize("bad", ["postgresql://u@127.0.0.1:1/db", "postgresql://u@/db?host=/no/such/folder"])
def test_a_sentence_ends_once(bad: str) -> None:
    said = messages(bad)

    assert said.endswith("is away: nobody listens there. Is its server started?")


def test_a_database_that_cannot_keep_every_text_is_refused(postgres: PostgresServer) -> None:
    postgres.ask("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
    try:
        assert "UTF8" in messages(postgres.url("latin"))
    finally:
        postgres.ask("DROP DATABASE latin")


# Failures


def _read() -> Generator[int, int, int]:
    return (yield 1)


def test_an_answer_that_is_there_is_taken_however_late_this_process_looks() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(Late):
            _run(_read(), ours.fileno(), time.monotonic() - 1)
        theirs.send(b"answer")
        assert _run(_read(), ours.fileno(), time.monotonic() - 1) == 1


def test_a_server_that_never_ends_its_answer_is_left_all_the_same() -> None:
    def endless() -> Generator[int, int, int]:
        while True:
            yield 1

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"more than is ever read")
        with pytest.raises(Late):
            _run(endless(), ours.fileno(), time.monotonic() - 1)


def test_a_silent_server_takes_half_a_second_once(silent_server: SilentServer) -> None:
    team = at(silent_server.url())
    begun = time.monotonic()
    with pytest.raises(TeamAway):
        team.find(key("a"))
    assert time.monotonic() - begun < WITHIN
    begun = time.monotonic()
    for _ in range(20):
        with pytest.raises(TeamAway):
            team.find(key("a"))
    assert time.monotonic() - begun < 0.4, "nobody waits a second time for one connection"


def test_a_stopped_backend_does_not_hold_up_a_hit(
    team: TeamDatabase, postgres: PostgresServer, team_database: Database
) -> None:
    entry = make_entry("a")
    team.put([entry], [GPT])
    with postgres.frozen(*postgres.backends()):
        begun = time.monotonic()
        with pytest.raises(TeamAway, match="did not answer in time"):
            team.find(entry.key)
        assert time.monotonic() - begun < WITHIN
        assert team.find(entry.key).entry == entry, "the next connection has a backend of its own"


def test_three_failures_in_a_row_are_enough(opened: Opened, postgres: PostgresServer) -> None:
    team = opened()
    team.put([make_entry("a")], [GPT])
    postgres.stop()
    for _ in range(3):
        with pytest.raises(TeamAway):
            team.find(key("a"))
    assert "is away" in team.away
    postgres.start()
    with pytest.raises(TeamAway, match="is away"):
        team.find(key("a"))
    team.connect()
    assert team.away == ""
    assert team.find(key("a")).entry is not None


def test_a_store_that_is_back_is_found_by_a_thread(
    opened: Opened, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptcache_magics.store.postgres.connections.AWAY_SECONDS", 0.2)
    team = opened()
    postgres.stop()
    for _ in range(3):
        with pytest.raises(TeamAway):
            team.find(key("a"))
    postgres.start()
    for _ in range(200):
        if not team.away:
            break
        time.sleep(0.05)
    assert team.find(key("a")).entry is None


@pytest.mark.parametrize("at_once", [False, True])
def test_a_restart_is_not_noticed(team: TeamDatabase, postgres: PostgresServer, at_once: bool) -> None:
    team.put([make_entry("a")], [GPT])
    postgres.ask("CHECKPOINT")  # what is newer than that may be lost in a crash: the local file has it
    postgres.stop(at_once=at_once)
    postgres.start()
    assert team.find(key("a")).entry is not None


def test_a_terminated_backend_is_not_noticed(team: TeamDatabase, team_database: Database) -> None:
    team.put([make_entry("a")], [GPT])
    team_database.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert team.find(key("a")).entry is not None


def test_an_interrupt_ends_the_statement_and_the_next_one_works(team: TeamDatabase) -> None:
    team.put([make_entry("a")], [GPT])

    def interrupted(line: object) -> None:
        raise KeyboardInterrupt

    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            team._connections.ask(interrupted)
    assert team.find(key("a")).entry is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_forked_child_leaves_the_connection_to_its_parent(team: TeamDatabase) -> None:
    team.put([make_entry("a")], [GPT])
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if team.find(key("a")).entry is not None else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    before = team._connections._lines[0]
    assert team.find(key("a")).entry is not None
    assert team._connections._lines[0] is before


def test_no_more_connections_is_said(opened: Opened, team_database: Database) -> None:
    team = opened()
    role = f"few_{os.getpid()}"
    url = team_database.role(role)
    team_database.run(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    assert "takes no more connections" in messages(url)
    assert team.find(key("a")).entry is None


def test_fifty_threads_share_few_connections(team: TeamDatabase, team_database: Database) -> None:
    team.put([make_entry("a")], [GPT])
    with ThreadPoolExecutor(50) as threads:
        found = list(threads.map(lambda _: team.find(key("a")).entry, range(200)))
    assert None not in found
    assert len(team._connections._lines) <= 4


def test_a_pooler_is_noticed_and_served(pgbouncer: PgBouncer, team_database: Database, opened: Opened) -> None:
    teams = [opened(url=pgbouncer.url(team_database)) for _ in range(8)]
    assert all(team.pooled for team in teams)
    teams[0].put([make_entry(str(n)) for n in range(30)], [GPT])

    def read(team: TeamDatabase) -> list[bool]:
        return [team.find(make_entry(str(n)).key).entry is not None for n in range(30)]

    with ThreadPoolExecutor(8) as threads:
        assert all(all(each) for each in threads.map(read, teams))
    assert threading.active_count() < 50
