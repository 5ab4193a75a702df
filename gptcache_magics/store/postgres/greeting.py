"""Look at the database that a new connection leads to, before anything is asked of it."""

from __future__ import annotations

import re
import time
from shlex import quote
from typing import Final, NamedTuple

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.failure import granting, setting_up
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.schema import ADDED, ADDITIONS, PRODUCT, VERSION

__all__ = ["OLDEST_SERVER", "Greeting", "NeedsSchema", "greet"]

SECONDS: Final = 5
OLDEST_SERVER: Final = 13

_HELLO: Final = """SELECT pg_backend_pid(), session_user::text, current_setting('server_encoding'),
    current_setting('server_version_num')::int,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
    n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false), c.oid IS NOT NULL,
    coalesce(has_table_privilege(c.oid, 'SELECT'), false),
    EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = n.oid)
    FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'gptcache'
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema' AND c.relkind = 'r'"""
_OURS: Final = """SELECT count(*) FROM pg_attribute WHERE attrelid = 'gptcache.schema'::regclass
    AND attname IN ('product', 'version', 'identity')"""
_VERSION: Final = f"""SELECT product, version, identity, ({ADDED}) FROM gptcache.schema"""
_RIGHTS: Final = """SELECT has_any_column_privilege('gptcache.entry', 'SELECT'),
    has_any_column_privilege('gptcache.entry', 'INSERT')"""
_BY_SPACE: Final = "SELECT row_security_active('gptcache.entry')"
_RULES: Final = """SELECT CASE p.polcmd WHEN 'r' THEN 'read' ELSE 'write' END,
    pg_get_expr(coalesce(p.polqual, p.polwithcheck), p.polrelid) FROM pg_policy p
    WHERE p.polrelid = 'gptcache.entry'::regclass AND p.polcmd IN ('r', 'a') AND EXISTS (
        SELECT FROM unnest(p.polroles) r WHERE CASE r WHEN 0 THEN true ELSE pg_has_role(r, 'USAGE') END)"""
"""The rules about reading and adding entries that hold for the role."""
_RULE: Final = re.compile(r"\(space = '((?:[^'\\]|'')*)'::text\)")


class NeedsSchema(StoreError):
    """There is no schema of this version with its additions."""


class Greeting(NamedTuple):
    """The facts that a connection begins with."""

    role: str
    identity: str
    """Text that every database has of its own, also one that was made again at the same address."""
    readonly: bool
    """Whether the role may only read."""


def greet(line: Line, address: Address, *, spaces: bool = True) -> Greeting:
    """Return what is known of a sound store, and raise what is wrong with another. Notes whether a pooler is between.

    Parameters
    ----------
    spaces
        Whether the role must have rights in the space of the address.

    Raises
    ------
    NeedsSchema
        If there is no store yet, or one of an earlier version, or one without an addition.
    StoreError
        If the database cannot be used, with a sentence that says what to type.
    """
    line.deadline = time.monotonic() + SECONDS
    shown = address.shown
    pid, role, encoding, number, reading, there, usable, marked, readable, filled = line.one(_HELLO)
    line.pooled = address.pooled or pid != line.info.backend_pid
    if not line.pooled:
        line.prepare_threshold = 2
    if number < OLDEST_SERVER * 10_000:
        raise StoreError(f"The server of {shown} is PostgreSQL {number // 10_000}; a team needs 13 or newer.")
    if encoding != "UTF8":
        raise StoreError(
            f"The database of {shown} keeps text as {encoding}; a team needs UTF8. "
            "Create another: createdb -T template0 -E UTF8 DATABASE"
        )
    if not there or (usable and not filled):
        raise NeedsSchema(f"There is no store at {shown} yet. Whoever runs the database types: {setting_up(address)}")
    denied = f"The role {role} may not use the store at {shown}. Whoever runs it types: "
    if not usable or (marked and not readable):
        raise StoreError(denied + granting(address, role, "writer"))
    if not marked or line.one(_OURS)[0] != 3 or (found := line.row(_VERSION)) is None or found[0] != PRODUCT:
        raise StoreError(
            f"The schema gptcache at {shown} belongs to another program and was not touched. "
            "Use another database: createdb DATABASE, then %gptcache on postgresql://USER@HOST/DATABASE"
        )
    _, version, identity, added = found
    if version > VERSION:
        raise StoreError(
            f"The store at {shown} was made by a newer gptcache-magics (schema {version}, this one reads "
            f"{VERSION}). Update: %pip install -U gptcache-magics"
        )
    if version < VERSION:
        raise NeedsSchema(
            f"The store at {shown} is of an earlier version (schema {version}, this one needs {VERSION}). "
            f"Whoever runs it types: {setting_up(address)}"
        )
    if added < len(ADDITIONS):
        raise NeedsSchema(
            f"The store at {shown} lacks what this version of gptcache-magics adds; those of earlier versions work on. "
            f"Whoever runs it types: {setting_up(address)}"
        )
    reads, writes = line.one(_RIGHTS)
    if not reads:
        raise StoreError(denied + granting(address, role, "writer"))
    if spaces and line.one(_BY_SPACE)[0]:
        writes = writes and _may_write(line, address, role)
    return Greeting(role, identity, reading or not writes)


def _may_write(line: Line, address: Address, role: str) -> bool:
    """Return whether a role that sees some spaces only may write to this one. Raises if it may not even read."""
    found: dict[str, set[str]] = {"read": set(), "write": set()}
    for action, rule in line.execute(_RULES, prepare=False):
        named = _RULE.fullmatch(rule)
        if named is None:  # somebody's own rule, which only the server understands
            return True
        found[action].add(named[1].replace("''", "'"))
    if address.space not in found["read"]:
        others = sorted(found["read"])
        which = (
            f"It may use {', '.join(others)}: --space {quote(others[0])}."
            if others
            else f"Whoever runs it types: {granting(address, role, 'writer')}"
        )
        raise StoreError(f"The role {role} may not use the space {address.space} of {address.shown}. {which}")
    return address.space in found["write"]
