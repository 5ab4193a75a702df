"""The SQL that makes a team's store and the roles of a space, for ``psql`` and for whoever reads it first.

It is one transaction, and may be run again: it makes what is missing.
"""

from __future__ import annotations

from shlex import quote
from typing import Final

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.failure import team_command
from gptcache_magics.store.postgres.greeting import OLDEST_SERVER
from gptcache_magics.store.postgres.roles import KINDS, identifier, literal, role_of, statements
from gptcache_magics.store.postgres.schema import ADDED, ADDITIONS, MARK, PRODUCT, STEPS, VERSION

__all__ = ["printed", "script"]

MAY: Final = {"reader": "look up", "writer": "and store", "editor": "and remove"}
_QUOTE, _INNER = "$gptcache$", "$statement$"


def printed(address: Address) -> str:
    """Return the script, with comments that say who runs it and what comes next."""
    space = address.space
    roles = [f"--   {identifier(role_of(space, kind))}: {MAY[kind]}" for kind in KINDS]
    writer = identifier(role_of(space, "writer"))
    lines = [
        f"-- The store of a team ({PRODUCT}, schema {VERSION}) and the roles of its space {space}.",
        "-- The owner of the database runs it, with the right to create roles, and again at any time:",
        f"--   {team_command(address.shown, address.space)} | psql {quote(address.shown)}",
        "-- or, without psql:",
        f"--   {team_command(address.shown, address.space)} --apply",
        "-- Members get one of these roles:",
        *roles,
        f"--   CREATE ROLE ann LOGIN; GRANT {writer} TO ann; \\password ann",
        "",
        script(space),
    ]
    return "\n".join(lines)


def script(space: str) -> str:
    """Return the statements."""
    return "\n".join(["BEGIN;", "SET LOCAL client_min_messages = warning;", *_schema(), *statements(space), "COMMIT;"])


def _schema() -> list[str]:
    lock, schema, *mark = MARK
    return [
        _block(f"PERFORM {lock.removeprefix('SELECT ')};", *_checks()),
        f"{schema};",
        *(f"{each};" for each in mark),
        *(_step("version", "SELECT version FROM gptcache.schema", *each) for each in enumerate(STEPS, 1)),
        *(_step("additions", ADDED, *each) for each in enumerate(ADDITIONS, 1)),
    ]


def _checks() -> list[str]:
    """Return the statements that stop the script at a database that cannot be used."""
    ours = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('gptcache.schema') AND attname IN"
    foreign = "The schema gptcache belongs to another program and was not touched. Use another database."
    newer = f"The store was made by a newer {PRODUCT} (schema %, this one makes {VERSION}). Update it."
    return [
        _unless(
            f"current_setting('server_version_num')::int >= {OLDEST_SERVER * 10_000}",
            f"A team needs PostgreSQL {OLDEST_SERVER} or newer.",
        ),
        _unless(
            "current_setting('server_encoding') = 'UTF8'",
            "A team needs a database in UTF8: createdb -T template0 -E UTF8 DATABASE",
        ),
        "IF EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('gptcache')) THEN",
        _unless(f"({ours} ('product', 'version', 'identity')) = 3", foreign),
        _unless(f"(SELECT count(*) FROM gptcache.schema WHERE product <> {literal(PRODUCT)}) = 0", foreign),
        _unless(
            f"(SELECT coalesce(max(version), 0) FROM gptcache.schema) <= {VERSION}",
            newer,
            ", (SELECT max(version) FROM gptcache.schema)",
        ),
        "END IF;",
    ]


def _unless(condition: str, sentence: str, more: str = "") -> str:
    return f"IF NOT {condition} THEN RAISE EXCEPTION {literal(sentence)}{more}; END IF;"


def _step(counted: str, before: str, number: int, step: tuple[str, ...]) -> str:
    made = [f"EXECUTE {_INNER}{statement}{_INNER};" for statement in step]
    now = f"UPDATE gptcache.schema SET {counted} = {number};"
    return _block(f"IF ({before}) < {number} THEN", *made, now, "END IF;")


def _block(*lines: str) -> str:
    body = "\n    ".join(lines)
    return f"DO {_QUOTE} BEGIN\n    {body}\nEND {_QUOTE};"
