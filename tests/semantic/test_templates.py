"""Prompts of one template, end to end: real models on a loopback server, and the default embedder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.search import SemanticSearch
from tests.support.embedder import Embedder
from tests.support.provider_server import Model, ProviderServer

REVIEW = "Is this review positive or negative? Answer with one word. Review: {}"
STORED = [
    "The parcel came late and damaged",
    "The food was great and came quickly",
    "The room was clean and the staff friendly",
    "Nobody in our family likes this game",
    "We had no hot water for three days",
]
CHANGED = [
    ("The parcel came on time and fine", 0),
    ("The food was poor and came slowly", 1),
    ("The room was a mess and the staff grumpy", 2),
    ("Everybody in our family likes that game", 3),
    ("We had no cold drinks for three days", 4),
]
REWORDED = [
    ("The parcel came damaged and late", 0),
    ("The food was great and it came quickly", 1),
    ("The room was clean, and the staff was friendly", 2),
    ("In our family nobody likes this game", 3),
    ("For three days we had no hot water", 4),
]


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Callable[..., SemanticSearch]]:
    """Turn the cache on, matching by meaning, and wait for the embedder."""

    def turn_on(**options: Any) -> SemanticSearch:
        gm.on(tmp_path / "store", match="semantic", wait=True, **options)
        similar = gm.current().similar  # type: ignore[union-attr]
        assert similar is not None
        return similar

    yield turn_on
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)


@pytest.fixture
def model(server: ProviderServer) -> Model:
    return server.model("ChatOpenAI")


def served(model: Model, prompt: str) -> bool:
    """Ask, and return whether the cache answered; store nothing."""
    with gm.using(mode="readonly"):
        model.invoke(prompt)
    return bool(gm.lookups(limit=1).iloc[0]["outcome"] == "hit")


@pytest.mark.parametrize(
    "template",
    [
        REVIEW,
        "{}\n\nWould the person who wrote this come back? Reply yes or no.",
        'A customer wrote: "{}" How happy is that customer, from 1 to 5?',
        "Turn the words {} into one polite sentence for our web page.",
    ],
    ids=["at the end", "at the beginning", "in quotation marks", "within a sentence"],
)
@pytest.mark.parametrize("told", [False, True], ids=["learnt", "given"])
def test_what_is_in_the_gap_decides(model: Model, on: Callable[..., SemanticSearch], template: str, told: bool) -> None:
    similar = on(**({"template": template.replace("{}", "{text}")} if told else {}))
    for text in STORED:
        model.invoke(template.format(text))
    assert similar.backfill.wait(20)

    assert not any(served(model, template.format(text)) for text, _ in CHANGED)
    assert sum(served(model, template.format(text)) for text, _ in REWORDED) >= 3


def test_one_stored_prompt_is_enough_where_the_task_comes_first(
    model: Model, on: Callable[..., SemanticSearch]
) -> None:
    similar = on()
    model.invoke(REVIEW.format("We saw the long version with a longer pause and it was worth it"))
    assert similar.backfill.wait(20)

    assert not served(model, REVIEW.format("We saw the long version with no pause and wanted our money back"))
    assert served(model, REVIEW.format("We saw the long version, with a longer pause, and it was worth it"))


def test_why_says_what_was_compared(model: Model, on: Callable[..., SemanticSearch]) -> None:
    similar = on()
    model.invoke(REVIEW.format(STORED[0]))
    assert similar.backfill.wait(20)

    assert not served(model, REVIEW.format(CHANGED[0][0]))
    both = f"“{STORED[0]}” / “{CHANGED[0][0]}”"
    assert gm.lookups(limit=1).iloc[0]["reason"].startswith(f"template: {both} (opposite: damaged / fine), similar 0.")
    assert f"both are of one template, and what differs is not the same: {both}" in repr(gm.why())
    assert gm.why().explanation.cause == "guard"
    assert served(model, REVIEW.format(REWORDED[0][0]))
    assert f"what differs was compared: “{STORED[0]}” / “{REWORDED[0][0]}”" in repr(gm.why())


def test_why_names_cosines_of_gaps_and_short_ones(model: Model, on: Callable[..., SemanticSearch]) -> None:
    similar = on()
    below = "{}\n\nGiven the hotel review above, would this guest come back? Reply yes or no."
    model.invoke(below.format("We had to wait an hour at the reception"))
    model.invoke(REVIEW.format("good"))
    assert similar.backfill.wait(20)

    assert not served(model, below.format("We were welcomed at the reception within a minute"))
    assert " similar)" in gm.lookups(limit=1).iloc[0]["reason"]
    assert not served(model, REVIEW.format("not good"))
    assert "“good” / “not good” (too short to compare)" in gm.lookups(limit=1).iloc[0]["reason"]


def test_code_in_a_gap_is_compared_to_the_letter(model: Model, on: Callable[..., SemanticSearch]) -> None:
    similar = on()
    model.invoke("Find the bugs in this function: def add(a,b): return a+b")
    assert similar.backfill.wait(20)

    assert not served(model, "Find the bugs in this function: def add(a,b): return a-b")
    assert "code differs" in gm.lookups(limit=1).iloc[0]["reason"]
    assert served(model, "Find the bugs in this function: def add(a, b): return a+b")


def test_a_gap_that_the_embedder_cannot_read_is_exact(model: Model, on: Callable[..., SemanticSearch]) -> None:
    similar = on()
    ask = "Translate the sentence between the marks into English and explain each word to a beginner: {}"
    model.invoke(ask.format("я иду домой"))
    assert similar.backfill.wait(20)
    assert not served(model, ask.format("домой я иду сам"))


def test_texts_in_gaps_are_embedded_once(model: Model, on: Callable[..., SemanticSearch]) -> None:
    embedder = Embedder()
    similar = on(embedder=embedder)
    stored = "We had a day at the beach and then the children came home wet"
    asked = "We had a long day at the beach and then the children came home wet and tired"
    model.invoke(REVIEW.format(stored))
    assert similar.backfill.wait(20)
    assert stored not in embedder.texts
    for _ in range(3):
        served(model, REVIEW.format(asked))
    assert embedder.texts.count(stored) == embedder.texts.count(asked) == 1


def test_the_template_is_shown_and_can_be_taken_back(model: Model, on: Callable[..., SemanticSearch]) -> None:
    on(template=ChatPromptTemplate.from_messages([("human", "Review: {x}")]))
    assert "template “Review: {x}”" in gm.status().match
    assert "“Review" not in gm.on(template="none")
    gm.on(template="Review: {x}")
    gm.on(match="exact")
    assert "“Review" not in gm.on(match="semantic")


def test_a_template_that_is_not_one_changes_nothing(on: Callable[..., SemanticSearch]) -> None:
    on(threshold=0.95)
    with pytest.raises(CommandError, match="--template needs a text with a"):
        gm.on(threshold=0.9, template="Review: x")
    assert "0.95" in gm.status().match
    gm.on(match="exact")
    with pytest.raises(CommandError, match=r'Type: %gptcache on --match semantic --template "Review: \{x\}"'):
        gm.on(template="Review: {x}")


def test_another_conversation_teaches_no_frame(model: Model, on: Callable[..., SemanticSearch]) -> None:
    similar = on()
    earlier = [HumanMessage("Hello."), AIMessage("Hello.")]
    for text in STORED:
        model.invoke([*earlier, HumanMessage(f"Turn the words {text} into one polite sentence for our web page.")])
    assert similar.backfill.wait(20)
    assert not served(model, f"Turn the words {STORED[0]} into one polite sentence for our web page.")


def test_the_gap_of_a_stored_prompt_is_embedded_beside_it(model: Model, on: Callable[..., SemanticSearch]) -> None:
    embedder = Embedder()
    similar = on(embedder=embedder)
    for end in ("wet", "dry"):
        model.invoke(REVIEW.format(f"We had a day at the beach and then the children came home {end}"))
    assert similar.backfill.wait(20)
    assert embedder.texts[-1] == "We had a day at the beach and then the children came home dry"
