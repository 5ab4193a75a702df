"""A store with everything in it, to be damaged, and everything that a user may do with it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

from langchain_core.globals import set_llm_cache
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import BaseMessage

import gptcache_magics as gm
from gptcache_magics.errors import GPTCacheMagicsError
from gptcache_magics.store.protocol import Period
from gptcache_magics.store.reasons import Near
from tests.support.embedder import Embedder

__all__ = ["COMMANDS", "QUESTIONS", "EchoModel", "fill", "flip", "spoil", "use"]

QUESTIONS = [f"How tall is mountain {n} of the Andes?" for n in range(12)]


class EchoModel(SimpleChatModel):
    """A fake model whose answer to a question is known."""

    model: str = "echo"

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        return answer_to(messages[-1].text)


def answer_to(question: str) -> str:
    """Return the right answer."""
    return f"{question.upper()} " + "lorem ipsum " * 20


def fill(folder: Path) -> None:
    """Make a store with entries, lookups, vectors, labels, tags, history and removed entries; its journal is left."""
    gm.on(folder, match="semantic", embedder=Embedder(64), wait=True)
    for question in [*QUESTIONS, *QUESTIONS[:3], "Is it removed?"]:
        EchoModel().invoke(question)
    EchoModel(model="other").invoke(QUESTIONS[0])
    EchoModel().invoke("How tall is mountain 3 of the Andes today?")
    cache = gm.current()
    assert cache is not None
    assert cache.similar is not None
    cache.similar.backfill.wait(20)
    ids = list(gm.entries().index)
    gm.tag("draft", ids[0])
    gm.pin(ids[1])
    gm.edit(ids[2], text="edited")
    gm.remove(ids[3])
    near = next((row for row in cache.store.lookups(Period()) if row.near is not None), None)
    cache.store.put_label(cache.store.lookups(Period())[0].entry or "", Near(ids[4] * 4, 0.9, "embedder"), False)
    assert near is None or near.near is not None
    db = sqlite3.connect(folder / "cache.db")  # while it is open, the journal stays
    db.execute("SELECT count(*) FROM entry").fetchone()
    gm.off()
    shutil.copytree(folder, folder.with_name("kept"))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def flip(folder: Path, random: Random) -> None:
    """Flip bits, or overwrite bytes, somewhere in the journal of a store, or in its file if the journal is empty."""
    journal = folder / "cache.db-wal"
    path = journal if journal.exists() and journal.stat().st_size else folder / "cache.db"
    data = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 1, 3, 30])):
        place = random.randrange(len(data))
        kind = random.randrange(4)
        if kind < 2:
            data[place] ^= 1 << random.randrange(8)
        elif kind == 2:
            data[place] = random.randrange(256)
        else:
            data[place : place + 16] = random.randbytes(len(data[place : place + 16]))
    path.write_bytes(data)


notices: list[str] = []
COMMANDS: dict[str, Callable[[], Any]] = {
    "status": lambda: repr(gm.status()),
    "stats": lambda: [gm.stats(by, wide=True, since="all").to_string() for by in ("model", "cell", "total", "day")],
    "charts": lambda: repr(gm.stats(plot=True, since="all")),
    "entries": lambda: gm.entries().to_string(),
    "grep": lambda: gm.entries(grep="mountain", sort="hits").to_string(),
    "lookups": lambda: gm.lookups(since="all").to_string(),
    "models": lambda: gm.models().to_string(),
    "show": lambda: [repr(gm.show(id)) + repr(gm.show(id, raw=True)) for id in gm.entries().index],
    "why": lambda: [repr(gm.why(int(n))) for n in gm.lookups(since="all").index],
    "tune": lambda: repr(gm.tune()),
    "panel": lambda: gm.panel(static=True)._repr_html_(),
    "save": lambda: gm.save("damaged.jsonl", all=True),
    "undo": lambda: gm.undo(),
    "doctor": lambda: repr(gm.doctor()),
}


def use(folder: Path, *, match: bool = False) -> Iterator[tuple[str, BaseException | str]]:
    """Do everything with a store; yield what went wrong: other errors than one sentence, and wrong answers."""
    try:
        options: dict[str, Any] = {"match": "semantic", "embedder": Embedder(64), "wait": True} if match else {}
        try:
            gm.on(folder, **options)
        except GPTCacheMagicsError as error:
            yield from _one_sentence("on", error)
            return
        except BaseException as error:
            yield "on", error
            return
        model = EchoModel()
        for _ in range(2):
            for question in QUESTIONS:
                try:
                    said = model.invoke(question).text
                    if said not in (answer_to(question), "edited"):
                        yield "answer", said
                except Exception as error:
                    yield "invoke", error
        for name, command in COMMANDS.items():
            try:
                command()
            except GPTCacheMagicsError as error:
                yield from _one_sentence(name, error)
            except Exception as error:
                yield name, error
        cache = gm.current()
        notices.extend(cache.store.notices if cache is not None else [])
        try:
            told = gm.off()
            if "\n" in told:
                yield "off", told
        except BaseException as error:
            yield "off", error
    finally:
        if gm.current() is not None:
            gm.off()
        set_llm_cache(None)


def _one_sentence(name: str, error: Exception) -> Iterator[tuple[str, BaseException | str]]:
    if "\n" in str(error) or not str(error):
        yield name, error


def spoil(folder: Path, random: Random) -> None:
    """Put values of other types and sizes into a few places of the tables."""
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for _ in range(random.choice([1, 3, 10])):
            table = random.choice([name for name in tables if not name.startswith("sqlite_")])
            column = random.choice([row[1] for row in db.execute(f"PRAGMA table_info({table})")])
            where = random.choice(["1", "random() % 3 = 0"])
            with suppress(sqlite3.IntegrityError):
                db.execute(f"UPDATE {table} SET {column}={random.choice(ODD_VALUES)} WHERE {where}")


ODD_VALUES = (
    *("NULL", "''", "'text'", "x''", "x'80ff00'", "CAST(x'80ff41' AS TEXT)", "-1", "0", "9223372036854775807"),
    *("-9223372036854775808", "1e300", "-1e300", "9e999", "0.5", "CAST(x'00410042' AS TEXT)", "zeroblob(3)"),
    *("'{'", "'[[[[]]]]'", "'[]'", "x'535b223122' || x'5d'", "'F[]'", "printf('%.*c', 100000, '[')"),
)
