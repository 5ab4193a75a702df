"""Two folders with one team behind them, on a real PostgreSQL."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gptcache_magics.errors import StoreError
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.protocol import Entry, Near, Selection
from gptcache_magics.store.reasons import Kind
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.store.team import copies
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.testing.samples import GPT, key, lookup, make_entry
from tests.support.postgres import PASSWORD, Database, PgBouncer
from tests.support.waiting import wait_until

Member = Callable[..., TeamStore]
EVERYTHING = Selection()
NOW = time.time()


@pytest.fixture
def member(team_database: Database, tmp_path: Path) -> Iterator[Member]:
    """Return a function that opens the folder of a member."""
    stores: list[TeamStore] = []

    def open_folder(
        name: str, url: str = "", *, space: str = "default", sound: Callable[[Entry], bool] = bool
    ) -> TeamStore:
        store = TeamStore(tmp_path / name, Address.parse(url or team_database.url, space), sound)
        store.open()
        stores.append(store)
        return store

    yield open_folder
    for store in stores:
        with suppress(StoreError):  # a test has left its answers unsent
            store.close()


def sent(store: TeamStore) -> TeamStore:
    """Wait until everything is sent."""
    wait_until(lambda: not store.waiting())
    return store


def at_once(store: TeamStore) -> TeamStore:
    """Let the next lookup look at what has changed, as it does every second."""
    store._looked = -copies.LOOK_SECONDS
    return store


def test_what_one_stores_another_finds_and_keeps(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    sent(ann)

    found = bob.get(key("a"))

    assert found is not None
    assert found.answer == make_entry("a").answer
    assert bob.recall(key("a")) is not None
    bob.database.close()
    assert SQLiteStore(bob.where).get(key("a")) is not None
    assert not bob.waiting()


def test_whose_answer_it_is_is_known(member: Member, team_database: Database) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    bob.get(key("a"))

    assert [row.author for row in bob.entries(EVERYTHING)] == ["postgres"]


def test_what_was_stored_before_stays_private(member: Member, tmp_path: Path) -> None:
    with closing(SQLiteStore(tmp_path / "ann")) as before:
        before.put(make_entry("a"), GPT)
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("b"), GPT)
    sent(ann)

    assert ann.get(key("a")) is not None
    assert bob.get(key("a")) is None
    assert bob.get(key("b")) is not None


def test_spaces_do_not_see_each_other(member: Member) -> None:
    ann, bob = member("ann", space="one"), member("bob", space="two")
    ann.put(make_entry("a"), GPT)
    sent(ann)

    assert bob.get(key("a")) is None


def test_a_clear_by_one_is_seen_by_all(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    assert bob.get(key("a")) is not None

    assert ann.clear() == 1

    assert at_once(bob).recall(key("a")) is None
    assert bob.get(key("a")) is None
    gone = bob.gone(key("a"))
    assert gone is not None
    assert gone.kind is Kind.REMOVED


def test_a_replaced_answer_is_seen_by_all(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    assert bob.get(key("a")) is not None

    ann.put(make_entry("a", b"another", created=make_entry("a").created + 1), GPT)
    sent(ann)

    found = at_once(bob).get(key("a"))
    assert found is not None
    assert found.answer == b"another"


def test_the_newest_answer_wins_wherever_it_comes_from(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.get(key("a")), bob.get(key("a"))  # both have looked
    ann.put(make_entry("a", b"newer", created=200), GPT)
    sent(ann)
    bob.put(make_entry("a", b"older", created=100), GPT)
    sent(bob)

    assert at_once(ann).get(key("a")).answer == b"newer"  # type: ignore[union-attr]


def test_undo_sends_again(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    ann.remove(Selection(ids=[key("a")]))
    assert bob.get(key("a")) is None

    assert ann.undo() == 1
    sent(ann)

    assert bob.get(key("a")) is not None


def test_nothing_is_removed_while_the_team_is_away(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    team_database.server.stop()

    with pytest.raises(StoreError, match="Nothing was removed"):
        ann.clear()
    assert ann.count()[0] == 1


def test_no_call_fails_while_the_team_is_away_and_its_answers_are_sent_later(
    member: Member, team_database: Database
) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    team_database.server.stop(at_once=True)

    with waiting(Patience()):
        assert ann.get(key("b")) is None
        assert ann.get(key("a")) is not None
    gone = ann.gone(key("b"))
    assert gone is not None
    assert gone.kind is Kind.TEAM_AWAY
    ann.put(make_entry("b"), GPT)
    assert ann.waiting() == {"entry": 1}
    assert PASSWORD not in " ".join([*ann.notices, gone.detail])

    team_database.server.start()
    ann.connect()
    sent(ann)
    assert member("bob").get(key("b")) is not None


def test_closing_says_what_is_not_sent_and_the_next_kernel_sends_it(member: Member, team_database: Database) -> None:
    ann = member("ann")
    team_database.server.stop()
    ann.put(make_entry("a"), GPT)

    with pytest.raises(StoreError, match="1 answer waits in") as raised:
        ann.close()
    assert PASSWORD not in str(raised.value)

    team_database.server.start()
    sent(member("ann"))
    assert member("bob").get(key("a")) is not None


KILLED = """
import os, signal, sys
from gptcache_magics.store.team import delivery
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.testing.samples import GPT, make_entry
store = TeamStore(sys.argv[1], Address.parse(sys.argv[2]))
store.open()
store._delivery._sending.acquire()  # the network is slow
for number in range(200):
    store.put(make_entry(f"{sys.argv[1][-1]}{number}"), GPT)
print(store.waiting()["entry"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_kernel_loses_nothing_of_a_full_queue(member: Member, team_database: Database, tmp_path: Path) -> None:
    folder = str(tmp_path / "ann")
    run = subprocess.run(
        [sys.executable, "-c", KILLED, folder, team_database.url], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "200", run.stderr

    ann = member("ann")
    sent(ann)

    bob = member("bob")
    assert all(bob.get(key(f"n{number}")) is not None for number in range(200))


WRITER = """
import sys
import time
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.testing.samples import GPT, make_entry
store = TeamStore(sys.argv[1], Address.parse(sys.argv[2]))
store.open()
for number in range(500):
    store.put(make_entry(f"{sys.argv[3]}-{number}"), GPT)
while store.waiting():
    store._delivery.finish()
store.close()
"""


def test_eight_kernels_store_and_a_ninth_finds_everything(
    member: Member, team_database: Database, tmp_path: Path
) -> None:
    member("first").close()
    command = [sys.executable, "-c", WRITER]
    writers = [
        subprocess.Popen([*command, str(tmp_path / f"folder-{number // 2}"), team_database.url, str(number)])
        for number in range(8)
    ]
    assert [writer.wait(timeout=300) for writer in writers] == [0] * 8

    ninth = member("ninth")
    assert sum(ninth.get(key(f"{w}-{n}")) is not None for w in range(8) for n in range(500)) == 4_000


def test_a_hostile_row_is_a_miss_that_is_not_kept_and_the_next_answer_replaces_it(member: Member) -> None:
    ann = member("ann")
    bob = member("bob", sound=lambda entry: entry.answer != b"hostile")
    ann.put(make_entry("a", b"hostile", created=2**32), GPT)
    sent(ann)

    assert bob.get(key("a")) is None
    gone = bob.gone(key("a"))
    assert gone is not None
    assert gone.kind is Kind.DAMAGED
    assert bob.count()[0] == 0

    bob.put(make_entry("a", b"sound"), GPT)
    sent(bob)
    found = member("cid").get(key("a"))
    assert found is not None
    assert found.answer == b"sound"


def test_a_role_that_may_only_read_finds_and_sends_nothing(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    url = team_database.role("reader")
    team_database.ask("GRANT USAGE ON SCHEMA gptcache TO reader")
    team_database.ask("GRANT SELECT ON ALL TABLES IN SCHEMA gptcache TO reader")
    bob = member("bob", url)

    assert bob.get(key("a")) is not None
    bob.put(make_entry("b"), GPT)
    assert bob.get(key("b")) is not None
    assert not bob.waiting()
    assert any("may only read" in notice for notice in bob.notices)
    with pytest.raises(StoreError, match="Nothing was removed"):
        bob.clear()


def test_a_vector_of_one_is_found_by_another(member: Member) -> None:
    import numpy as np

    ann, bob = member("ann"), member("bob")
    context, vector = "0f" * 16, np.full(4, 0.5, "<f4").tobytes()
    bob.get(key("z"))  # it has looked
    ann.put(make_entry("a"), GPT)
    ann.put_vectors("e/4", [(key("a"), context, vector)])
    sent(ann)

    [found] = bob.vectors("e/4", context, 0)

    assert found.id == key("a")[:16]
    assert found.vector == vector
    assert bob.entries(Selection(ids=[key("a")]))
    assert bob.vectors("e/4", context, found.sequence) == []
    assert not bob.waiting()


def test_the_vector_of_a_replaced_answer_is_found_with_the_new_answer(member: Member) -> None:
    import numpy as np

    ann, bob = member("ann"), member("bob")
    context, vector = "0f" * 16, np.full(4, 0.5, "<f4").tobytes()
    bob.get(key("z"))  # it has looked
    ann.put(make_entry("a", b"first", created=NOW - 9), GPT)
    ann.put_vectors("e/4", [(key("a"), context, vector)])
    sent(ann)
    assert len(bob.vectors("e/4", context, 0)) == 1
    ann.put(make_entry("a", b"second", created=NOW), GPT)
    sent(ann)
    at_once(bob).get(key("z"))
    bob._fetched.clear()

    assert len(bob.vectors("e/4", context, 0)) == 1
    [entry] = bob.entries(Selection(ids=[key("a")]))
    assert entry.entry.answer == b"second"


def test_lookups_and_labels_are_shared(member: Member, team_database: Database) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a"), GPT)
    ann.record([lookup(1, name="a")], [GPT], 1000)
    ann.put_label(key("b"), Near(key("a"), 0.95, "e/4"), False)
    sent(ann)

    assert bob.judged_wrong(key("b")) == {key("a")[:16]}
    assert team_database.ask("SELECT count(*) FROM gptcache.lookup") == [(1,)]


def test_a_frozen_server_costs_a_call_half_a_second_at_most_once(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    with team_database.server.frozen():
        call = Patience()
        with waiting(call):
            at_once(ann)
            assert ann.get(key("a")) is not None
            assert call.team_away
            assert ann.get(key("b")) is None
    gone = ann.gone(key("b"))
    assert gone is not None
    assert gone.kind is Kind.TEAM_AWAY


def test_another_database_at_the_address_makes_the_copies_void(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    ann.close()
    team_database.ask("DROP SCHEMA gptcache CASCADE")

    again = member("ann")

    assert again.get(key("a")) is None


def test_a_pooler_changes_nothing(member: Member, pgbouncer: PgBouncer, team_database: Database) -> None:
    ann, bob = member("ann", pgbouncer.url(team_database)), member("bob", pgbouncer.url(team_database))
    for number in range(50):
        ann.put(make_entry(f"n{number}"), GPT)
    sent(ann)

    assert all(bob.get(key(f"n{number}")) is not None for number in range(50))
    assert bob.database.pooled


def test_the_password_is_nowhere_in_the_file(member: Member, team_database: Database) -> None:
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann)
    ann.close()

    for file in Path(ann.where).iterdir():
        assert PASSWORD.encode() not in file.read_bytes()


def test_an_equal_answer_after_the_first_has_expired_is_found_by_all(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a", created=NOW - 20, expires=NOW - 10), GPT)
    sent(ann)
    ann.put(make_entry("a", created=NOW, expires=NOW + 1000), GPT)
    sent(ann)

    found = bob.get(key("a"))
    assert found is not None
    assert found.expires == NOW + 1000


def test_what_a_kernel_stores_later_wins_though_its_clock_went_back(member: Member) -> None:
    ann, bob = member("ann"), member("bob")
    ann.put(make_entry("a", b"first", created=200), GPT)
    sent(ann)
    ann.put(make_entry("a", b"second", created=100, expires=150), GPT)

    assert ann.get(key("a")).answer == b"second"  # type: ignore[union-attr]
    sent(ann)
    assert ann.get(key("a")).answer == b"second"  # type: ignore[union-attr]
    assert bob.get(key("a")).answer == b"second"  # type: ignore[union-attr]


def test_two_addresses_of_one_database_are_one_team(member: Member, team_database: Database) -> None:
    other = team_database.url.replace("127.0.0.1", "localhost")
    ann, bob = member("ann"), member("bob")
    for name in "ab":
        ann.put(make_entry(name), GPT)
    sent(ann).close()
    ann = member("ann", other)
    assert ann.get(key("a")) is not None
    assert bob.get(key("a")) is not None
    assert bob.get(key("b")) is not None

    assert bob.remove(Selection(ids=[key("a")])) == 1

    assert at_once(ann).get(key("a")) is None
    assert ann.clear() == 1
    assert at_once(bob).get(key("b")) is None


def test_what_waits_for_a_team_is_sent_by_any_of_its_addresses(member: Member, team_database: Database) -> None:
    other = team_database.url.replace("127.0.0.1", "localhost")
    ann = sent(member("ann"))
    team_database.server.stop()
    ann.put(make_entry("a"), GPT)
    with pytest.raises(StoreError, match="1 answer waits"):
        ann.close()
    away = member("ann", other)
    away.put(make_entry("b"), GPT)
    assert away.waiting() == {"entry": 1}
    team_database.server.start()
    away.connect()

    sent(away)

    bob = member("bob")
    assert bob.get(key("a")) is not None
    assert bob.get(key("b")) is not None
    assert away.remove(Selection(ids=[key("b")])) == 1
    assert at_once(bob).get(key("b")) is None
    assert not sent(member("ann")).waiting()


def test_another_database_at_one_of_two_addresses_is_another_team(member: Member, team_database: Database) -> None:
    other = team_database.url.replace("127.0.0.1", "localhost")
    ann = member("ann")
    ann.put(make_entry("a"), GPT)
    sent(ann).close()
    member("ann", other).close()
    team_database.ask("DROP SCHEMA gptcache CASCADE")

    again = member("ann", other)

    assert again.get(key("a")) is None
    again.put(make_entry("b"), GPT)
    sent(again).close()
    assert member("ann").get(key("b")) is not None
