"""A text that is too long is shown in whole words."""

import pytest

from gptcache_magics.text.word_diff import beginning, cut

WORDS = "The quick brown fox jumps over the lazy dog and runs away"


@pytest.mark.parametrize("characters", range(20, len(WORDS)))
def test_words_are_not_cut_in_the_middle(characters: int) -> None:
    short = cut(WORDS, characters)
    assert set(short.split()) <= {*WORDS.split(), "…"}
    assert len(short) <= characters + 3
    assert set(beginning(WORDS, characters).split()) <= {*WORDS.split(), "…"}
    assert len(beginning(WORDS, characters)) <= characters


def test_a_word_that_is_longer_than_the_space_is_cut() -> None:
    assert cut("x" * 100, 30) == "x" * 20 + " … " + "x" * 10
    assert beginning("漢" * 100, 12) == "漢" * 10 + " …"
    assert cut("short", 30) == beginning("short", 30) == "short"
