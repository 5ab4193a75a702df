"""Each option of ``on`` is confirmed and repeated in the words in which it was typed; the environment gives some."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from tests.support.processes import output_of
from tests.support.shell import Typist, ask


@pytest.fixture(autouse=True)
def off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and turn the cache off."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "MODE", "MATCH"):
        monkeypatch.delenv(f"GPTCACHE_MAGICS_{name}", raising=False)
    yield
    while gm.current() is not None:
        gm.off()
    set_llm_cache(None)


# Confirmed and repeated

WORDS: list[tuple[str, list[str]]] = [
    ("on --ttl 7d", ["ttl 7d"]),
    ("on --ttl 7D --max-size 500mb", ["ttl 7D", "max-size 500mb"]),
    ("on --budget $2 --samples 3", ["samples 3", "budget $2"]),
    ("on --budget 0.50usd --mode readonly", ["budget 0.50usd"]),
    ("on --max-size 2GB --ttl 168h", ["ttl 168h", "max-size 2GB"]),
    ("on --ignore id,date --keep-cut-off", ["keep-cut-off", "ignore id,date"]),
]


@pytest.mark.parametrize(("line", "words"), WORDS)
def test_on_confirms_what_was_typed_and_status_repeats_it(magic: Typist, line: str, words: list[str]) -> None:
    assert f" Set: {', '.join(words)}." in magic.told(line)
    for each in words:
        assert each in magic().mode
    assert f" As before: {', '.join(words)}." in magic.told("on")
    for each in words:
        assert each in magic().mode, "a later on keeps it"
    magic.told("off")
    assert " Set:" not in magic.told("on")
    assert magic().mode == "auto"


def test_python_says_the_same_as_the_line(magic: Typist) -> None:
    typed = magic.told("on --ttl 7d --budget 2usd")
    magic.told("off")

    assert gm.on(ttl="7d", budget="2usd") == typed


def test_the_mode_is_said_once(magic: Typist) -> None:
    assert magic.told("on --mode replay").count("replay") == 1
    assert magic.told("on --mode auto").endswith("Set: mode auto.")
    assert " Set:" not in magic.told("on")


def test_an_option_that_is_taken_back_is_not_repeated(magic: Typist) -> None:
    magic.told("on --ttl 7d --max-size 500MB --budget 2usd")
    assert " Set: ttl none, budget none." in magic.told("on --ttl none --budget none")
    assert magic().mode == "auto, max-size 500MB"
    magic.told("on --keep-cut-off")
    assert gm.on(keep_cut_off=False).endswith(" Set: keep-cut-off no. As before: max-size 500MB.")
    assert magic().mode == "auto, max-size 500MB"


def test_options_of_config_are_named_with_their_source(magic: Typist) -> None:
    for line in ("ignore = 'id'", "keep_cut_off = True", "badge = False", "keep_lookups = 50"):
        magic.cell(f"%config GPTCacheMagics.{line}")
    words = ["badge no", "keep-lookups 50", "keep-cut-off", "ignore id"]
    assert magic.told("on").endswith(f" From %config: {', '.join(words)}.")
    assert magic().mode == "auto, " + ", ".join(f"{each} (%config)" for each in words)

    told = magic.told("on --ignore none --keep-cut-off no --ttl 7d")
    assert " Set: ttl 7d, keep-cut-off no, ignore none. From %config: badge no, keep-lookups 50." in told
    assert magic().mode == ("auto, ttl 7d, ignore none, keep-cut-off no, badge no (%config), keep-lookups 50 (%config)")
    magic.told("on --ignore date")
    assert "ignore date, keep-cut-off no" in magic().mode


def test_what_the_class_was_given_is_named() -> None:
    with gm.GPTCache(store=":memory:", mark_hits=False, ignore="id", keep_cut_off=True):
        assert gm.status().mode == "auto, keep-cut-off, ignore id, mark-hits no"


@pytest.mark.parametrize("no", ["no", "none", "off", "False"])
def test_a_line_takes_keep_cut_off_back(magic: Typist, no: str) -> None:
    magic.told("on --keep-cut-off")
    assert magic().mode == "auto, keep-cut-off"
    assert magic.told(f"on --keep-cut-off {no}").endswith(" Set: keep-cut-off no.")
    assert magic().mode == "auto"
    magic.told("on --keep-cut-off yes")
    assert magic().mode == "auto, keep-cut-off"
    magic.told("on --keep-cut-off=no")
    magic.told("off")
    assert magic.told("on --keep-cut-off answers").startswith("Cache on: answers,"), "another word is the place"
    assert magic.refused("on --keep-cut-off=maybe").startswith("on: --keep-cut-off takes yes or no. Got 'maybe'.")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("on --ttl -1d", "on: --ttl takes a time such as 12h or 7d. Got '-1d'."),
        ("on --max-size -5MB", "on: --max-size takes a size such as 500MB or 2GB. Got '-5MB'."),
        ("on --budget -2usd", "on: --budget takes US dollars such as 2usd or 0.50usd. Got '-2usd'."),
        ("on --budget -$2", "on: --budget takes US dollars such as 2usd or 0.50usd. Got '-$2'."),
        ("remove --older -30d", "remove: --older takes a time such as 30d. Got '-30d'."),
        ("lookups -n -5x", "lookups: -n takes a whole number above 0. Got '-5x'."),
        ("on -1d", "on: no option '-1d'."),
    ],
)
def test_an_amount_below_zero_is_answered_by_its_option(magic: Typist, line: str, sentence: str) -> None:
    if not line.startswith("on"):
        magic.told("on")
    assert magic.refused(line).startswith(sentence)


def entry_that_begins_with_a_letter() -> str:
    """Return the id of the only entry; one that begins with a figure may be the number of a lookup, too."""
    for number in itertools.count():
        ask(f"question {number}")
        id = str(gm.entries().index[0])
        if id[0].isalpha():
            break
        gm.remove(id)
    return id


def test_one_digit_of_an_id_changes_nothing(magic: Typist) -> None:
    magic.told("on")
    id = entry_that_begins_with_a_letter()
    for line in (f"remove {id[:1]}", f"remove {id[:3]}", f"pin #{id[:3]}", f"tag draft {id[:2]}", f"edit {id[:1]} x"):
        assert magic.refused(line).startswith("Type at least 4 digits of the id of an entry to change: "), line
    assert gm.show(id[:1]) is not None, "reading takes any beginning"
    assert len(gm.entries()) == 1
    assert magic.told(f"remove {id[:4]}").startswith("1 entry removed")


def test_a_slip_in_an_option_is_not_taken_for_a_command(magic: Typist) -> None:
    assert "Did you mean '--version'?" in magic.refused("--versoin")
    assert "Did you mean '--help'?" in magic.refused("--hlep")


def test_a_threshold_keeps_its_name(magic: Typist) -> None:
    magic.ip.user_ns["letters"] = DeterministicFakeEmbedding(size=8)
    told = magic.told("on --match semantic --embedder letters --threshold strict --any-temperature --wait")
    assert " Set: threshold strict, embedder DeterministicFakeEmbedding, any-temperature, wait." in told
    assert "threshold strict (0.96)" in told
    assert "threshold strict (0.96), at any temperature" in magic().match

    assert " Set: threshold .9." in magic.told("on --threshold .9")
    assert "threshold .9 (0.9)" in magic().match
    magic.told("on --match exact")
    assert magic().match == "exact"
    assert magic().mode == "auto"


def test_an_init_func_is_named(magic: Typist) -> None:
    magic.ip.run_cell("def set_up(cache): cache.init()")
    assert magic.told("on --init set_up").endswith(" Set: init set_up.")


def test_a_sentence_about_a_missing_option_keeps_the_threshold(magic: Typist) -> None:
    assert magic.refused("on --threshold 0.9").endswith("Type: %gptcache on --match semantic --threshold 0.9")


def test_a_refused_on_repeats_nothing(magic: Typist) -> None:
    magic.told("on --ttl 7d")
    magic.refused("on --ttl 1d --budget two")
    magic.refused("on elsewhere --ttl 1d")
    assert magic().mode == "auto, ttl 7d"


def test_wrap_keeps_the_words(magic: Typist) -> None:
    set_llm_cache(InMemoryCache())
    magic.told("on --budget 2usd")
    magic.told("on --wrap")
    assert magic().mode == "auto, budget 2usd ($0 of $2.00 spent)"


# The environment


def test_the_environment_gives_place_mode_and_match(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gm.on("answers")
    answer = ask("question")
    gm.off()
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "answers"))
    monkeypatch.setenv("GPTCACHE_MAGICS_MODE", "replay")
    monkeypatch.setenv("GPTCACHE_MAGICS_MATCH", "semantic")

    told = gm.on(embedder=DeterministicFakeEmbedding(size=8), wait=True)
    assert "answers, 1 entry, mode replay." in told
    assert "Matching by meaning" in told
    assert (
        f"From the environment: store {tmp_path / 'answers'} (GPTCACHE_MAGICS_STORE), mode replay "
        "(GPTCACHE_MAGICS_MODE), match semantic (GPTCACHE_MAGICS_MATCH)."
    ) in told
    assert ask("question") == answer
    with pytest.raises(gm.CacheMiss):
        ask("another question")
    gm.mode("auto")
    assert "environment" not in gm.on()
    assert gm.status().mode == "auto", "a later on keeps what was set"


def test_typed_goes_before_config_and_config_before_the_environment(
    magic: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", "by-environment")
    monkeypatch.setenv("GPTCACHE_MAGICS_MODE", "replay")
    monkeypatch.setenv("GPTCACHE_MAGICS_MATCH", "semantic")
    told = magic.told("on typed --mode auto --match exact")
    assert (told.startswith("Cache on: typed,"), "environment" in told) == (True, False)
    assert (magic().mode, magic().match) == ("auto", "exact")
    magic.told("off")

    magic.cell("%config GPTCacheMagics.store = '.gptcache'")
    told = magic.told("on --match exact")
    assert told.startswith("Cache on: .gptcache, 0 entries, mode replay")
    assert told.endswith("From the environment: mode replay (GPTCACHE_MAGICS_MODE).")
    magic.told("off")

    magic.cell("%config GPTCacheMagics.store = ''")
    assert magic.told("on --match exact").startswith("Cache on: by-environment,")


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        (
            "MODE",
            "reply",
            "GPTCACHE_MAGICS_MODE takes auto, replay, refresh, readonly, bypass. Got 'reply'.",
        ),
        ("MODE", "Replay", "Did you mean 'replay'"),
        ("MATCH", "meaning", "GPTCACHE_MAGICS_MATCH takes exact, semantic. Got 'meaning'."),
    ],
)
def test_a_wrong_value_is_one_sentence_and_nothing_is_on(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str, sentence: str
) -> None:
    monkeypatch.setenv(f"GPTCACHE_MAGICS_{name}", wrong)
    for attempt in (gm.on, gm.GPTCache):
        with pytest.raises(CommandError) as refused:
            attempt()
        assert sentence in str(refused.value)
    assert gm.current() is None
    assert gm.status().cache == "off"
    assert gm.doctor() is not None
    assert os.listdir() == []


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    for name in ("STORE", "MODE", "MATCH"):
        monkeypatch.setenv(f"GPTCACHE_MAGICS_{name}", empty)
    assert gm.on().startswith("Cache on: .gptcache, 0 entries. Run a cell twice")


def test_a_bundle_is_replayed_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    gm.on(":memory:")
    answer = ask("question")
    gm.save("lesson.jsonl")
    gm.off()
    monkeypatch.setenv("GPTCACHE_MAGICS_MODE", "auto")

    assert "mode replay" in gm.on("lesson.jsonl")
    gm.off()
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", "lesson.jsonl")
    assert gm.on().startswith("Cache on: lesson.jsonl, 1 entry, mode replay.")
    assert ask("question") == answer


def test_other_places_of_answers_match_exactly_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_MATCH", "semantic")
    set_llm_cache(InMemoryCache())
    assert "InMemoryCache keeps the answers" in gm.on(wrap=True)
    assert gm.status().match == "exact"


def test_doctor_looks_at_the_place_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    gm.on("answers")
    ask("question")
    gm.off()
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", "answers")
    assert "writing" in str(gm.doctor())


@pytest.mark.slow
def test_a_script_in_a_container_needs_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "volume"))
    monkeypatch.setenv("GPTCACHE_MAGICS_MODE", "readonly")
    script = """
import gptcache_magics as gm
from langchain_core.globals import set_llm_cache
from tests.support.shell import ask
set_llm_cache(gm.GPTCache())
ask("question")
print(gm.status().mode, len(gm.entries()), gm.status().store.split()[0])
"""
    assert output_of(script, folder=tmp_path) == "readonly 0 volume"


def test_options_of_other_commands_stay_as_they_are(magic: Typist) -> None:
    magic.told("on --ttl 7d")
    assert magic.told("mode refresh").startswith("Mode refresh")
    assert magic().mode == "refresh, ttl 7d"


def typed_of(cache: Any) -> dict[str, str]:
    return dict(cache.settings.options.typed)


def test_gptcache_remembers_the_words_too() -> None:
    with gm.GPTCache(store=":memory:", ttl="7d", max_size="500MB", samples=2, budget="2usd") as cache:
        assert gm.status().mode == "auto, ttl 7d, max-size 500MB, samples 2, budget 2usd ($0 of $2.00 spent)"
        assert " Set: ttl 1d." in gm.on(ttl="1d")
        assert typed_of(cache)["ttl"] == "1d"
        gm.off()
        assert typed_of(cache)["ttl"] == "7d"
    cache.close()
