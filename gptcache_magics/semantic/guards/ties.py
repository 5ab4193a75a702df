"""Read the words of a text with their ties: the preposition, conjunction or *be* that tells which part a word plays.

English says the same in several orders. Three of them are read as the plain one: *is the file deleted* as *the file is
deleted*, *to whom does Ann report* as *who does Ann report to*, *which effects does it have* as *it has which effects*.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import pairwise
from typing import Final, NamedTuple

from gptcache_magics.semantic.guards.text import Text
from gptcache_magics.semantic.guards.vocabulary import COORDINATING, MARKS, TIES, WHO

__all__ = ["TiedWord", "tied_words"]

_NUMBER: Final = "#"


class TiedWord(NamedTuple):
    """A word with what stands before it; the end of a text is the empty word."""

    stem: str
    tie: str = ""
    """The tie that is nearest before the word, or an empty text; numbers have ties of their own."""
    before: tuple[str, ...] = ()
    """All words before it that tie or coordinate."""
    joined: bool = False
    """Whether it begins a sentence or an item of a list, which may change places with the one before it."""
    participle: bool = False
    asked: bool = False
    """Whether its sentence begins with a form of *be*."""


def tied_words(text: Text, shared: Container[str]) -> list[TiedWord]:
    """Return the words with the given stems, and the end of the text."""
    found: list[TiedWord] = []
    before: list[str] = []
    tie = stranded = joint = ""
    asked = False
    after_commas: list[int] = []
    for word, stem in text.placed:
        if stem in shared:
            tie += _NUMBER if stem[-1].isdecimal() else ""
            if joint == "," and not tie:
                after_commas.append(len(found))
            elif joint in COORDINATING:  # an *and* makes a list of the words after commas
                for at in after_commas:
                    found[at] = found[at]._replace(joined=True)
                after_commas = []
            joined, participle = joint not in ("", ","), word.endswith(("ed", "en", "wn"))
            found.append(TiedWord(stem, tie, tuple(before), joined, participle, asked))
            tie, before, joint = "", [], ""
            continue
        if word in TIES or word in COORDINATING:
            before.append(word)
        if word in COORDINATING or word in MARKS:
            joint = word if joint in ("", ",") else joint
            if word == ".":
                asked, after_commas = False, []
        elif joint == "," or word == "then":
            joint = ""
        if word in WHO and not found:
            stranded, tie = tie, ""
        elif TIES.get(word) == "be" and (not found or joint == "."):
            asked, tie = True, ""
        elif word in TIES and (found or word != "of"):
            tie = TIES[word]
    if tie == "have" and found:
        found[0] = found[0]._replace(tie=tie)
    end = TiedWord("", stranded or (tie if tie not in ("be", "have") else ""), tuple(before))
    return [*(_in_order(word, after) for word, after in pairwise([*found, end])), end]


def _in_order(word: TiedWord, after: TiedWord) -> TiedWord:
    """Tie a participle to the *be* that begins its question, and to a *by* that follows."""
    ends = bool(after.tie) == bool(after.stem)
    passive = word.asked or word.participle if after.tie == "by" else word.asked and word.participle and ends
    return word._replace(tie="be") if passive and not word.tie else word
