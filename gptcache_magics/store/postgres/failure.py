"""Say what an error of PostgreSQL or libpq means for the user, without a password."""

from __future__ import annotations

import re
from shlex import quote
from typing import Final

import psycopg
from psycopg import errors

from gptcache_magics.errors import StoreError, TeamAway
from gptcache_magics.store.postgres.address import DEFAULT_SPACE, Address
from gptcache_magics.store.postgres.roles import identifier, role_of

__all__ = ["AWAY", "LATE", "SERVER_SIDE", "connecting", "granting", "running", "setting_up", "short", "team_command"]

AWAY: Final = "The team's store {0} is away: {1}."
LATE: Final = "it did not answer in time"
_CONNECTING: Final = (
    (
        "password authentication failed|no password supplied|role .* does not exist|SASL authentication failed",
        "The server of the team's store {0} refuses the role or its password. Put the right one into ~/.pgpass"
        " (chmod 600), into PGPASSWORD or into the URL: %gptcache on postgresql://USER:PASSWORD@HOST/DATABASE",
        True,
    ),
    (
        r"could not translate host name|could not find host|[Nn]ame or service not known|getaddrinfo",
        "No host is found for the team's store {0}. Correct its name: %gptcache on postgresql://USER@HOST/DATABASE",
        True,
    ),
    (
        'database ".*" does not exist|no such database',
        "The server has no database for the team's store {0}. Correct its name, or create it: createdb DATABASE",
        True,
    ),
    (
        "too many (clients|connections)|remaining connection slots|no more connections allowed",
        "The team's store {0} is away: its server takes no more connections. A pooler such as pgbouncer helps.",
        False,
    ),
    (
        "no pg_hba.conf entry",
        "The server of the team's store {0} does not let this role in from here. Try ?sslmode=require behind the"
        " database's name, or ask whoever runs the server for a line in pg_hba.conf.",
        True,
    ),
    (
        "does not support SSL",
        "The server of the team's store {0} does not offer TLS, which sslmode asks for. Ask whoever runs it to turn"
        " TLS on. In a network that you trust, leave sslmode out.",
        True,
    ),
    (
        r"invalid \w+ value|invalid integer value|invalid port number",
        "The address of the team's store {0} has a value that libpq does not take: {1}. Correct it.",
        True,
    ),
    (
        "certificate|SSL",
        "The team's store {0} cannot be reached safely ({1}). Set sslmode and sslrootcert as whoever runs the server"
        " says: postgresql://USER@HOST/DATABASE?sslmode=verify-full&sslrootcert=FILE",
        True,
    ),
    (
        "definition of service|service file",
        "The team's store {0} cannot be found ({1}). Write the service into ~/.pg_service.conf, or set PGSERVICEFILE.",
        True,
    ),
    (
        "Connection refused|No such file or directory.*on that socket",
        "The team's store {0} is away: nobody listens there. Is its server started?",
        False,
    ),
    ("starting up|shutting down", "The team's store {0} is away: its server is being started or stopped.", False),
    ("timeout expired|timed out", "The team's store {0} is away: its server does not answer.", False),
)
_USER: Final = re.compile(r"postgresql://(?:[^@/]*@)?")
_BEFORE: Final = re.compile(r"(?:connection (?:is bad|failed): )?(?:connection to server (?:at|on) .*? failed: )?")
_PATTERNS: Final = tuple((re.compile(pattern, re.DOTALL), sentence, final) for pattern, sentence, final in _CONNECTING)


def team_command(url: str, space: str) -> str:
    """Return the line that prints the SQL of a team's store and of the roles of a space."""
    named = "" if space == DEFAULT_SPACE else f" --space {quote(space)}"
    return f"python -m gptcache_magics team init {quote(url)}{named}"


def setting_up(address: Address) -> str:
    """Return what whoever runs the database of a member types to make the store."""
    return f"{team_command(_USER.sub('postgresql://OWNER@', address.shown), address.space)} --apply"


def granting(address: Address, role: str, kind: str) -> str:
    """Return what whoever runs the database types, so that a role gets the rights of one of the ``KINDS``."""
    grant = f"GRANT {identifier(role_of(address.space, kind))} TO {identifier(role)};"
    return f"{setting_up(address)}, and in psql: {grant}"


def connecting(error: psycopg.Error, address: Address) -> StoreError:
    """Return the sentence about a connection that failed; a ``TeamAway`` if waiting may help."""
    text = str(error)
    detail = _detail(error, address)
    for pattern, sentence, final in _PATTERNS:
        if pattern.search(text):
            made = sentence.format(address.shown, detail)
            return StoreError(made) if final else TeamAway(made)
    return TeamAway(AWAY.format(address.shown, detail))


def running(error: psycopg.Error, address: Address, role: str) -> StoreError:
    """Return the sentence about a statement of a role that failed on a sound connection."""
    detail = _detail(error, address)
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreError(f"The team's store {address.shown} may only be read.")
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreError(
            f"The team's store {address.shown} does not allow that: {detail}. Whoever runs it types: "
            f"{granting(address, role, 'editor')}"
        )
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.UndefinedFunction):
        return StoreError(
            f"The team's store {address.shown} lacks a part of its schema: {detail}. Whoever runs it types: "
            f"{setting_up(address)}"
        )
    if isinstance(error, SERVER_SIDE):
        return TeamAway(AWAY.format(address.shown, detail))
    return StoreError(f"The team's store {address.shown} failed: {detail}")


SERVER_SIDE: Final = (psycopg.OperationalError, psycopg.InternalError, errors.QueryCanceled)
"""Errors that have nothing to do with the values that were sent: locks, memory, disks, a server that stops."""


def _detail(error: psycopg.Error, address: Address) -> str:
    """Return what the server said, in one line."""
    said = error.diag.message_primary or str(error)
    said = re.sub(r"\s+", " ", said.rpartition("FATAL:")[2]).strip().rstrip(".")
    return address.clean(_BEFORE.sub("", said, count=1)[:300]) or type(error).__name__


def short(sentence: str, address: Address) -> str:
    """Return a sentence about a team that is away as the detail of a reason, which says so itself."""
    return sentence.removeprefix(AWAY.format(address.shown, "").rstrip(".")).rstrip(".")
