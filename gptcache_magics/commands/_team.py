"""The tables of the team whose store is on: only they know who asked."""

from __future__ import annotations

from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import team_behind
from gptcache_magics.tables.source import Source

__all__ = ["tables_of_team"]


def tables_of_team(typed: str) -> Source:
    """Return the tables of the team whose store is on, after sending it what waits.

    Parameters
    ----------
    typed
        The command as it was typed, for the sentence of the error.

    Raises
    ------
    CommandError
        If no store of a team is on.
    """
    source = controller.source()
    team = team_behind(source.store)
    if team is None:
        raise CommandError(
            f"{typed.partition(' ')[0]}: only a team's store knows who asked. Turn one on: "
            "%gptcache on postgresql://USER@HOST/DATABASE, "
            f"or read one: %gptcache {typed} --at postgresql://USER@HOST/DATABASE"
        )
    source.flush()
    team.deliver()
    return controller.source(team.database.address.shown, team.database.address.space)
