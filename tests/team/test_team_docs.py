"""Type what ``docs/how-to/team.md`` tells whoever starts, uses and runs a team's store to type."""

import atexit
import json
import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics import commands
from tests.support.postgres import PASSWORD, Database
from tests.support.shell import ask, fresh_shell
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "how-to" / "team.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PROGRAM = "python -m gptcache_magics "
HOST = "db.example.org"


def lines(kind: str, *beginnings: str) -> list[str]:
    every = [line for language, block in BLOCKS if language == kind for line in block.splitlines()]
    return [line for line in every if line.startswith(beginnings or "")]


def placed(line: str, database: Database) -> str:
    """Return a line about the test's database."""
    owner, member = database.url, database.url_of("ann")
    line = re.sub(rf"postgresql://ann@{HOST}(:6432)?/class", member, line)
    return line.replace(f"postgresql://owner@{HOST}/class", owner).replace("CHOOSE-ONE", PASSWORD)


def test_a_team_starts_and_leaves_as_the_page_says(
    team_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    by_hand = [line for line in lines("sh", PROGRAM) if " save " not in line]
    assert [line.split()[4] for line in by_hand] == ["init", "init", "status", "prune"]
    for line in by_hand[:2]:
        command, pipe, psql = placed(line, team_database).partition(" | ")
        assert shell.main(shlex.split(command.removeprefix(PROGRAM))) == 0
        printed = capsys.readouterr().out
        if pipe:
            assert shlex.split(psql) == ["psql", team_database.url]
            team_database.run(printed)
    (roles,) = [block for language, block in BLOCKS if language == "sql" and "CREATE ROLE" in block]
    team_database.run(placed(roles, team_database))

    (service,) = [block for language, block in BLOCKS if language == "ini"]
    monkeypatch.setenv("PGSERVICEFILE", str(_service_file(tmp_path / "services", service, team_database)))
    *typed, on, load = lines("", "%")
    assert typed[0] == "%load_ext gptcache_magics"
    assert len(typed) == 5
    assert (on, load.split()[:2]) == ("%gptcache on", ["%gptcache", "load"])
    with fresh_shell(tmp_path / ".ipython") as ip:
        try:
            for number, line in enumerate(typed):
                ip.run_cell(placed(line, team_database), store_history=True).raise_error()
                if line.startswith("%gptcache on"):
                    ask(f"question {number}")
                    ip.run_cell("%gptcache off").raise_error()
            wait_until(lambda: len(team_database.ask("SELECT id FROM gptcache.entry")) == 3)
            assert team_database.ask("SELECT DISTINCT space, author FROM gptcache.entry") == [("class-7b", "ann")]
            (leave,) = [line for line in lines("sh", PROGRAM) if " save " in line]
            assert shell.main(shlex.split(placed(leave, team_database).removeprefix(PROGRAM))) == 0
            (tmp_path / ".gptcache").rename(tmp_path / "before")
            for line in (on, load):
                ip.run_cell(line).raise_error()
            assert len(gm.entries()) == 3
        finally:
            ip.run_line_magic("unload_ext", "gptcache_magics")
            atexit.unregister(ip.atexit_operations)

    capsys.readouterr()
    for line in by_hand[2:]:
        assert shell.main(shlex.split(placed(line, team_database).removeprefix(PROGRAM))) == 0
        assert "class-7b" in capsys.readouterr().out or " prune " in line
    (end,) = lines("sql", "DROP")
    team_database.ask(end)
    assert not team_database.ask("SELECT nspname FROM pg_namespace WHERE nspname = 'gptcache'")


def _service_file(path: Path, text: str, database: Database) -> Path:
    """Write the page's service file, with the host of the test."""
    services = ConfigParser()
    services.read_string(text)
    assert set(services["class"]) == {"host", "dbname", "user", "sslmode", "sslrootcert"}
    host, port = "127.0.0.1", database.server.port
    path.write_text(f"[class]\nhost={host}\nport={port}\ndbname={database.name}\nuser=ann\npassword={PASSWORD}\n")
    return path


def test_lines_of_other_programs_are_well_formed() -> None:
    (docker,) = lines("sh", "docker")
    words = shlex.split(docker)
    assert words[:3] == ["docker", "run", "-d"]
    assert [word for word in words if word.startswith("-")] == ["-d", "--name", "-e", "-e", "-e", "-p", "-v"]
    assert words[-1] == "postgres:17"
    (echo,) = lines("sh", "echo")
    assert len(shlex.split(echo)[1].split(":")) == 5  # as libpq reads ~/.pgpass
    others = [line for line in lines("sh") if not line.startswith((PROGRAM, "docker", "echo"))]
    assert others == ["chmod 600 ~/.pgpass"]


def test_the_sizes_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "docs" / "bench.json").read_text(encoding="utf-8"))["team"]["row_bytes"]
    rows = re.findall(r"^\| (an answer|a lookup|a vector) .*\| ([\d,]+) \|$", TEXT, re.MULTILINE)
    said = {name: int(number.replace(",", "")) for name, number in rows}

    assert said["an answer"] == pytest.approx(measured["entry"] + measured["question"], rel=0.1)
    assert said["a lookup"] == pytest.approx(measured["lookup"], rel=0.1)
    assert said["a vector"] == pytest.approx(measured["vector"], rel=0.1)


def test_every_command_that_the_text_names_exists() -> None:
    for name in re.findall(r"`%gptcache (\w+)", TEXT):
        assert name in commands.COMMANDS
