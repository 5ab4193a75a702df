"""Let Python's ``datetime`` give one day, so that a prompt with today's date is the same prompt tomorrow."""

from __future__ import annotations

import copyreg
import datetime
import sys
from types import TracebackType
from typing import Any, Final, Self

from gptcache_magics.errors import CommandError

__all__ = ["FrozenDate", "frozen_date", "unfreeze"]

_DATE: Final[Any] = datetime.date
_DATETIME: Final[Any] = datetime.datetime
_MORNING: Final = datetime.time(9)


class FrozenDate:
    """The day that ``datetime`` gives, until ``stop`` or the end of the ``with`` block."""

    def __init__(self, day: datetime.date, names: dict[str, Any]) -> None:
        self.day = day
        self.names = names
        """The names of the caller, in which the classes are replaced, too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<FrozenDate {self.day.isoformat()}{'' if _frozen is self else ', stopped'}>"

    def stop(self) -> None:
        """Let ``datetime`` give the real day again."""
        if _frozen is self:
            unfreeze()

    def now(self, zone: datetime.tzinfo | None = None) -> datetime.datetime:
        """Return nine in the morning of the day, in any time zone."""
        return _DATETIME.combine(self.day, _MORNING, zone)  # type: ignore[no-any-return]


def frozen_date(day: str | datetime.date) -> FrozenDate:
    """Let ``date.today`` give a day, and ``datetime.now`` nine in the morning of that day.

    ``with frozen_date("2026-01-05"):`` holds for the block. A plain call holds until ``stop()``, or until the cache is
    turned off. ``datetime.now`` stands still, to the microsecond: a prompt with the time in it is the same prompt in
    each run. ``time.time`` and ``time.monotonic`` go on, and names that other modules have imported from ``datetime``
    stay as they are.

    Parameters
    ----------
    day
        A date, or its text as in ``2026-01-05``.

    Raises
    ------
    CommandError
        If ``day`` is not a day.
    """
    global _frozen
    try:
        given = _DATE.fromisoformat(day) if isinstance(day, str) else day
        chosen = _DATE(given.year, given.month, given.day)
    except (ValueError, AttributeError):
        raise CommandError(f"frozen_date takes a day such as '2026-01-05'. Got {day!r}.") from None
    unfreeze()
    _frozen = FrozenDate(chosen, sys._getframe(1).f_globals)
    _replace(_frozen.names, _FROZEN_BY_REAL)
    for real in _FROZEN_BY_REAL:
        copyreg.pickle(real, _reduced)  # pickle finds the other class under the name of the real one
    return _frozen


def unfreeze() -> None:
    """Let ``datetime`` give the real day again, if it gives another."""
    global _frozen
    if _frozen is not None:
        _replace(_frozen.names, _REAL_BY_FROZEN)
        for real in _FROZEN_BY_REAL:
            copyreg.dispatch_table.pop(real, None)
        _frozen = None


_frozen: FrozenDate | None = None


def _now(zone: datetime.tzinfo | None = None) -> datetime.datetime:
    frozen = _frozen  # another thread may end it here
    return frozen.now(zone) if frozen is not None else _DATETIME.now(zone)


class _AsReal(type):
    """Lets a class pass for the real one whose place it takes. Values are of the real class."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _REAL_BY_FROZEN[cls]) if cls in _REAL_BY_FROZEN else super().__instancecheck__(value)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _REAL_BY_FROZEN[cls]) if cls in _REAL_BY_FROZEN else super().__subclasscheck__(kind)


class _Date(datetime.date, metaclass=_AsReal):
    def __new__(cls, *values: Any, **named: Any) -> Any:
        return _DATE(*values, **named) if cls is _Date else super().__new__(cls, *values, **named)

    @classmethod
    def today(cls) -> Any:
        day = _now()
        return cls(day.year, day.month, day.day)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.date_schema()


class _DateTime(datetime.datetime, metaclass=_AsReal):
    def __new__(cls, *values: Any, **named: Any) -> Any:
        return _DATETIME(*values, **named) if cls is _DateTime else super().__new__(cls, *values, **named)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _now(tz)

    @classmethod
    def today(cls) -> Any:
        return _now()

    @classmethod
    def utcnow(cls) -> Any:
        return _now()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.datetime_schema()


_FROZEN_BY_REAL: Final[dict[Any, Any]] = {_DATE: _Date, _DATETIME: _DateTime}
_REAL_BY_FROZEN: Final[dict[Any, Any]] = {frozen: real for real, frozen in _FROZEN_BY_REAL.items()}
for _real, _class in _FROZEN_BY_REAL.items():
    _class.__name__, _class.__qualname__, _class.__module__ = _real.__name__, _real.__name__, "datetime"


def _replace(names: dict[str, Any], classes: dict[Any, Any]) -> None:
    """Replace classes in their module and among the names of a caller."""
    for space in (vars(datetime), names):
        for name, value in [*space.items()]:
            if isinstance(value, type) and value in classes:
                space[name] = classes[value]


def _reduced(value: Any) -> Any:
    kind, *rest = value.__reduce__()
    return (_FROZEN_BY_REAL.get(kind, kind), *rest)
