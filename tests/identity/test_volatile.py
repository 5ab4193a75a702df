"""What rules mask in a prompt, and that everything else counts."""

import re
import uuid
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from gptcache_magics.identity.literals import in_order
from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.identity.renaming import Renaming
from gptcache_magics.identity.volatile import RULES, compared, difference, masked, shape_of

ONE, OTHER = "3f2b8c1e-0d4a-4f6b-9a7c-5e1d2c3b4a59", "9d1c7b2a-6e5f-4a3b-8c2d-1f0e9d8c7b6a"

PAGE = Document("It's about (dogs].", id="a1", metadata={"source": "dogs.md", "page": 1})
OTHER_PAGE = Document('Cats say "purr", and sleep', id="a2", metadata={"source": "cats.md"})


def renaming(old: str, new: str, rules: list[str]) -> Renaming:
    found = compared(old, new, rules)
    assert found is not None
    return Renaming(found.names)


def rules_of(old: str, new: str, rules: object = tuple(RULES)) -> list[str] | None:
    found = difference(old, new, rules)  # type: ignore[arg-type]
    return None if found is None else [*dict.fromkeys(each.rule for each in found)]


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("id", f"Document(id='{ONE}', page_content='x')", f"Document(id='{OTHER}', page_content='x')"),
        ("id", f"id={ONE.upper()}", f"id={OTHER.upper()}"),
        ("id", f"lc_run--{ONE}-0", f"lc_run--{OTHER}-0"),
        ("id", f"doc_{ONE}", f"doc_{OTHER}"),
        ("id", f'{{"text": "a\\n{ONE}"}}', f'{{"text": "a\\n{OTHER}"}}'),
        ("id", f"id='{ONE.replace('-', '')}'", f"id='{OTHER.replace('-', '')}'"),
        ("id", f'{{"doc_id": "{ONE.replace("-", "")}"}}', f'{{"doc_id": "{OTHER.replace("-", "")}"}}'),
        ("id", f"call_{ONE.replace('-', '')}", f"call_{OTHER.replace('-', '')}"),
        ("id", f'"\\u00e9{ONE}"', f'"\\u00e9{OTHER}"'),
        ("id", "01HZXYABCDEFGHJKMNPQRSTVWX", "01HZXYABCDEFGHJKMNPQRSTVWY"),
        ("id", "call_AbC1dEfGh2iJkLmNoPqRsTuV", "call_ZbC1dEfGh2iJkLmNoPqRsTuV"),
        ("id", "toolu_01AbCdEfGhIjKlMnOpQrStUv", "toolu_01BbCdEfGhIjKlMnOpQrStUv"),
        ("id", "chatcmpl-AbC1dEfGh2iJkLmNoPqRsTuVwXyZa", "chatcmpl-BbC1dEfGh2iJkLmNoPqRsTuVwXyZa"),
        ("id", "msg_68ab12cd34ef56ab78", "msg_78ab12cd34ef56ab78"),
        ("address", "<Retriever object at 0x7f3a2b1c0d90>", "<Retriever object at 0x7f3a2b1c0da0>"),
        ("address", "<bound method f of <A object at 0x7f3a2b>>", "<bound method f of <A object at 0x7f3a2c>>"),
        ("address", "a Retriever at 0x7f3a2b1c0d90 said", "a Retriever at 0x7f3a2b1c0da0 said"),
        ("address", "in /tmp/tmpab1de_9x/notes.md", "in /tmp/tmpzz1de_9x/notes.md"),
        ("date", "Today is 2026-01-05.", "Today is 2026-11-27."),
        ("date", "Today is 5 Jan 2026", "Today is 27 November 2026"),
        ("date", "Monday, January 5, 2026", "Friday, November 27, 2026"),
        ("date", "on 01/05/2026", "on 11/27/2026"),
        ("date", "the 5th of January 2026", "the 27th of November 2026"),
        ("date", "05-Jan-2026", "27-Nov-2026"),
        ("date", "Mon Jan  5 10:30:00 2026", "Fri Nov 27 10:30:00 2026"),
        ("date", "[datetime.date(2026, 1, 5)]", "[datetime.date(2026, 11, 27)]"),
        ("date", '{"day": "a\\n2026-01-05"}', '{"day": "a\\n2026-11-27"}'),
        ("time", "It is 10:30 UTC", "It is 19:39 UTC"),
        ("time", "2026-01-05T10:30:00.123456+00:00", "2026-01-05T19:39:00.654321+00:00"),
        ("time", "2026-01-05 10:30", "2026-01-05 19:39"),
        ("time", "at 10:30:15.123456", "at 19:39:07.654321"),
        ("order", "{'a': 1, 'b': [2, 1]}", "{'b': [2, 1], 'a': 1}"),
        ("order", "{'red', 'blue'}", "{'blue', 'red'}"),
        ("order", '{"a": {"x": "1, 2", "y": null}}', '{"a": {"y": null, "x": "1, 2"}}'),
        ("order", "Sets: frozenset({'x', 'y'})", "Sets: frozenset({'y', 'x'})"),
        ("order", f"Use {[PAGE, OTHER_PAGE]}.", f"Use {[OTHER_PAGE, PAGE]}."),
        ("order", f"Use {{'pages': {[PAGE, OTHER_PAGE]}}}.", f"Use {{'pages': {[OTHER_PAGE, PAGE]}}}."),
    ],
)
def test_a_rule_takes_two_texts_for_the_same(rule: str, one: str, other: str) -> None:
    assert rules_of(one, other, [rule]) == [rule]
    assert rules_of(one, other, [each for each in RULES if each != rule]) is None
    assert shape_of(one) == shape_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the season 2023/2024", "the season 2022/2023"),
        ("in 2023", "in 2024"),
        ("March 2023", "April 2023"),
        ("on 5 January", "on 6 January"),
        ("version 1.2.3", "version 1.2.4"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("?api-version=2024-02-01", "?api-version=2024-06-01"),
        ('{"anthropic-version": "2023-06-01"}', '{"anthropic-version": "2024-06-01"}'),
        ("the flags at 0x1F", "the flags at 0x2F"),
        ("a register at 0x40021000 is set", "a register at 0x40022000 is set"),
        ("x = 0xdeadbeef", "x = 0xdeadbeee"),
        ("ISBN 978-3-16-148410-0", "ISBN 978-3-16-148411-7"),
        ("DE89370400440532013000", "DE89370400440532013001"),
        ("+49 170 1234567", "+49 170 1234568"),
        ("192.168.0.10", "192.168.0.11"),
        ("00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5F"),
        ("$12,000.50", "$13,000.50"),
        ("a ratio of 10:30", "a ratio of 10:31"),
        ("John 3:16", "John 3:17"),
        ("12345678901234567890123456789012", "12345678901234567890123456789013"),
        ("1700000000", "1700000001"),
        ("call_customer_service", "call_customer_support"),
        ("call_customer1", "call_customer2"),
        ("call_getWeatherForCity", "call_getWeatherForTown"),
        ("run-regression", "run-production"),
        ("/tmp/tmpdatabase", "/tmp/tmpregister"),
        ("[1, 2]", "[2, 1]"),
        ("{'a': [1, 2]}", "{'a': [2, 1]}"),
        (f"Use {[(PAGE, 0.5), (OTHER_PAGE, 0.4)]}", f"Use {[(OTHER_PAGE, 0.4), (PAGE, 0.5)]}"),
        (f"Use {[PAGE, OTHER_PAGE, 1]}", f"Use {[OTHER_PAGE, PAGE, 1]}"),
        (f"Use {[PAGE, OTHER_PAGE]}", f"Use {[PAGE, Document('cats')]}"),
        ("{'a': 1, 'a': 2}", "{'a': 2, 'a': 1}"),
        ("int a[] = {3, 1, 2};", "int a[] = {1, 2, 3};"),
        ('char *a[] = {"b", "a"};', 'char *a[] = {"a", "b"};'),
        ("x_{2,1}", "x_{1,2}"),
        ("{ first(); second(), third() }", "{ first(); third(), second() }"),
        ("{'a': 1, 'b': 2", "{'b': 2, 'a': 1"),
        ("{'it', 'is', 'broken}", "{'is', 'it', 'broken}"),
        ("f(x, {b: 1, a: 2})", "f(x, {a: 2, b: 1})"),
        (f"{ONE} {OTHER} {ONE}", f"{ONE} {OTHER} {OTHER}"),
        (f"{ONE} or {OTHER}", f"{OTHER} or {ONE}"),
        ("Crack 5f4dcc3b5aa765d61d8327deb882cf99", "Crack e10adc3949ba59abbe56e057f20f883e"),
        ("valid 5f4dcc3b5aa765d61d8327deb882cf99", "valid e10adc3949ba59abbe56e057f20f883e"),
        ("run call_me2maybe3x", "run call_me3maybe4y"),
        ("def resp_v1beta2test():", "def resp_v2beta3test():"),
        ("call_getUserProfileByEmail2", "call_getUserProfileByEmail3"),
        ("char s[] = {'c', 'a', 't'}", "char s[] = {'a', 'c', 't'}"),
        ("a = {'c', 'a'};", "a = {'a', 'c'};"),
        ("{'c','a','t'}", "{'a','c','t'}"),
        ("vector<string> v = {'b', 'a'}", "vector<string> v = {'a', 'b'}"),
        ("vector<P>{<a>, <b>}", "vector<P>{<b>, <a>}"),
        ("{(1, 1), (0, 0)}", "{(0, 0), (1, 1)}"),
        ("{1: 'mix', 2: 'bake'}", "{2: 'bake', 1: 'mix'}"),
        ("{{'a', 'b'}, {'c', 'd'}};", "{{'b', 'a'}, {'c', 'd'}};"),
        (f"docs {ONE} {ONE.upper()}", f"docs {OTHER} {ONE.upper()}"),
        ("From 2026-01-05 to 2026-02-05", "From 2026-02-05 to 2026-01-05"),
        ("From 10:30:00 to 11:30:00", "From 11:30:00 to 10:30:00"),
        ("Due 5 Jan 2026, today 2026-01-05", "Due 6 Jan 2026, today 2026-01-07"),
        ("At 2026-01-05 12:30. It closes at 12:30.", "At 2026-01-05 13:15. It closes at 12:30."),
        ("Today is 2024-08-06. API version 2024-08-06", "Today is 2026-11-27. API version 2024-08-06"),
        ("Today is 2024-08-07. API version 2024-08-06", "Today is 2024-08-06. API version 2024-08-06"),
        ("Today is 5 May 2020. Born 5 May 1990? May 5", "Today is 6 May 2020. Born 5 May 1990? May 5"),
        (f"{ONE}, in short {ONE[:8]}", f"{OTHER}, in short {ONE[:8]}"),
        ("‹id 1›", ONE),
        ("‹‹id 1›", f"‹{ONE}"),
    ],
)
def test_everything_else_counts(one: str, other: str) -> None:
    assert rules_of(one, other) is None
    assert rules_of(other, one) is None
    assert rules_of(one, one) == []


UUIDS = st.builds(str, st.uuids())
STAMPS = st.one_of(
    st.builds(date.isoformat, st.dates(date(1990, 1, 1), date(2090, 1, 1))),
    st.builds(lambda at: at.isoformat(" "), st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1))),
    st.builds(lambda at: f"{at.isoformat()}Z", st.times(time(0), time(23, 59))),
)
VOLATILE = st.one_of(UUIDS, STAMPS, st.builds(lambda n: f"<A object at {n:#014x}>", st.integers(2**40, 2**47)))
WORDS = st.one_of(
    st.sampled_from(["Paris", "Berlin", "not", "v1.2", "v1.3", "2023", "2024", "$5", "$6", "10:30", "'a'", "{", "}"]),
    st.builds(str, st.integers(0, 10**12)),
    st.builds(repr, st.floats(allow_nan=False)),
    st.text(max_size=8),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=5), VOLATILE)
def test_two_prompts_of_other_words_are_never_the_same(words: list[str], others: list[str], kept: str) -> None:
    one, other = " ".join([*words, kept]), " ".join([*others, kept])
    names = [each for each in RULES if each != "order"]
    assert (difference(one, other, names) is not None) == (one == other) or _all_volatile(one, other)


def _all_volatile(one: str, other: str) -> bool:
    """Return whether the texts differ in what looks like an id, a date or a time to a simpler reading, too."""
    same = re.compile(r"[0-9a-fA-F-]{32,36}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}|[0-9.:]+")
    return same.sub("", one) == same.sub("", other)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=8), st.booleans()), max_size=6))
def test_a_dict_and_the_set_of_its_names_have_one_order(members: dict[str, object]) -> None:
    turned = dict(reversed(members.items()))
    assert in_order(repr(members)) == in_order(repr(turned))
    assert in_order(repr([members, list(members)])) != in_order(repr([members, [*members, "x"]]))
    read = eval(in_order(repr(members)))
    assert read == members


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}[]()'\",: ab1\\", max_size=40))
def test_any_text_keeps_its_characters(text: str) -> None:
    assert sorted(in_order(text)) == sorted(text)


def test_messages_and_roles_count() -> None:
    def prompt(system: str, question: str) -> str:
        return prompt_of([SystemMessage(system), HumanMessage(question)])

    assert rules_of(prompt(f"Run {ONE}", "Hi"), prompt(f"Run {OTHER}", "Hi")) == ["id"]
    assert rules_of(prompt(f"Run {ONE}", "Hi"), prompt(f"Run {OTHER}", "Hello")) is None
    assert rules_of(prompt_of([AIMessage(ONE)]), prompt_of([HumanMessage(OTHER)])) is None
    found = difference(prompt("Hi", f"{ONE} {ONE}"), prompt("Hi", f"{OTHER} {OTHER}"))
    assert found is not None
    assert [(each.at, each.text) for each in found] == [(1, OTHER), (1, OTHER)]


def test_an_id_in_one_message_is_the_same_in_the_next() -> None:
    def prompt(one: str, other: str) -> str:
        return prompt_of([HumanMessage(one), AIMessage("Yes"), HumanMessage(other)])

    assert rules_of(prompt(ONE, ONE), prompt(OTHER, OTHER)) == ["id"]
    assert rules_of(prompt(ONE, ONE), prompt(ONE, OTHER)) is None


def test_an_answer_gets_the_ids_and_dates_of_its_prompt() -> None:
    old = f"Patch {ONE} on 2026-01-05 at 10:30:00Z"
    new = f"Patch {OTHER} on 2026-11-27 at 10:30:00Z"
    renamed = renaming(old, new, ["id", "date"])
    answer = '{"id": "%s", "note": "\\n2026-01-05, 12026-01-051"}'
    assert renamed(answer % ONE) == (answer % OTHER).replace("\\n2026-01-05", "\\n2026-11-27")
    assert renaming(old, old, ["id"])("any") == "any"


WHOLE = [
    (ONE, OTHER, "report_{}.md"),
    (ONE, OTHER, "x-{}-0, Doc{}"),
    (ONE, OTHER, '{{"x": "\\u00e9{}"}}'),
    ("2026-01-05T09:00:00Z", "2026-11-27T14:30:05Z", "Logged at {}."),
    ("datetime.datetime(2026, 1, 5, 9, 0)", "datetime.datetime(2026, 11, 27, 14, 30)", "x = {}"),
    ("Mon, 05 Jan 2026 09:00:00 GMT", "Fri, 27 Nov 2026 14:30:05 GMT", "Date: {}"),
    ("<A object at 0x7f1234567890>", "<A object at 0x7f9999567890>", "{}"),
    ("/tmp/tmpab12cd34/a", "/tmp/tmpzz98yy76/a", "In {}"),
]


@pytest.mark.parametrize(("old", "new", "answer"), WHOLE)
def test_an_answer_is_given_whatever_the_prompt_has(old: str, new: str, answer: str) -> None:
    renamed = renaming(old, new, [*RULES])
    assert renamed(answer.format(old, old)) == answer.format(new, new)
    assert renamed.outlasting == ""


@pytest.mark.parametrize(
    ("old", "new", "answer", "rule"),
    [
        (ONE, OTHER, ONE.upper(), "id"),
        (ONE, OTHER, ONE.replace("-", ""), "id"),
        (ONE, OTHER, f"It is {ONE[:8]}…", "id"),
        (ONE, OTHER, f"It ends in {ONE[-12:]}", "id"),
        (ONE, OTHER, f"x{ONE}y", "id"),
        ("at 0x7f0a1b2c3d4e", "at 0x7f0a1b2c9999", "7F0A1B2C3D4E", "address"),
        ("Monday, January 5, 2026", "Friday, November 27, 2026", "January 5, 2026", "date"),
        ("2026-01-05", "2026-11-27", "report_2026-01-05.csv", "date"),
        ("2026-01-05", "2026-11-27", "gpt-4o-2026-01-05", "date"),
        ("2026-01-05", "2026-11-27", "5 January 2026", "date"),
        ("2026-01-05", "2026-11-27", "on the 5th of January", "date"),
        ("2026-01-05", "2026-11-27", "Jan. 5", "date"),
        ("2026-01-05", "2026-11-27", "20260105", "date"),
        ("2026-01-05", "2026-11-27", "5.1.2026", "date"),
        ("2026-01-05", "2026-11-27", "1/5/26", "date"),
        ("2026-01-05", "2026-11-27", "date(2026, 1, 5, 9)", "date"),
        ("2026-01-05", "2026-11-27", "It is Monday.", "date"),
        ("01/05/2026", "11/27/2026", "5 January 2026", "date"),
        ("09:00:00Z", "14:30:05Z", "2026-01-05 09:00:00", "time"),
        ("09:00:00Z", "14:30:05Z", "At 9:00 AM", "time"),
        ("14:30:00Z", "09:00:00Z", "At 2:30 p.m.", "time"),
        ("21:00:00Z", "10:30:00Z", "At 9 pm", "time"),
        ("09:00:00Z", "09:00:05Z", "Logged 09:00:00", "time"),
        ("09:00:00.5Z", "09:00:00.7Z", "Logged 09:00:00.5", "time"),
    ],
)
def test_what_an_answer_tells_of_the_old_in_another_form_is_noticed(old: str, new: str, answer: str, rule: str) -> None:
    renamed = renaming(old, new, [*RULES])
    renamed(answer)
    assert renamed.outlasting == rule
    renamed = renaming(old, new, [*RULES])
    assert renamed(f"It is {new}, in 2026, of 3 May, at 17:45.") == f"It is {new}, in 2026, of 3 May, at 17:45."
    assert renamed.outlasting == ""


def test_days_that_moved_on_move_on_in_the_answer() -> None:
    old, new = "from 2026-01-05 to 2026-01-06", "from 2026-01-06 to 2026-01-07"
    assert rules_of(old, new) == ["date"]
    assert renaming(old, new, ["date"])("2026-01-05, 2026-01-06") == "2026-01-06, 2026-01-07"


def test_what_python_makes_up_is_masked() -> None:
    now = datetime.now(UTC)
    for text in (str(uuid.uuid4()), f"id={uuid.uuid4().hex}", repr(object()), now.isoformat(), f"{now:%A, %B %d, %Y}"):
        assert b"\xe2\x80\xb9" in masked(f"Here: {text}").text


def test_a_member_with_many_blanks_is_read_once() -> None:
    """To look at each of them for all that follow took half a minute, during which nothing else ran."""
    blanks = " " * 40_000
    unwritten = f'{{"b": {blanks}1 , "a":2}}'  # neither Python nor JSON writes it so
    assert in_order(unwritten) == unwritten
    assert in_order(f'{{ "b": "x{blanks}y",\n"a": 2 }}') == f'{{ "a": 2,\n"b": "x{blanks}y" }}'
