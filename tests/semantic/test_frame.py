"""What two prompts of one template have in their gaps: learnt, or told by the user's template."""

import pytest
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.frame import Gap, differing_gaps
from gptcache_magics.semantic.template import Template, template_text

REVIEW = "Is this review positive or negative? Review: {}"
LATE, FINE = "It came late and damaged", "It came on time and fine"
OTHERS = ["The battery lasts for days", "We had no hot water", "Nobody answered the telephone"]


def gaps(stored: str, asked: str, *others: str, template: str = "") -> list[tuple[str, str]] | None:
    found = differing_gaps(stored, asked, others, Template.of(template) if template else None)
    return None if found is None else [each[:2] for each in found]


@pytest.mark.parametrize(
    "template",
    [
        REVIEW,
        "Review: {}\nIs it positive?",
        "You will get a review.\n\n{}",
        'Rate this from 1 to 5: """{}""" Give only the number.',
        "Text: {}\nFeeling (joy, anger, fear):",
        "Here are notes of a meeting: {} Turn them into three bullet points.",
        "Label it.\nText: I love it. Label: good\nText: {} Label:",
    ],
)
def test_sentences_and_lines_that_two_prompts_begin_with_are_taken_away(template: str) -> None:
    assert gaps(template.format(LATE), template.format(FINE)) == [(LATE, FINE)]


@pytest.mark.parametrize(
    "template", ["{} How urgent is that ticket of ours?", "Put the words {} into one line of plain French"]
)
def test_words_that_others_share_are_taken_away(template: str) -> None:
    alone, others = (template.format(LATE), template.format(FINE)), [template.format(each) for each in OTHERS]
    assert gaps(*alone) is None
    assert gaps(*alone, *others) == [(LATE, FINE)]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("How do I reverse a list in Python?", "How can I reverse a list in Python?"),
        ("Summarize this: The bridge is closed.", "Give me a summary of this: The bridge is closed."),
        ("Sum up the text:\n\nThe bridge is closed.", "Give me the gist of the text:\n\nThe bridge is closed."),
        ("Who wrote Emma?", "Who wrote Emma? And when?"),
        ("What is it like to be a baker?", "What is it like to be a good baker?"),
    ],
)
def test_rewordings_of_a_task_are_compared_as_a_whole(stored: str, asked: str) -> None:
    others = ["What is it like to be a pilot in winter?", "What is it like to be a single father?"]
    assert gaps(stored, asked, *others) is None


def test_rewordings_of_one_question_make_no_template() -> None:
    others = ["What is a good way to lose weight?", "Which is the best way to lose weight?", "A way to lose weight?"]
    assert gaps("What is the way to lose weight?", "Is there a way to lose weight?", *others) is None


def test_each_gap_is_compared() -> None:
    template = "Product: {}. Write a short reply to this complaint: {} Sign it as the support team."
    one, other = template.format("Lumo lamp", LATE), template.format("Nordkap jacket", FINE)
    others = [template.format("Pixla camera", each) for each in OTHERS]
    assert gaps(one, other, *others) == [("Lumo lamp", "Nordkap jacket"), (LATE, FINE)]
    assert gaps(one, template.format("Lumo lamp", FINE), *others) == [(LATE, FINE)]


def test_quotation_marks_of_a_frame_are_no_quotation() -> None:
    template = 'Translate "{}" into German and keep the tone.'
    alone, others = (template.format(LATE), template.format(FINE)), [template.format(each) for each in OTHERS]
    assert differing_gaps(*alone, others) == [Gap(LATE, FINE, True)]
    assert differing_gaps(*alone, (), Template.of(template)) == [Gap(LATE, FINE, True)]
    assert not any(gap.quoted for gap in differing_gaps(*alone) or ())


def test_a_given_template_says_what_the_gaps_are() -> None:
    template = "Compare  {one}\nwith {other}."
    assert gaps("Compare tea with milk.", "Compare tea with old wine.", template=template) == [("milk", "old wine")]
    assert gaps("Compare tea with milk.", "What is tea?", template=template) is None


@pytest.mark.parametrize(
    ("text", "prompt", "found"),
    [
        ("Review: {x}", "Review:  so\nso ", ["so so"]),
        ("{}: yes or no?", "Tea: yes or no?", ["Tea"]),
        ("{a} {b}", "tea milk", None),
        ("A {{x}} and {y}", "A {x} and z", ["z"]),
        ("ab{x}ba", "aba", None),
        ("from {x} to {y}", "from here", None),
    ],
)
def test_templates_find_their_gaps(text: str, prompt: str, found: list[str] | None) -> None:
    if text == "{a} {b}":
        with pytest.raises(CommandError, match="needs a text with a"):
            Template.of(text)
    else:
        assert Template.of(text).gaps(prompt) == found


@pytest.mark.parametrize("text", ["Review: x", "{x}", "Review: {x", "", "  "])
def test_a_text_without_a_gap_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match=r'--template needs a text with a \{gap\}, as in "Review: \{x\}"'):
        Template.of(text)


def test_templates_of_langchain_are_read() -> None:
    chat = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", REVIEW.replace("{}", "{x}"))])
    assert template_text(chat) == template_text(PromptTemplate.from_template(REVIEW.replace("{}", "{x}")))
    with pytest.raises(CommandError, match="Got an object of the type int"):
        template_text(7)


@pytest.mark.parametrize(
    ("stored", "asked", "changed"),
    [
        ("def add(a,b): return a+b", "def add(a,b): return a-b", True),
        ("def add(a, b): return a+b", "def add(a,b):  return a + b", False),
        ("x[1:] and more", "x[:1] and more", True),
        ("It came late", "It came on time", False),
    ],
)
def test_code_in_a_gap_counts_to_the_letter(stored: str, asked: str, changed: bool) -> None:
    assert Gap(stored, asked).changes_code is changed


def test_short_gaps_are_told_from_the_same_content() -> None:
    assert Gap("good", "not bad").is_short
    assert not Gap("good", "not bad").is_same
    assert Gap("please", "").is_same
    assert str(Gap("good", "")) == "“good” / –"
