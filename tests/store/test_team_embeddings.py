"""Embeddings of two folders with one team behind them, on a real PostgreSQL."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from gptcache_magics import bundle
from gptcache_magics.errors import StoreError
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.administration import opened
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.postgres.retention import Limits, prune
from gptcache_magics.store.postgres.roles import role_of, statements
from gptcache_magics.store.postgres.schema import ADDED, ADDITIONS, MARK, STEPS, VERSION
from gptcache_magics.store.postgres.script import script
from gptcache_magics.store.postgres.tables import TeamTables
from gptcache_magics.store.protocol import Embedding, Selection
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.store.team import copies
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.testing.embeddings import make_embedding
from gptcache_magics.testing.samples import GPT, key, make_entry
from tests.support.postgres import Database
from tests.support.waiting import wait_until

Member = Callable[..., TeamStore]
NOW = time.time()
DAY = 86_400.0


@pytest.fixture
def member(team_database: Database, tmp_path: Path) -> Iterator[Member]:
    """Return a function that opens the folder of a member."""
    stores: list[TeamStore] = []

    def open_folder(name: str, url: str = "", space: str = "default") -> TeamStore:
        stores.append(TeamStore(tmp_path / name, Address.parse(url or team_database.url, space)))
        stores[-1].open()
        return stores[-1]

    yield open_folder
    for store in stores:
        with suppress(StoreError):  # a test has left its embeddings unsent
            store.close()


def put(store: TeamStore, *names: object, **changes: object) -> list[Embedding]:
    """Store embeddings of texts, and wait until they are sent."""
    made = [make_embedding(name, **{"created": NOW - 60, **changes}) for name in names]
    store.put_embeddings(made, [GPT])
    wait_until(lambda: not store.waiting())
    return made


def found(store: TeamStore, *names: object) -> list[Embedding]:
    """Return what a lookup finds a second later."""
    store._looked = -copies.LOOK_SECONDS
    return [*store.get_embeddings([key(name) for name in names]).values()]


def stored(database: Database, columns: str = "count(*)") -> list[tuple[object, ...]]:
    return database.ask(f"SELECT {columns} FROM gptcache.embedding")


def test_what_one_had_embedded_another_finds_and_keeps(member: Member, team_database: Database) -> None:
    made = put(member("ann"), "a", "b", tokens=7)
    bob = member("bob")

    assert {each.key: each for each in found(bob, "b", "a", "c")} == {each.key: each for each in made}
    assert stored(team_database, "DISTINCT author") == [("postgres",)]
    assert not bob.waiting(), "what came from the team is not sent back"
    team_database.server.stop()
    assert len(found(bob, "a", "b")) == 2
    assert [each.key for each in bob.embedding_models()] == [GPT.key], "a bundle of it needs the configuration"


def test_a_hundred_texts_are_asked_for_with_one_statement(member: Member, team_database: Database) -> None:
    put(member("ann"), *range(100))
    team_database.ask(f"ALTER DATABASE {team_database.name} SET log_statement = 'all'")
    bob = member("bob")

    assert len(found(bob, *range(100))) == 100
    assert len(re.findall(r"SELECT [^;]*?FROM gptcache\.embedding e", team_database.server.log)) == 1


def test_embeddings_of_a_team_that_was_away_are_sent_later(member: Member, team_database: Database) -> None:
    ann = member("ann")
    team_database.server.stop(at_once=True)
    with waiting(Patience()):
        assert found(ann, "a") == []
        ann.put_embeddings([make_embedding("a")], [GPT])
    assert len(found(ann, "a")) == 1
    assert ann.waiting() == {"embedding": 1}

    team_database.server.start()
    ann.connect()
    wait_until(lambda: not ann.waiting())
    assert len(found(member("bob"), "a")) == 1


def test_a_frozen_server_costs_a_call_half_a_second_at_most_once(member: Member, team_database: Database) -> None:
    ann = member("ann")
    put(ann, "a")
    with team_database.server.frozen():
        call, began = Patience(), time.monotonic()
        with waiting(call):
            assert len(found(ann, "a", *range(1_000))) == 1
            assert found(ann, *range(1_000)) == []
        assert call.team_away
        assert time.monotonic() - began < 1.5


def test_a_clear_by_one_is_seen_by_all_and_leaves_answers_and_what_is_private(
    member: Member, team_database: Database, tmp_path: Path
) -> None:
    with closing(SQLiteStore(tmp_path / "bob")) as alone:
        alone.put_embeddings([make_embedding("private")], [GPT])
    ann, bob = member("ann"), member("bob")
    put(ann, "a", "b")
    ann.put(make_entry("a"), GPT)
    wait_until(lambda: not ann.waiting())
    assert len(found(bob, "a")) == 1
    assert bob.get(key("a")) is not None

    assert ann.clear_embeddings() == 2

    assert [each.key for each in found(bob, "a", "b", "private")] == [key("private")]
    assert stored(team_database) == [(0,)]
    assert bob.get(key("a")) is not None
    put(ann, "a", vector=b"{}\nnew")
    assert [each.vector for each in found(bob, "a")] == [b"{}\nnew"]


def test_a_clear_of_answers_leaves_embeddings(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    put(ann, "a")
    assert len(found(bob, "a")) == 1
    ann.remove(Selection())

    assert len(found(bob, "a")) == 1
    assert bob.count_embeddings()[0] == 1


def test_a_vector_that_was_received_again_replaces_the_copies_of_all(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    put(ann, "a", "b", vector=b"{}\nold")
    assert len(found(bob, "a", "b")) == 2
    put(ann, "a", vector=b"{}\nnew", created=NOW)
    put(ann, "b", vector=b"{}\nolder", created=NOW - 600)

    assert {each.vector for each in found(bob, "a", "b")} == {b"{}\nnew", b"{}\nold"}


def test_nothing_is_removed_while_the_team_is_away(member: Member, team_database: Database) -> None:
    ann = member("ann")
    put(ann, "a")
    team_database.server.stop()

    with pytest.raises(StoreError, match="Nothing was removed"):
        ann.clear_embeddings()
    assert ann.count_embeddings()[0] == 1
    with pytest.raises(StoreError, match="away"):
        ann.embeddings_there()


def test_an_expired_embedding_is_not_found(member: Member, team_database: Database) -> None:
    put(member("ann"), "a", expires=time.time() + 3600)
    team_database.ask("UPDATE gptcache.embedding SET expires = 1, digest = digest")
    assert found(member("bob"), "a") == []


@pytest.mark.parametrize(
    "change",
    [
        "vector = 'x'",
        "vector = decode('7b7d0a00', 'hex')",
        "sent = 'x'",
        "sent = decode('789c8b0600007a007a', 'hex')",
        "rest = ''",
        "text_digest = 7",
        "tokens = 99",
        "model = decode(repeat('ab', 16), 'hex')",
    ],
)
def test_a_hostile_row_is_unknown_and_the_next_embedding_replaces_it(
    member: Member, team_database: Database, change: str
) -> None:
    ann, bob = member("ann"), member("bob")
    made = put(ann, "a")
    team_database.ask(f"UPDATE gptcache.embedding SET {change}")

    assert found(bob, "a") == []
    put(bob, "a", created=NOW - 600)
    assert [each.vector for each in found(member("eve"), "a")] == [made[0].vector]


@pytest.mark.parametrize(
    ("field", "value"), [("key", [1]), ("key", "00" * 16), ("portable", 3), ("label", 3), ("temperature", "hot")]
)
def test_a_hostile_configuration_is_unknown(member: Member, team_database: Database, field: str, value: object) -> None:
    ann, bob = member("ann"), member("bob")
    put(ann, "a")
    changed = orjson.dumps({field: value}).decode()
    team_database.ask(
        f"UPDATE gptcache.embedding_model SET configuration = (configuration::jsonb || '{changed}')::text"
    )

    assert len(found(bob, "a")) == 1
    assert bob.embedding_models() == []
    with closing(TeamTables(Address.parse(team_database.url))) as tables:
        tables.open()
        assert tables.embedding_models() == []


def test_what_is_not_sent_yet_outlives_a_change_of_the_team_s(member: Member, team_database: Database) -> None:
    ann = member("ann")
    team_database.server.stop(at_once=True)
    with waiting(Patience()):
        ann.put_embeddings([make_embedding("a")], [GPT])
    number = id_number(key("a"))
    ann._write(lambda db: outbox.drop_some(db, ann.team(db).id, [(number, "replaced")]), patient=True)
    assert len(found(ann, "a")) == 1
    team_database.server.start()


def test_a_role_that_may_only_read_finds_and_sends_nothing(member: Member, team_database: Database) -> None:
    put(member("ann"), "a")
    team_database.run(script("default"))
    bob = member("bob", team_database.role("bob", role_of("default", "reader")))

    assert len(found(bob, "a")) == 1
    bob.put_embeddings([make_embedding("b")], [GPT])
    assert len(found(bob, "b")) == 1
    assert not bob.waiting()
    with pytest.raises(StoreError, match="may only read"):
        bob.clear_embeddings()


def test_spaces_do_not_see_each_other_and_only_an_editor_removes(member: Member, team_database: Database) -> None:
    for space in ("class", "other"):
        team_database.run(script(space))
        put(member(f"owner of {space}", space=space), "a", vector=f"{{}}\n{space}".encode())
    writer = member("writer", team_database.role("writer", role_of("class", "writer")), "class")
    editor = member("editor", team_database.role("editor", role_of("class", "editor")), "class")

    assert [each.vector for each in found(writer, "a")] == [b"{}\nclass"]
    put(writer, "b")
    with pytest.raises(StoreError, match=r"Nothing was removed.* permission denied .*gptcache_class_editor"):
        writer.clear_embeddings()
    editor.clear_embeddings()
    assert stored(team_database, "space") == [("other",)]


@pytest.fixture
def earlier(team_database: Database) -> Database:
    """Return the database with a store and roles as a version made them that knew of no embeddings."""
    for statement in (*MARK, *(each for step in (*STEPS, *ADDITIONS[:1]) for each in step)):
        team_database.ask(statement)
    team_database.ask(f"UPDATE gptcache.schema SET version = {VERSION}, additions = 1")
    before = (re.sub(r", gptcache\.embedding\w*", "", each) for each in statements("default"))
    team_database.run("\n".join(each for each in before if "gptcache.embedding" not in each))
    return team_database


@pytest.mark.parametrize("by", ["connecting", "script"])
def test_a_store_of_an_earlier_version_gets_its_tables_with_the_rights_of_answers(
    earlier: Database, member: Member, by: str
) -> None:
    writer = earlier.role("writer", role_of("default", "writer"))
    reader = earlier.role("reader", role_of("default", "reader"))
    refused = member("refused", writer)
    assert "team init postgresql://OWNER@" in refused.refused
    refused.put_embeddings([make_embedding("early")], [GPT])
    assert len(found(refused, "early")) == 1, "the folder works on"
    if by == "script":
        for _ in range(2):
            earlier.run(script("default"))
    member("owner")
    assert earlier.ask(ADDED) == [(len(ADDITIONS),)]

    put(member("writer", writer), "a")
    assert stored(earlier, "author") == [("writer",)]
    assert len(found(member("reader", reader), "a")) == 1
    tables = "'gptcache.embedding'::regclass, 'gptcache.embedding_model'::regclass"
    assert earlier.ask(f"SELECT DISTINCT relrowsecurity FROM pg_class WHERE oid IN ({tables})") == [(True,)]
    rules = "SELECT count(*), count(DISTINCT polroles) FROM pg_policy WHERE polrelid = 'gptcache.embedding'::regclass"
    earlier.run(script("default"))
    assert earlier.ask(rules) == [(4, 3)]
    refused.connect()
    wait_until(lambda: not refused.waiting())
    assert stored(earlier) == [(2,)]


def test_a_rule_about_a_column_that_embeddings_lack_lets_nobody_in(earlier: Database, member: Member) -> None:
    earlier.ask("CREATE POLICY mine ON gptcache.entry AS RESTRICTIVE TO PUBLIC USING (NOT edited)")
    earlier.ask("CREATE POLICY also ON gptcache.entry TO PUBLIC USING (hits > 5)")
    earlier.ask("CREATE FUNCTION may(gptcache.entry) RETURNS bool LANGUAGE sql AS 'SELECT true'")
    earlier.ask("CREATE POLICY whole ON gptcache.entry TO PUBLIC USING (may(entry))")
    in_another = "EXISTS (SELECT FROM gptcache.space s WHERE s.space = entry.space)"
    earlier.ask(f"CREATE POLICY listed ON gptcache.entry TO PUBLIC USING ({in_another})")
    earlier.ask("ALTER TABLE gptcache.entry FORCE ROW LEVEL SECURITY")
    put(member("owner"), "a")
    reader = member("reader", earlier.role("reader", role_of("default", "reader")))

    assert found(reader, "a") == []
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'gptcache.embedding'::regclass"
    assert earlier.ask(forced) == [(True,)]


def test_a_role_without_rights_to_embeddings_learns_what_to_type(member: Member, team_database: Database) -> None:
    put(member("ann"), "a")
    team_database.run(script("default"))
    team_database.ask('REVOKE ALL ON gptcache.embedding FROM "gptcache_default_reader", "gptcache_default_writer"')
    writer = team_database.role("bob", role_of("default", "writer"))
    bob = member("bob", writer)

    assert found(bob, "a") == []
    put(bob, "b")
    told = [each for each in bob.notices if "embedding" in each]
    assert len(told) == 1
    assert re.search(r"Not shared .* permission denied .* team init postgresql://OWNER@.* --apply", told[0])
    assert len(found(bob, "b")) == 1
    with closing(TeamTables(Address.parse(writer))) as tables:
        tables.open()
        assert tables.entries(Selection()) == []


def test_what_is_too_large_is_kept_in_the_folder_only(member: Member, team_database: Database) -> None:
    ann = member("ann")
    put(ann, "large", vector=b"{}\n" + bytes(9 * 2**20))
    put(ann, "a")
    assert stored(team_database) == [(1,)]
    assert len(found(ann, "large")) == 1


def test_what_waits_to_be_sent_is_not_evicted(member: Member, team_database: Database) -> None:
    ann = member("ann")
    put(ann, "a", vector=b"{}\n" + bytes(5_000))
    team_database.server.stop()
    ann.put_embeddings([make_embedding("b", vector=b"{}\n" + bytes(5_000))], [GPT])
    ann.evict(0)
    assert [each.key for each in ann.each_embedding()] == [key("b")]


def test_the_tables_of_the_team_are_a_bundle(member: Member, team_database: Database, tmp_path: Path) -> None:
    ann = member("ann")
    made = put(ann, *range(1_200), vector=b"{}\nv")
    with closing(TeamTables(Address.parse(team_database.url))) as tables:
        tables.open()
        assert not tables.notices
        assert [*tables.each_embedding()] == [*ann.each_embedding()]
        assert tables.count_embeddings() == ann.count_embeddings() == ann.embeddings_there()
        assert tables.get_embeddings([key(7), key("x")]) == {key(7): made[7]}
        assert tables.embedding_models() == ann.embedding_models()
        digests = [key(name)[:16] for name in (1, "x")]
        assert tables.find_embeddings(GPT.portable, digests) == ann.find_embeddings(GPT.portable, digests)
        assert len(tables.find_embeddings(GPT.portable, digests)) == 1
        saved = bundle.save(tables, Selection(), tmp_path / "team.jsonl", embeddings=None)
        assert saved.embeddings == 1_200
        for write in (lambda: tables.put_embeddings([], []), tables.clear_embeddings):
            with pytest.raises(StoreError, match="only read here"):
                write()


def test_another_database_at_the_address_makes_the_copies_void(member: Member, team_database: Database) -> None:
    ann, bob = member("ann"), member("bob")
    put(ann, "a")
    assert len(found(bob, "a")) == 1
    team_database.ask("DROP SCHEMA gptcache CASCADE")
    bob.database.close()
    bob.connect()
    assert found(bob, "a") == []


# Pruning


def test_pruning_does_what_its_dry_run_says_and_keeps_what_is_used(member: Member, team_database: Database) -> None:
    ann = member("ann")
    put(ann, "new")
    put(ann, "unused", "used", created=NOW - 100 * DAY)
    put(ann, "expired", expires=time.time() + 3600)
    team_database.ask("UPDATE gptcache.embedding SET expires = 2 WHERE expires IS NOT NULL")
    ann.record_embeddings([], {key("used"): NOW, key("new"): NOW})
    put(ann, "sent after", created=NOW)
    wait_until(lambda: stored(team_database, "count(used)") == [(1,)])  # once a day is enough

    with opened(ann.address) as db:
        limits = Limits(unused=NOW - 90 * DAY)
        assert prune(db, limits, dry_run=True).embeddings == 2
        assert stored(team_database) == [(5,)]
        assert prune(db, limits).embeddings == 2
        assert prune(db, limits).embeddings == 0
        assert prune(db, Limits(older=NOW - 90 * DAY)).embeddings == 1
    assert stored(team_database) == [(2,)]


def test_embeddings_go_before_answers_above_a_size(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a", created=NOW), GPT)
    for number in range(5):
        put(ann, number, created=NOW - 10 + number, vector=b"{}\n" + bytes(10_000))

    with opened(ann.address) as db:
        assert prune(db, Limits(size=25_000), dry_run=True).embeddings == 3
        done = prune(db, Limits(size=25_000))
        assert (done.embeddings, done.entries) == (3, 0)
        assert {each.key for each in TeamTables(ann.address).each_embedding()} == {key(3), key(4)}
        assert prune(db, Limits(size=10)).embeddings == 2
    assert team_database.ask("SELECT count(*) FROM gptcache.entry") == [(0,)]


def test_what_a_kernel_stores_later_wins_though_its_clock_went_back(team_database: Database) -> None:
    writers = [TeamDatabase(Address.parse(team_database.url), name) for name in "ab"]
    made = [make_embedding(name, created=NOW) for name in range(50)]
    for each in writers:
        each.connect()
        each.embeddings.put(made, [GPT])
        each.embeddings.put([replace(each, created=NOW - 5, vector=b"{}\nolder") for each in made], [GPT])
    assert {each.embedding.vector for each in writers[0].embeddings.find([key(1), key(2)])} == {b"{}\nolder"}
    for each in writers:
        each.close()
