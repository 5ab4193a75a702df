"""Tell on which kind of file system a file lies, from Linux's list of mounts.

SQLite's WAL needs memory that all processes with the file share. Machines that mount one folder share none, and no
machine notices: each would change the file behind the other's back. So a store on a network file system gets a rollback
journal from the beginning, which needs locks only.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["MOUNTS", "is_remote", "kind_of"]

MOUNTS: Final = Path("/proc/mounts")
# Behind FUSE, a service lies more often than a disk: Drive, buckets, the workspace of Databricks, sshfs.
_REMOTE: Final = re.compile(
    r"nfs\d?|cifs|smbfs|smb3|ceph|lustre|afs|9p|glusterfs|beegfs|gpfs|wekafs"
    r"|fuse(\.(?!(fuse-overlayfs|bindfs|encfs|gocryptfs|cryfs|mergerfs|unionfs|ntfs)\b).+)?"
)


def kind_of(path: Path, mounts: str | None = None) -> str | None:
    """Return the kind of file system of a file or folder, such as ``ext4``; None if the system does not tell.

    Parameters
    ----------
    path
        Path of a file, which need not exist.
    mounts
        Text of ``/proc/mounts``, which only Linux has; read now by default.
    """
    if mounts is None:
        mounts = ""
        with suppress(OSError):
            mounts = MOUNTS.read_text("utf-8", "surrogateescape")
    real = os.path.realpath(path)
    kinds = {}
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if Path(real).is_relative_to(point):
            kinds[point] = kind  # the last one at a place hides those below it
    return kinds[max(kinds, key=len)] if kinds else None


def is_remote(kind: str | None) -> bool:
    """Return whether other machines may use a file system of this kind at the same time."""
    return kind is not None and _REMOTE.fullmatch(kind) is not None
