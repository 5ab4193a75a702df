"""The protocols of stores: six small ones, and ``Store``, which is all of them.

Every method may be called from any thread; failures raise ``StoreError``. A new store begins with ``AnswerStore``:
:mod:`.partial` keeps in memory what such a store lacks. A store is given :mod:`.records` and gives back :mod:`.rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from gptcache_magics.store.reasons import Near, Reason
from gptcache_magics.store.records import (
    AnswerText,
    Configuration,
    Embedding,
    EmbeddingUse,
    Entry,
    Found,
    Lookup,
    Match,
    Outcome,
    Period,
    Selection,
    Usage,
)
from gptcache_magics.store.rows import (
    Content,
    EarlierAnswer,
    EmbedderUse,
    EntryRow,
    EntryVector,
    LabelRow,
    LookupRow,
    Outcomes,
    StoredQuestion,
    Tally,
    UnembeddedEntry,
    UnshapedEntry,
)
from gptcache_magics.store.sums import Sum

if TYPE_CHECKING:
    from gptcache_magics.store.postgres.database import TeamDatabase
    from gptcache_magics.store.postgres.tables import TeamTables

__all__ = [
    "AnswerStore",
    "AnswerText",
    "AuthorLog",
    "Configuration",
    "Content",
    "EarlierAnswer",
    "EmbedderUse",
    "Embedding",
    "EmbeddingStore",
    "EmbeddingUse",
    "Entry",
    "EntryCatalog",
    "EntryRow",
    "EntryVector",
    "Found",
    "LabelRow",
    "LabelStore",
    "Lookup",
    "LookupLog",
    "LookupRow",
    "Match",
    "Near",
    "Outcome",
    "Outcomes",
    "Period",
    "Selection",
    "Store",
    "StoredQuestion",
    "Sum",
    "Tally",
    "UnembeddedEntry",
    "UnshapedEntry",
    "Usage",
    "VectorStore",
    "WithTeam",
    "team_behind",
    "with_authors",
]


@runtime_checkable
class AnswerStore(Protocol):
    """Keeps answers by key. A store of one's own begins with these three methods."""

    def get(self, key: str) -> Found | None:
        """Return the entry under this exact key, read from its storage. Never writes."""

    def put(self, entry: Entry, configuration: Configuration) -> None:
        """Store an entry durably; a different answer already under the key goes into its history."""

    def clear(self) -> int:
        """Remove every entry. Return the number removed."""


@runtime_checkable
class EntryCatalog(Protocol):
    """Lists, selects and changes the entries of an answer store."""

    def put_all(
        self,
        entries: Iterable[Entry],
        configurations: Iterable[Configuration],
        *,
        replace: bool,
        at: float | None = None,
    ) -> int:
        """Store many entries in one transaction. Return how many are new or, with ``replace``, changed.

        Without ``replace``, an entry whose key is there already stays as it is. A configuration that is known stays as
        it is in both cases, except that parameters of the call are learned.

        The history says that answers were replaced ``at`` that moment; without it, when the new ones were created.
        """

    def gone(self, key: str) -> Reason | None:
        """Return why an entry is not served: damaged, removed or evicted; None if nothing is known of it."""

    def evict(self, limit: int) -> int:
        """Remove entries unused for longest, but never pinned ones, until the answers take ``limit`` bytes."""

    def remove(self, selection: Selection) -> int:
        """Remove entries so that ``undo`` can bring them back. Return the number removed."""

    def undo(self) -> int:
        """Bring the last removal back. Return the number of entries that came back."""

    def removed(self, limit: int | None = None) -> int:
        """Return how many entries ``undo`` would bring back, counted up to ``limit``: 1 tells whether there are any."""

    def forget_removed(self) -> None:
        """Make the last removal final."""

    def change(self, selection: Selection, *, pinned: bool | None = None, tag: str | None = None) -> int:
        """Pin, unpin or tag entries. Return the number changed. An empty tag takes all tags away."""

    def count(self, selection: Selection = ...) -> tuple[int, int]:
        """Return the number of entries and the bytes of their answers."""

    def entries(self, selection: Selection, limit: int | None = None) -> Sequence[EntryRow]:
        """Return entries, newest first."""

    def each_entry(self, selection: Selection) -> Iterator[EntryRow | None]:
        """Yield entries in no order, and None for each damaged one. Never holds more than some MB of them.

        An entry that is stored, replaced or removed meanwhile is given as it was or as it is.
        """

    def unshaped(self, limit: int) -> Sequence[UnshapedEntry]:
        """Return entries whose shape is not known, by id."""

    def put_shapes(self, shapes: Mapping[str, str]) -> None:
        """Store the shapes of entries by their keys."""

    def ignored(self) -> Sequence[str]:
        """Return the rules under which any answer was stored or served."""

    def history(self, key: str) -> Sequence[EarlierAnswer]:
        """Return earlier answers under a key, newest first."""

    def questions(self, configuration: str | None, limit: int) -> Sequence[StoredQuestion]:
        """Return the questions of the newest entries, of one configuration or of all, in no order."""

    def contents(self) -> Sequence[Content]:
        """Return how many entries each configuration has, their size, and when the first and last were stored."""


@runtime_checkable
class LookupLog(Protocol):
    """Keeps lookups, and the configurations that they asked with."""

    def record(
        self, lookups: Iterable[Lookup], configurations: Iterable[Configuration], keep: int, sums: Iterable[Sum] = ()
    ) -> None:
        """Write lookups (again, if their number in the run was written before) and count their hits.

        About ``keep`` of the newest lookups are kept; all of them are counted in ``sums``. Those given are of lookups
        that are not kept.
        """

    def forget_lookups(self) -> int:
        """Remove every lookup. Return the number removed."""

    def lookups(self, period: Period, limit: int | None = None) -> Sequence[LookupRow]:
        """Return lookups, newest first."""

    def unexplained(self, limit: int) -> Sequence[LookupRow]:
        """Return recent misses whose cause nobody has looked for, newest first."""

    def put_causes(self, causes: Mapping[int, Reason]) -> None:
        """Store the causes of misses by the numbers of their lookups, unless they have got another reason."""

    def sums(self, period: Period, *, cells: bool) -> Sequence[Sum]:
        """Return the sums of all lookups of a period, kept or not, by cell or by day, newest first.

        Of the period only ``run`` and ``after`` count.
        """

    def outcomes(self, period: Period, limit: int | None = None) -> Outcomes:
        """Return the columns that figures are made of, newest lookup first."""

    def tallies(self) -> Sequence[Tally]:
        """Return how often each configuration ever hit and missed, and when it was asked last."""

    def configurations(self) -> Sequence[Configuration]:
        """Return all configurations, by provider, model and label."""

    def questions_of(self, ids: Sequence[str]) -> Sequence[StoredQuestion]:
        """Return the questions that were asked or stored under these ids."""


@runtime_checkable
class VectorStore(Protocol):
    """Keeps the vectors of entries, and facts about their embedders."""

    def put_vectors(self, embedder: str, vectors: Iterable[tuple[str, str | None, bytes | None]]) -> None:
        """Store key, context and vector of entries: float32, little-endian; None where no search may find the entry."""

    def vectors(self, embedder: str, context: str, after: int) -> Sequence[EntryVector]:
        """Return the vectors of one context in the order in which they came, from the one after ``after``."""

    def vector_pages(self, embedder: str, context: str, after: int) -> Iterator[Sequence[EntryVector]]:
        """Yield the same in pages, so that many vectors never lie in memory as rows.

        Only who has read all pages may go on after the last sequence number.
        """

    def unembedded(self, embedder: str, after: str, limit: int, *, replace_others: bool) -> Sequence[UnembeddedEntry]:
        """Return entries that this embedder has not seen, after the one with the id ``after``, by id.

        Unless ``replace_others``, skip entries that another embedder has embedded.
        """

    def count_unembedded(self, embedder: str, *, replace_others: bool) -> int:
        """Return how many entries this embedder has not seen.

        Unless ``replace_others``, skip entries that another embedder has embedded.
        """

    def count_elsewhere(self, embedder: str) -> int:
        """Return how many entries only other embedders have embedded; ``embedder`` is a name without its dimension."""

    def embedders(self) -> Sequence[EmbedderUse]:
        """Return the embedders that were used here."""

    def probe(self, embedder: str) -> bytes | None:
        """Return the vector that an embedder of this name once gave for a known text: float32, little-endian."""

    def put_probe(self, embedder: str, vector: bytes) -> None:
        """Store what an embedder of this name gives for that text, unless one is stored."""

    def choose_threshold(self, embedder: str, threshold: float) -> None:
        """Store which cosine is enough with this embedder."""


@runtime_checkable
class LabelStore(Protocol):
    """Keeps the judgements of people about pairs of questions."""

    def put_label(self, asked: str, near: Near, right: bool) -> None:
        """Store a person's verdict: whether the answer of ``near`` is right for the question asked."""

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer a person called wrong for the question asked."""

    def labels(self) -> Sequence[LabelRow]:
        """Return the judgements of pairs of questions, newest first."""


@runtime_checkable
class EmbeddingStore(Protocol):
    """Keeps what embedders said of texts for the user, and how often. No entry is one of them."""

    def get_embeddings(self, keys: Sequence[str]) -> Mapping[str, Embedding]:
        """Return the embeddings that are stored under these keys, but for expired ones. Never writes."""

    def find_embeddings(self, portable: str, digests: Sequence[str]) -> Mapping[str, Embedding]:
        """Return embeddings by their digests, of all configurations with this portable key.

        One of which there are two with different vectors is left out.
        """

    def put_embeddings(self, embeddings: Iterable[Embedding], models: Iterable[Configuration]) -> int:
        """Store embeddings durably, in place of those under their keys. Return how many are new or changed."""

    def record_embeddings(self, uses: Iterable[EmbeddingUse], used: Mapping[str, float]) -> None:
        """Write figures, in place of earlier ones of their place, and when the embeddings of keys were used."""

    def embedding_uses(self, period: Period) -> Sequence[EmbeddingUse]:
        """Return the figures of a period, of which only ``run`` and ``after`` count."""

    def embedding_models(self) -> Sequence[Configuration]:
        """Return the configurations that embedded."""

    def each_embedding(self) -> Iterator[Embedding]:
        """Yield all embeddings that are not expired, by configuration and key, but for damaged ones."""

    def count_embeddings(self) -> tuple[int, int]:
        """Return the number of embeddings and their bytes."""

    def clear_embeddings(self) -> int:
        """Remove all embeddings for good. Return the number removed."""


@runtime_checkable
class Store(AnswerStore, EntryCatalog, LookupLog, VectorStore, LabelStore, EmbeddingStore, Protocol):
    """Everything that tables, commands and matching by meaning need."""

    @property
    def where(self) -> str:
        """The place, as the user would type it."""

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written."""

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user about this store, such as a damaged file that was set aside."""

    @property
    def epoch(self) -> int:
        """A number that grows whenever another store takes this place: what was read before is void."""

    def version(self) -> object:
        """Return a value that differs after every change. It costs microseconds; compare it within one thread."""

    def open(self) -> None:
        """Open now and raise what is wrong; otherwise the first use opens."""

    def settle(self) -> None:
        """Write what waits for a locked file, with the patience of a command. Raises how much had to be given up."""

    def close(self) -> None:
        """Settle, and release every handle. A closed store opens again at its next use."""

    def recall(self, key: str) -> Found | None:
        """Return the entry under this exact key if this kernel has it in memory, as other kernels left it."""

    def skipped(self, ids: Iterable[str]) -> None:
        """Note entries whose answers cannot be decoded. The next answer under such an id sets the entry aside."""

    def generation(self) -> int:
        """Return how often the store was cleared."""


class WithTeam(Store, Protocol):
    """A store in a folder with the database of a team behind it."""

    @property
    def database(self) -> TeamDatabase:
        """The team's database."""

    @property
    def trouble(self) -> str:
        """A sentence that says why the team cannot be asked; empty if it can."""

    @property
    def shares(self) -> bool:
        """Whether what is stored goes to the team."""

    def waiting(self) -> Mapping[str, int]:
        """Return how many things of each kind wait to be sent."""

    @property
    def removed_there(self) -> tuple[int, int]:
        """Entries that the last ``remove`` has removed at the team, and how many of them were not here."""

    def selected_there(self, selection: Selection) -> Sequence[str]:
        """Return the ids of the selected entries that the team has, but for those that are pinned here."""

    def embeddings_there(self) -> tuple[int, int]:
        """Return the number of embeddings that the team has, and their bytes.

        Raises ``StoreError`` if the team cannot be asked.
        """

    def tables(self) -> TeamTables:
        """Return the tables of the team, to be read and closed."""

    def claim(self, key: str) -> bool:
        """Return whether this kernel may ask a model for an answer; False while another kernel of the team does.

        Raises ``StoreError`` if the team cannot be asked.
        """

    def give_back(self, key: str) -> None:
        """Let another kernel ask: the answer will not come from here."""

    def deliver(self) -> None:
        """Wait a moment for what is being sent, so that the team's tables hold it."""


class AuthorLog(LookupLog, Protocol):
    """A log that knows who asked: that of a team."""

    def sums_of_authors(self, period: Period) -> Sequence[tuple[str, Sum]]:
        """Return the sums of all lookups of a period with the role of the member who asked, newest first."""


def with_authors(log: object) -> AuthorLog | None:
    """Return a log that knows who asked; None for another."""
    return cast("AuthorLog", log) if hasattr(log, "sums_of_authors") else None


def team_behind(store: object) -> WithTeam | None:
    """Return a store that has a team behind it; None for another."""
    return cast("WithTeam", store) if hasattr(store, "shares") and hasattr(store, "database") else None
