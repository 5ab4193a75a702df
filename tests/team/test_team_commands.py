"""``python -m gptcache_magics team``: what whoever runs the server types, with a real PostgreSQL and its ``psql``."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gptcache_magics import __main__ as shell
from gptcache_magics.errors import StoreError
from gptcache_magics.testing.samples import GPT, key, lookup, make_entry
from tests.support.network import SilentServer
from tests.support.postgres import PASSWORD, Database, PgBouncer

pytest.importorskip("psycopg")

from psycopg import connect

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.postgres.roles import role_of
from gptcache_magics.store.postgres.schema import MONDAY, VERSION, WEEK
from gptcache_magics.store.protocol import LabelRow, Period
from gptcache_magics.store.sqlite.store import SQLiteStore

pytestmark = pytest.mark.slow

DAY = 24 * 3600.0
NOW = time.time()


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Type a line in a shell."""
    ran = subprocess.run(
        [sys.executable, "-m", "gptcache_magics", "team", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert PASSWORD not in ran.stdout + ran.stderr
    return ran


def told(*words: str) -> str:
    """Type a line that works, and return what it shows."""
    ran = run(*words)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def connected(url: str, space: str = "default") -> TeamDatabase:
    team = TeamDatabase(Address.parse(url, space, pooled=False))
    team.connect()
    return team


def looked_up(*moments: float) -> list[Any]:
    """Return rows of lookups at these moments, each of a question of its own that is not stored."""
    local = SQLiteStore(":memory:")
    lookups = [lookup(number, "miss", f"{at:.0f}", at=at) for number, at in enumerate(moments, 1)]
    local.record(lookups, [GPT], 100)
    rows = list(local.lookups(Period()))
    local.close()
    return rows


def test_what_init_prints_makes_a_store_that_a_writer_turns_on(team_database: Database, tmp_path: Path) -> None:
    printed = told("init", team_database.url, "--space", "class")
    for _ in range(2):  # it may be run again
        team_database.run(printed)
    writer = team_database.role("writer", role_of("class", "writer"))
    told_by = subprocess.run(
        [sys.executable, "-c", TURNED_ON, writer], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert told_by.stderr == ""
    assert "space class" in told_by.stdout
    assert team_database.ask("SELECT space, author FROM gptcache.entry") == [("class", "writer")]
    assert team_database.ask("SELECT version FROM gptcache.schema") == [(VERSION,)]


TURNED_ON = """
import sys
import gptcache_magics as gm
from langchain_core.language_models import FakeListChatModel
print(gm.on(sys.argv[1], space="class"))
FakeListChatModel(responses=["Paris"]).invoke("What is the capital of France?")
gm.off()
"""


def test_a_reader_of_what_init_prints_may_not_write_and_a_stranger_sees_nothing(team_database: Database) -> None:
    team_database.run(told("init", team_database.url))
    connected(team_database.url).put([make_entry("a")], [GPT])

    reader = connected(team_database.role("reader", role_of("default", "reader")))
    assert reader.readonly
    assert reader.find(key("a")).entry is not None
    stranger = run("status", team_database.role("stranger"))
    assert stranger.returncode == 2
    assert stranger.stderr.startswith("The role stranger may not use the store at ")
    assert " team init " in stranger.stderr


def test_an_owner_who_is_no_superuser_makes_a_store_and_prunes_it(team_database: Database) -> None:
    """As those whom managed services make."""
    owner = team_database.role("boss")
    team_database.ask("ALTER ROLE boss CREATEROLE")
    team_database.ask(f"ALTER DATABASE {team_database.name} OWNER TO boss")
    for space in ("one", "two", "one"):
        assert " is ready: " in told("init", owner, "--space", space, "--apply")
    with connect(owner, autocommit=True) as db:
        db.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'")
        db.execute(f"GRANT {role_of('one', 'writer')} TO ann")

    ann = connected(team_database.url_of("ann"), "one")
    ann.put([make_entry("old", expires=NOW - 60), make_entry("new")], [GPT])
    ann.record(looked_up(NOW), [GPT])
    assert "1 entry (1 expired)" in told("prune", owner)
    assert ann.find(key("new")).author == "ann"
    with pytest.raises(StoreError):
        connected(team_database.url_of("ann"), "two").put([make_entry("a")], [GPT])


def test_the_question_of_a_label_stays(team_database: Database) -> None:
    owner = connected(team_database.url)
    pair = LabelRow(key("a")[:16], key("b")[:16], True, 0.9, "", "", "", "embedder", NOW, "asked", "stored")
    owner.put_labels([pair])

    assert told("prune", team_database.url).startswith("Nothing to remove at ")
    assert team_database.ask("SELECT count(*) FROM gptcache.question") == [(2,)]


def test_a_member_learns_which_space_to_name_and_where_it_may_only_read(team_database: Database) -> None:
    for space in ("it's", "class"):
        team_database.run(told("init", team_database.url, "--space", space))
    url = team_database.role("ann", role_of("it's", "reader"), role_of("class", "writer"))

    with pytest.raises(StoreError, match=r"The role ann may not use the space default of .* --space class\.$"):
        connected(url)
    assert connected(url, "it's").readonly
    assert not connected(url, "class").readonly
    assert "connections" in told("status", url)


def test_the_script_runs_on_the_store_that_on_has_made(team_database: Database) -> None:
    connected(team_database.url).put([make_entry("a")], [GPT])
    before = team_database.ask("SELECT * FROM gptcache.schema")

    assert told("init", team_database.url, "--apply").startswith(f"The store at {Address.parse(team_database.url)} is")

    assert team_database.ask("SELECT * FROM gptcache.schema") == before
    assert connected(team_database.role("w", role_of("default", "writer"))).find(key("a")).entry is not None


def test_status_shows_the_figures_to_the_owner_and_to_a_reader(team_database: Database) -> None:
    told("init", team_database.url, "--apply")
    owner = connected(team_database.url)
    assert "No entries and no lookups yet." in told("status", team_database.url)
    owner.put([make_entry("a", created=NOW - 3 * DAY), make_entry("b", created=NOW)], [GPT])
    owner.record(looked_up(*(NOW - number for number in range(14))), [GPT])
    connected(team_database.url, "other").put([make_entry("c")], [GPT])

    reader = team_database.role("reader", role_of("default", "reader"))
    for url, spaces in ((team_database.url, ["default", "other"]), (reader, ["default"])):
        shown = told("status", url)
        facts = dict(re.findall(r"^(store|version|size|connections|log|entries by) +(.+)$", shown, re.MULTILINE))
        assert facts["store"] == Address.parse(url).shown
        assert facts["version"].startswith(f"schema {VERSION}, PostgreSQL ")
        assert re.fullmatch(r"[1-9]\d* of 100", facts["connections"])
        assert facts["entries by"] == f"postgres {1 + len(spaces)}"
        table = shown.partition("\n\n")[2].splitlines()
        assert [line.split()[0] for line in table[1:]] == spaces
        day = time.strftime("%Y-%m-%d", time.gmtime(NOW - 3 * DAY))
        assert re.match(rf"default +2 +12 B +{day} .* 2\.0 +0% +1$", table[1])
    assert "other" not in told("status", team_database.url, "--space", "default").partition("\n\n")[2]


def test_prune_does_what_its_dry_run_says(team_database: Database) -> None:
    owner = connected(team_database.url)
    owner.put(
        [
            make_entry("expired", created=NOW - 9 * DAY, expires=NOW - 60),
            make_entry("old", created=NOW - 100 * DAY),
            make_entry("new", created=NOW),
        ],
        [GPT],
    )
    monday = (NOW - MONDAY) // WEEK * WEEK + MONDAY
    owner.record(looked_up(NOW, monday - 60, monday - 2 * WEEK), [GPT])  # the latter two beside the weeks
    told_dry = told("prune", team_database.url, "--older", "90d", "--log", "1w", "--dry-run")

    assert team_database.ask("SELECT count(*) FROM gptcache.entry") == [(3,)]
    assert told_dry.endswith(" Nothing was removed.\n")
    parts = told_dry.partition(": ")[2].partition(". Nothing")[0].split(": ")[-1]
    assert parts == "2 entries (1 expired, 1 too old), 1 lookup, 3 questions that nothing asks any more"
    assert told("prune", team_database.url, "--older", "90d", "--log", "1w").endswith(f": {parts}.\n")
    assert owner.find(key("new")).entry is not None
    assert team_database.ask("SELECT at FROM gptcache.lookup ORDER BY at") == [(monday - 60,), (NOW,)]
    assert told("prune", team_database.url).startswith("Nothing to remove at ")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_weeks_of_the_log_end_in_utc_wherever_the_shell_is(team_database: Database, zone: str) -> None:
    told("init", team_database.url, "--apply")
    this_week = (NOW - MONDAY) // WEEK * WEEK + MONDAY
    for week in (this_week - WEEK, this_week - 2 * WEEK):
        day = time.strftime("%Y%m%d", time.gmtime(week))
        team_database.ask(
            f"CREATE TABLE gptcache.lookup_{day} PARTITION OF gptcache.lookup"
            f" FOR VALUES FROM ({week}) TO ({week + WEEK})"
        )
    connected(team_database.url).record(
        looked_up(this_week + 1, this_week - 1, this_week - WEEK + 1, this_week - WEEK - 1), [GPT]
    )
    ran = run("prune", team_database.url, "--log", f"{(NOW - this_week) / 3600 + 1:.3f}h", TZ=zone)

    assert "Removed from" in ran.stdout
    assert "1 week of lookups" in ran.stdout
    assert team_database.ask("SELECT count(*), min(at) FROM gptcache.lookup") == [(3, this_week - WEEK + 1)]


def test_the_largest_size_removes_what_was_unused_for_longest(team_database: Database) -> None:
    owner = connected(team_database.url)
    big = os.urandom(40_000)
    owner.put([make_entry(name, big + bytes([name]), created=NOW - 10 + name) for name in range(5)], [GPT])
    told("prune", team_database.url, "--max-size", "100kB")

    assert [owner.find(key(name)).entry is not None for name in range(5)] == [False, False, False, True, True]


def test_only_an_editor_removes_and_in_the_own_space_only(team_database: Database) -> None:
    for space in ("default", "class"):
        told("init", team_database.url, "--space", space, "--apply")
        owner = connected(team_database.url, space)
        owner.put([make_entry("old", expires=NOW - 60)], [GPT])
        owner.record(looked_up(NOW - 5 * WEEK), [GPT])
    writer = team_database.role("writer", role_of("class", "writer"))
    editor = team_database.role("editor", role_of("class", "editor"))

    for url, space in ((writer, "class"), (editor, "default")):
        ran = run("prune", url, "--space", space)
        assert ran.returncode == 2
        name = "writer" if url == writer else "editor"
        assert ran.stderr.startswith(f"The role {name} may not remove from the space {space} of ")
        assert ran.stderr.endswith(f'GRANT "gptcache_{space}_editor" TO "{name}";\n')
    assert team_database.ask("SELECT count(*) FROM gptcache.entry") == [(2,)]
    removed = told("prune", editor, "--space", "class", "--log", "3w")
    assert ": 1 entry (1 expired), 1 lookup, " in removed
    for table in ("entry", "lookup"):
        assert team_database.ask(f"SELECT space FROM gptcache.{table}") == [("default",)]


def test_through_a_pooler_status_and_prune_work(pgbouncer: PgBouncer, team_database: Database) -> None:
    connected(team_database.url).put([make_entry("old", expires=NOW - 60)], [GPT])
    url = pgbouncer.url(team_database)

    assert " 1 " in told("status", url, "--pooled").partition("\n\n")[2]
    assert "1 entry (1 expired)" in told("prune", url, "--pooled")


# Wrong use


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that types a line in this process, and returns the sentence about what is wrong."""

    def typed(*words: str) -> str:
        code = shell.main(["team", *words])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert PASSWORD not in err
        return str(err)

    return typed


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("statu URL", "team takes init, status, prune. Got 'statu'. Did you mean 'status'?"),
        (
            "status",
            "status: missing: URL. Example: python -m gptcache_magics team status postgresql://USER@HOST/DATABASE",
        ),
        (
            "status .gptcache",
            "A team's store is named by a URL such as postgresql://USER@HOST/DATABASE. Got '.gptcache'.",
        ),
        ("status postgresql://h:port/d", "The address of the team's store cannot be read."),
        ("prune URL --older ninety", "--older takes days or weeks above 0, such as 90d or 8w. Got 'ninety'."),
        ("prune URL --older 3m", "--older takes days or weeks above 0, such as 90d or 8w. Got '3m'."),
        ("prune URL --unused 0d", "--unused takes days or weeks above 0, such as 90d or 8w. Got '0d'."),
        ("prune URL --log", "prune: --log needs a value."),
        ("prune URL --log -8w", "--log takes days or weeks above 0, such as 90d or 8w. Got '-8w'."),
        ("prune URL --max-size 20", "--max-size takes a size such as 500MB or 2GB. Got '20'."),
        ("prune URL --max-size 0GB", "--max-size takes a size above 0, such as 500MB or 2GB. Got '0GB'."),
        ("prune URL --odler 90d", "prune: no option '--odler'. Did you mean '--older'?"),
        ("init URL --space a\tb", "A space is a name of 1 to 63 characters without blanks"),
    ],
)
def test_wrong_words_get_one_sentence(typed: Any, line: str, sentence: str) -> None:
    assert typed(*line.replace("URL", "postgresql://ann@127.0.0.1:1/class").split(" ")).startswith(sentence)


def test_a_store_that_cannot_be_used_gets_one_sentence_in_words_of_a_shell(
    typed: Any, team_database: Database, silent_server: SilentServer
) -> None:
    url = team_database.url
    for command in (["status"], ["prune"], ["init", "--apply"]):
        name, *more = command
        wrong = typed(name, url.replace(PASSWORD, "wrong-horse"), *more)
        assert "refuses the role or its password" in wrong
        assert f"python -m gptcache_magics team {name} postgresql://USER:PASSWORD@HOST/DATABASE" in wrong
        assert "wrong-horse" not in wrong
        assert "No host is found" in typed(name, "postgresql://ann@nowhere.invalid/class", *more)
        assert "nobody listens there" in typed(name, "postgresql://ann@127.0.0.1:1/class", *more)
        assert "has no database" in typed(name, f"{url}_2", *more)
    assert "away" in typed("status", f"postgresql://ann@127.0.0.1:{silent_server.port}/class?connect_timeout=2")


def test_another_schema_is_refused_and_left_as_it_is(typed: Any, team_database: Database) -> None:
    url, shown = team_database.url, Address.parse(team_database.url).shown
    empty = typed("status", url)
    assert empty.startswith(f"There is no store at {shown} yet.")
    owner = re.sub("//.*@", "//OWNER@", shown)
    assert empty.endswith(f"python -m gptcache_magics team init {owner} --apply\n")

    team_database.ask("CREATE SCHEMA gptcache")
    team_database.ask("CREATE TABLE gptcache.schema (product text)")
    script = told("init", url)
    for command in (["status"], ["prune"], ["init", "--apply"]):
        assert "The schema gptcache belongs to another program and was not touched" in typed(
            command[0], url, *command[1:]
        ).replace(f"{shown}: ", "").replace(f" at {shown}", "")
    with pytest.raises(subprocess.CalledProcessError):
        team_database.run(script)
    assert team_database.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'gptcache'::regnamespace") == [(1,)]

    team_database.ask("DROP SCHEMA gptcache CASCADE")
    team_database.run(script)
    team_database.ask(f"UPDATE gptcache.schema SET version = {VERSION + 1}")
    for command in (["status"], ["prune"], ["init", "--apply"]):
        assert "newer gptcache-magics" in typed(command[0], url, *command[1:])
    assert "pip install -U gptcache-magics" in typed("status", url)


def test_a_role_that_may_not_make_the_store_is_told_who_may(typed: Any, team_database: Database) -> None:
    member = team_database.role("member")

    assert typed("init", member, "--apply").startswith("This role may not make the store and its roles at ")
    assert team_database.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'gptcache'") == [(0,)]


def test_help_names_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["--help"]) == 0
    assert "team init | status | prune URL" in capsys.readouterr().out
    for words, told in ((["team"], "team prune URL"), (["team", "--help"], "team init URL")):
        assert shell.main(words) == 0
        assert told in capsys.readouterr().out
    for name, option in (("init", "--apply"), ("status", "--space"), ("prune", "--max-size")):
        assert shell.main(["team", name, "--help"]) == 0
        assert option in capsys.readouterr().out
