"""Connections of whoever runs a team's server: one statement after another, with no hurry and no second try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from psycopg import errors

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.connections import connected
from gptcache_magics.store.postgres.greeting import greet
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.roles import identifier, role_of
from gptcache_magics.store.postgres.script import script

__all__ = ["apply", "check_may_remove", "opened"]

_OWNS: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'gptcache.entry'::regclass"
_BELONGS: Final = "SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = %s"
_REMOVES: Final = "SELECT has_table_privilege('gptcache.entry', 'DELETE')"


@contextmanager
def opened(address: Address) -> Iterator[Line]:
    """Open a connection to a sound store, and close it at the end.

    Raises
    ------
    StoreError
        If the store cannot be used, or a statement fails.
    """
    with connected(address) as line:
        greet(line, address, spaces=False)
        line.deadline = inf
        yield line


def apply(address: Address) -> None:
    """Make the store and the roles of a space, as the script does."""
    with connected(address) as line:
        try:
            line.execute(script(address.space).encode())
        except errors.RaiseException as error:
            raise StoreError(f"{address.shown}: {error.diag.message_primary}") from None
        except errors.InsufficientPrivilege as error:
            raise StoreError(
                f"This role may not make the store and its roles at {address.shown}: {error.diag.message_primary}. "
                "Take the role that owns the database, with the right to create roles: ALTER ROLE name CREATEROLE"
            ) from None
        greet(line, address)


def check_may_remove(line: Line, address: Address, space: str | None) -> None:
    """Raise unless the role owns the store, or is an editor of the space."""
    if line.one(_OWNS)[0]:
        return
    editor = role_of(address.space, "editor")
    belongs = line.row(_BELONGS, editor)
    may = line.one(_REMOVES)[0] if belongs is None else belongs[0]
    role = line.one("SELECT session_user::text")[0]
    if space is None and may:
        raise StoreError(f"The role {role} may remove from its own space only. Name it: --space {address.space}")
    if not may:
        raise StoreError(
            f"The role {role} may not remove from the space {address.space} of {address.shown}. "
            f"Whoever runs it types in psql: GRANT {identifier(editor)} TO {identifier(role)};"
        )
