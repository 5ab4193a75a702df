"""Write a bundle from a store, and read one."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field, replace
from errno import EACCES
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from gptcache_magics import generations
from gptcache_magics.bundle.embeddings import (
    EMBEDDER,
    EMBEDDING,
    embedder_from,
    embedder_line,
    embedding_from,
    embedding_line,
)
from gptcache_magics.bundle.header import (
    HEADER,
    HEADER_BYTES,
    check_header,
    is_pickle_name,
    pickle_refused,
    schema_of,
)
from gptcache_magics.bundle.lines import (
    MASKED_PROMPT,
    configuration_from,
    configuration_line,
    entry_from,
    entry_line,
    fields_of,
)
from gptcache_magics.bundle.masks import MASKED_ANSWER, without_secrets
from gptcache_magics.bundle.misses import MISS, Miss, miss_from, miss_line
from gptcache_magics.bundle.plain import plain_line
from gptcache_magics.bundle.sorting import Sorted
from gptcache_magics.bundle.whole import begin_to_store, whole_file
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.store.protocol import Configuration, Embedding, Entry, EntryRow, Selection, Store
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.text.web_address import is_web_address, place_of_address

__all__ = ["Contents", "Saved", "as_file", "is_bundle", "opened", "read", "save"]

LINE_BYTES: Final = 500_000_000
STEP: Final = 1_000
"""Entries between two words about progress."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of saving a bundle."""

    entries: int
    bytes: int
    masked_prompts: int
    """Number of entries whose prompt was masked: they match nothing."""
    masked_answers: int
    skipped: int = 0
    """Number of damaged entries, which are not in the file."""
    embeddings: int = 0
    secret_texts: int = 0
    """Number of embedded texts that look like they hold a key, which are not in the file."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The entries of a file with their configurations, and the lines that were refused."""

    entries: list[Entry] = field(default_factory=list)
    configurations: list[Configuration] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Number of each refused line, with the reason."""
    embeddings: list[Embedding] = field(default_factory=list)
    embedders: list[Configuration] = field(default_factory=list)
    """The configurations of the embeddings."""
    misses: list[Miss] = field(default_factory=list)
    """Questions that the author of the bundle asked in vain."""
    unit: str = "line"
    notice: str = ""
    """A sentence for the user about the place that they were read from."""

    @property
    def summary(self) -> str:
        """Summary of the refused lines: ``2 refused: line 4 (not JSON), line 7 ('created' is missing)``, or empty."""
        if not self.refused:
            return ""
        shown = ", ".join(f"{self.unit} {number} ({reason})" for number, reason in self.refused[:_SHOWN])
        return f"{len(self.refused):,} refused: {shown}{', …' if len(self.refused) > _SHOWN else ''}"


def save(
    store: Store,
    selection: Selection,
    path: str | Path,
    progress: Callable[[str, int, int], None] | None = None,
    embeddings: Collection[str] | None = (),
    misses: Sequence[Miss] = (),
) -> Saved:
    """Write the selected entries to a bundle, replacing one that is there. Without entries write nothing.

    Parameters
    ----------
    progress
        Is told now and then what is done, with how many entries of how many.
    embeddings
        Keys of the embeddings to write, too; None for all of them.
    misses
        Questions without an answer to write, too.

    Raises
    ------
    CommandError
        If the path cannot be a bundle, or holds another file.
    StoreError
        If the file cannot be written, or the store was cleared meanwhile.
    """
    with _store_errors(path, "written"):
        target = _target(path)
    tell = progress or _tell_nobody
    generation, configurations = store.generation(), _in_order(store.configurations())
    places = {each.key: place for place, each in enumerate(configurations)}
    total, skipped, tags = store.count(selection)[0], 0, Counter[str]()
    with closing(Sorted(target.parent)) as lines:
        saved = 0
        for number, row in enumerate(store.each_entry(selection)):
            if number % STEP == 0:
                tell("read", number, total)
            place = places.get(row.configuration) if row is not None else None
            found = _line(row) if row is not None and place is not None else None
            if found is None:
                skipped += 1
                continue
            entry, line = found
            if entry.tags:
                tags.update(entry.tags.split())
            try:
                lines.add((place, entry.prompt, entry.key), line)
            except (OSError, ValueError) as error:
                raise _store_error(path, "written", error) from error
            saved += 1
        if store.generation() != generation:
            raise StoreError(f"The store was cleared meanwhile, so {path} was not written. Save again.")
        embedded, secret = _embeddings(store, embeddings)
        if not saved and not embedded and not misses:
            return Saved(0, 0, 0, 0, skipped, 0, secret)
        with _store_errors(path, "written"), whole_file(target) as file:
            file.write(HEADER + b"\n")
            last = None
            for number, ((place, *_), line) in enumerate(lines):
                if number % STEP == 0:
                    tell("written", number, saved)
                    begin_to_store(file)
                if place != last:
                    file.write(configuration_line(configurations[place]) + b"\n")
                    last = place
                file.write(line + b"\n")
            for line in _miss_lines(misses, configurations):
                file.write(line + b"\n")
            written = 0
            for line, is_embedding in _embedding_lines(store, embedded):
                file.write(line + b"\n")
                written += is_embedding
            size = file.tell()
    return Saved(saved, size, tags[MASKED_PROMPT], tags[MASKED_ANSWER], skipped, written, secret)


def _embeddings(store: Store, keys: Collection[str] | None) -> tuple[Collection[str], int]:
    """Return the keys of the embeddings that can be written, and how many look like they hold a key."""
    if keys is not None and not keys:
        return (), 0
    clean, secret = set[str](), 0
    for each in store.each_embedding():
        if keys is None or each.key in keys:
            fits = embedding_line(each) is not None
            secret += not fits
            if fits:
                clean.add(each.key)
    return clean, secret


def _embedding_lines(store: Store, keys: Collection[str]) -> Iterator[tuple[bytes, bool]]:
    """Yield the lines of embeddings, each configuration before its own, and whether a line is an embedding."""
    if not keys:
        return
    models = {each.key: each for each in store.embedding_models()}
    last = ""
    for each in store.each_embedding():
        line = embedding_line(each) if each.key in keys and each.model in models else None
        if line is None:
            continue
        if each.model != last:
            yield embedder_line(models[each.model]), False
            last = each.model
        yield line, True


def _miss_lines(misses: Sequence[Miss], configurations: Sequence[Configuration]) -> Iterator[bytes]:
    """Yield the lines of misses in the order of their models, each configuration before its own."""
    for configuration in configurations:
        own = sorted((each for each in misses if each.configuration == configuration.key), key=lambda each: each.at)
        if own:
            yield configuration_line(configuration)
            yield from map(miss_line, own)


def _line(row: EntryRow) -> tuple[EntryRow | Entry, bytes] | None:
    """Return an entry as the file holds it, and its line; None if its answer is damaged."""
    plain = plain_line(row)
    if plain is not None:
        return row, plain
    if generations.text_if_readable(row.answer) is None:
        return None
    entry = without_secrets(row.entry)
    return entry, entry_line(entry)


def _tell_nobody(done: str, number: int, total: int) -> None:
    """Do nothing: the default ``progress``."""


def read(path: str | Path, *, ask: bool = True) -> Contents:
    """Read a bundle: a file, or one that is fetched. Wrong lines are refused, and the others are taken.

    Parameters
    ----------
    ask
        Whether a server is asked for the bundle at an address; else only the copy on this machine is read.

    Raises
    ------
    CommandError
        If the file is not a bundle. A Python pickle is never opened.
    StoreError
        If the file cannot be read, or was written by a newer version.
    """
    if is_web_address(path):
        from gptcache_magics.bundle import web  # imports http.client

        lesson = web.fetched(str(path)) if ask else web.copy_of(str(path))
        with lesson.file as file, _store_errors(lesson.name, "read"):
            return replace(_read(file, lesson.name), notice=lesson.notice)
    with _store_errors(path, "read"), _open(path) as file:
        return _read(file, path)


@contextmanager
def as_file(address: str) -> Iterator[str]:
    """Yield a file with the bundle at an address, for other processes, which so need not fetch it."""
    from gptcache_magics.bundle import web

    lesson = web.fetched(address)
    with lesson.file as fetched, TemporaryDirectory() as folder:
        target = os.path.join(folder, "lesson.jsonl")
        with open(target, "wb") as copy:
            shutil.copyfileobj(fetched, copy)
        yield target


def _read(file: BinaryIO, name: str | Path) -> Contents:
    contents = Contents()
    configurations: dict[str, Configuration] = {}
    embedders: dict[str, Configuration] = {}
    found: list[tuple[int, Entry, bool]] = []
    vectors: list[tuple[int, Embedding]] = []
    check_header(file.readline(HEADER_BYTES), name)
    for number, line in enumerate(_long_lines(file), 2):
        if not line.strip():
            continue
        try:
            fields = fields_of(line)
            if EMBEDDING in fields:
                vectors.append((number, embedding_from(fields)))
                continue
            if MISS in fields:
                contents.misses.append(miss_from(fields))
                continue
            if EMBEDDER in fields:
                embedder = embedder_from(fields)
                embedders.setdefault(embedder.key, embedder)
                continue
            if "entry" in fields:
                found.append((number, *entry_from(fields)))
                continue
            configuration = configuration_from(fields)
            if astuple(configurations.setdefault(configuration.key, configuration)) != astuple(configuration):
                raise ValueError("another configuration has its key")
        except ValueError as error:
            contents.refused.append((number, str(error)))
        except Exception:  # such as a number beyond every limit, or nested too deep
            contents.refused.append((number, "cannot be read"))
    answers: dict[str, bytes] = {}
    for number, entry, fits in found:
        if entry.configuration not in configurations:
            contents.refused.append((number, "its configuration is not in the file"))
        elif not fits:
            contents.refused.append((number, "its key does not fit its prompt"))
        elif answers.setdefault(entry.key, entry.answer) != entry.answer:
            contents.refused.append((number, "the call has another answer above"))
        else:
            contents.entries.append(entry)
    _take_embeddings(contents, vectors, embedders)
    contents.refused.sort()
    contents.configurations.extend(configurations.values())
    return contents


def _take_embeddings(
    contents: Contents, found: Sequence[tuple[int, Embedding]], embedders: dict[str, Configuration]
) -> None:
    """Take the embeddings of a file, or refuse them."""
    taken: dict[str, bytes] = {}
    for number, each in found:
        if each.model not in embedders:
            contents.refused.append((number, "its configuration is not in the file"))
        elif taken.setdefault(each.key, each.vector) != each.vector:
            contents.refused.append((number, "the text has another vector above"))
        else:
            contents.embeddings.append(each)
    contents.embedders.extend(embedders.values())


def _long_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; one that is too long to be read gives its beginning, which is not JSON."""
    while line := file.readline(LINE_BYTES):
        yield line
        while len(line) == LINE_BYTES and line[-1:] != b"\n":
            line = file.readline(LINE_BYTES)


def opened(path: str | Path, *, ask: bool = True) -> SQLiteStore:
    """Return a store in memory with the entries of a bundle. Takes the parameters of ``read``, and raises the same."""
    contents = read(path, ask=ask)
    fetched = is_web_address(path)
    where = place_of_address(str(path)) if fetched else os.path.abspath(os.path.expanduser(path))
    refused = f"{where if fetched else path}: {contents.summary}." if contents.refused else ""
    store = _BundleStore(where, [*filter(None, [refused, contents.notice])])
    store.put_all(contents.entries, contents.configurations, replace=False)
    if contents.embeddings:
        store.put_embeddings(contents.embeddings, contents.embedders)
    return store


class _BundleStore(SQLiteStore):
    """A store in memory, filled from a file. Writes to it are lost when it is closed."""

    def __init__(self, where: str, read: Sequence[str]) -> None:
        super().__init__(":memory:")
        self.where = where
        self._read = read

    @property
    def notices(self) -> Sequence[str]:
        """Sentences that the user must see about this store."""
        return [*self._read, *super().notices]


def is_bundle(path: str | Path) -> bool:
    """Return whether a file begins like a bundle of any version."""
    try:
        with _store_errors(path, "read"), _open(path) as file:
            return schema_of(file.readline(HEADER_BYTES)) is not None
    except (CommandError, StoreError):
        return False


def _in_order(configurations: Iterable[Configuration]) -> list[Configuration]:
    return sorted(configurations, key=lambda each: (each.provider, each.model, each.label, each.key))


def _target(path: str | Path) -> Path:
    """Return the file to write, which is missing or a bundle."""
    target = Path(os.path.realpath(os.path.expanduser(path)))  # a link stays a link
    if os.path.isdir(target):
        raise CommandError(f"{path} is a folder. Name a file: %gptcache save {Path(path) / 'lesson.jsonl'}")
    if is_pickle_name(target):
        raise CommandError(f"A bundle is text, not a pickle. Type: %gptcache save {Path(path).with_suffix('.jsonl')}")
    if not os.path.isdir(target.parent):
        raise CommandError(f"There is no folder {Path(path).parent}. Make it, or name another file.")
    if os.path.lexists(target):
        if not is_bundle(target):
            raise CommandError(
                f"{path} is not a bundle and was not touched. Name another file: %gptcache save lesson.jsonl"
            )
        if not os.access(target, os.W_OK):
            raise PermissionError(EACCES, "it is read-only")
    return target


def _open(path: str | Path) -> BinaryIO:
    file = Path(os.path.expanduser(path))
    if os.path.isdir(file):
        raise CommandError(f"{path} is a folder. A bundle is a file: %gptcache save lesson.jsonl --at {path}")
    if os.path.exists(file) and not os.path.isfile(file):  # reading one may wait for ever
        raise CommandError(f"{path} is a pipe or a device. A bundle is a file: cat {path} > lesson.jsonl")
    if not os.path.isfile(file):
        raise CommandError(f"There is no file {path}. A bundle is made by %gptcache save lesson.jsonl")
    if is_pickle_name(file):
        raise pickle_refused(path)
    return open(file, "rb")


@contextmanager
def _store_errors(path: str | Path, done: str) -> Iterator[None]:
    """Turn errors of the system about a file into a ``StoreError`` of one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError: not a possible file name
        raise _store_error(path, done, error) from error


def _store_error(path: str | Path, done: str, error: OSError | ValueError) -> StoreError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return StoreError(f"{path} cannot be {done}: {reason}. Name another file.")
