"""``--at postgresql://…``: what a person reads of a team's store without turning a cache on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.store.postgres.address import Address
from tests.support.postgres import PASSWORD, Database
from tests.support.shell import Typist, ask
from tests.support.team import all_is_sent

COMMANDS = [
    "stats",
    "models",
    "entries",
    "lookups",
    "show a",
    "why",
    "save all.jsonl",
    "panel --static",
    "tune",
    "doctor",
]


@pytest.fixture
def at(magic: Typist, team_database: Database, tmp_path: Path) -> Iterator[str]:
    """Ask three questions as a member, and return the options that name the team's store."""
    magic.told(f"on {team_database.url} --space class")
    for question in ("Capital of France?", "Capital of Spain?", "Capital of France?", "Capital of Peru?"):
        ask(question)
    all_is_sent()
    magic.told("off")
    yield f"--at {team_database.url} --space class"
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in file.read_bytes(), file


def test_every_table_is_read_without_a_cache(magic: Typist, at: str, team_database: Database) -> None:
    shown = Address.parse(team_database.url).shown

    stats = magic(f"stats {at}")
    assert stats[["lookups", "hits", "misses"]].iloc[0].tolist() == [4, 1, 3]
    assert magic(f"models {at}")["entries"].tolist() == [3]
    entries = magic(f"entries {at}")
    assert entries["question"].tolist() == ["Capital of Peru?", "Capital of Spain?", "Capital of France?"]
    assert set(entries["author"]) == {"postgres"}
    assert len(magic(f"entries {at} --grep spain")) == 1
    assert magic(f"entries {at} --grep spain --in answer").empty
    assert len(magic(f"entries {at} --grep 'answer [0-9]' --in answer -n 2")) == 2
    lookups = magic(f"lookups {at}")
    assert lookups["outcome"].tolist() == ["miss", "hit", "miss", "miss"]
    assert set(lookups["author"]) == {"postgres"}
    assert "by postgres" in repr(magic(f"show {entries.index[0]} {at}"))
    assert "Capital of Peru?" in repr(magic(f"why {at}"))
    assert "Capital of Spain?" in repr(magic(f"why {lookups.index[2]} {at}"))
    assert "Capital of Peru?" in magic(f"panel --static {at}")._repr_html_()
    assert shown in repr(magic(f"doctor {at}"))
    assert magic(f"doctor {at}").to_frame()["ok"].iloc[-1]
    assert gm.current() is None
    assert "panel of" in repr(magic(f"panel {at}"))


def test_python_reads_the_same(at: str, magic: Typist, team_database: Database) -> None:
    assert gm.entries(at=team_database.url, space="class").equals(magic(f"entries {at}"))
    assert gm.stats(at=team_database.url, space="class").equals(magic(f"stats {at}"))


def test_a_team_leaves_with_all_its_answers(magic: Typist, at: str, tmp_path: Path) -> None:
    saved = magic.told(f"save all.jsonl --all {at}")

    assert saved.startswith("Saved 3 entries to all.jsonl")
    magic.told("on elsewhere")
    assert "3" in magic.told("load all.jsonl")
    before = len(magic("lookups"))
    ask("Capital of Peru?")
    assert magic("lookups")["outcome"].iloc[0] == "hit"
    assert len(magic("lookups")) == before + 1


def test_a_kernel_that_is_on_knows_the_space_and_the_password(magic: Typist, at: str, team_database: Database) -> None:
    magic.told(f"on {team_database.url} --space class")
    shown = Address.parse(team_database.url).shown

    assert len(magic(f"entries --at {shown}")) == 3
    assert gm.entries(at=shown, space="other").empty
    assert magic("lookups").empty


def test_a_line_about_the_wrong_place_is_refused_in_a_sentence(magic: Typist, team_database: Database) -> None:
    wrong = team_database.url.replace(PASSWORD, "correct-horse-8")
    for command in COMMANDS:
        assert "no store" in magic.refused(f"{command} --at {team_database.url}")
        refused = magic.refused(f"{command} --at {wrong}")
        assert "refuses the role or its password" in refused
        assert "correct-horse-8" not in refused
        assert "--space is about a team's store" in magic.refused(f"{command} --space class")
        assert "--space is about a team's store" in magic.refused(f"{command} --at .gptcache --space class")
    team_database.server.stop()
    for command in COMMANDS:
        refused = magic.refused(f"{command} --at {team_database.url}")
        assert "is away: nobody listens there" in refused
        assert PASSWORD not in refused


def test_figures_by_author_are_those_of_the_team(magic: Typist, at: str, team_database: Database) -> None:
    url = team_database.role("bea")
    for kind in ("TABLES", "FUNCTIONS"):
        team_database.ask(f"GRANT ALL ON ALL {kind} IN SCHEMA gptcache TO bea")
    team_database.ask("GRANT USAGE ON SCHEMA gptcache TO bea")
    magic.told(f"on {url} --space class")
    for question in ("Capital of Peru?", "Capital of Chile?"):
        ask(question)

    stats = magic("stats --by author --wide")

    assert stats.index.name == "author"
    assert stats[["lookups", "hits", "misses"]].to_dict("index") == {
        "postgres": {"lookups": 4, "hits": 1, "misses": 3},
        "bea": {"lookups": 2, "hits": 1, "misses": 1},
    }
    assert stats["median_lookup_ms"].notna().all()
    assert magic(f"stats --by author {at}").equals(stats[list(magic("stats").columns)])
    assert magic("stats --by author -m small-model")["lookups"].sum() == 6
    assert magic("stats --by author --since 1h")["lookups"].sum() == 6
    assert magic("stats")["lookups"].sum() == 2


def test_without_a_team_nobody_knows_who_asked(magic: Typist) -> None:
    assert "The cache is off" in magic.refused("stats --by author")
    magic.told("on")
    ask("Capital of Peru?")
    for line in ("stats --by author", "stats --by author --at .gptcache"):
        assert "nly a team's store knows who asked" in magic.refused(line)
    cache = gm.current()
    assert cache is not None
    with pytest.raises(gm.GPTCacheMagicsError, match="Only a team's store knows who asked"):
        cache.stats("author")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gptcache_magics", *words], capture_output=True, text=True, check=False
    )


def test_a_shell_reads_it_too_and_shows_no_password(magic: Typist, at: str, team_database: Database) -> None:
    entries = run("entries", "--json", *at.split())
    assert [row["author"] for row in json.loads(entries.stdout)] == ["postgres"] * 3

    why = run("why", *at.split())
    assert PASSWORD not in why.stdout + why.stderr
    assert why.returncode == 0

    nothing = run("entries", "--at", team_database.url, "--space", "clas")
    assert nothing.stdout.startswith("No entries in ")
    assert PASSWORD not in nothing.stdout
    assert "There is nothing in the space clas" in nothing.stderr
    assert "Others: class." in nothing.stderr

    typo = run("show", "ffff", *at.split())
    assert "--space class" in typo.stderr
    assert PASSWORD not in typo.stderr


def test_a_configured_team_is_not_shown_with_its_password(
    magic: Typist, team_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", team_database.url)

    stats = run("stats")

    assert stats.returncode == 2
    assert stats.stderr.startswith("There is no store in .gptcache here.")


def test_doctor_names_what_is_too_large_to_be_compared(magic: Typist, at: str, team_database: Database) -> None:
    team_database.run(
        """INSERT INTO gptcache.entry (space, id, key, configuration, created, digest, bytes, question, answer, prompt)
        SELECT 'class', ('x' || encode(substr(k, 1, 8), 'hex'))::bit(64)::int8, k, c.key, 0, 0, 0, '', '', ''
        FROM (SELECT decode(md5(n::text), 'hex') AS k FROM generate_series(1, 10001) n) keys,
        (SELECT key FROM gptcache.configuration WHERE space = 'class' LIMIT 1) c;
        INSERT INTO gptcache.vector (space, id, embedder, context, vector)
        SELECT space, id, 'minilm/384', decode(md5('context'), 'hex'), '\\x0000' FROM gptcache.entry WHERE bytes = 0"""
    )

    said = repr(gm.doctor(at=team_database.url, space="class"))

    assert "! matching at the team: small-model (minilm/384): 10,001 questions. Only the newest 10,000 of each" in said
    magic.told(f"on {team_database.url} --space class")
    assert "10,001 questions" in repr(gm.doctor())
