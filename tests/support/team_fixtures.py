"""Fixtures of a team's server: one PostgreSQL and one pgbouncer a worker, one database a test."""

import os
from collections.abc import Iterator

import pytest

from tests.support.network import SilentServer
from tests.support.postgres import Database, PgBouncer, PostgresServer, missing_pgbouncer, missing_postgres

__all__ = ["pgbouncer", "pgbouncer_of_all_tests", "postgres", "postgres_of_all_tests", "silent_server", "team_database"]


def _require(missing: str) -> None:
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


@pytest.fixture(scope="session")
def postgres_of_all_tests() -> Iterator[PostgresServer]:
    """Start one server for all tests of this worker."""
    _require(missing_postgres())
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_of_all_tests: PostgresServer) -> Iterator[PostgresServer]:
    """Return the server; a test may stop it."""
    yield postgres_of_all_tests
    postgres_of_all_tests.start()


@pytest.fixture
def team_database(postgres: PostgresServer) -> Iterator[Database]:
    """Return an empty database."""
    with postgres.database() as database:
        yield database


@pytest.fixture(scope="session")
def pgbouncer_of_all_tests(postgres_of_all_tests: PostgresServer) -> Iterator[PgBouncer]:
    """Start one pooler for all tests of this worker."""
    _require(missing_pgbouncer())
    pooler = PgBouncer(postgres_of_all_tests)
    yield pooler
    pooler.close()


@pytest.fixture
def pgbouncer(pgbouncer_of_all_tests: PgBouncer, team_database: Database) -> Iterator[PgBouncer]:
    """Return the pooler; a test may stop it."""
    yield pgbouncer_of_all_tests
    pgbouncer_of_all_tests.start()
    pgbouncer_of_all_tests.forget(team_database.name)


@pytest.fixture
def silent_server() -> Iterator[SilentServer]:
    """Return a server that takes connections and is silent."""
    with SilentServer() as server:
        yield server
