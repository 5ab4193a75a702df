"""Same question, other words, end to end: real models on a loopback server, what is served and what never is."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.embedders import embedder_maker
from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.semantic.search import SemanticSearch
from tests.support.embedder import Embedder
from tests.support.provider_server import Model, ProviderServer
from tests.support.waiting import wait_until

ASKED = "How do I reverse a list in Python?"
REWORDED = "How can I reverse a list in Python?"
OTHER = "What is the capital city of Norway?"
BLOCKED = "How do I reverse 3 lists in Python?", "How do I reverse 4 lists in Python?"


@pytest.fixture
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture
def on(tmp_path: Path, embedder: Embedder) -> Iterator[Callable[..., SemanticSearch]]:
    """Turn the cache on, matching by meaning, and wait for the embedder."""

    def turn_on(where: str | Path = tmp_path / "store", **options: Any) -> SemanticSearch:
        gm.on(where, match="semantic", **{"embedder": embedder, **options})
        similar = gm.current().similar  # type: ignore[union-attr]
        assert similar is not None
        similar.embedding._loader.join(20)
        assert similar.backfill.wait(20)
        return similar

    yield turn_on
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)


@pytest.fixture
def similar(on: Callable[..., SemanticSearch]) -> SemanticSearch:
    return on()


@pytest.fixture
def model(server: ProviderServer) -> Model:
    return server.model("ChatOpenAI")


def last() -> Any:
    """Return the newest lookup."""
    return gm.lookups(limit=1).iloc[0]


# Served answers


@pytest.mark.parametrize("class_name", ["ChatOpenAI", "ChatAnthropic", "ChatOllama", "OpenAI", "OllamaLLM"])
@pytest.mark.parametrize("how", ["invoke", "stream", "batch", "ainvoke"])
async def test_other_words_get_the_stored_answer(
    server: ProviderServer, similar: SemanticSearch, class_name: str, how: str
) -> None:
    model = server.model(class_name)

    async def ask(question: str) -> str:
        if how == "stream":
            return "".join(getattr(each, "content", each) for each in model.stream(question))
        if how == "ainvoke":
            answer = await model.ainvoke(question)
        else:
            answer = model.batch([question])[0] if how == "batch" else model.invoke(question)
        return str(getattr(answer, "content", answer))

    stored = await ask(ASKED)
    assert await ask(REWORDED) == stored
    assert await ask(OTHER) != stored
    assert server.calls == 2
    row = gm.lookups().iloc[1]
    assert (row["outcome"], row["match"], row["question"]) == ("hit", "semantic", REWORDED)
    assert 0.93 <= row["similarity"] < 1
    assert row["entry"] in row["reason"]


def test_a_hit_says_how_similar_it_was(model: Model, similar: SemanticSearch) -> None:
    model.invoke(ASKED)
    marked = model.invoke(REWORDED).response_metadata["gptcache"]

    assert marked["match"] == "semantic"
    assert marked["similarity"] == pytest.approx(last()["similarity"], abs=1e-4)
    assert marked["entry"].startswith(last()["entry"])
    exact = model.invoke(ASKED).response_metadata["gptcache"]
    assert (exact["match"], exact["similarity"]) == ("exact", 1.0)


def test_exact_comes_first_and_embeds_nothing(model: Model, similar: SemanticSearch, embedder: Embedder) -> None:
    for question in (ASKED, REWORDED):
        model.invoke(question)
    before = list(embedder.texts)
    for _ in range(3):
        model.invoke(ASKED)

    assert embedder.texts == before
    assert last()["match"] == "exact"


def test_a_prompt_is_embedded_once_for_lookup_and_update(
    model: Model, similar: SemanticSearch, embedder: Embedder
) -> None:
    model.batch([ASKED, OTHER])
    assert similar.backfill.wait(10)

    assert sorted(embedder.texts[1:]) == sorted([ASKED, OTHER])  # the first was to learn the dimension


def test_stats_keep_exact_and_semantic_apart(model: Model, similar: SemanticSearch) -> None:
    for question in (ASKED, ASKED, REWORDED, OTHER):
        model.invoke(question)
    row = gm.stats(by="total", wide=True).iloc[0]

    assert row[["lookups", "exact_hits", "semantic_hits", "misses"]].tolist() == [4, 1, 1, 2]
    assert "2 hits (1 by meaning), 2 misses" in gm.off()


def test_the_default_embedder_serves_other_words_and_guards_block_another_number(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer
) -> None:
    on(embedder="minilm")
    stored = model.invoke("What was the population of Norway in 2023?").content
    assert model.invoke("What was Norway's population in 2023?").content == stored
    assert model.invoke("What was the population of Norway in 2024?").content != stored

    assert server.calls == 2
    assert "2023" in last()["reason"]
    assert last()["similarity"] > 0.93


# Answers that are not served


def test_a_guard_is_named_in_the_reason(model: Model, similar: SemanticSearch, server: ProviderServer) -> None:
    for question in BLOCKED:
        model.invoke(question)

    assert server.calls == 2
    row = last()
    assert (row["outcome"], row["similarity"] > 0.93) == ("miss", True)
    assert row["reason"].startswith("number: 3 / 4, ")
    told = gm.why()
    assert told.explanation.cause == "guard"
    assert "blocked by the guard “number”: 3 / 4" in repr(told)
    assert "{+4+}" in repr(told)


def test_below_the_threshold_the_model_is_asked(model: Model, on: Callable[..., SemanticSearch]) -> None:
    on(threshold=0.999)
    for question in (ASKED, REWORDED):
        model.invoke(question)

    assert last()["reason"].startswith("below 0.999, ")
    assert gm.why().explanation.cause == "below threshold"
    assert "below the threshold 0.999" in repr(gm.why())


def conversation(*earlier: str, question: str = REWORDED) -> list[BaseMessage]:
    turns = [HumanMessage(each) if n % 2 == 0 else AIMessage(each) for n, each in enumerate(earlier)]
    return [SystemMessage("Be brief."), *turns, HumanMessage(question)]


@pytest.mark.parametrize(
    "other",
    [
        conversation("I use Rust.", "Fine."),
        conversation("I use Julia.", "Good."),
        conversation(),
        [*conversation("I use Julia.", "Fine.")[1:]],
        [SystemMessage("Be verbose."), *conversation("I use Julia.", "Fine.")[1:]],
    ],
    ids=[
        "another earlier turn",
        "another earlier answer",
        "no earlier turn",
        "no system prompt",
        "another system prompt",
    ],
)
def test_no_conversation_is_answered_from_another(
    model: Model, similar: SemanticSearch, server: ProviderServer, other: list[BaseMessage]
) -> None:
    model.invoke(conversation("I use Julia.", "Fine.", question=ASKED))
    model.invoke(other)
    assert server.calls == 2

    model.invoke(conversation("I use Julia.", "Fine."))
    assert server.calls == 2
    assert last()["match"] == "semantic"


@pytest.mark.parametrize(
    "fields",
    [{"model": "gpt-5"}, {"temperature": 0.0}, {"seed": 2}, {"stop": ["x"]}],
    ids=lambda fields: next(iter(fields)),
)
def test_no_model_is_answered_from_another(
    similar: SemanticSearch, server: ProviderServer, fields: dict[str, Any]
) -> None:
    server.model("ChatOpenAI").invoke(ASKED)
    server.model("ChatOpenAI", **fields).invoke(REWORDED)

    assert server.calls == 2


@pytest.mark.parametrize(
    ("question", "reason"),
    [("and now?", "fewer than 3 words"), ("word " * 61, "more than 60 words")],
    ids=["short", "long"],
)
def test_short_and_long_questions_get_exact_matches_only(
    model: Model, similar: SemanticSearch, server: ProviderServer, question: str, reason: str
) -> None:
    for each in (question, f"{question.strip()}  ", question):
        model.invoke(each)

    assert server.calls == 2
    assert last()["match"] == "exact"
    assert gm.lookups().iloc[1]["reason"] == f"exact only: {reason}"
    assert f"Not matched by meaning: {reason}" in repr(gm.why(2))


def test_a_temperature_above_0_asks_for_different_answers(
    server: ProviderServer, on: Callable[..., SemanticSearch]
) -> None:
    on()
    warm, cold = (server.model("ChatOpenAI", temperature=temperature) for temperature in (0.7, 0))
    for model in (warm, cold):
        for question in (ASKED, REWORDED):
            model.invoke(question)
    assert server.calls == 3
    assert "temperature 0.7" in gm.lookups().iloc[2]["reason"]

    on(any_temperature=True)
    warm.invoke("How to reverse a list in Python?")
    assert server.calls == 3


def test_with_samples_each_call_has_an_answer_of_its_own(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    with gm.using(samples=2):
        model.batch([ASKED, ASKED])
        model.batch([REWORDED, REWORDED])

    assert server.calls >= 3
    assert "samples" in " ".join(gm.lookups()["reason"])


@pytest.mark.parametrize("mode", ["refresh", "bypass"])
def test_in_these_modes_nothing_is_looked_up(
    model: Model, similar: SemanticSearch, server: ProviderServer, mode: Any
) -> None:
    model.invoke(ASKED)
    with gm.using(mode=mode):
        model.invoke(REWORDED)

    assert server.calls == 2


def test_an_expired_or_removed_answer_is_not_served(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer
) -> None:
    on(ttl="1h")
    model.invoke(ASKED)
    store = gm.current().store  # type: ignore[union-attr]
    with pytest.MonkeyPatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 3601)
        model.invoke(REWORDED)
    assert server.calls == 2

    store.clear()
    model.invoke("How to reverse a list in Python?")
    assert server.calls == 3
    gm.undo()


def test_a_lookup_without_a_model_at_hand_is_exact(similar: SemanticSearch) -> None:
    cache = gm.current()
    assert cache is not None
    cache.update(ASKED, "[('model', 'small'), ('temperature', 0.9)]", [Generation(text="stored")])

    assert cache.lookup(REWORDED, "[('model', 'small'), ('temperature', 0.9)]") is None


def test_removed_entries_do_not_take_the_place_of_stored_ones(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    with gm.using(mode="refresh"):
        for word in ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"]:
            model.invoke(f"How do I reverse a list in Python {word}")
    assert similar.backfill.wait(10)
    model.invoke("How do I reverse a list in Python qr")
    gm.clear(yes=True)
    kept = model.invoke("How do we reverse a list in Python?").content
    server.reset()

    assert model.invoke(REWORDED).content == kept
    assert server.calls == 0


# Labels


def test_a_wrong_match_is_never_served_for_that_question_again(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    with gm.using(mode="refresh"):
        stored = {model.invoke(each).content for each in (ASKED, "How do we reverse a list in Python?")}
    assert similar.backfill.wait(10)
    model.invoke(REWORDED)
    number = int(gm.lookups().index[0])
    assert gm.label(number, "wrong").endswith("for this question any more; the next call asks the model.")

    mine = model.invoke(REWORDED).content
    assert mine not in stored, "nor is the other answer to the same question"
    assert last()["reason"].startswith("called wrong before, ")
    assert gm.why().explanation.cause == "called wrong"
    assert model.invoke(REWORDED).content == mine
    assert model.invoke("How to reverse a list in Python?").content in {*stored, mine}, "only that question"
    assert server.calls == 3
    assert gm.label(number + 1, "wrong") == f"Lookup {number + 1}: wrong."


def test_a_label_can_be_taken_back(model: Model, similar: SemanticSearch, server: ProviderServer) -> None:
    for question in (ASKED, REWORDED):
        model.invoke(question)
    number = int(gm.lookups().index[0])
    gm.label(number, "wrong")
    assert gm.label(f"#{number}", "right") == f"Lookup {number}: right."

    model.invoke(REWORDED)
    assert server.calls == 1


@pytest.mark.parametrize(
    ("number", "verdict", "message"),
    [
        (1, "right", "lookup 1 was not near another question"),
        (99, "right", "No lookup has the number 99"),
        ("x", "right", "a lookup has a number"),
        (1, "wright", "Did you mean 'right'"),
    ],
)
def test_a_lookup_that_cannot_be_labelled_says_why(
    model: Model, similar: SemanticSearch, number: Any, verdict: Any, message: str
) -> None:
    model.invoke(ASKED)
    with pytest.raises(CommandError, match=message):
        gm.label(number, verdict)


def test_in_shadow_nothing_is_served_and_both_answers_are_kept(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    gm.tune(shadow="on")
    stored, mine = (model.invoke(each).content for each in (ASKED, REWORDED))
    assert server.calls == 2
    assert last()["reason"].startswith("shadow mode, ")
    assert gm.why().explanation.cause == "shadow mode"
    pair = gm.tune().pairs.iloc[0]  # type: ignore[union-attr]
    assert (pair["asked"], pair["stored"], bool(pair["served"])) == (REWORDED, ASKED, False)
    assert {stored, mine} <= set(gm.entries()["answer"])
    gm.label(int(gm.lookups().index[0]), "right")

    gm.tune(shadow="off")
    model.invoke("How to reverse a list in Python?")
    assert server.calls == 2


# The store


def test_earlier_entries_become_searchable(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    for question in (ASKED, "hi", OTHER):
        model.invoke(question)
    assert "searchable" not in repr(gm.status())
    similar = on(None)
    assert (similar.backfill.done, similar.backfill.total) == (3, 3)

    model.invoke(REWORDED)
    assert server.calls == 3
    gm.off()
    assert on().backfill.total == 0, "what is searchable, or never will be, is remembered"


@pytest.mark.slow
def test_stopping_leaves_the_rest_for_later(
    model: Model, on: Callable[..., SemanticSearch], embedder: Embedder, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    model.batch([f"How deep is the lake number {n}?" for n in range(40)])
    go = threading.Event()
    embedder.gives = lambda vector: (go.wait(0.05) and vector) or vector
    gm.on(match="semantic", embedder=embedder)
    similar = gm.current().similar  # type: ignore[union-attr]
    assert similar is not None
    wait_until(lambda: similar.backfill.done > 0)
    similar.backfill.stop()
    go.set()
    assert similar.backfill.wait(10)
    assert 0 < similar.backfill.done < 40
    assert "entries are not searchable" in repr(gm.status())

    similar.backfill.start()
    assert similar.backfill.wait(10)
    assert "not searchable" not in repr(gm.status())


def test_off_ends_what_has_not_begun(
    model: Model, on: Callable[..., SemanticSearch], embedder: Embedder, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    model.batch([f"How deep is the lake number {n}?" for n in range(40)])
    off = threading.Event()
    embedder.gives = lambda vector: off.wait(20) and vector
    gm.on(match="semantic", embedder=embedder)
    gm.off()
    off.set()

    wait_until(lambda: not any(each.name.startswith("gptcache-backfill") for each in threading.enumerate()))
    assert len(embedder.texts) == 1


def test_a_question_that_the_embedder_refuses_stops_no_other(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, embedder: Embedder, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    model.batch([OTHER, *(f"How deep is the lake number {n}?" for n in range(20)), ASKED])
    calls = server.calls
    embed = embedder.embed_documents

    def refuse(texts: list[str]) -> list[list[float]]:
        if OTHER in texts:
            raise RuntimeError("content filter, key sk-abcdefgh12345678")
        return embed(texts)

    embedder.embed_documents = refuse  # type: ignore[method-assign]
    on(None)
    model.invoke(REWORDED)

    assert server.calls == calls
    told = repr(gm.status())
    assert "1 entries are not searchable" in told or "content filter" in told
    assert "sk-abcdefgh" not in told
    assert gm.current().ledger.failures == 1  # type: ignore[union-attr]


def test_another_kernel_s_answers_are_found(
    model: Model, similar: SemanticSearch, server: ProviderServer, tmp_path: Path
) -> None:
    mine = gm.current()
    assert mine is not None
    theirs = gm.GPTCache(store=str(tmp_path / "store"))
    theirs.similar = SemanticSearch(theirs.store, theirs.settings, embedder_maker(Embedder()))
    assert theirs.similar.embedding.wait(10)
    theirs.watch.in_charge, mine.watch.in_charge = True, False
    set_llm_cache(theirs)
    model.invoke(ASKED)
    assert theirs.similar.backfill.wait(10)
    theirs.close()
    set_llm_cache(mine)

    model.invoke(REWORDED)
    assert server.calls == 1


def test_two_embedders_keep_vectors_and_thresholds_apart(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer
) -> None:
    on(threshold=0.91)
    model.invoke(ASKED)
    assert gm.current().similar.backfill.wait(10)  # type: ignore[union-attr]
    other = Embedder(size=300)
    other.model = "other"  # type: ignore[attr-defined]
    told = gm.on(match="semantic", embedder=other)
    assert "1 entry is embedded by another embedder only. Embed them again: %gptcache on --reembed" in told
    assert "threshold 0.93" in told
    similar = on(None, embedder=None)
    assert similar.embedder == "Embedder other"
    model.invoke(REWORDED)
    assert server.calls == 2, "its vectors do not compare"

    gm.on(threshold=0.93)
    assert similar.backfill.wait(10)
    assert ASKED not in other.texts, "not sent anywhere without being asked to"
    gm.on(reembed=True)
    assert similar.backfill.wait(10)
    model.invoke("How to reverse a list in Python?")
    assert server.calls == 2
    assert "threshold 0.91" in gm.on(embedder=Embedder())


def test_two_embedders_of_one_name_are_told_apart_by_what_they_give(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer
) -> None:
    first = on()
    model.invoke(ASKED)
    assert first.backfill.wait(10)
    backwards = Embedder()
    backwards.gives = lambda vector: vector[::-1]
    other = on(embedder=backwards)
    assert other.embedding.name == "Embedder/512 #2"
    assert "1 entry is not searchable: %gptcache on --reembed" in repr(gm.status())
    model.invoke(REWORDED)
    assert server.calls == 2, "vectors of two embedders do not compare"

    assert on(embedder=Embedder()).embedding.name == "Embedder/512"
    again = Embedder()
    again.gives = lambda vector: [1.001 * each for each in reversed(vector)]
    assert on(embedder=again).embedding.name == "Embedder/512 #2"


def test_entries_that_no_embedder_has_seen_are_embedded_without_asking(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer
) -> None:
    first = on()
    model.invoke(OTHER)
    assert first.backfill.wait(10)
    gm.on(match="exact")
    model.invoke(ASKED)
    mine = Embedder(size=300)
    mine.model = "mine"  # type: ignore[attr-defined]
    similar = on(embedder=mine)
    model.invoke(REWORDED)

    assert server.calls == 2
    assert OTHER not in mine.texts
    assert "1 entry is not searchable" in repr(gm.status())
    gm.on(reembed=True)
    assert similar.backfill.wait(10)
    assert OTHER in mine.texts


def test_a_bundle_answers_other_words_in_replay(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    stored = model.invoke(ASKED).content
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()
    gm.on(tmp_path / "lesson.jsonl", match="semantic", embedder=Embedder())  # and no waiting for it

    assert model.invoke(REWORDED).content == stored
    assert server.calls == 1
    with pytest.raises(gm.CacheMiss):
        model.invoke(OTHER)


@pytest.mark.slow
def test_replay_waits_for_the_embedder(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, embedder: Embedder, tmp_path: Path
) -> None:
    on()
    stored = model.invoke(ASKED).content
    gm.off()
    embedder.gives = lambda vector: time.sleep(0.3) or vector
    gm.on(tmp_path / "store", mode="replay", match="semantic", embedder=embedder)

    assert model.invoke(REWORDED).content == stored


def test_a_read_only_store_is_searched(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    model.invoke(ASKED)
    gm.off()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        on()
        assert gm.current().store.readonly  # type: ignore[union-attr]
        model.invoke(REWORDED)
    assert server.calls == 1


# Many at a time


def test_threads_and_tasks_share_one_call_and_then_the_answer(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    server.delay = 0.2
    with ThreadPoolExecutor(8) as pool:
        assert len({each.content for each in pool.map(model.invoke, [ASKED] * 8)}) == 1
        assert len({each.content for each in pool.map(model.invoke, [REWORDED] * 8)}) == 1
    assert server.calls == 1
    assert gm.current().ledger.failures == 0  # type: ignore[union-attr]


async def test_the_event_loop_runs_while_a_question_is_embedded(
    model: Model, similar: SemanticSearch, embedder: Embedder
) -> None:
    embedder.gives = lambda vector: time.sleep(0.3) or vector
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await model.ainvoke(ASKED)
    ticking.cancel()
    assert ticks > 5


# Failures


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda e: setattr(e, "fails", RuntimeError("no quota")), "no quota"),
        (lambda e: setattr(e, "gives", lambda v: [float("nan")] * len(v)), "no direction"),
        (lambda e: setattr(e, "gives", lambda v: v[:-1]), "shape"),
    ],
    ids=["raises", "NaN", "another dimension"],
)
def test_an_embedder_that_fails_costs_the_search_and_nothing_else(
    model: Model,
    similar: SemanticSearch,
    server: ProviderServer,
    embedder: Embedder,
    breaks: Callable[[Embedder], None],
    message: str,
) -> None:
    breaks(embedder)
    for question in (ASKED, ASKED, REWORDED):
        model.invoke(question)

    assert server.calls == 2
    row = last()
    assert (row["outcome"], row["reason"].startswith("exact only: error: ")) == ("miss", True)
    assert message in row["reason"]
    assert message in repr(gm.status())
    assert gm.stats(by="total")["errors"].tolist() == [2]
    assert gm.current().ledger.failures == 2, "the embedder is asked once for each call"  # type: ignore[union-attr]
    assert message in repr(gm.why())


def test_an_embedder_that_has_recovered_is_not_called_broken(
    model: Model, similar: SemanticSearch, server: ProviderServer, embedder: Embedder
) -> None:
    embedder.fails = RuntimeError("no quota")
    model.invoke(ASKED)
    gm.on(reembed=True)
    assert similar.backfill.wait(10)
    assert "try again with %gptcache on --reembed: RuntimeError: no quota" in repr(gm.status()).replace(
        "EmbedderFailed: ", ""
    )

    embedder.fails = None
    model.invoke(OTHER)
    assert similar.backfill.wait(10)
    assert "1 entry is not searchable: %gptcache on --reembed" in repr(gm.status())
    gm.on(reembed=True)
    assert similar.backfill.wait(10)
    model.invoke(REWORDED)
    assert server.calls == 2


def test_samples_get_no_answer_of_another_question(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    model.invoke(ASKED)
    gm.on(samples=2)
    answers = {model.invoke(REWORDED).content for _ in range(2)}

    assert len(answers) == 2
    assert server.calls == 3
    assert set(gm.lookups()["reason"].iloc[:2]) == {
        "exact only: with samples each identical call has an answer of its own"
    }


def test_an_embedder_that_hangs_is_waited_for_once(
    model: Model, similar: SemanticSearch, server: ProviderServer, embedder: Embedder
) -> None:
    release = threading.Event()
    embedder.gives = lambda vector: release.wait(30) and vector
    similar.embedding.patience = 0.3
    before = len(embedder.texts)
    for question in (ASKED, REWORDED, OTHER):
        model.invoke(question)
    assert embedder.texts[before:] == [ASKED]
    release.set()

    assert "did not answer in 0.3 s" in gm.lookups()["reason"].iloc[-1]
    assert "exact: the embedder did not answer" in repr(gm.status())
    embedder.gives = lambda vector: vector
    gm.on(match="semantic", embedder=embedder)
    assert gm.current().similar.embedding.wait(10)  # type: ignore[union-attr]


def test_until_the_embedder_is_loaded_lookups_are_exact(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, embedder: Embedder, tmp_path: Path
) -> None:
    release = threading.Event()
    embedder.gives = lambda vector: release.wait(30) and vector
    gm.on(tmp_path / "store", match="semantic", embedder=embedder)
    model.invoke(ASKED)
    assert last()["reason"] == "exact only: the embedder is loading"
    assert "(loading)" in repr(gm.status())
    model.invoke(ASKED)
    release.set()
    similar = gm.current().similar  # type: ignore[union-attr]
    assert similar is not None
    assert similar.backfill.wait(10)

    model.invoke(REWORDED)
    assert server.calls == 1


@pytest.mark.slow
def test_on_can_wait_until_everything_is_searchable(
    model: Model, on: Callable[..., SemanticSearch], server: ProviderServer, embedder: Embedder, tmp_path: Path
) -> None:
    gm.on(tmp_path / "store")
    model.invoke(ASKED)
    embedder.gives = lambda vector: time.sleep(0.2) or vector
    assert "Exact until the embedder is loaded" in gm.on(match="semantic", embedder=embedder)
    assert "Exact until" not in gm.on(wait=True)

    model.invoke(REWORDED)
    assert server.calls == 1
    embedder.fails = RuntimeError("no quota")
    assert "cannot be used, so matching is exact: " in gm.on(match="semantic", embedder=Broken(), wait=True)


def test_any_temperature_is_shown_and_ends_with_matching_by_meaning(
    server: ProviderServer, on: Callable[..., SemanticSearch]
) -> None:
    on(any_temperature=True)
    assert "threshold 0.93, at any temperature" in repr(gm.status())
    gm.on(match="exact")
    on(None)
    assert ", at any temperature" not in repr(gm.status())


@pytest.mark.parametrize(("name", "cosine"), PRESETS.items())
def test_a_threshold_may_be_named(on: Callable[..., SemanticSearch], name: str, cosine: float) -> None:
    assert on(threshold=name).threshold == cosine
    assert f"threshold {name} ({cosine:g})" in gm.status().match


class Broken(Embedder):
    """An embedder that cannot embed anything."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise RuntimeError("no such model")


def test_text_of_another_script_gets_exact_matches_only(model: Model, on: Callable[..., SemanticSearch]) -> None:
    on(embedder="minilm")
    model.invoke("Как перевернуть список в Python?")

    assert last()["reason"] == "exact only: MiniLM reads Latin script only"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": "semantic", "threshold": 92}, r"between 0 and 1 \(1 = identical\). Got 92. Did you mean 0.92\?"),
        ({"match": "semantic", "threshold": -1}, "Example: 0.93"),
        ({"match": "semantic", "threshold": "much"}, "strict, balanced, loose or a cosine .* Got much"),
        ({"match": "semantic", "threshold": float("nan")}, "Got nan"),
        ({"match": "semantc"}, "Did you mean 'semantic'"),
        ({"match": "semantic", "embedder": "mini"}, "minilm, or a notebook variable"),
        ({"match": "semantic", "embedder": 7}, "a LangChain Embeddings. Got 7"),
        ({"match": "semantic", "embedder": Embedder}, "an object that is a LangChain Embeddings. Got <class"),
        ({"threshold": 0.9}, "Type: %gptcache on --match semantic --threshold"),
        ({"reembed": True}, "--reembed is about matching by meaning"),
        ({"match": "exact", "any_temperature": True}, "--any-temperature is about"),
        ({"match": "semantic", "init": lambda cache: None}, "the answers are elsewhere"),
        ({"match": "semantic", "wrap": True}, "the answers are elsewhere"),
    ],
)
def test_options_that_do_not_fit_are_named_and_nothing_is_changed(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        gm.on(tmp_path / "store", **options)

    assert gm.current() is None
    assert not (tmp_path / "store").exists()


def test_exact_again_ends_what_goes_on_in_the_background(
    model: Model, similar: SemanticSearch, server: ProviderServer
) -> None:
    model.invoke(ASKED)
    assert "Matching exactly" in gm.on(match="exact")
    model.invoke(REWORDED)

    assert server.calls == 2
    assert "Match     exact" in repr(gm.status())
    wait_until(lambda: not any(each.name == "gptcache-backfill" for each in threading.enumerate()))


# Tuning, over what was asked


def test_tune_tells_what_was_near_and_what_labels_say(model: Model, similar: SemanticSearch) -> None:
    for question in (ASKED, REWORDED, *BLOCKED, OTHER):
        model.invoke(question)
    for number in (2, 4):
        gm.label(number, "right" if number == 2 else "wrong")
    tuned = gm.tune()
    pairs = tuned.pairs.set_index("asked")  # type: ignore[union-attr]

    assert pairs["right"].dropna().to_dict() == {REWORDED: True, BLOCKED[1]: False}
    assert pairs.loc[BLOCKED[1], "blocked"] == "number: 3 / 4"
    table = tuned.to_frame()  # type: ignore[union-attr]
    assert table.loc[0.93, ["right", "wrong", "unguarded_wrong"]].tolist() == [1, 0, 1]
    assert "48 more" in repr(tuned)


def test_tune_takes_labels_from_a_file(on: Callable[..., SemanticSearch], tmp_path: Path) -> None:
    on()
    file = tmp_path / "labels.jsonl"
    rows = [(ASKED, REWORDED, True), (*BLOCKED, False), (ASKED, OTHER, False)]
    file.write_text("\n".join(json.dumps({"a": a, "b": b, "same_answer": same}) for a, b, same in rows))
    pairs = gm.tune(labels=file).pairs  # type: ignore[union-attr]

    assert pairs["right"].tolist() == [True, False, False]
    assert pairs["similarity"].tolist() == pytest.approx([0.97, 0.97, 0.2], abs=0.25)

    file.write_text('{"a": "x", "b": "y"}\n')
    with pytest.raises(CommandError, match=r"line 1 of .* is not a labelled pair\. Example"):
        gm.tune(labels=file)
    with pytest.raises(CommandError, match="cannot be read"):
        gm.tune(labels=tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no lookup was similar to a stored question yet"),
        ({"target": 99}, "a share of right hits above 0 and below 1"),
        ({"target": "most"}, "Got most"),
        ({"shadow": "maybe"}, "shadow takes on, off"),
    ],
)
def test_tune_says_what_it_wants(similar: SemanticSearch, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        gm.tune(**options)


def test_shadow_needs_matching_by_meaning(tmp_path: Path) -> None:
    gm.on(tmp_path / "store")
    with pytest.raises(CommandError, match="on --match semantic"):
        gm.tune(shadow="on")
    gm.off()
    set_llm_cache(None)


DAMAGE = {
    "the vector": "UPDATE vector SET vector=zeroblob(length(vector)-4) || x'0000807f'",
    "the vector, without a checksum": "UPDATE vector SET checksum=NULL, vector=x'ffff7f7f' || substr(vector, 5)",
    "the question": "UPDATE entry SET question=replace(question, '3', '4')",
    "the prompt": "UPDATE entry SET prompt=replace(prompt, '3', '4')",
    "the answer": "UPDATE entry SET answer=CAST(replace(answer, 'answer', 'answes') AS BLOB)",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_nothing_that_is_damaged_is_served_by_meaning(
    on: Callable[..., SemanticSearch], server: ProviderServer, tmp_path: Path, what: str
) -> None:
    on()
    server.model("ChatOpenAI").invoke(BLOCKED[0])
    assert gm.current().similar.backfill.wait(20)  # type: ignore[union-attr]
    gm.off()
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db")) as db:
        db.execute(DAMAGE[what])
        db.commit()
    on()
    server.model("ChatOpenAI").invoke(BLOCKED[1])

    assert list(gm.lookups()["outcome"]) == ["miss"]
    assert gm.current().ledger.failures == 0  # type: ignore[union-attr]
