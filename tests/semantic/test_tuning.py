"""Labels, and what they can say about a threshold."""

import math

import pandas as pd
import pytest

from gptcache_magics.semantic import tuning
from gptcache_magics.store.protocol import Lookup, Near
from gptcache_magics.store.reasons import Objection, ObjectionKind
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, NOON, key, make_entry

E = "minilm/384"


def pairs(*groups: tuple[int, float, bool | None]) -> pd.DataFrame:
    """Return pairs: for each group its count, their cosine and their label."""
    rows = [
        (f"How deep is lake {name}?", f"How deep is the lake {name}?", cosine, right)
        for name, (cosine, right) in enumerate(
            [(cosine, right) for count, cosine, right in groups for _ in range(count)], 1_000
        )
    ]
    return tuning.made_pairs(rows, E)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # By R: binom::binom.wilson(count, of)
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (1, 100, 0.0018, 0.0545), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_range_of_a_share_is_wilson_s(count: int, of: int, low: float, high: float) -> None:
    assert tuning.wilson(count, of) == pytest.approx((low, high), abs=1e-4)


def test_a_threshold_serves_what_is_above_it_and_not_blocked() -> None:
    made = pairs((3, 0.95, True), (1, 0.95, False), (2, 0.92, None), (1, 0.80, True))
    blocked = tuning.made_pairs([("Of 3 lakes", "Of 4 lakes", 0.99, False)], E)
    table = tuning.thresholds(pd.concat([made, blocked]))

    assert table.index.min() == 0.70
    assert table.index.max() == 1.0
    row = table.loc[0.93]
    assert row[["hits", "right", "wrong", "unlabelled", "unguarded_hits", "unguarded_wrong"]].tolist() == [
        4,
        3,
        1,
        0,
        5,
        2,
    ]
    assert row["wrong_rate"] == 0.25
    assert table.loc[0.90, "unlabelled"] == 2
    assert table.loc[0.80, "hits"] == 7
    assert math.isnan(table.loc[1.0, "wrong_rate"])  # type: ignore[arg-type]
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        **dict.fromkeys(tuning.THRESHOLDS, "Int64"),
        **dict.fromkeys(("wrong_rate", "wrong_low", "wrong_high"), "float64"),
    }


def test_few_labels_do_not_suggest_a_threshold() -> None:
    said = tuning.suggestion(pairs((25, 0.95, True), (24, 0.94, False)), 0.93)

    assert said.threshold is None
    assert said.sentence == "49 labels: 1 more, and a threshold can be suggested."


def test_wrong_hits_raise_the_threshold() -> None:
    said = tuning.suggestion(pairs((60, 0.97, True), (10, 0.94, False)), 0.93)

    assert said.threshold == 0.95
    assert "of 100 hits about 0 wrong, between 0 and 7" in said.sentence
    assert "70 labels; from 200 on the range is narrower" in said.sentence
    assert said.command == "%gptcache on --threshold 0.95"
    assert said.sentence.endswith(f"To use it: {said.command}")


def test_labels_of_only_hits_never_lower_it() -> None:
    said = tuning.suggestion(pairs((2_000, 0.97, True)), 0.93, 0.99)

    assert said.threshold is None
    assert "is right for a target of 99%" in said.sentence


def test_it_is_lowered_only_if_the_worst_that_is_possible_is_good_enough() -> None:
    seen = pairs((300, 0.97, True), (100, 0.90, True), (30, 0.80, False))
    assert tuning.suggestion(seen, 0.93, 0.99).threshold == 0.81
    few = pairs((30, 0.97, True), (25, 0.90, True))
    assert tuning.suggestion(few, 0.93, 0.99).threshold is None, "55 right ones may still hide 6 wrong of 100"


def test_where_nothing_helps_it_says_so() -> None:
    said = tuning.suggestion(pairs((40, 0.95, True), (20, 1.0, False)), 0.93)

    assert said.threshold is None
    assert said.sentence.startswith("No threshold makes 99% of the hits right: of 100 hits about 33 wrong")


def test_the_worst_pairs_are_those_by_the_line() -> None:
    made = pairs((1, 0.99, False), (1, 0.94, False), (1, 0.92, True), (1, 0.75, True), (5, 0.97, True))

    assert tuning.worst(made, 0.93)["similarity"].tolist() == [0.99, 0.94, 0.92, 0.75]


def test_pairs_come_from_lookups_and_labels_each_once_and_by_embedder() -> None:
    store = SQLiteStore(":memory:")
    store.put(make_entry("a", question="How deep is lake 7?"), GPT)

    def looked(number: int, name: str, similarity: float, embedder: str = E, **fields: object) -> Lookup:
        near = Near(key("a"), similarity, embedder, Objection(ObjectionKind.BELOW, "0.93"))
        given = {"key": key(name), "question": f"How deep is lake {name}?", "near": near, **fields}
        return Lookup(NOON + number, "run", number, "miss", configuration=GPT.key, **given)  # type: ignore[arg-type]

    hit = {"outcome": "hit", "match": "semantic", "asked": key("7!"), "key": key("a")}
    lookups = [looked(1, "8", 0.91), looked(2, "8", 0.91), looked(3, "9", 0.5, "other/3"), looked(4, "7!", 0.96)]
    for name, value in hit.items():
        setattr(lookups[3], name, value)
    store.record(lookups, [GPT], 100)
    store.put_label(key("8"), Near(key("a"), 0.91, E), False)
    made = tuning.pairs(store)

    assert made[["asked", "similarity", "number"]].to_numpy().tolist() == [
        ["How deep is lake 7!?", 0.96, 4],
        ["How deep is lake 8?", 0.91, 2],
    ]
    assert made["right"].tolist() == [pd.NA, False]
    assert made["served"].tolist() == [True, False]
    assert made["blocked"].tolist() == ["", "number: 7 / 8"]
    assert tuning.pairs(store, "other/3")["similarity"].tolist() == [0.5]
    assert {name: str(dtype) for name, dtype in made.dtypes.items()}["right"] == "boolean"
    assert tuning.pairs(SQLiteStore(":memory:")).empty
