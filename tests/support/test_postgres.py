import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.network import Proxy, SilentServer
from tests.support.postgres import PASSWORD, Database, PgBouncer, PostgresServer
from tests.support.waiting import wait_until


def one(url: str, statement: str = "SELECT 1") -> object:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def test_a_database_is_empty_and_goes_with_its_roles(postgres: PostgresServer) -> None:
    with postgres.database() as database:
        database.ask("CREATE TABLE a (b int)")
        assert one(database.role("ann"), "SELECT session_user") == "ann"
        assert one(database.role("o'd\"$$"), "SELECT session_user") == "o'd\"$$"
    with postgres.database() as other:
        assert other.name != database.name
        assert other.ask("SELECT 1 FROM pg_class WHERE relname = 'a'") == []
        assert other.ask("SELECT 1 FROM pg_roles WHERE rolname IN ('ann', 'o''d\"$$')") == []


def test_everybody_needs_a_password(team_database: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        one(team_database.url.replace(PASSWORD, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        one(team_database.url.replace(f":{PASSWORD}", ""))


def test_a_server_that_was_stopped_has_what_it_had(postgres: PostgresServer, team_database: Database) -> None:
    team_database.ask("CREATE TABLE a AS SELECT 7 AS b")
    postgres.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        one(team_database.url)
    postgres.start()
    assert one(team_database.url, "SELECT b FROM a") == 7
    postgres.stop(at_once=True)
    postgres.start()
    assert one(team_database.url, "SELECT b FROM a") == 7


def test_a_frozen_server_answers_later(postgres: PostgresServer, team_database: Database) -> None:
    with psycopg.connect(team_database.url, autocommit=True) as connection:
        with postgres.frozen(connection.info.backend_pid):
            state = Path(f"/proc/{connection.info.backend_pid}/stat")
            if state.exists():
                assert state.read_text().rpartition(")")[2].split()[0] == "T"
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with postgres.frozen():
        pass
    assert one(team_database.url) == 1


def test_the_pooler_lends_connections(pgbouncer: PgBouncer, team_database: Database) -> None:
    team_database.role("ann")

    assert one(pgbouncer.url(team_database, "ann"), "SELECT session_user") == "ann"
    assert one(pgbouncer.url(team_database), "SELECT inet_server_port()") == team_database.server.port
    pgbouncer.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        one(pgbouncer.url(team_database))


def test_a_proxy_delays_and_cuts(team_database: Database) -> None:
    with Proxy(team_database.server.port) as proxy, psycopg.connect(proxy.url(team_database.name)) as connection:
        proxy.delay = 0.05
        begun = time.monotonic()
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert time.monotonic() - begun > 0.1
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()


def test_a_silent_server_takes_connections(silent_server: SilentServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(silent_server.url(), connect_timeout=2)
    assert silent_server.connections == 1


SERVES = """
import time
from tests.support.postgres import PostgresServer
server = PostgresServer()
print(server.pid, server.folder, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_server_ends_with_the_tests_that_were_killed(postgres: PostgresServer) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVES], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pid, folder = tests.stdout.readline().split()
        tests.send_signal(signal.SIGKILL)
        wait_until(lambda: not _runs(int(pid)))
    subprocess.run(["rm", "-rf", folder], check=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"
