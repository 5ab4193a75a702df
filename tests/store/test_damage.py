"""Damaged rows: never served, counted, skipped by every table, and replaced by the next answer."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.store.protocol import Entry, Near, Period, Selection
from gptcache_magics.store.reasons import Kind, Objection, ObjectionKind, Reason
from gptcache_magics.store.sqlite import recent
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, GPT, answer, column, key, lookup, make_entry
from tests.support.damaged_store import QUESTIONS, EchoModel, answer_to, fill, flip, spoil, use
from tests.support.shell import Typist, ask

OF_0_1 = Path(__file__).parents[1] / "data" / "0.1"
DIGEST = "12345678" * 2
FLIPS = {
    "key": "key=x'00' || substr(key, 2)",
    "configuration": "configuration=zeroblob(16)",
    "prompt": "prompt='prompt A'",
    "question": "question='question A'",
    "answer": "answer=CAST('answes' AS BLOB)",
    "expires": "expires=expires+1",
    "prompt digest": "prompt_digest=prompt_digest+1",
    "sample": "sample=2",
    "no UTF-8": "prompt=CAST(x'80ff41' AS TEXT)",
    "a text for a number": "created='now'",
    "a text for bytes": "answer=CAST(answer AS TEXT)",
    "a huge number": "seconds=9e999",
    "no whole number": "input_tokens=0.5",
}
HOSTILE = {
    "empty": b"",
    "no JSON": b"F[[",
    "of no form": b'X[[null,"a",null]]',
    "without generations": b"F[]",
    "an object": b"F{}",
    "a number": b'F[[null,"",{"content":5}]]',
    "parts of numbers": b'F[[null,"",{"content":[5]}]]',
    "without content": b'F[[null,"",{}]]',
    "tool calls of numbers": b'F[[null,"",{"content":"x","tool_calls":[5]}]]',
    "usage of a number": b'F[[null,"",{"content":"x","usage_metadata":5}]]',
    "extras of a number": b'F[[null,"",{"content":"x","additional_kwargs":5}]]',
    "nested too deep": b"F" + b"[" * 100_000,
    "not a generation": b'S["5"]',
    "a message": b'S["{\\"lc\\":1,\\"type\\":\\"constructor\\",\\"id\\":[\\"langchain\\",\\"schema\\",\\"messages\\",'
    b'\\"HumanMessage\\"],\\"kwargs\\":{\\"content\\":\\"x\\"}}"]',
    "another class": b'S["{\\"lc\\":1,\\"type\\":\\"constructor\\",\\"id\\":[\\"langchain\\",\\"llms\\",\\"openai\\",'
    b'\\"OpenAI\\"],\\"kwargs\\":{}}"]',
    "a secret": b'S["{\\"lc\\":1,\\"type\\":\\"secret\\",\\"id\\":[\\"HOME\\"]}"]',
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
}


def change(folder: Path, sql: str) -> None:
    """Change the file of a store behind its back."""
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        db.execute(sql)
        db.commit()


@pytest.fixture
def two(folder: Path) -> Iterator[SQLiteStore]:
    """Return a store with the entries ``a`` and ``b``, which is not in memory."""
    store = SQLiteStore(folder)
    store.put(make_entry("a", prompt_digest=DIGEST, sample=1, expires=2e9, seconds=1.0), GPT)
    store.put(make_entry("b"), GPT)
    store.record([lookup(1), lookup(2, name="b")], [GPT], 100)
    store.close()
    yield store
    store.close()


def spoil_a(folder: Path, change_of_a: str) -> None:
    change(folder, f"UPDATE entry SET {change_of_a} WHERE sample=1")


@pytest.mark.parametrize("flipped", FLIPS)
def test_an_entry_with_a_flipped_value_is_not_served(two: SQLiteStore, folder: Path, flipped: str) -> None:
    spoil_a(folder, FLIPS[flipped])

    assert answer(two, "a") is None
    assert answer(two, "b") == b"answer"
    assert two.gone(key("a")) == Reason(Kind.DAMAGED)
    assert column(two.entries(EVERYTHING), "key") == [key("b")]
    assert list(two.notices) == ["1 damaged entry was skipped."]


@pytest.mark.parametrize("flipped", FLIPS)
def test_the_next_answer_sets_a_damaged_entry_aside(two: SQLiteStore, folder: Path, flipped: str) -> None:
    spoil_a(folder, FLIPS[flipped])
    two.put(make_entry("a", b"new"), GPT)
    two.close()

    assert answer(two, "a") == b"new"
    assert two.history(key("a")) == []
    assert list(two.notices) == ["1 damaged entry was set aside."]
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        assert db.execute("SELECT count(*) FROM damaged").fetchone() == (1,)
    two.clear()
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        assert db.execute("SELECT count(*) FROM damaged").fetchone() == (0,)


@pytest.mark.parametrize("replace", [False, True])
def test_a_loaded_answer_takes_the_place_of_a_damaged_one(two: SQLiteStore, folder: Path, replace: bool) -> None:
    spoil_a(folder, FLIPS["answer"])

    assert two.put_all([make_entry("a", b"loaded")], [GPT], replace=replace) == 1
    assert answer(two, "a") == b"loaded"


def test_a_damaged_entry_that_was_removed_is_not_served_when_it_comes_back(two: SQLiteStore, folder: Path) -> None:
    two.clear()
    change(folder, f"UPDATE entry SET {FLIPS['answer']} WHERE sample=1")

    assert two.undo() == 2
    assert (answer(two, "a"), answer(two, "b")) == (None, b"answer")


def test_entries_of_0_1_get_their_checksums_when_the_file_is_brought_forward(tmp_path: Path) -> None:
    shutil.copy(OF_0_1 / "cache.db", tmp_path)
    store = SQLiteStore(tmp_path)
    keys = column(store.entries(Selection()), "key")
    assert all(store.get(each) is not None for each in keys)
    store.close()
    change(tmp_path, "UPDATE entry SET answer=CAST(substr(answer, 2) AS BLOB)")

    assert [store.get(each) for each in keys] == [None] * len(keys)
    store.close()


def test_entries_without_a_checksum_are_served_and_get_one_when_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptcache_magics.store.sqlite.schema.CHECKED", 0)
    shutil.copy(OF_0_1 / "cache.db", tmp_path)
    store = SQLiteStore(tmp_path)
    rows = store.entries(Selection())
    assert all(store.get(row.key) is not None for row in rows)
    assert list(store.notices) == []

    store.put(rows[0].entry, store.configurations()[0])
    store.close()
    change(tmp_path, f"UPDATE entry SET answer=x'00' WHERE key=x'{rows[0].key}'")
    assert store.get(rows[0].key) is None
    store.close()


def test_a_damaged_vector_is_not_compared(two: SQLiteStore, folder: Path) -> None:
    context = "c0" * 16
    for name in ("a", "b"):
        two.put_vectors("e/2", [(key(name), context, name.encode() * 8)])
    change(folder, "UPDATE vector SET vector=x'01' WHERE sequence=1")

    assert [row.id for row in two.vectors("e/2", context, 0)] == [key("b")[:16]]
    assert list(two.notices) == ["1 damaged vector was skipped."]


@pytest.mark.parametrize("right", [True, False])
def test_a_damaged_label_is_one_that_says_wrong(two: SQLiteStore, folder: Path, right: bool) -> None:
    near = Near(key("b"), 0.95, "e/2", Objection(ObjectionKind.BELOW, "0.96"))
    two.put_label(key("a"), near, right)
    assert two.judged_wrong(key("a")) == (frozenset() if right else {key("b")[:16]})
    change(folder, "UPDATE label SET verdict=NOT verdict")

    assert two.judged_wrong(key("a")) == {key("b")[:16]}


@pytest.mark.parametrize(
    ("sql", "notice"),
    [
        ("UPDATE lookup SET at='now' WHERE number=1", "1 damaged lookup was skipped."),
        ("UPDATE lookup SET lookup_seconds=9e999 WHERE number=1", "1 damaged lookup was skipped."),
        ("UPDATE lookup SET input_tokens=9223372036854775807", "2 damaged lookups were skipped."),
        ("UPDATE configuration SET model=x'00'", "1 damaged configuration was skipped."),
        ("UPDATE lookup SET cell_line=CAST(x'80ff41' AS TEXT)", ""),
        ("UPDATE lookup SET reason_kind='never heard of', objection_kind='nor of this'", ""),
        ("UPDATE configuration SET parameters='{'", ""),
    ],
)
def test_tables_skip_damaged_rows_and_say_how_many(magic: Typist, folder: Path, sql: str, notice: str) -> None:
    store = SQLiteStore(folder)
    store.put(Entry(key("a"), GPT.key, "prompt", "question", encoded("Hi"), 1.0), GPT)
    store.record([lookup(1), lookup(2)], [GPT], 100)
    store.close()
    change(folder, sql)

    for command in ("stats", "lookups", "models", "entries"):
        magic.ip.run_line_magic("gptcache", f"{command} --at {folder}")
    store.open()
    assert len(store.lookups(Period())) + (notice.count("lookup") and int(notice[0])) == 2
    assert [store.outcomes(Period()) is not None, *store.notices] == [True, *([notice] if store.notices else [])]
    store.close()


def encoded(text: str) -> bytes:
    return generations.encode([ChatGeneration(message=AIMessage(text))])


# Through the whole cache


def test_a_damaged_answer_is_a_miss_that_is_counted_and_mended(magic: Typist, tmp_path: Path) -> None:
    magic.told("on")
    first = ask("How tall is Etna?")
    magic.told("off")
    change(tmp_path / ".gptcache", "UPDATE entry SET answer=CAST(replace(answer, 'answer', 'answes') AS BLOB)")
    magic.told("on")

    second = ask("How tall is Etna?")
    assert second not in (first, first.replace("answer", "answes"))
    assert ask("How tall is Etna?") == second
    assert list(gm.lookups().reset_index()["outcome"]) == ["hit", "miss"]
    assert gm.lookups()["reason"].iloc[-1] == "damaged"
    assert "1 damaged entry was set aside." in repr(gm.status())
    assert "damaged and not served" in repr(gm.why(int(gm.lookups().index[-1])))
    assert magic.told("off").startswith("Cache off. This run: 1 hit, 1 miss")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("checked", [True, False], ids=["checksum", "no checksum"])
def test_bytes_that_are_no_answer_are_a_miss(magic: Typist, tmp_path: Path, hostile: str, checked: bool) -> None:
    magic.told("on")
    ask("How tall is Etna?")
    ask("Who was here first?")
    store = gm.current().store  # type: ignore[union-attr]
    (row,) = store.entries(Selection(grep="Etna"))
    store.put(row._replace(answer=HOSTILE[hostile]).entry, store.configurations()[0])
    magic.told("off")
    if not checked:
        change(tmp_path / ".gptcache", "UPDATE entry SET checksum=NULL")
    magic.told("on")

    magic.ip.run_line_magic("gptcache", "entries")
    said = ask("How tall is Etna?")
    assert said.startswith("answer ")
    assert ask("How tall is Etna?") == said
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]
    assert gm.current().ledger.failures == 0  # type: ignore[union-attr]
    assert len(gm.entries()) == 2


def test_tables_and_bundles_skip_answers_that_cannot_be_decoded(magic: Typist, tmp_path: Path) -> None:
    magic.told("on")
    for question in ("one", "two", "three"):
        ask(question)
    store = gm.current().store  # type: ignore[union-attr]
    for question in ("one", "two"):
        (row,) = store.entries(Selection(grep=question))
        store.put(row._replace(answer=b"F[[").entry, store.configurations()[0])
    damaged = row.key[:8]

    assert magic.told("save lesson.jsonl").endswith("2 damaged entries were skipped.")
    magic.ip.run_line_magic("gptcache", "entries")
    assert len(gm.entries()) == 1
    assert magic.refused(f"show {damaged}") == (
        f"The answer of {damaged} is damaged. Its stored bytes: %gptcache show {damaged} --raw"
    )
    assert repr(magic(f"show {damaged} --raw")).endswith("[[")
    assert "2 damaged entries were skipped." in repr(gm.status())
    assert "three" in gm.panel(static=True)._repr_html_()


def test_damage_is_said_once_below_the_command_that_found_it(
    magic: Typist, folder: Path, two: SQLiteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_a(folder, FLIPS["answer"])
    magic.told(f"on {folder}")
    said = []
    for _ in range(2):
        capsys.readouterr()
        magic.ip.run_line_magic("gptcache", "models")
        magic.ip.run_line_magic("gptcache", "entries")
        said.append(capsys.readouterr().out)

    assert said == ["2 damaged entries were skipped.\n", ""]  # b's answer does not decode


# Random damage

DAMAGES: dict[str, Callable[[Path, Random], None]] = {"bits": flip, "values": spoil}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two copies of a store: ``store`` is one file, ``kept`` has its journal."""
    folder = tmp_path_factory.mktemp("filled")
    fill(folder / "store")
    set_llm_cache(None)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("seed", range(12))
def test_random_damage_breaks_nothing_and_serves_nothing_wrong(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    random = Random(f"{damage} {seed}")
    shutil.copytree(filled / ("kept" if seed % 4 == 0 and damage == "bits" else "store"), tmp_path / "store")
    for shared in (tmp_path / "store").glob("*-shm"):
        shared.unlink()
    DAMAGES[damage](tmp_path / "store", random)

    assert list(use(tmp_path / "store", match=seed % 3 == 0)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_damage_while_the_store_is_open_breaks_nothing(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(filled / "store", tmp_path / "store")
    gm.on(tmp_path / "store")
    model = EchoModel()
    model.invoke(QUESTIONS[0])
    random = Random(seed)
    path = tmp_path / "store" / "cache.db"
    with open(path, "r+b") as file:
        for _ in range(20):
            file.seek(random.randrange(path.stat().st_size))
            file.write(random.randbytes(8))

    assert list(use(tmp_path / "store")) == []
    assert all(model.invoke(each).text in (answer_to(each), "edited") for each in QUESTIONS)


def test_another_kernel_forgets_an_answer_whose_damaged_row_was_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "CHECK_SECONDS", -1.0)
    one, other = SQLiteStore(folder), SQLiteStore(folder)
    one.put(make_entry("a", b"old"), GPT)
    assert other.get(key("a")) is not None  # from now on in the memory of the other kernel
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        db.execute("UPDATE entry SET answer=x'00'")
        db.commit()
    one.put(make_entry("a", b"new"), GPT)
    for store in (one, other):
        recalled = store.recall(key("a"))
        assert recalled is None or recalled.answer == b"new"
        found = store.get(key("a"))
        assert found is not None
        assert found.answer == b"new"
        store.close()
