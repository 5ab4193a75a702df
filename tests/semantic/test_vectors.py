"""Nearest neighbours: the same as comparing with every vector, however they come and go."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from gptcache_magics.semantic import vectors
from gptcache_magics.semantic.vectors import ContextIndex, Vector, VectorTable
from gptcache_magics.store.protocol import EntryVector, Selection
from gptcache_magics.store.sqlite import vectors as sqlite_vectors
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, key, make_entry

DIMENSION = 96
random = np.random.default_rng(7)


def unit(*near: Vector, noise: float = 1.0) -> Vector:
    """Return a random direction, or a direction near to another."""
    vector = (near[0] if near else 0) + noise * random.standard_normal(DIMENSION) / DIMENSION**0.5
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def name(number: int) -> str:
    return f"{number:016x}"


@pytest.mark.parametrize("few", [4_000, 0], ids=["in full", "by their heads"])
@pytest.mark.parametrize("at_least", [0.5, 0.9, 0.95])
def test_the_nearest_are_those_that_every_comparison_finds(
    monkeypatch: pytest.MonkeyPatch, few: int, at_least: float
) -> None:
    monkeypatch.setattr(vectors, "FEW", few)
    middle = [unit() for _ in range(20)]
    all_of_them = [unit(middle[n % 20], noise=0.1 + 0.5 * (n % 7) / 7) for n in range(1_500)]
    found = VectorTable(DIMENSION)
    for number, vector in enumerate(all_of_them):
        found.add([name(number)], vector[None])

    for asked in [*middle, unit(all_of_them[3], noise=0.05), unit()]:
        cosines = np.stack(all_of_them) @ asked
        best = [number for number in np.argsort(-cosines)[:5].tolist() if cosines[number] >= at_least]
        nearest = found.nearest(asked, 5, at_least)
        assert [each.id for each in nearest] == [name(number) for number in best]
        assert [each.cosine for each in nearest] == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_a_forgotten_vector_is_not_found_and_the_others_are() -> None:
    all_of_them = {name(number): unit() for number in range(50)}
    found = VectorTable(DIMENSION)
    for id, vector in all_of_them.items():
        found.add([id], vector[None])
    for gone in (0, 49, 20, 20, 99):
        found.discard(name(gone))
        all_of_them.pop(name(gone), None)

    assert len(found) == len(all_of_them) == 47
    for id, vector in all_of_them.items():
        assert [each.id for each in found.nearest(vector, 1, 0.99)] == [id]


def test_a_vector_can_be_replaced() -> None:
    old, new = unit(), unit()
    found = VectorTable(DIMENSION)
    found.add([name(1)], old[None])
    found.add([name(1)], new[None])

    assert len(found) == 1
    assert found.nearest(old, 1, 0.9) == []
    assert [each.id for each in found.nearest(new, 1, 0.9)] == [name(1)]


def test_an_empty_context_has_no_nearest() -> None:
    assert VectorTable(DIMENSION).nearest(unit(), 5, 0.0) == []


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[SQLiteStore, SQLiteStore]]:
    """Return the stores of two kernels in one folder."""
    one, two = SQLiteStore(tmp_path), SQLiteStore(tmp_path)
    yield one, two
    one.close()
    two.close()


def put(store: SQLiteStore, number: int, vector: Vector, context: str = "c0" * 16) -> None:
    store.put(make_entry(number), GPT)
    store.put_vectors("e", [(key(number), context, vector.astype("<f4").tobytes())])


def test_an_entry_of_another_kernel_is_found_at_once(folder: tuple[SQLiteStore, SQLiteStore]) -> None:
    mine, theirs = folder
    contexts = ContextIndex(mine, "e", DIMENSION)
    first, second = unit(), unit()
    put(mine, 1, first)
    assert [each.id for each in contexts.nearest("c0" * 16, first, 1, 0.9)] == [key(1)[:16]]

    put(theirs, 2, second)
    assert [each.id for each in contexts.nearest("c0" * 16, second, 1, 0.9)] == [key(2)[:16]]
    assert contexts.nearest("0e" * 16, second, 1, 0.9) == []
    assert ContextIndex(mine, "f", DIMENSION).nearest("c0" * 16, second, 1, 0.9) == []


def test_another_file_in_place_of_the_first_is_read_again(
    folder: tuple[SQLiteStore, SQLiteStore], tmp_path: Path
) -> None:
    mine, theirs = folder
    contexts = ContextIndex(mine, "e", DIMENSION)
    first, second = unit(), unit()
    for number in range(3):
        put(mine, number, first if number == 2 else unit())
    assert contexts.nearest("c0" * 16, first, 1, 0.9)

    theirs.close()
    shutil.rmtree(tmp_path)
    put(theirs, 7, second)
    assert [each.id for each in contexts.nearest("c0" * 16, second, 1, 0.9)] == [key(7)[:16]]
    assert contexts.nearest("c0" * 16, first, 1, 0.9) == []


def test_an_entry_that_is_not_in_the_store_yet_is_found_once(folder: tuple[SQLiteStore, SQLiteStore]) -> None:
    store, _ = folder
    contexts = ContextIndex(store, "e", DIMENSION)
    vector = unit()
    contexts.add("c0" * 16, key(1)[:16], vector)
    assert len(contexts.nearest("c0" * 16, vector, 5, 0.9)) == 1

    put(store, 1, vector)
    assert len(contexts.nearest("c0" * 16, vector, 5, 0.9)) == 1


def test_a_context_without_questions_takes_no_room(folder: tuple[SQLiteStore, SQLiteStore]) -> None:
    contexts = ContextIndex(folder[0], "e", DIMENSION)
    for number in range(100):
        assert contexts.nearest(f"{number:032x}", unit(), 5, 0.0) == []

    assert not contexts._contexts


def test_a_damaged_vector_is_passed_over(folder: tuple[SQLiteStore, SQLiteStore]) -> None:
    store, _ = folder
    good = unit()
    put(store, 1, unit()[:10])
    put(store, 2, good)

    assert [each.id for each in ContextIndex(store, "e", DIMENSION).nearest("c0" * 16, good, 5, -1.0)] == [key(2)[:16]]


@pytest.mark.parametrize("number", [np.inf, np.nan, 3e38, 2.0, 0.0])
def test_a_vector_of_another_length_than_1_is_not_compared(
    folder: tuple[SQLiteStore, SQLiteStore], number: float
) -> None:
    store, _ = folder
    asked = unit()
    damaged = asked * np.float32(0.0)
    damaged[:2] = number
    put(store, 1, damaged)
    put(store, 2, unit(asked, noise=0.3))
    index = ContextIndex(store, "e", DIMENSION)

    assert [each.id for each in index.nearest("c0" * 16, asked, 5, 0.5)] == [key(2)[:16]]


def test_a_bounded_number_of_vectors_is_kept_in_memory(
    folder: tuple[SQLiteStore, SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST_VECTORS", 3)
    store, _ = folder
    contexts = ContextIndex(store, "e", DIMENSION)
    all_of_them = [unit() for _ in range(6)]
    for number, vector in enumerate(all_of_them):
        put(store, number, vector, context=f"{number:032x}")
        contexts.nearest(f"{number:032x}", vector, 1, 0.9)

    assert sum(len(each.vectors) for each in contexts._contexts.values()) == contexts._total <= 3
    for number, vector in enumerate(all_of_them):  # thrown away, and read again
        assert [each.id for each in contexts.nearest(f"{number:032x}", vector, 1, 0.9)] == [key(number)[:16]]
    store.remove(Selection(ids=[key(0)]))


def test_a_context_of_many_pages_is_found_whole(
    folder: tuple[SQLiteStore, SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_vectors, "PAGE", 3)
    mine, theirs = folder
    vectors = [unit() for _ in range(10)]
    for number, vector in enumerate(vectors):
        put(mine, number, vector)
    contexts = ContextIndex(mine, "e", DIMENSION)

    def found() -> list[str]:
        return [each.id for vector in vectors for each in contexts.nearest("c0" * 16, vector, 1, 0.99)]

    every = [key(number)[:16] for number in range(10)]
    assert found() == every
    theirs.remove(Selection(ids=[key(1), key(8)]))
    contexts = ContextIndex(mine, "e", DIMENSION)
    assert found() == [each for each in every if each not in (every[1], every[8])]
    theirs.clear()
    contexts = ContextIndex(mine, "e", DIMENSION)
    assert found() == []
    theirs.undo()
    assert found() == [each for each in every if each not in (every[1], every[8])]


def test_a_search_that_is_interrupted_between_two_pages_finds_the_others_later(
    folder: tuple[SQLiteStore, SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_vectors, "PAGE", 3)
    store, theirs = folder
    vectors = [unit() for _ in range(10)]
    contexts = ContextIndex(store, "e", DIMENSION)
    put(store, 0, vectors[0])
    contexts.nearest("c0" * 16, vectors[0], 1, 0.99)
    for number in range(1, 10):
        put(theirs, number, vectors[number])
    whole = store.vector_pages

    def interrupted(embedder: str, context: str, after: int) -> Iterator[Sequence[EntryVector]]:
        yield next(whole(embedder, context, after))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "vector_pages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            contexts.nearest("c0" * 16, vectors[0], 1, 0.99)
    for number in range(10):
        assert [each.id for each in contexts.nearest("c0" * 16, vectors[number], 1, 0.99)] == [key(number)[:16]]
    assert contexts._total == 10
