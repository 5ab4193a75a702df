"""A file system that cannot lock files, as some network drives: in this process, no lock is given any more."""

import ctypes
import errno
import platform
import struct
import sys

__all__ = ["can_refuse_locks", "refuse_locks"]

NUMBERS = {"x86_64": (0xC000003E, 72), "aarch64": (0xC00000B7, 25)}
"""Number of the architecture, and of the system call ``fcntl``, by machine."""
F_GETLK, F_SETLKW = 5, 7
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ABOVE, RETURN = 0x20, 0x15, 0x35, 0x25, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def can_refuse_locks() -> bool:
    """Return whether this system can do it."""
    return sys.platform == "linux" and platform.machine() in NUMBERS


def refuse_locks(error: int = errno.ENOLCK) -> None:
    """Let the kernel answer each wish for a lock of a file with an error, as long as this process lives."""
    architecture, fcntl = NUMBERS[platform.machine()]
    steps = [
        (LOAD, 0, 0, 4),
        (EQUAL, 0, 6, architecture),
        (LOAD, 0, 0, 0),
        (EQUAL, 0, 4, fcntl),
        (LOAD, 0, 0, 24),  # the command of fcntl
        (AT_LEAST, 0, 2, F_GETLK),
        (ABOVE, 1, 0, F_SETLKW),
        (RETURN, 0, 0, ERRNO | error),
        (RETURN, 0, 0, ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, FILTER, ctypes.byref(_Program(len(steps), code)), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")
