"""Reasons are data; their sentences are made where they are shown."""

import pytest

from gptcache_magics.store.protocol import Near
from gptcache_magics.store.reasons import Kind, Objection, ObjectionKind, Reason, sentence

KEY = "0011aabb" * 4


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_sentence_with_its_detail(kind: Kind) -> None:
    told = sentence(Reason(kind, "{detail}"))

    assert told
    assert ("{detail}" in told) == (
        kind
        in {
            *(Kind.MODE, Kind.NOT_CACHED, Kind.OWN_CACHE, Kind.REPLACED, Kind.ERROR, Kind.NOT_STORED, Kind.EXACT_ONLY),
            *(Kind.MATCHING_ERROR, Kind.OTHER, Kind.OWN_METHOD, Kind.UNREADABLE, Kind.UNPARSED, Kind.LOCKED),
            Kind.NOT_KEPT,
            *(Kind.TEAM, Kind.TEAM_AWAY, Kind.TEAM_ASKS, Kind.CACHE_AWAY, Kind.UNPROVED),
            Kind.IGNORED,
            Kind.DOUBT,
            *(Kind.UNSTORED, Kind.MODE_BEFORE, Kind.EARLIER, Kind.ANOTHER_MODEL, Kind.ANOTHER_ADDRESS),
            *(Kind.ANOTHER_PARAMETER, Kind.OTHER_TOOLS, Kind.FOLLOWS, Kind.VOLATILE, Kind.CONTEXT, Kind.WORDS),
        }
    )


def test_no_reason_is_no_sentence() -> None:
    assert sentence(None) == ""


@pytest.mark.parametrize(
    ("objection", "told", "without_words"),
    [
        (None, "", ""),
        (Objection(ObjectionKind.GUARD, "2023 / 2024", "number"), "number: 2023 / 2024, ", "number, "),
        (Objection(ObjectionKind.BELOW, "0.93"), "below 0.93, ", "below 0.93, "),
        (Objection(ObjectionKind.JUDGED_WRONG), "called wrong before, ", "called wrong before, "),
        (Objection(ObjectionKind.SHADOW), "shadow mode, ", "shadow mode, "),
    ],
)
def test_a_similar_question_is_shown_with_the_objection_to_it(
    objection: Objection | None, told: str, without_words: str
) -> None:
    near = Near(KEY, 0.96, "e/2", objection)

    assert sentence(Reason(Kind.SIMILAR), near) == f"{told}similar 0.96 to 0011aabb"
    assert sentence(Reason(Kind.SIMILAR), near, words=False) == f"{without_words}similar 0.96 to 0011aabb"


def test_words_of_questions_are_in_no_other_reason() -> None:
    for reason in (Reason(Kind.ERROR, "KeyError: 'a'"), Reason(Kind.EXACT_ONLY, "temperature 0.7")):
        assert sentence(reason, words=False) == sentence(reason)
