"""The least privileges of a team's members, as statements.

Each space has three roles that nobody logs in as: members are granted one of them. Row-level security shows a role the
rows of its own spaces only. Partitions are granted to nobody: the policies stand on the whole table.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

__all__ = ["KINDS", "identifier", "literal", "role_of", "statements"]

NAME_BYTES: Final = 63
"""Longest name of a role: PostgreSQL cuts longer ones, and two of them might become one."""
KINDS: Final = ("reader", "writer", "editor")
"""The roles of a space; each may what the one before it may."""
WRITTEN: Final = (
    *("configuration", "entry", "vector", "question", "label", "lookup", "lease"),
    *("embedding", "embedding_model"),
)
"""The tables that writers add to, and whose rows they replace."""
READ: Final = ("space", "history", "change", *WRITTEN)
REMOVED: Final = ("entry", "vector", "history", "label", "question", "lookup", "change", "embedding")
"""The tables that editors remove from."""


def role_of(space: str, kind: str) -> str:
    """Return the name of a role: ``gptcache_default_reader``."""
    name = f"gptcache_{space}_{kind}"
    if len(name.encode()) <= NAME_BYTES:
        return name
    short = space.encode()[:30].decode(errors="ignore")
    return f"gptcache_{short}_{blake2b(space.encode(), digest_size=4).hexdigest()}_{kind}"


def statements(space: str) -> list[str]:
    """Return the statements that make the roles of a space. They may be run again."""
    reader, writer, editor = (identifier(role_of(space, kind)) for kind in KINDS)
    here = f"space = {literal(space)}"
    return [
        *(_made(role) for role in (reader, writer, editor)),
        f"GRANT {reader} TO {writer};",
        f"GRANT {writer} TO {editor};",
        _connecting(reader),
        f"GRANT USAGE ON SCHEMA gptcache TO {reader};",
        f"GRANT SELECT ON gptcache.schema, {_tables(READ)} TO {reader};",
        f"GRANT INSERT, UPDATE ON {_tables(WRITTEN)} TO {writer};",
        f"GRANT EXECUTE ON FUNCTION gptcache.make_weeks() TO {writer};",
        f"GRANT DELETE ON gptcache.lease TO {writer};",
        f"GRANT DELETE ON {_tables(REMOVED)} TO {editor};",
        f"GRANT INSERT ON gptcache.change TO {editor};",
        *(f"ALTER TABLE gptcache.{table} ENABLE ROW LEVEL SECURITY;" for table in READ),
        *(_policy(table, "SELECT", reader, f"USING ({here})") for table in READ),
        *(_policy(table, "INSERT", writer, f"WITH CHECK ({here})") for table in WRITTEN),
        *(_policy(table, "UPDATE", writer, f"USING ({here}) WITH CHECK ({here})") for table in WRITTEN),
        _policy("lease", "DELETE", writer, f"USING ({here})"),
        *(_policy(table, "DELETE", editor, f"USING ({here})") for table in REMOVED),
        _policy("change", "INSERT", editor, f"WITH CHECK ({here})"),
    ]


def _made(role: str) -> str:
    body = f"BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END"
    return f"DO {literal(body)};"  # dollar quotes would end at a space's own dollars


def _connecting(role: str) -> str:
    """Return the statement that lets a role in where not everybody is."""
    grant = f"format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), {literal(role)})"
    return f"DO {literal(f'BEGIN EXECUTE {grant}; END')};"


def _policy(table: str, action: str, role: str, rule: str) -> str:
    """Return the statements of a policy that has the name of its role, of which each table and action has one."""
    name = identifier(f"{blake2b(role.encode(), digest_size=6).hexdigest()}_{action.lower()}")
    return (
        f"DROP POLICY IF EXISTS {name} ON gptcache.{table};\n"
        f"CREATE POLICY {name} ON gptcache.{table} FOR {action} TO {role} {rule};"
    )


def _tables(names: tuple[str, ...]) -> str:
    return ", ".join(f"gptcache.{name}" for name in names)


def identifier(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL, whatever ``standard_conforming_strings`` is."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"
