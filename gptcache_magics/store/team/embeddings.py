"""Copies of a team's embeddings in the local file.

A lookup asks the file, and the team for the texts that the file does not have. What is stored here is queued and sent
as answers are, also what came while the team was away. Who was asked for how many texts is counted in each folder, and
not shared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.embeddings import TeamEmbedding
from gptcache_magics.store.protocol import Embedding
from gptcache_magics.store.sqlite.outbox import Team
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.team.copies import TeamCopies

__all__ = ["TeamEmbeddingCopies"]


class TeamEmbeddingCopies(TeamCopies):
    """The part of a team's store that finds embeddings, and keeps copies of those that the team has."""

    def get_embeddings(self, keys: Sequence[str]) -> Mapping[str, Embedding]:
        """Return the embeddings that are stored under these keys, from the file or else from the team."""
        if self._must_look():
            self._look()
        found = dict(super().get_embeddings(keys))
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing and self.can_ask():
            try:
                known = self._connections.read(self._known)
                given = self._asked(lambda: self.database.embeddings.find(missing))
            except StoreError:  # they are asked of the provider
                return found
            found |= {each.embedding.key: each.embedding for each in given}
            self._keep_embeddings(given, known)
        return found

    def _keep_embeddings(self, given: Sequence[TeamEmbedding], known: Team | None) -> None:
        """Keep embeddings of the team, unless they may have been changed since they were read."""
        if self.readonly or known is None or known.seen is None:
            return
        seen = known.seen
        kept = [each for each in given if each.newest == seen and each.model is not None]

        def work(db: sqlite3.Connection) -> None:
            team = self.team(db)
            if team.seen == seen:  # else changes were applied that these may be older than
                self._keep_embeddings_in(db, team, kept)

        if kept:
            with suppress(StoreError):  # they are served all the same
                self._write(work, patient=False)

    def _keep_embeddings_in(self, db: sqlite3.Connection, team: Team, kept: Sequence[TeamEmbedding]) -> None:
        models = {each.model for each in kept if each.model is not None}
        super()._put_embeddings(db, [each.embedding for each in kept], [*models])
        self._share(db, team, [each.embedding for each in kept])

    def _share(self, db: sqlite3.Connection, team: Team, embeddings: Sequence[Embedding]) -> None:
        """Note which embeddings the team has or gets. A newer one that was here stays private."""
        values = [(team.id, id_number(each.key), each.created) for each in embeddings]
        db.executemany("UPDATE embedding SET team=? WHERE id=? AND created=?", values)
