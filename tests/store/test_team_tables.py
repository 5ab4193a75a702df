"""A team's tables, read without a file: they say what the member's own say who has stored everything."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gptcache_magics import bundle
from gptcache_magics.errors import CommandError, StoreError, TeamAway
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.tables import TeamTables
from gptcache_magics.store.protocol import Lookup, Near, Outcomes, Period, Selection, Store, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.tables import frames
from gptcache_magics.testing.samples import CLAUDE, GPT, NOON, key, lookup, make_entry
from tests.support.postgres import PASSWORD, Database, PgBouncer
from tests.support.waiting import wait_until

EVERYTHING = Selection()
DAY = 86_400.0
CHAT = json.dumps([{"lc": 1, "type": "constructor", "id": ["x", "HumanMessage"], "kwargs": {"content": "Wie geht's?"}}])


@pytest.fixture
def member(team_database: Database, tmp_path: Path) -> Iterator[TeamStore]:
    """Return the folder of a member who has stored everything."""
    store = TeamStore(tmp_path / "ann", Address.parse(team_database.url))
    store.open()
    store.put(make_entry("a", b"first", created=NOON - 10), GPT)
    wait_until(lambda: not store.waiting())
    fill(store)
    wait_until(lambda: not store.waiting())
    yield store
    store.close()


@pytest.fixture
def tables(member: TeamStore, team_database: Database) -> Iterator[TeamTables]:
    """Return the team's tables."""
    tables = TeamTables(Address.parse(team_database.url))
    tables.open()
    yield tables
    tables.close()


def fill(store: TeamStore) -> None:
    usage = Usage(40_000, 20, 10, None)
    store.put(make_entry("a", b"1" * 10, tags=" draft ", seconds=1.5, usage=usage, shape=key("s")[:16]), GPT)
    store.put(make_entry("b", b"2" * 20, created=NOON + 10, question="Wo liegt Zürich?", ignored="date id "), GPT)
    store.put(
        make_entry("c", b"3" * 30, CLAUDE, created=NOON + 20, prompt="half \ud800 a pair\0", expires=NOON), CLAUDE
    )
    store.put(make_entry("d", b"4" * 40, CLAUDE, created=NOON + 30, prompt=CHAT, prompt_digest=key("d")[16:]), CLAUDE)
    rows = [replace_at(number, each) for number, each in enumerate(looked_up(), 1)]
    store.record(rows, [GPT, CLAUDE], 10_000)
    store.put_label(key("z"), Near(key("b"), 0.91, "e/4"), False)
    store.put_vectors("e/4", [(key("a"), "0f" * 16, b"\0\0\0?" * 4)])


def looked_up() -> Iterator[Lookup]:
    paid = Usage(100, 7, None, None)
    yield lookup(1, "miss", "a", reason=Reason(Kind.FIRST), usage=Usage(40_000, 20, 10, None), seconds=1.5)
    yield lookup(2, "hit", "a", match="exact", usage=paid, seconds=0.0, lookup_seconds=0.001)
    yield lookup(3, "hit", "b", match="semantic", asked=key("z"), near=Near(key("b"), 0.91, "e/4"), question="Zurich?")
    yield lookup(4, "miss", "e", reason=Reason(Kind.NOT_STORED, "cut off"), usage=paid, seconds=2.25)
    yield lookup(5, "bypass", "f", reason=Reason(Kind.MODE, "bypass"), mode="bypass", usage=paid)
    yield lookup(6, "error", "g", reason=Reason(Kind.ERROR, "disk full"))
    for number in range(7, 30):
        yield lookup(number, "hit", "a", match="exact", usage=paid, seconds=0.5, lookup_seconds=0.002)


def replace_at(number: int, each: Lookup) -> Lookup:
    """Return a lookup of one of several days, cells and runs, in winter and in summer."""
    of = GPT if number % 3 else CLAUDE
    places = {
        "notebook": f"{number % 2}.ipynb",
        "cell_line": f"ask({number % 4})",
        "execution_count": number % 4 or None,
    }
    at = NOON + number * 7 * DAY + (number % 5) * 5_000
    return replace(each, at=at, run=f"run {number % 2}", configuration=of.key, cell_id=f"{number}", **places)  # type: ignore[arg-type]


def without_author(rows: Any) -> list[Any]:
    return [row._replace(author="") for row in rows]


SELECTIONS = [
    EVERYTHING,
    Selection(ids=[]),
    Selection(ids=[key("a"), key("b")[:16], key("c")[:3]]),
    Selection(ids=[key("d")[:4]]),
    Selection(configurations=[GPT.key]),
    Selection(configurations=[]),
    Selection(tag="draft"),
    Selection(tag="dra"),
    Selection(pinned=True),
    Selection(pinned=False),
    Selection(older_than=NOON + 10),
    Selection(unused_since=NOON + DAY),
    Selection(expired_at=NOON + 1),
    Selection(prompt_digest=key("d")[16:]),
    Selection(shape=key("s")[:16]),
    Selection(grep="zürich"),
    Selection(grep=r"^half|geht's"),
    Selection(grep="constructor"),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=repr)
def test_the_same_entries_are_selected(tables: TeamTables, member: TeamStore, selection: Selection) -> None:
    assert without_author(tables.entries(selection)) == without_author(member.entries(selection))
    assert tables.count(selection) == member.count(selection)
    assert tables.entries(selection, 1) == tables.entries(selection)[:1]


PERIODS = [
    Period(),
    Period(run="run 1"),
    Period(run="nobody's"),
    Period(after=NOON + 60 * DAY),
    Period(after=NOON + 60 * DAY, run="run 0"),
    Period(near=True),
    Period(asked=key("z")),
    Period(asked=key("a")),
    Period(key=key("a")),
    Period(question="Zurich?"),
]


@pytest.mark.parametrize("period", PERIODS, ids=repr)
def test_the_same_lookups_are_read(tables: TeamTables, member: TeamStore, period: Period) -> None:
    ours, theirs = member.lookups(period), tables.lookups(period)

    assert [row._replace(number=0) for row in without_author(theirs)] == [row._replace(number=0) for row in ours]
    assert {row.author for row in theirs} <= {"postgres"}
    assert tables.lookups(period, 2) == theirs[:2]
    of_ours, of_theirs = member.outcomes(period), tables.outcomes(period)
    for name in (each.name for each in fields(Outcomes) if each.name != "number"):
        assert list(getattr(of_theirs, name)) == list(getattr(of_ours, name)), name
    assert of_theirs.number == [row.number for row in theirs]
    if theirs:
        assert tables.lookups(Period(number=theirs[-1].number)) == theirs[-1:]
        assert tables.lookups(Period(below=theirs[0].number, run=period.run, after=period.after))


@pytest.mark.parametrize("period", [*PERIODS[:5], Period(after=NOON + 210 * DAY)], ids=repr)
@pytest.mark.parametrize("by", ["model", "configuration", "day", "cell", "notebook", "cause", "total"])
def test_the_same_figures_are_made(
    tables: TeamTables, member: TeamStore, by: frames.By, period: Period, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FEW", 0)  # from sums

    ours, theirs = (frames.stats(each, by, period=period, wide=True) for each in (member, tables))

    assert theirs.sort_index().round(9).equals(ours.sort_index().round(9))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"])
def test_days_are_those_of_the_reader_also_when_clocks_change(
    tables: TeamTables, member: TeamStore, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        days = [datetime.fromtimestamp(row.at).strftime("%Y-%m-%d") for row in member.lookups(Period())]
        sums = tables.sums(Period(), cells=False)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert sum(each.lookups for each in sums) == len(days)
    assert {each.day: 0 for each in sums} == dict.fromkeys(days, 0)


def test_everything_else_is_the_same(tables: TeamTables, member: TeamStore) -> None:
    def sorted_of(rows: Any) -> list[Any]:
        return sorted(rows, key=repr)

    assert tables.configurations() == member.configurations()
    assert [astuple(each) for each in tables.configurations()] == [astuple(each) for each in member.configurations()]
    for name in ("contents", "tallies", "ignored"):
        assert sorted_of(getattr(tables, name)()) == sorted_of(getattr(member, name)()), name
    assert tables.history(key("a")) == member.history(key("a"))
    assert sorted_of(tables.questions(None, 10)) == sorted_of(member.questions(None, 10))
    assert tables.questions(CLAUDE.key, 1) == member.questions(CLAUDE.key, 1)
    asked = [key(name)[:16] for name in "abz"]
    assert sorted_of(tables.questions_of(asked)) == sorted_of(member.questions_of(asked))
    assert tables.labels() == member.labels()
    assert tables.judged_wrong(key("z")) == member.judged_wrong(key("z")) == {key("b")[:16]}
    assert [each[:2] for each in tables.embedders()] == [("e/4", 1)]
    assert tables.generation() == 0
    for name in "az":
        ours, theirs = member.get(key(name)), tables.get(key(name))
        assert (ours is None) == (theirs is None)
        assert ours is None or theirs is None or astuple(ours) == astuple(theirs)
    assert not tables.notices


def test_a_store_is_all_of_it(tables: TeamTables) -> None:
    whole: Store = tables

    assert isinstance(whole, Store)


def test_nothing_can_be_written(tables: TeamTables, team_database: Database) -> None:
    before = team_database.ask("SELECT count(*), max(newest) FROM gptcache.entry, gptcache.space")
    writes: list[Callable[[], object]] = [
        lambda: tables.put(make_entry("a"), GPT),
        lambda: tables.put_all([make_entry("a")], [GPT], replace=True),
        tables.clear,
        lambda: tables.remove(EVERYTHING),
        tables.undo,
        lambda: tables.evict(0),
        lambda: tables.change(EVERYTHING, pinned=True),
        tables.forget_lookups,
        lambda: tables.record([], [], 10),
        lambda: tables.put_causes({}),
        lambda: tables.put_shapes({}),
        lambda: tables.put_vectors("e/4", []),
        lambda: tables.put_probe("e", b""),
        lambda: tables.choose_threshold("e", 0.5),
        lambda: tables.put_label(key("a"), Near(key("b"), 0.5, "e"), True),
    ]
    for write in writes:
        with pytest.raises(StoreError, match=r"only read here\. To change them: %gptcache on postgresql://"):
            write()
    assert team_database.ask("SELECT count(*), max(newest) FROM gptcache.entry, gptcache.space") == before


def test_reading_makes_nothing_in_an_empty_database(team_database: Database) -> None:
    with pytest.raises(StoreError, match=r"There is no store at .* team init") as raised:
        TeamTables(Address.parse(team_database.url)).open()

    assert PASSWORD not in str(raised.value)
    assert team_database.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'gptcache'") == [(0,)]


def test_a_space_in_which_nothing_is_is_said_with_the_others(member: TeamStore, team_database: Database) -> None:
    tables = TeamTables(Address.parse(team_database.url, "clas"))
    tables.open()

    assert not tables.entries(EVERYTHING)
    assert "There is nothing in the space clas of" in tables.notices[0]
    assert tables.notices[0].endswith("Others: default.")
    tables.close()


def test_a_server_that_is_away_is_one_sentence(tables: TeamTables, team_database: Database) -> None:
    team_database.server.stop()
    for read in (lambda: tables.entries(EVERYTHING), tables.configurations, lambda: tables.sums(Period(), cells=True)):
        with pytest.raises(TeamAway, match="is away") as raised:
            read()
        assert PASSWORD not in str(raised.value)

    team_database.server.start()
    assert tables.entries(EVERYTHING)


def test_a_pooler_changes_nothing(member: TeamStore, pgbouncer: PgBouncer, team_database: Database) -> None:
    direct, pooled = (TeamTables(Address.parse(url)) for url in (team_database.url, pgbouncer.url(team_database)))
    for _ in range(5):
        assert pooled.entries(EVERYTHING) == direct.entries(EVERYTHING)
        assert pooled.lookups(Period()) == direct.lookups(Period())
        assert pooled.sums(Period(), cells=False) == direct.sums(Period(), cells=False)
    direct.close(), pooled.close()


HOSTILE = {
    "a bomb": "UPDATE gptcache.entry SET answer = '\\x789c0000', digest = digest + 1 WHERE id = {a}",
    "another key": "UPDATE gptcache.entry SET key = key || '\\x'::bytea, prompt = '\\x00' WHERE id = {a}",
    "no JSON": "UPDATE gptcache.configuration SET parameters = 'nonsense', label = '<b>'",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_rows_are_skipped_and_counted(
    tables: TeamTables, team_database: Database, name: str, tmp_path: Path
) -> None:
    a = int.from_bytes(bytes.fromhex(key("a")[:16]), "big", signed=True)
    team_database.ask(HOSTILE[name].format(a=a))

    rows = frames.entries(tables)
    frames.models(tables), frames.stats(tables), frames.lookups(tables)

    left = {"a bomb": "bcd", "another key": "bcd", "no JSON": "abcd"}[name]
    found = {row.key for row in tables.entries(EVERYTHING)}
    assert found == {key(each) for each in left}
    assert len(rows) == 0  # the answers of this test are no generations
    assert bundle.save(tables, EVERYTHING, tmp_path / "all.jsonl").entries == 0
    assert any("damaged entries were skipped" in each for each in tables.notices)


def test_a_reason_of_a_later_version_is_read_without_it(tables: TeamTables, team_database: Database) -> None:
    team_database.ask("UPDATE gptcache.lookup SET reason_kind = 'of 2030', near = 5, objection_kind = 'of 2030'")

    assert len(frames.lookups(tables)) == 29
    assert frames.stats(tables, "cause")["lookups"].sum() == 29


def test_a_pattern_that_is_none_is_refused(tables: TeamTables) -> None:
    with pytest.raises(CommandError, match="--grep takes a regular expression"):
        tables.entries(Selection(grep="("))


def test_more_rows_than_fit_into_one_answer_are_all_read(tables: TeamTables, team_database: Database) -> None:
    team_database.ask(
        """INSERT INTO gptcache.lookup SELECT l.space, l.at + n, 0, l.run, 1000 + n, l.outcome, l.reason_kind,
        l.reason_detail, l.mode, l.match, l.configuration, l.entry, l.asked, l.near, l.similarity, l.embedder,
        l.objection_kind, l.objection_guard, l.objection_detail, l.prompt_digest, l.lookup_seconds, l.seconds,
        l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.notebook, l.cell, l.cell_line,
        l.execution_count FROM gptcache.lookup l, generate_series(1, 3000) n WHERE l.number_in_run = 1"""
    )

    assert len(tables.lookups(Period())) == 3_029
    assert len(tables.outcomes(Period()).at) == 3_029
    assert sum(each.lookups for each in tables.sums(Period(), cells=True)) == 3_029


def test_the_figures_of_members(tables: TeamTables, team_database: Database) -> None:
    url = team_database.role("bea")
    team_database.ask("GRANT USAGE ON SCHEMA gptcache TO bea")
    team_database.ask("GRANT ALL ON ALL TABLES IN SCHEMA gptcache TO bea")
    team_database.ask("GRANT ALL ON ALL FUNCTIONS IN SCHEMA gptcache TO bea")
    rows = tables.lookups(Period(), 3)
    from gptcache_magics.store.postgres.database import TeamDatabase

    bea = TeamDatabase(Address.parse(url))
    bea.record([row._replace(run="bea's") for row in rows], [])
    bea.close()

    authors = dict(tables.sums_of_authors(Period()))
    assert set(authors) == {"bea", "postgres"}
    assert sum(each.lookups for author, each in tables.sums_of_authors(Period()) if author == "bea") == 3
