"""What may happen to the file of a store while it is in use: each is a context manager over the store's folder."""

import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["full", "full_of_noise", "locked", "replaced_by_a_file", "replaced_by_folders"]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the file, as another process would."""
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Let no file grow, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def replaced_by_a_file(folder: Path) -> Iterator[None]:
    """Put a file in the place of the folder."""
    shutil.rmtree(folder)
    folder.write_text("no folder")
    yield


@contextmanager
def replaced_by_folders(folder: Path) -> Iterator[None]:
    """Put a folder in the place of the file."""
    shutil.rmtree(folder)
    (folder / "cache.db" / "x").mkdir(parents=True)
    yield


@contextmanager
def full_of_noise(folder: Path) -> Iterator[None]:
    """Overwrite the file and its log."""
    for path in [*folder.glob("cache.db*")]:
        path.write_bytes(b"noise" * 5_000)
    yield
