"""A table widget for a DataFrame of any length that sends only the visible rows.

The browser holds a scroll area as high as the whole table, but only the visible rows and five screens on either side.
It tells Python the first visible row and gets the rows around it, so a table of a hundred rows and one of a hundred
thousand cost the same. Each row carries its key, so that an update changes texts in place, and scroll, focus and
selection stay where they are. Sorting, searching and grouping happen here, on the DataFrame.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import traitlets

from gptcache_magics.errors import CommandError
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.grep import Grep
from gptcache_magics.text.word_diff import as_text
from gptcache_magics.widgets.formats import TEXT_KINDS, Column, Kind, most_digits
from gptcache_magics.widgets.grid.cells import COMPARED, differing_words, from_place, last_parts, shared_beginnings
from gptcache_magics.widgets.grid.export import export
from gptcache_magics.widgets.grid.groups import Groups
from gptcache_magics.widgets.scripts import one_module, one_style
from gptcache_magics.widgets.unsaved import UnsavedWidget

SCREENS_AROUND = 5
HEADING = "\n"  # beginning of the key of a heading, and of no other key
MOST_VIEWS = 4
SEARCHED_CHARACTERS = 10_000
WHOLE_CHARACTERS = 100_000
"""Most characters of a cell or row that are shown or copied whole."""


class Grid(UnsavedWidget):
    """Show a DataFrame as an ARIA grid: windowed, sortable, searchable, with keyboard and selection.

    Parameters
    ----------
    columns
        Columns to show, in this order. A name may be a column or the index of the DataFrame.
    key
        The column or index that identifies a row, such as an id.
    label
        The name of the table for a screen reader.
    empty
        Sentence shown when the table has no rows.
    sort
        Column to sort by at first, and whether ascending; empty for the order of the DataFrame.
    height_rows
        Number of visible rows before the table scrolls.
    multiple
        Whether more than one row can be selected.
    lets_go
        Whether pressing the only selected row deselects it, as it always does if only one can be selected.
    hint
        Hint about the actions on a row.
    groupings
        Ways to group rows under headings, among which the user chooses.
    """

    _esm = one_module(Path(__file__).parent, "sparkline", "whole", "widths", "grid")
    _css = one_style(Path(__file__).parent, "grid")

    columns: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    order = traitlets.Dict().tag(sync=True)  # what the user asked for: {"sort", "ascending", "query", "grouped"}
    # The first visible row of each view of this model: {"first": its place, "key": its key, "" for the top}
    windows = traitlets.Dict().tag(sync=True)
    widths = traitlets.Dict().tag(sync=True)  # pixels of the columns that were made wider or narrower, by name
    selection = traitlets.List(traitlets.Unicode()).tag(sync=True)
    height_rows = traitlets.Int(10).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    multiple = traitlets.Bool(True).tag(sync=True)
    lets_go = traitlets.Bool(False).tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    groupings = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        key: str,
        label: str,
        empty: str = "Nothing here yet.",
        sort: tuple[str, bool] = ("", True),
        height_rows: int = 10,
        multiple: bool = True,
        lets_go: bool = False,
        hint: str = "",
        groupings: Sequence[str] = (),
    ) -> None:
        self._bare: list[str] = []
        self._digits: dict[str, int] = {}
        self._places: dict[str, dict[str, int]] = {}  # by column: where texts of one beginning differ
        self._last_parts: dict[str, dict[str, str]] = {}  # by column: names of models without their paths
        self._shown, self._key, self._empty, self._newest = tuple(columns), key, empty, False
        self._first_sort = sort
        self._groups: Groups | None = None
        names = [name for column in columns for name in (column.name, column.against) if name]
        self._frame = pd.DataFrame({name: [] for name in (*names, key)})
        self._keys = self._frame[key]
        self._positions: list[int] = []  # rows of the frame in the order shown; a heading is a negative number
        self._position_keys: list[str] = []
        self._matches: Callable[[str], bool] | None = None
        self._revealed = 0
        self._query, self._note = "", ""
        """The query that was understood last, and what is wrong with it."""
        # Updates come from a thread, scrolling and searching from the kernel's message loop.
        self._lock = threading.RLock()
        super().__init__(
            columns=[_heading(column) for column in columns],
            order={"sort": sort[0], "ascending": sort[1], "query": "", "grouped": ""},
            label=label,
            height_rows=height_rows,
            multiple=multiple,
            lets_go=lets_go,
            hint=hint,
            groupings=list(groupings),
        )
        self._reorder()
        self.observe(lambda _: self._reorder(), "order")
        self.observe(lambda _: self._turn(), "windows")
        self.observe(self._forget_revealed, "selection")

    @property
    def page(self) -> dict[str, Any]:
        """The visible rows of the views and those around them. They are sent and not saved: rows hold prompts."""
        return dict(self._unsaved.get("page", {}))

    def close(self) -> None:
        """Close the widget and forget the table."""
        super().close()
        self.unobserve_all()
        self._frame = self._frame.iloc[:0]
        self._keys = self._keys.iloc[:0]
        self._groups, self._positions, self._position_keys = None, [], []
        self._places, self._last_parts = {}, {}

    def update(
        self, frame: pd.DataFrame, *, newest: bool = False, groups: Groups | None = None, empty: str = ""
    ) -> None:
        """Show the rows of `frame` instead; keep the selection and the scroll positions.

        `newest` says that these are only the newest rows; `groups` holds the headings; `empty` is the new sentence for
        a table without rows.
        """
        with self._lock:
            self._newest, self._groups, self._empty = newest, groups, empty or self._empty
            self._take(frame if self._key in frame.columns else frame.reset_index())
            there = set(self._keys)
            self._reorder()
        # Outside the lock, as observers may wait for a thread that waits for it. A row may be selected until here.
        if not there.issuperset(self.selection):
            self.selection = [key for key in self.selection if key in there]

    def _take(self, frame: pd.DataFrame) -> None:
        self._frame = frame.reset_index(drop=True)
        self._keys = self._frame[self._key].map(_key_text)
        self._bare = [column.name for column in self._shown if column.level and _is_bare(self._frame[column.name])]
        self._digits = {
            column.name: most_digits(self._frame[column.name]) for column in self._shown if column.kind == "money"
        }
        self._places = {name: shared_beginnings(texts) for name, texts in self._texts("prompt")}
        self._last_parts = {name: last_parts(texts) for name, texts in self._texts("model")}

    def _texts(self, kind: Kind) -> Iterator[tuple[str, list[str]]]:
        """Yield the columns of a kind with their different texts."""
        for column in self._shown:
            if column.kind == kind:
                yield column.name, self._frame[column.name].dropna().unique().tolist()

    def selected(self) -> pd.DataFrame:
        """Return the selected rows, in the order of the table's DataFrame."""
        with self._lock:
            return self._frame[self._keys.isin(self.selection)]

    def select(self, keys: Iterable[object]) -> None:
        """Select the rows of these keys, as the key column has them."""
        self.selection = [_key_text(key) for key in keys]

    def reveal(self, key: object) -> None:
        """Select a row, scroll to it and give it the focus; a search that hides it ends. Ignore an unknown key."""
        text = _key_text(key)
        with self._lock:
            if text not in set(self._keys):
                return
            if text not in self._position_keys:
                self.order = {**self.order, "query": ""}
            if text not in self._position_keys:
                return
            at = self._position_keys.index(text)
        self.selection = [text]
        self._revealed += 1
        self.send_values(reveal={"number": self._revealed, "at": at})

    def _forget_revealed(self, change: Any) -> None:
        """Let no later view scroll to a row that was revealed before."""
        self._unsaved.pop("reveal", None)

    @property
    def grouped(self) -> str:
        """The grouping that the reader asked for; empty if none."""
        grouped = self.order.get("grouped")
        return grouped if grouped in self.groupings else ""

    def _asked(self, _: object, content: dict[str, Any], __: object) -> None:
        if "range" in content:
            self._select_range(*content["range"])
        elif "whole" in content:
            self._send_whole(*content["whole"])
        elif "export" in content:
            self.send({"told": self._export(content["export"])})
        else:
            super()._asked(_, content, __)

    def _select_range(self, one: str, other: str) -> None:
        """Select a range of rows that is longer than the browser holds."""
        with self._lock:
            keys = self._position_keys
        if one in keys and other in keys:
            low, high = sorted((keys.index(one), keys.index(other)))
            self.selection = [key for key in keys[low : high + 1] if not key.startswith(HEADING)]

    def _send_whole(self, key: str, name: str, copy: bool) -> None:
        """Send the whole text of a cell, or of all cells of a row if ``name`` is empty."""
        with self._lock:
            rows = self._frame[self._keys == key]
        named = [column for column in self._shown if name in (column.name, "")]
        if len(rows):
            row = rows.astype(object).iloc[0]
            texts = [
                " → ".join(column.whole(row[each]) for each in (column.against, column.name) if each)
                for column in named
            ]
            self.send({"whole": {"text": "\t".join(texts)[:WHOLE_CHARACTERS], "copy": copy}})

    def _export(self, form: str) -> str:
        """Write the rows that are shown to a file and return a sentence about it."""
        with self._lock:
            frame, positions, newest = self._frame, self._positions, self._newest
        return export(frame.iloc[[at for at in positions if at >= 0]], str(self.label), form, newest=newest)

    def _reorder(self) -> None:
        with self._lock:
            query = self.order.get("query", "")
            if query != self._query:  # one that takes too long is tried once, not with each update
                self._query, self._note = query, self._understand(query)
            frame = self._frame
            try:
                frame = frame if self._matches is None else frame[self._found(self._matches)]
            except CommandError as error:  # it takes too long
                self._matches, self._note = None, str(error)
            sort = self.order.get("sort", ""), bool(self.order.get("ascending", True))
            positions = list(_sorted(frame, *sort))
            if self.grouped and self._groups is not None:
                positions = self._groups.arranged(positions, leading=sort == self._first_sort)
            keys, headings = self._keys.tolist(), len(self._groups.headings) if self._groups is not None else 0
            self._positions = positions
            # New groups come first, so counting from the last keeps the number of a group.
            self._position_keys = [keys[at] if at >= 0 else f"{HEADING}{headings + at}" for at in positions]
            self._turn(self._note)

    def _understand(self, query: str) -> str:
        """Turn a typed query into a test for texts; if that fails, return the reason and keep the last test."""
        if len(query) > 1 and query.startswith("/") and query.endswith("/"):
            try:
                grep = Grep(query[1:-1], "The search")
            except CommandError as error:
                return f"Not a regular expression yet. {error}"
            self._matches = lambda text: grep.found_in(text[:SEARCHED_CHARACTERS])
        else:
            words = query.strip().casefold()
            self._matches = (lambda text: words in text.casefold()) if words else None
        return ""

    def _found(self, matches: Callable[[str], bool]) -> list[bool]:
        texts = [column for column in self._shown if column.kind in TEXT_KINDS]
        searched = [self._key, *(each for column in texts for each in (column.name, column.against) if each)]
        found = [False] * len(self._frame)
        for name in dict.fromkeys(searched):
            values = self._frame[name].astype(object)
            found = [
                hit or (isinstance(x, str | int) and matches(str(x))) for hit, x in zip(found, values, strict=True)
            ]
        return found

    def _turn(self, note: str | None = None) -> None:
        """Send the visible rows of the views, and those around them."""
        with self._lock:
            total, every = len(self._positions), len(self._frame)
            count = f"{'newest ' * self._newest}{counted(every, 'row')}"
            if note is None:
                note = str(self.page.get("note", ""))
            elif not every:
                note = self._empty
            elif not total and not note:
                note = "No row matches this search."
            found = sum(at >= 0 for at in self._positions)
            page = {
                "total": total,
                "count": f"{found:,} of {count}" if self._matches else count,
                "note": note,
                "bare": self._bare,
                "order": self.order,  # tells the browser that its order was applied
                "spans": [{"start": low, "rows": self._rows(low, high)} for low, high in self._spans(total)],
            }
            self.send_values(page=page)

    def _spans(self, total: int) -> list[tuple[int, int]]:
        """Return the ranges of rows to send: one for each view, joined where they meet."""
        firsts = sorted(self._place(**window) for window in list(self.windows.values())[-MOST_VIEWS:]) or [0]
        spans: list[tuple[int, int]] = []
        for first in firsts:
            first = max(0, min(first, total - self.height_rows))
            low = max(0, first - SCREENS_AROUND * self.height_rows)
            high = min(total, first + (1 + SCREENS_AROUND) * self.height_rows)
            if spans and low <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
            else:
                spans.append((low, high))
        return spans

    def _place(self, first: int, key: str) -> int:
        """Return the present place of the first visible row of a view: rows may have come above it."""
        return self._position_keys.index(key) if key in self._position_keys else first

    def _rows(self, low: int, high: int) -> list[list[Any]]:
        """Return rows as their key and their cells: a text each, or its short beginning and the rest of it."""
        positions = self._positions[low:high]
        rows = self._frame.iloc[[at for at in positions if at >= 0]]
        cells = [self._cells(column, rows) for column in self._shown]
        texts = zip(*cells, strict=True)
        headings = self._groups.headings if self._groups is not None else ()
        return [
            [key, *(next(texts) if at >= 0 else headings[-1 - at])]
            for key, at in zip(self._position_keys[low:high], positions, strict=True)
        ]

    def _cells(self, column: Column, rows: pd.DataFrame) -> list[Any]:
        values = rows[column.name].astype(object)
        if not column.against:
            return [self._cell(column, value) for value in values]
        pairs = zip(rows[column.against].astype(object), values, strict=True)
        compared = [(new, differing_words(str(old), str(new))) for old, new in pairs]
        return [{"text": as_text(words) or column.text(new), "words": words} for new, words in compared]

    def _cell(self, column: Column, value: Any) -> str | tuple[str, str] | dict[str, Any]:
        """Return the text of a cell; or its beginning, short or left out, and the rest; or shares and their text."""
        if column.kind == "shares" and isinstance(value, tuple):
            return {"text": column.text(value), "shares": value}
        if isinstance(value, str):
            last = self._last_parts.get(column.name, {}).get(value, value)
            if last != value:
                return "", column.text(last)
            place = self._places.get(column.name, {}).get(value[:COMPARED])
            if place is not None:
                return from_place(value, place)
        return column.text(value, self._digits.get(column.name, 0))


def _is_bare(values: pd.Series) -> bool:
    """Return whether a column that has rows shows nothing."""
    return len(values) > 0 and all(pd.isna(value) or value == "" for value in values.astype(object))


def _heading(column: Column) -> dict[str, Any]:
    return {name: getattr(column, name) for name in ("name", "label", "kind", "number", "width", "grow", "level")}


def _key_text(key: object) -> str:
    """Return the key of a row in the browser: a digest if the key is long or not printable."""
    text = str(key)
    if len(text) <= 100 and text.isprintable():
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _sorted(frame: pd.DataFrame, name: str, ascending: bool) -> pd.Index:
    """Return the row labels of `frame`, which are positions in the whole table, in the chosen order."""
    if name not in frame.columns:
        return frame.index
    values = frame[name]
    if not pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_datetime64_any_dtype(values):
        values = values.astype(object).map(lambda text: str(text).casefold(), na_action="ignore")
    return values.sort_values(ascending=ascending, kind="stable", na_position="last").index
