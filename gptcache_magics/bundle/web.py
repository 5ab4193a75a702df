"""Fetch a bundle by its address, and keep a copy of it for when there is no network.

Only the address that the user names is asked, and where it redirects to, if that is https, too. What comes is bounded
in bytes and time, and is refused at its first line unless it is a bundle. The copy is one file in the user's cache
folder: a line with what the server says of its version, and the bundle as it came. The next time the server is asked
only for what is newer. Where it cannot be reached, the copy takes the place of its answer, and a sentence says so.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import shutil
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from ipaddress import ip_address
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final
from urllib import error, parse, request

import orjson

from gptcache_magics.bundle.header import HEADER_BYTES, check_header, schema_of
from gptcache_magics.bundle.whole import whole_file
from gptcache_magics.errors import CommandError, GPTCacheMagicsError, StoreError
from gptcache_magics.text.amounts import byte_size
from gptcache_magics.text.web_address import shown_address

__all__ = ["Lesson", "copy_of", "fetched"]

MOST_BYTES: Final = 200_000_000
"""Most bytes of a bundle, without compression."""
SILENT_SECONDS: Final = 10.0
"""How long a server may send nothing."""
SECONDS: Final = 120.0
"""How long a bundle may take to come."""
REDIRECTS: Final = 5
PIECE: Final = 65_536
STATE_BYTES: Final = 10_000
"""Most bytes of the first line of a copy."""
_REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 of a server that may answer later."""
_HOST: Final = re.compile(r"[\w.:-]{1,255}", re.ASCII)
_PAGES: Final = (("github.com", "/blob/", "/raw/"), ("gitlab.com", "/-/blob/", "/-/raw/"))
"""Sites whose pages show a file, with the part of the address that names the page and that of the file itself."""


class _Unanswered(Exception):
    """The server gave no bundle this time; the message says why."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A bundle to read from its first line on."""

    file: BinaryIO
    name: str
    """The address as it is shown."""
    notice: str = ""
    """A sentence for the user if it is not what the server has now, or no copy could be kept."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """An earlier answer of the server."""

    file: BinaryIO
    path: Path
    state: Mapping[str, str]
    """Words of the server about its version, as headers that ask for a newer one."""
    confirmed: float
    """When the server last gave it, or said that it is the newest."""


def fetched(address: str) -> Lesson:
    """Return the bundle at an address: as the server has it, or a copy where the server gives none.

    Raises
    ------
    CommandError
        If the address cannot be one of a bundle, or names something else.
    StoreError
        If the server refuses it, or cannot be reached and there is no copy.
    """
    url, user, shown = *_checked(address), shown_address(address)
    copy = _copy(_path(url))
    try:
        new = _ask(url, user, shown, copy)
    except (_Unanswered, CommandError) as why:
        if copy is None:
            raise _no_copy(shown, why) from None
        return Lesson(copy.file, shown, f"{_why(shown, why)}: its copy of {_moment(copy.confirmed)} is used.")
    except BaseException:
        if copy is not None:
            copy.file.close()
        raise
    if new is None:
        assert copy is not None
        with suppress(OSError):
            os.utime(copy.path)
        return Lesson(copy.file, shown)
    if copy is not None:
        copy.file.close()
    return new


def copy_of(address: str) -> Lesson:
    """Return the copy of the bundle at an address, without asking the server.

    Raises
    ------
    CommandError
        If the address cannot be one of a bundle, or there is no copy.
    """
    shown, copy = shown_address(address), _copy(_path(_checked(address)[0]))
    if copy is None:
        raise CommandError(
            f"{shown} is not fetched here, and this machine has no copy of it. Name it: "
            f"%gptcache verify NOTEBOOK --bundle {shown}"
        )
    return Lesson(copy.file, shown)


def _why(shown: str, error: Exception) -> str:
    return f"{shown} was not fetched ({error})" if isinstance(error, _Unanswered) else str(error).rstrip(".")


def _no_copy(shown: str, why: Exception) -> GPTCacheMagicsError:
    if isinstance(why, CommandError):
        return why
    return StoreError(
        f"{_why(shown, why)}, and this machine has no copy of it. With the file: %gptcache on lesson.jsonl"
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"


# The address


def _checked(address: str) -> tuple[str, str]:
    """Return an address as it is asked, and its user with the password. Raises ``CommandError``."""
    shown = shown_address(address)
    try:
        parts = parse.urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
        name = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:
        host = name = ""
        port = None
    if not _HOST.fullmatch(name) or parts.scheme.lower() not in ("http", "https"):
        raise CommandError(f"{shown} is not an address. Example: %gptcache on https://example.org/lesson.jsonl")
    if parts.scheme.lower() == "http" and not _is_here(name):
        raise CommandError(
            f"{shown} is not fetched: whoever stands between can change what comes. Type it with https://"
        )
    site = name.lower().removeprefix("www.")
    page, file = next(((page, file) for known, page, file in _PAGES if known == site), ("", ""))
    if page and page in parts.path:
        raw = shown.replace(page, file, 1)
        raise CommandError(f"{shown} is a page about the file. The file itself: %gptcache on {raw}")
    netloc = (f"[{name}]" if ":" in name else name) + (f":{port}" if port else "")
    path, query = (parse.quote(each, safe="/%:@!$&'()*+,;=~-._?") for each in (parts.path or "/", parts.query))
    user = ":".join(parse.unquote(each) for each in (parts.username or "", parts.password or ""))
    return parse.urlunsplit((parts.scheme.lower(), netloc, path, query, "")), user.strip(":") and user


def _is_here(host: str) -> bool:
    """Return whether a host is this machine, so that nobody stands between."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# The server


def _ask(url: str, user: str, shown: str, copy: _Copy | None) -> Lesson | None:
    """Return what the server has; None if that is the copy."""
    until = time.monotonic() + SECONDS
    try:
        response = _response(url, user, copy.state if copy is not None else {}, shown)
        if response is None:
            return None
        with response:
            return _received(response, shown, _path(url), until)
    except error.URLError as failed:
        raise _Unanswered(_words(failed.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as failed:
        raise _Unanswered(_words(failed)) from None


def _words(reason: object) -> str:
    """Return the words of the system for an error. They do not repeat the address."""
    if isinstance(reason, TimeoutError):
        return "the server is silent"
    if isinstance(reason, http.client.IncompleteRead):
        return "it broke off"
    if isinstance(reason, http.client.RemoteDisconnected):
        return "the server hangs up"
    if isinstance(reason, http.client.HTTPException | ValueError) and not isinstance(reason, OSError):
        return f"the server's answer cannot be read: {type(reason).__name__}"
    said = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None)
    return str(said or type(reason).__name__).lower()


def _response(url: str, user: str, state: Mapping[str, str], shown: str) -> Any | None:
    """Return the response with the bundle, behind redirects; None if the copy is the newest."""
    first = parse.urlsplit(url)
    for _ in range(REDIRECTS + 1):
        asked = request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "gptcache-magics", **state})
        here = parse.urlsplit(url)
        if user and (here.scheme, here.netloc) == (first.scheme, first.netloc):
            asked.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode("ascii"))
        try:
            response = _opener(here.hostname or "").open(asked, timeout=SILENT_SECONDS)
        except error.HTTPError as answer:
            answer.close()
            if answer.code == 304 and state:
                return None
            target = answer.headers.get("Location") if answer.code in _REDIRECTED else None
            if not target:
                raise _refused(shown, answer.code) from None
            url = _redirected(url, target)
            continue
        if response is None:
            raise _Unanswered("the proxy of this environment is of an unknown kind")
        if response.status != 200:
            response.close()
            raise _Unanswered(f"the server answers {response.status}")
        return response
    raise _Unanswered(f"it leads on more than {REDIRECTS} times")


def _opener(host: str) -> request.OpenerDirector:
    """Return what opens an address: by the usual proxies, but for this machine itself, and without redirects."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler({} if _is_here(host) else None),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _redirected(url: str, target: str) -> str:
    """Return where a server leads to: https, or this machine if it is there."""
    leads = parse.urljoin(url, target)
    try:
        asked, _ = _checked(leads)
    except CommandError:
        raise _Unanswered(f"it leads to {shown_address(leads)}, which is not fetched") from None
    now, then = parse.urlsplit(url), parse.urlsplit(asked)
    if then.scheme != "https" and now.scheme == "https":
        raise _Unanswered(f"it leads to {shown_address(leads)}, which is not https")
    return asked


def _refused(shown: str, status: int) -> Exception:
    words = f"{status} {http.client.responses.get(status, '')}".strip()
    if status < 400 or status >= 500 or status in _PASSING:
        return _Unanswered(f"the server answers {words}")
    if status in (401, 403):
        return StoreError(f"{shown} is not given to everybody ({words}). Ask for an address that needs no account.")
    return StoreError(f"{shown} is not there ({words}). Check the address.")


def _received(response: Any, shown: str, path: Path, until: float) -> Lesson:
    """Return what a server sends, once it is whole and begins like a bundle, and keep a copy of it."""
    file: BinaryIO = TemporaryFile()  # noqa: SIM115  (the reader closes it)
    try:
        _take(response, shown, file, until)
        file.seek(0)
        notice = _keep(path, file, _version(response), shown)
        file.seek(0)
        return Lesson(file, shown, notice)
    except BaseException:
        file.close()
        raise


def _version(response: Any) -> dict[str, str]:
    """Return what a server says of the version, as headers that ask for a newer one."""
    known = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    return {asks: response.headers[says] for asks, says in known if response.headers[says]}


def _take(response: Any, shown: str, file: BinaryIO, until: float) -> None:
    """Write what a server sends to a file, within the bounds."""
    beginning: bytes | None = b""
    size = 0
    for piece in _pieces(response):
        size += len(piece)
        if size > MOST_BYTES:
            raise _Unanswered(f"it is larger than {byte_size(MOST_BYTES)}")
        if time.monotonic() > until:
            raise _Unanswered(f"it takes longer than {SECONDS:.0f} s")
        file.write(piece)
        if beginning is not None:
            beginning = _begun(beginning + piece, shown, response)
    if beginning is not None:
        _check(beginning, shown, response)


def _begun(beginning: bytes, shown: str, response: Any) -> bytes | None:
    """Return the beginning of a file until its first line can be checked; None from then on."""
    if b"\n" not in beginning and len(beginning) < HEADER_BYTES:
        return beginning
    _check(beginning, shown, response)
    return None


def _check(beginning: bytes, shown: str, response: Any) -> None:
    kind = response.headers.get_content_type()
    if kind == "text/html" and schema_of(beginning.partition(b"\n")[0]) is None:
        raise CommandError(f"{shown} gave a page for readers (text/html), not a bundle. Name the file itself.")
    check_header(beginning.partition(b"\n")[0][:HEADER_BYTES], shown)


def _pieces(response: Any) -> Iterator[bytes]:
    """Yield what a server sends, without compression."""
    coding = str(response.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise _Unanswered(f"it is compressed in a way that was not asked for: {coding[:20]}")
    unzip = zlib.decompressobj(wbits=31) if coding != "identity" else None
    announced = response.length
    left = inf if announced is None else announced  # counted here: Python 3.11 may not
    while left > 0 and (piece := response.read1(int(min(left, PIECE)))):
        left -= len(piece)
        if unzip is None:
            yield piece
        else:
            yield from _unzipped(unzip, piece)
    if (left > 0 and announced is not None) or (unzip is not None and not unzip.eof):
        raise _Unanswered("it broke off")


def _unzipped(unzip: Any, piece: bytes) -> Iterator[bytes]:
    try:
        while piece:
            if unzip.eof:
                raise _Unanswered("more follows its end")
            yield unzip.decompress(piece, PIECE)
            piece = unzip.unconsumed_tail or unzip.unused_data
    except zlib.error:
        raise _Unanswered("its compression is damaged") from None


# The copy


def _path(url: str) -> Path:
    """Return the place of the copy: a name that tells nothing of the address."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~")) / ".cache"
    return folder / "gptcache_magics" / "lessons" / blake2b(url.encode(), digest_size=16).hexdigest()


def _copy(path: Path) -> _Copy | None:
    """Return an earlier answer at its first line; None if there is none, or others could have changed it."""
    try:
        file = open(path, "rb") if path.is_file() else None  # noqa: SIM115  (the reader closes it)
    except OSError:
        return None
    if file is None:
        return None
    about = os.fstat(file.fileno())
    others = hasattr(os, "geteuid") and (about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    try:
        state = orjson.loads(file.readline(STATE_BYTES))
        begins = file.tell()
        whole = not others and isinstance(state, dict) and schema_of(file.readline(HEADER_BYTES)) is not None
        file.seek(begins)
    except (OSError, ValueError):
        whole = False
    if not whole:
        file.close()
        return None
    return _Copy(file, path, {str(name): str(value) for name, value in state.items()}, about.st_mtime)


def _keep(path: Path, file: BinaryIO, state: Mapping[str, str], shown: str) -> str:
    """Keep a copy. Returns a sentence if that is not possible."""
    line = orjson.dumps(state)
    try:
        os.makedirs(path.parent, 0o700, exist_ok=True)
        with whole_file(path) as copy:
            if hasattr(os, "fchmod"):
                os.fchmod(copy.fileno(), 0o600)
            copy.write((line if len(line) < STATE_BYTES else b"{}") + b"\n")
            shutil.copyfileobj(file, copy)
    except OSError as failed:
        return f"No copy of {shown} was kept ({_words(failed)}): it needs the network each time."
    return ""
