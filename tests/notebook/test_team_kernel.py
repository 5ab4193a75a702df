"""A team in real kernels: interrupts, forks, commands that change something, ``off``, and two kernels of a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString, cast

import psycopg
import pytest

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.team.store import TeamStore
from tests.support.kernel import START, Kernel
from tests.support.postgres import PASSWORD, Database, PostgresServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kernel


def start(database: Database) -> str:
    """Return the first cell of a member's notebook."""
    return START.replace("%gptcache on", f"%gptcache on {database.url}")


@pytest.fixture(scope="module")
def database(postgres_of_all_tests: PostgresServer) -> Iterator[Database]:
    with postgres_of_all_tests.database() as made:
        yield made


@pytest.fixture(scope="module")
def kernel(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel with a team for the tests that leave it as it was; each test asks its own questions."""
    with Kernel(tmp_path_factory.mktemp("ann"), start(database)) as running:
        yield running


@pytest.fixture
def colleague(database: Database, tmp_path: Path) -> Iterator[TeamStore]:
    store = TeamStore(tmp_path / "bob", Address.parse(database.url))
    store.open()
    yield store
    store.close()


def entries(database: Database, question: str) -> int:
    [(number,)] = database.ask("SELECT count(*) FROM gptcache.entry WHERE question LIKE %s", f"{question}%")
    return int(number)


def value(kernel: Kernel, code: str) -> str:
    ran = kernel.run(code)
    assert ran.status == "ok", ran.tracebacks
    assert PASSWORD not in ran.text
    return ran.text.strip()


def is_blocked(database: Database) -> bool:
    [(number,)] = database.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", database.name
    )
    return bool(number)


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("%gptcache stats --by author", "lookup"),
        ("%gptcache entries --at {url}", "entry"),
        ("%gptcache save all.jsonl --at {url}", "entry"),
        ("%gptcache clear --yes", "entry"),
    ],
)
def test_an_interrupt_ends_a_command_that_waits_for_the_team(
    kernel: Kernel, database: Database, command: str, table: str
) -> None:
    value(kernel, "ask('before')")
    wait_until(lambda: entries(database, "before") == 1)
    with psycopg.connect(database.url) as busy:
        busy.execute(cast(LiteralString, f"LOCK TABLE gptcache.{table} IN ACCESS EXCLUSIVE MODE"))
        asked = kernel.send(command.format(url=database.url))
        wait_until(lambda: is_blocked(database))
        assert kernel.interrupt(asked).status == "error"

    assert value(kernel, f"df = %gptcache entries --at {database.url}\nlen(df) > 0") == "True"
    assert value(kernel, f"ask('after {table}') == ask('after {table}')") == "True"
    wait_until(lambda: entries(database, f"after {table}") == 1)
    assert entries(database, "before") == 1


FORK = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
questions = [f'fork {number}' for number in range(4)]
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:
    answers = list(pool.map(ask, questions))
answers == [ask(each) for each in questions]
"""


def test_forked_children_leave_the_connections_to_their_parent(kernel: Kernel, database: Database) -> None:
    value(kernel, "ask('fork of the parent')")

    assert value(kernel, FORK) == "True"
    assert value(kernel, "ask('fork, after') == ask('fork, after')") == "True"
    wait_until(lambda: entries(database, "fork") == 6)
    assert "away" not in value(kernel, "%gptcache")


def test_a_child_finds_what_only_the_team_has(kernel: Kernel, database: Database) -> None:
    value(kernel, "first = [ask(each) for each in ('shared 0', 'shared 1')]")
    wait_until(lambda: entries(database, "shared") == 2)
    value(kernel, "import gptcache_magics as gm; gm.current().store.evict(0)")  # here only

    code = FORK.replace("'fork {number}' for number in range(4)", "'shared {number}' for number in range(2)")
    assert value(kernel, f"{code}\nanswers == first") == "True"
    assert entries(database, "shared") == 2


def test_what_a_command_changes_is_changed_for_everybody_or_here_only(
    kernel: Kernel, database: Database, colleague: TeamStore
) -> None:
    value(kernel, "ask('to change')")
    wait_until(lambda: entries(database, "to change") == 1)
    id = value(kernel, "df = %gptcache entries --grep 'to change'\nprint(df.index[0])")
    [(number,)] = database.ask("SELECT encode(key, 'hex') FROM gptcache.entry WHERE question = 'to change'")
    before = database.ask("SELECT edited, tags FROM gptcache.entry WHERE question = 'to change'")
    assert before == [(False, "")]

    value(kernel, f"%gptcache pin {id}")
    value(kernel, f"%gptcache tag lesson-1 {id}")
    value(kernel, f"%gptcache edit {id} 'a better answer'")
    wait_until(lambda: database.ask("SELECT edited FROM gptcache.entry WHERE question = 'to change'") == [(True,)])
    found = colleague.get(number)
    assert found is not None
    assert b"a better answer" in found.answer
    assert value(kernel, "ask('to change')") == "'a better answer'"

    value(kernel, f"%gptcache remove {id} --yes")
    assert entries(database, "to change") == 0
    assert value(kernel, "%gptcache undo").startswith("1 entry came back")
    wait_until(lambda: entries(database, "to change") == 1)
    assert value(kernel, "ask('to change')") == "'a better answer'"


OFF = """
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from gptcache_magics.langchain import hooks
%gptcache off
mine = InMemoryCache()
set_llm_cache(mine)
"""


def test_off_gives_langchain_back_while_the_server_is_stopped(
    database: Database, tmp_path: Path, postgres: PostgresServer
) -> None:
    with Kernel(tmp_path, start(database)) as kernel:
        value(kernel, OFF)
        value(kernel, f"%gptcache on {database.url}\nask('off')")
        postgres.stop(at_once=True)
        value(kernel, "ask('off, away')")

        said = value(kernel, "%gptcache off")

        assert said.startswith("Cache off. This run: ")
        assert "InMemoryCache is back." in said
        assert "to be sent" in said
        assert value(kernel, "get_llm_cache() is mine, list(hooks.installed())") == "(True, [])"
        assert value(kernel, "ask('off') == ask('off')") == "True"
        postgres.start()
        value(kernel, f"%gptcache on {database.url}")
        wait_until(lambda: entries(database, "off, away") == 1)


def test_two_kernels_of_one_folder_have_one_team(database: Database, tmp_path: Path) -> None:
    with Kernel(tmp_path, start(database)) as one, Kernel(tmp_path, start(database)) as two:
        many = "answers = [ask(f'folder {number}') for number in range(BEGIN, BEGIN + 40)]"
        first, second = one.send(many.replace("BEGIN", "0")), two.send(many.replace("BEGIN", "20"))
        assert one.until(first).status == two.until(second).status == "ok"

        wait_until(lambda: entries(database, "folder") == 60)
        again = "answers = [ask(f'folder {number}') for number in range(60)]; answers"
        assert value(one, again) == value(two, again)
        for kernel in (one, two):
            assert "sent" not in value(kernel, "%gptcache")
        value(one, "%gptcache clear --yes")
        assert entries(database, "folder") == 0
        asked = "import time, gptcache_magics as gm; time.sleep(1.1); ask('folder 1'); gm.lookups()['outcome'].iloc[0]"
        assert value(two, asked) == "'miss'"
