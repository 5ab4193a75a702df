"""Write what a team's store holds, and what was removed from it, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gptcache_magics.store.postgres.roles import KINDS, identifier, role_of
from gptcache_magics.store.postgres.schema import VERSION
from gptcache_magics.text.amounts import UNKNOWN, byte_size, counted, figure, percent
from gptcache_magics.unprintable import printable

if TYPE_CHECKING:
    from gptcache_magics.store.postgres.address import Address
    from gptcache_magics.store.postgres.facts import Facts, Space
    from gptcache_magics.store.postgres.retention import Pruned

__all__ = ["made", "pruned", "status"]

AUTHORS: Final = 20
"""Most authors that are shown."""
COLUMNS: Final = ("space", "entries", "answers", "oldest", "newest", "lookups a day", "hits", "members")


def made(address: Address) -> str:
    """Return the sentence about a store that is there now."""
    roles = ", ".join(role_of(address.space, kind) for kind in KINDS)
    writer = identifier(role_of(address.space, "writer"))
    return (
        f"The store at {address.place} is ready: schema {VERSION}, roles {roles}. "
        f"Give each member one of them, in psql: GRANT {writer} TO ann;"
    )


def status(address: Address, facts: Facts) -> str:
    """Return the figures of a store, as lines of text."""
    weeks = [each for each in facts.weeks if each.monday is not None]
    log = f"{counted(len(weeks), 'week')}, {byte_size(facts.bytes['lookup'])}"
    authors = [f"{name} {number:,}" for name, number in facts.authors[:AUTHORS]]
    if len(facts.authors) > AUTHORS:
        authors.append(f"{len(facts.authors) - AUTHORS:,} more")
    sizes = sorted(facts.bytes.items(), key=lambda each: -each[1])
    lines = [
        f"store        {address.shown}",
        f"version      schema {facts.version}, PostgreSQL {facts.server}",
        f"size         {byte_size(facts.size)}: {', '.join(f'{name} {byte_size(size)}' for name, size in sizes)}",
        f"connections  {facts.connections} of {facts.most_connections}",
        f"log          {log}{f' from {weeks[0].monday}' if weeks else ''}",
        f"entries by   {', '.join(authors) or UNKNOWN}",
        "",
        *_table([COLUMNS, *map(_row, facts.spaces)]),
    ]
    return printable("\n".join(lines if facts.spaces else [*lines[:-1], "No entries and no lookups yet."]))


def _row(space: Space) -> tuple[str, ...]:
    hits = percent(space.lookup_hits / space.lookups) if space.lookups else UNKNOWN
    days = f"{space.lookups / 7:,.0f}" if space.lookups >= 70 else figure(space.lookups / 7)
    return (
        *(space.name, f"{space.entries:,}", byte_size(space.answer_bytes)),
        *(_day(space.oldest), _day(space.newest), days, hits, str(space.members)),
    )


def _day(moment: float | None) -> str:
    return UNKNOWN if moment is None else datetime.fromtimestamp(moment, UTC).date().isoformat()


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        yield "  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])])


def pruned(address: Address, found: Pruned, *, dry_run: bool) -> str:
    """Return the sentence about what was removed, or would be."""
    parts = list(_parts(found))
    if not parts:
        return f"Nothing to remove at {address.place}."
    if dry_run:
        return f"Would be removed from {address.place}: {', '.join(parts)}. Nothing was removed."
    return f"Removed from {address.place}: {', '.join(parts)}."


def _parts(found: Pruned) -> Iterator[str]:
    if found.entries:
        whys = {"expired": found.expired, "too old": found.older, "unused": found.unused, "above the size": found.size}
        yield f"{counted(found.entries, 'entry')} ({', '.join(f'{n:,} {why}' for why, n in whys.items() if n)})"
    if found.embeddings:
        yield counted(found.embeddings, "embedding")
    if found.weeks:
        size = byte_size(sum(week.bytes for week in found.weeks))
        yield f"{counted(len(found.weeks), 'week')} of lookups ({size}, up to that of {found.weeks[-1].monday})"
    if found.lookups:
        yield f"{counted(found.lookups, 'lookup')}{' beside them' if found.weeks else ''}"
    if found.questions:
        yield f"{counted(found.questions, 'question')} that nothing asks any more"
    if found.history:
        yield counted(found.history, "earlier answer")
    if found.changes:
        yield f"{counted(found.changes, 'note')} of changes"
