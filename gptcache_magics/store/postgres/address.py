"""The address of a team's store: a URL that libpq reads, and that is never shown with its password."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final
from urllib.parse import quote, unquote

from gptcache_magics.errors import CommandError, MissingDependencyError
from gptcache_magics.text.web_address import without_secrets

__all__ = ["DEFAULT_SPACE", "Address", "check_form", "is_address", "without_password"]

DEFAULT_SPACE: Final = "default"
SPACE: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,63}")
_SCHEME: Final = re.compile(r"\s*(postgres(?:ql)?)://", re.IGNORECASE)
_SECRET: Final = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
_IN_AUTHORITY: Final = frozenset({"user", "host", "port", "dbname"})
_SERVERS: Final = r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|valkeys?)(?:\+\w{1,30})?:"
# Up to the last @: a password with an @ of its own is hidden whole. A path has one slash where a URL has two.
_USERINFO: Final = re.compile(
    rf"""({_SERVERS}/{{0,2}}[^\s:/?@'"]{{0,200}}):(?!PASSWORD@)[^\s'"]{{0,1000}}@""", re.IGNORECASE
)
_FACT: Final = re.compile(r"\b(?:host|hostaddr|port|dbname|user|service)\s?=")
_FACT_SECRET: Final = re.compile(
    r"""\b(password|sslpassword)(\s?=\s?)(?:'(?:[^'\\]|\\.){0,1000}'|"[^"]{0,1000}"|[^\s'"&]{1,1000})""", re.IGNORECASE
)
_FACTS: Final = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|password|passfile|service|sslmode)\s*=\s*\S")
_NEARLY: Final = re.compile(r"\s*postgres(?:ql)?(\+\w+)?:(//)?", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"""(?<=[?&])([\w%]{1,100})=[^\s&'"]*""")
_UNKNOWN: Final = re.compile(r'invalid URI query parameter: "([\w-]{1,40})"')
_WRITTEN: Final = (
    "It is written postgresql://USER@HOST:PORT/DATABASE. In a password, write @ as %40, / as %2F, ? as %3F and % as %25"
)


def is_address(text: object) -> bool:
    """Return whether a text names a database rather than a folder."""
    return isinstance(text, str) and _SCHEME.match(text) is not None


def without_password(text: str) -> str:
    """Return a text, such as a line that somebody typed, with the passwords of addresses in it hidden."""
    text = _PARAMETER.sub(_hidden, _USERINFO.sub(r"\1:***@", without_secrets(text)))
    return _FACT_SECRET.sub(r"\1\2***", text) if _FACT.search(text) else text


def check_form(where: object) -> None:
    """Raise ``CommandError`` if a place is a database that is written in another way than as a URL for libpq.

    It would be taken for the name of a folder, with the password in it.
    """
    text = str(where)
    if not isinstance(where, str | PurePath) or is_address(where):
        return
    if _FACTS.match(text):
        raise CommandError(f"A team's store is named by a URL. Type it as {_as_url(text)}")
    nearly = _NEARLY.match(text)
    if nearly is None:
        return
    if nearly[1] and nearly[2]:
        url = without_password(_NEARLY.sub("postgresql://", text, count=1))
        raise CommandError(f"A team's store is named without a driver. Leave '{nearly[1]}' out: {url}")
    raise CommandError(f"The address of a team's store has two slashes after its first colon. {_WRITTEN}.")


def _as_url(facts: str) -> str:
    """Return the URL, without a password, of a database that is named by libpq's words."""
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict

        return _shown({name: str(value) for name, value in conninfo_to_dict(facts).items() if value is not None})
    except (ImportError, Error):
        return "postgresql://USER@HOST:PORT/DATABASE"


def _hidden(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}=***" if unquote(parameter[1]).lower() in _SECRET else parameter.group()


@dataclass(frozen=True, slots=True)
class Address:
    """A database, the space in it, and how it is reached."""

    url: str = field(repr=False)
    """The address as it was given, with a password if it has one: for libpq only."""
    shown: str
    """The address without a password, the same for every way to write it."""
    space: str = DEFAULT_SPACE
    pooled: bool = False
    """Whether the user said that a pooler such as pgbouncer is between."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""

    @classmethod
    def parse(cls, url: str, space: str = DEFAULT_SPACE, *, pooled: bool = False) -> Address:
        """Return the address that a URL names.

        Raises
        ------
        CommandError
            If libpq cannot read the URL. The sentence does not repeat it.
        MissingDependencyError
            If psycopg is not installed.
        """
        try:
            from psycopg import Error
            from psycopg.conninfo import conninfo_to_dict
        except ImportError as error:
            raise MissingDependencyError(
                f'A team\'s store needs psycopg ({error}). Install it: %pip install "gptcache-magics[team]"'
            ) from error

        if not SPACE.fullmatch(space):
            raise CommandError(
                f"A space is a name of 1 to 63 characters without blanks, as in class-7b. Got {space!r}."
            )
        url = _SCHEME.sub(lambda found: f"{found[1].lower()}://", url, count=1).strip()
        try:
            found = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
        except Error as error:
            unknown = _UNKNOWN.search(str(error))
            why = f" libpq knows no parameter '{unknown[1]}'." if unknown else ""
            raise CommandError(f"The address of the team's store cannot be read.{why} {_WRITTEN}.") from None
        ports = found.get("port", "").split(",")
        if any("@" in found.get(name, "") for name in ("host", "dbname")) or not all(map(_is_port, ports)):
            raise CommandError(f"The address of the team's store cannot be read. {_WRITTEN}.")
        secrets = [value for name, value in found.items() if name in _SECRET and value]
        return cls(url, _shown(found), space, pooled, tuple({*secrets, *(quote(each, safe="") for each in secrets)}))

    def __str__(self) -> str:
        return self.shown

    @property
    def place(self) -> str:
        """The address with its space, unless that is the default one."""
        return self.shown if self.space == DEFAULT_SPACE else f"{self.shown} (space {self.space})"

    @property
    def typed(self) -> str:
        """What a user types behind ``%gptcache on`` to be there, without the password."""
        space = [] if self.space == DEFAULT_SPACE else ["--space", shlex.quote(self.space)]
        return " ".join([shlex.quote(self.shown), *space, *(["--pooled"] if self.pooled else [])])

    def clean(self, text: str) -> str:
        """Return a message without the password of this address."""
        text = text.replace(self.url, self.shown)
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) > 3:  # stars in the middle of words would tell a shorter one
                text = text.replace(secret, "***")
        return without_password(text)


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65_536)


def _shown(found: dict[str, str]) -> str:
    """Return the URL of libpq's parameters, without those that are secret."""
    hosts, ports = found.get("host", "").split(","), found.get("port", "").split(",")
    beside = {name: value for name, value in found.items() if name not in _IN_AUTHORITY | _SECRET}
    if any(host.startswith("/") for host in hosts):  # the folder of a socket
        beside |= {name: found[name] for name in ("host", "port") if name in found}
        authority = ""
    else:
        of_host = [ports[at] if len(ports) == len(hosts) else ports[0] for at in range(len(hosts))]
        named = [f"[{host}]" if ":" in host else quote(host, safe="") for host in hosts]
        authority = ",".join(f"{host}:{port}" if port else host for host, port in zip(named, of_host, strict=True))
    user = f"{quote(found['user'], safe='')}@" if "user" in found else ""
    query = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in sorted(beside.items()))
    return f"postgresql://{user}{authority}/{quote(found.get('dbname', ''), safe='')}{'?' if query else ''}{query}"
