"""``%gptcache on postgresql://…``: what a person types and reads, with a real PostgreSQL."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import gptcache_magics as gm
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.testing.samples import key
from tests.support.postgres import PASSWORD, Database
from tests.support.shell import Typist, ask
from tests.support.team import all_is_sent, team_store
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def shown_nowhere(ip: InteractiveShell, tmp_path: Path) -> Iterator[None]:
    """Look for the password in every file at the end."""
    yield
    if gm.current() is not None:
        gm.off()
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in file.read_bytes(), file


def test_a_colleague_pays_nothing_for_what_was_asked(magic: Typist, team_database: Database, tmp_path: Path) -> None:
    line = magic.told(f"on {team_database.url} --space class")
    shown = Address.parse(team_database.url).shown
    assert line.startswith(f"Cache on: .gptcache and the team's store {shown}, space class; 0 entries here.")
    paid = ask("What is the capital of France?")
    all_is_sent()
    magic.told("off")

    os.rename(".gptcache", "of a colleague")
    magic.told(f"on {team_database.url} --space class")

    assert ask("What is the capital of France?") == paid
    status = magic("status")
    assert f"{shown}, space class, as postgres" in status.team
    assert PASSWORD not in repr(status) + repr(gm.current())
    assert magic("entries")["author"].tolist() == ["postgres"]
    assert "by postgres" in repr(gm.show(magic("entries").index[0]))
    assert magic("lookups")["author"].isna().all()
    assert magic("lookups")["reason"].tolist() == ["from the team: postgres"]
    assert "A hit from the team: postgres: the answer was stored" in repr(magic("why"))
    assert magic.told("off").startswith("Cache off. This run: 1 hit")


def test_the_badge_says_whose_answer_it_was(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url}")
    ask("What is the capital of France?")
    all_is_sent()
    magic.told("off")
    os.rename(".gptcache", "of a colleague")
    magic.told(f"on {team_database.url}")
    magic.ip.user_ns["ask"] = ask

    assert "1 hit (1 from the team: postgres)" in magic.cell("ask('What is the capital of France?')")
    assert "from the team" not in magic.cell("ask('What is the capital of France?')")


def test_the_same_address_again_keeps_the_cache(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url} --space class")
    before = gm.current()

    magic.told(f"on {team_database.url}")
    magic.told(f"on {team_database.url} --space class")
    assert gm.current() is before

    for line in (f"on {team_database.url} --space other", "on elsewhere", f"on {team_database.url}?connect_timeout=3"):
        refused = magic.refused(line)
        assert refused.startswith("The cache is on at .gptcache and the team's store")
        assert "%gptcache off, then %gptcache on" in refused
        assert PASSWORD not in refused


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://postgres:correct-horse-8@{place}", "password"),
        (f"postgresql://nobody-here:{PASSWORD}@{{place}}", "nobody-here"),
        (f"postgresql://postgres:{PASSWORD}@no-such-host.invalid/x", "no-such-host.invalid"),
        (f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/x", "127.0.0.1:1"),
    ],
)
def test_a_team_that_cannot_be_used_is_said_and_the_folder_works(
    magic: Typist, team_database: Database, url: str, told: str
) -> None:
    line = magic.told("on " + url.format(place=f"127.0.0.1:{team_database.server.port}/{team_database.name}"))

    assert line.startswith("Cache on: .gptcache and the team's store")
    assert told in line
    assert PASSWORD not in line
    assert "correct-horse-8" not in line
    assert ask("What is the capital of Spain?") == ask("What is the capital of Spain?")
    off = magic.told("off")
    assert off.startswith("Cache off.")
    assert "to be sent" in off


def test_an_address_that_cannot_be_read_turns_nothing_on(magic: Typist) -> None:
    refused = magic.refused(f"on postgresql://ann:{PASSWORD}@db/class?nonsense=1")

    assert "nonsense" in refused
    assert PASSWORD not in refused
    assert gm.current() is None


def test_space_needs_a_team(magic: Typist) -> None:
    assert magic.refused("on --space class").startswith("on: --space is about a team's store.")
    assert magic.refused("on folder --pooled").startswith("on: --pooled is about a team's store.")


def test_without_psycopg_nothing_is_on(magic: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    assert 'pip install "gptcache-magics[team]"' in magic.refused("on postgresql://db/class")
    assert gm.current() is None


def test_clear_asks_and_clears_for_everybody(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url}")
    ask("What is the capital of Italy?")
    all_is_sent()

    assert "everybody" in magic.refused("clear")
    assert team_database.ask("SELECT count(*) FROM gptcache.entry") == [(1,)]

    assert "cleared for everybody" in magic.told("clear --yes")
    assert team_database.ask("SELECT count(*) FROM gptcache.entry") == [(0,)]
    assert magic.told("undo") == "1 entry came back."
    wait_until(lambda: team_database.ask("SELECT count(*) FROM gptcache.entry") == [(1,)])


def test_remove_with_a_selection_reaches_what_only_the_team_has(
    magic: Typist, team_database: Database, tmp_path: Path
) -> None:
    magic.told(f"on {team_database.url}")
    for place in ("Italy", "Spain", "Malta"):
        ask(f"What is the capital of {place}?")
    ask("Which river is longest?")
    all_is_sent()
    magic.told("off")
    os.rename(".gptcache", "of a colleague")
    magic.told(f"on {team_database.url}")
    ask("What is the capital of Italy?")
    ask("Which river is longest?", model="gpt-4o")
    all_is_sent()
    (model,) = {*gm.lookups()["model"]} - {"gpt-4o"}

    listed = magic("remove --grep capital --dry-run")
    assert sorted(listed["question"]) == [f"What is the capital of {place}?" for place in ("Italy", "Malta", "Spain")]
    assert left(team_database) == 5
    said = magic.told("remove --grep Malta --yes")
    assert said.endswith(" At the team, for everybody: 1 entry, 1 of them not here, which do not come back.")
    assert left(team_database) == 4
    id = magic("entries --grep Italy").index[0]
    magic.told(f"pin {id}")

    said = magic.told(f"remove --model {model} --yes")

    assert said.startswith("0 entries removed")
    assert "At the team, for everybody: 2 entries, 2 of them not here" in said
    assert left(team_database) == 2, "the pinned one and that of another model stay"
    assert magic.told("remove --grep nothing --yes") == "Nothing to remove."
    assert magic.told("remove --grep longest --in answer") == "Nothing to remove."
    assert len(magic("remove --grep 'answer [0-9]' --in answer --dry-run")) == 1
    assert "1 entry. Bring it back" in magic.told(f"remove {id}")
    team_database.server.stop(at_once=True)
    assert "Nothing was removed" in magic.refused("remove --grep river --yes")
    assert len(magic("entries")) == 1


def left(database: Database) -> int:
    """Return the number of entries that the team has."""
    return int(database.ask("SELECT count(*) FROM gptcache.entry")[0][0])


def test_a_team_that_refuses_is_not_called_away(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url_of('nobody-here', 'wrong')}")
    ask("What is the capital of Peru?")
    team = gm.status().team
    assert "cannot be used (see Warnings): 1 answer waits to be sent" in team
    assert "sent when that is mended" in team
    assert "away" not in team


def test_a_lost_team_is_said_and_replay_names_it(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url}")
    ask("What is the capital of Peru?")
    all_is_sent()
    team_database.server.stop(at_once=True)

    ask("What is the capital of Chile?")
    assert "the team's store is away" in gm.lookups()["reason"].iloc[0]
    wait_until(lambda: bool(team_store().trouble))
    assert re.search(r"away since \d\d:\d\d: 1 answer waits to be sent", gm.status().team)
    with gm.using(mode="replay"), pytest.raises(gm.CacheMiss, match="the team's store is away"):
        ask("What is the capital of Cuba?")
    assert ask("What is the capital of Peru?")

    team_database.server.start()
    wait_until(lambda: not team_store().waiting())
    assert "waits" not in gm.status().team


def test_the_place_of_config_and_environment_may_be_a_team(
    magic: Typist, team_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", team_database.url)
    line = magic.told("on --space class")

    assert "space class" in line
    assert PASSWORD not in line
    assert team_store().where.endswith(".gptcache")


def test_a_line_that_names_the_password_is_kept_without_it(
    ip: InteractiveShell, magic: Typist, team_database: Database
) -> None:
    ip.user_ns["ask"] = ask
    ip.run_cell(f"ask('before')  # {team_database.url}").raise_error()
    magic.told(f"on {team_database.url}")
    ip.run_cell(f"ask('q'); url = {team_database.url!r}").raise_error()
    all_is_sent()

    assert PASSWORD not in magic("lookups").to_string()
    assert team_database.ask(
        "SELECT count(*) FROM gptcache.lookup WHERE l::text LIKE %s".replace("l::", "lookup::"), f"%{PASSWORD}%"
    ) == [(0,)]


def test_doctor_checks_the_team(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url}")

    assert "a round trip takes" in repr(gm.doctor())
    assert "✓ matching at the team: no more than 10,000 questions are compared" in repr(gm.doctor())
    team_database.server.stop()
    said = repr(gm.doctor())
    assert "the team" in said
    assert PASSWORD not in said


def test_a_cache_by_hand_has_a_team(team_database: Database) -> None:
    import pickle

    cache = gm.GPTCache(store=team_database.url, space="class")
    try:
        assert PASSWORD not in repr(cache)
        assert PASSWORD.encode() not in pickle.dumps(cache)
        assert "space class" in repr(cache)
        assert cache.store.get(key("a")) is None
    finally:
        cache.close()
        cache.store.close()
