"""Why a lookup missed: each cause, the closest entry, the words that differ; long, hostile and secret text."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from gptcache_magics.explain.causes import Explanation, explain, not_asked
from gptcache_magics.explain.closest import Closest, Question, find_closest
from gptcache_magics.explain.parameters import changes
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Period, Selection, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.text.messages import conversation, first_difference
from gptcache_magics.text.word_diff import as_ansi, as_html, as_text, word_diff

NOW = 1_800_000_000.0
REPORT = "Summarise the 2023 report in three sentences."
NEWER = "Summarise the 2024 report in three sentences."


def digest(text: str, size: int = 16) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def configured(model: str = "gpt-4o-mini", provider: str = "openai", **parameters: Any) -> Configuration:
    text = json.dumps(parameters, sort_keys=True)
    label = " · ".join([model, *(f"{name} {value}" for name, value in parameters.items())])
    return Configuration(digest(f"{provider} {model} {text}"), provider, model, label, None, text)


PLAIN = configured()


def chat(*messages: tuple[str, Any]) -> str:
    """Return a prompt as LangChain serialises it."""
    return json.dumps(
        [
            {"lc": 1, "type": "constructor", "id": ["langchain", role], "kwargs": {"content": content, "type": role}}
            for role, content in messages
        ]
    )


class Log:
    """Entries and lookups, one a second."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store = store
        self.number = 0

    def store_entry(
        self, prompt: str, configuration: Configuration = PLAIN, *, question: str = "", **fields: Any
    ) -> Entry:
        """Store an answer to a prompt, and return its entry."""
        said = [message.text for message in conversation(prompt) if message.role in ("human", "prompt")]
        entry = Entry(
            key=digest(configuration.key + prompt),
            configuration=configuration.key,
            prompt=prompt,
            question=question or said[-1],
            answer=b'F[[null,"answer %d",null]]' % self.number,
            created=self.now,
            prompt_digest=digest(prompt, 8),
        )
        entry = replace(entry, **fields)
        self.store.put(entry, configuration)
        return entry

    def ask(self, prompt: str, configuration: Configuration = PLAIN, *, stored: bool = True, **fields: Any) -> int:
        """Record a lookup of a prompt, by default a miss that stores its answer; return its number."""
        self.number += 1
        said = [message.text for message in conversation(prompt) if message.role in ("human", "prompt")]
        lookup = Lookup(
            at=self.now,
            run="run",
            number_in_run=self.number,
            outcome="miss",
            reason=Reason(Kind.NEW),
            configuration=configuration.key,
            key=digest(configuration.key + prompt),
            question=said[-1],
            seconds=0.1,
            prompt_digest=digest(prompt, 8),
        )
        for name, value in fields.items():
            setattr(lookup, name, value)
        self.store.record([lookup], [configuration], 100_000)
        self.number += 1
        if stored and lookup.outcome == "miss":
            self.store_entry(prompt, configuration)
        return self.store.lookups(Period(), 1)[0].number

    def why(self, number: int | None = None) -> Explanation:
        """Explain a lookup, by default the newest."""
        return explain(self.store, next(row for row in self.store.lookups(Period()) if number in (None, row.number)))

    @property
    def now(self) -> float:
        return NOW + self.number


@pytest.fixture(params=["memory", "folder"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    store = SQLiteStore(":memory:" if request.param == "memory" else tmp_path / "store")
    yield Log(store)
    store.close()


def closest(explanation: Explanation) -> Closest:
    assert explanation.nearest is not None
    return explanation.nearest


# Causes that the closest entry shows


def test_a_first_question_is_the_first(log: Log) -> None:
    log.ask(REPORT)

    assert log.why().cause == "first time"
    assert log.why().nearest is None


def test_the_entry_that_a_miss_stored_itself_explains_nothing(log: Log) -> None:
    first = log.ask(REPORT)
    log.ask(NEWER)
    log.ask(REPORT, configured(temperature=0.9))

    assert log.why(first).cause == "first time"


def test_a_changed_word_is_shown(log: Log) -> None:
    log.ask(REPORT)
    log.ask(NEWER)

    assert log.why().cause == "other words"
    assert as_text(closest(log.why()).words) == "Summarise the [-2023-]{+2024+} report in three sentences."
    assert closest(log.why()).similarity == pytest.approx(0.98, abs=0.01)


def test_unrelated_words_are_not_called_close(log: Log) -> None:
    log.ask("Who painted the Mona Lisa?")
    log.ask("What is the capital of France?")

    assert log.why().cause == "first time"


@pytest.mark.parametrize(
    ("before", "after", "cause", "told"),
    [
        (configured(temperature=0.2), configured(temperature=0.9), "another parameter", ["temperature 0.2 → 0.9"]),
        (PLAIN, configured(temperature=0.9), "another parameter", ["temperature (default) → 0.9"]),
        (configured(stop=["."]), PLAIN, "another parameter", ['stop ["."] → (default)']),
        (PLAIN, configured("gpt-5"), "another model", ["model gpt-4o-mini → gpt-5"]),
        (PLAIN, configured(provider="azure"), "another model", ["provider openai → azure"]),
        (
            configured(base_url="http://a"),
            configured(openai_api_base="http://b"),
            "another base URL",
            ["base URL http://a → http://b"],
        ),
        (PLAIN, configured(base_url="http://b"), "another base URL", ["base URL (default) → http://b"]),
        (PLAIN, configured(tools=[{"function": {"name": "search"}}]), "other tools", ["tools added: search"]),
        (
            configured(tools=[{"name": "search", "x": 1}]),
            configured(tools=[{"name": "search", "x": 2}]),
            "other tools",
            ["tools changed: search (x 1 → 2)"],
        ),
        (
            configured(model_kwargs={"seed": 1, "user": "me"}),
            configured(model_kwargs={"seed": 2, "user": "me"}),
            "another parameter",
            ["model_kwargs.seed 1 → 2"],
        ),
        (
            configured(temperature=0.2),
            configured("gpt-5", temperature=0.9),
            "another model",
            ["model gpt-4o-mini → gpt-5", "temperature 0.2 → 0.9"],
        ),
    ],
)
def test_the_same_prompt_under_another_configuration(
    log: Log, before: Configuration, after: Configuration, cause: str, told: list[str]
) -> None:
    log.ask(REPORT, before)
    log.ask(NEWER, after)  # similar and of the same configuration, which is not a better reason
    log.ask(REPORT, after)

    assert log.why().cause == cause
    assert [change.text for change in closest(log.why()).changes] == told
    assert told[0] in log.why().sentence
    assert closest(log.why()).same_prompt


def test_the_configuration_with_the_fewest_changes_is_the_closest(log: Log) -> None:
    log.ask(REPORT, configured(temperature=0.2, seed=1))
    log.ask(REPORT, configured("gpt-5"))
    log.ask(REPORT, configured(temperature=0.2, seed=3, top_p=0.5))
    log.ask(REPORT, configured(temperature=0.2, seed=2))

    assert [change.text for change in closest(log.why()).changes] == ["seed 1 → 2"]


def test_a_configuration_that_differs_in_nothing_written_down(log: Log) -> None:
    log.ask(REPORT)
    log.ask(REPORT, replace(PLAIN, key=digest("another class")))

    assert log.why().cause == "another parameter"
    assert "class" in log.why().sentence


def test_an_entry_of_an_older_version_without_a_digest_is_found_by_its_question(log: Log) -> None:
    log.store_entry(REPORT, configured(temperature=0.2), prompt_digest="")
    log.ask(REPORT, configured(temperature=0.9), prompt_digest="")

    assert log.why().cause == "another parameter"
    assert "temperature 0.2 → 0.9" in log.why().sentence


@pytest.mark.parametrize(
    ("before", "after", "where", "words"),
    [
        ([("system", "Be brief.")], [("system", "Be thorough.")], "the system message", "Be [-brief-]{+thorough+}."),
        ([], [("system", "Be brief.")], "the system message", "{+Be brief.+}"),
        ([("system", "Be brief.")], [], "the system message", "[-Be brief.-]"),
        (
            [("human", "Hi"), ("ai", "Hello")],
            [("human", "Hi"), ("ai", "Hello you")],
            "message 2 (ai)",
            "[-Hello-]{+Hello you+}",
        ),
    ],
)
def test_the_same_question_in_another_conversation(
    log: Log, before: list[tuple[str, str]], after: list[tuple[str, str]], where: str, words: str
) -> None:
    log.ask(chat(*before, ("human", REPORT)))
    log.ask(chat(*after, ("human", REPORT)))

    assert log.why().cause == "another context"
    assert closest(log.why()).where == where
    assert where in log.why().sentence
    assert as_text(closest(log.why()).words) == words


def test_a_conversation_that_went_on_after_the_question(log: Log) -> None:
    log.ask(chat(("human", REPORT)))
    log.ask(chat(("human", REPORT), ("ai", "search()"), ("tool", "found")))

    assert log.why().cause == "another context"
    assert closest(log.why()).where == "message 2 (ai)"


def test_another_image_is_named_by_its_message(log: Log) -> None:
    def looking(url: str) -> str:
        return chat(("human", [{"type": "text", "text": REPORT}, {"type": "image_url", "image_url": {"url": url}}]))

    log.ask(looking("a.png"))
    log.ask(looking("b.png"))

    assert log.why().cause == "another context"
    assert closest(log.why()).where == "message 1 (human)"


def test_an_answer_that_was_not_stored_comes_before_another_context(log: Log) -> None:
    log.ask(chat(("system", "Be brief."), ("human", REPORT)))
    log.ask(chat(("human", REPORT)), stored=False, reason=Reason(Kind.NOT_STORED, "cut off (length)"))

    assert log.why().cause == "not stored"
    assert log.why().sentence == "Its answer was not stored, so the next call misses as well: cut off (length)."
    assert log.why().also == ("something else in the prompt differs",)


@pytest.mark.parametrize("order", [1, -1])
def test_the_context_that_is_nearest_in_length_is_the_closest(log: Log, order: int) -> None:
    for system in ["Be brief.", "Be brief, and never " + "ever " * 50][::order]:
        log.ask(chat(("system", system), ("human", REPORT)))
    log.ask(chat(("system", "Be terse."), ("human", REPORT)))

    assert as_text(closest(log.why()).words) == "Be [-brief-]{+terse+}."


def test_another_sample_of_the_same_call(log: Log) -> None:
    log.ask(REPORT)
    log.ask(REPORT, key=digest("second sample"), stored=False)

    assert log.why().cause == "another sample"


def test_words_and_parameters_that_both_differ(log: Log) -> None:
    log.ask(REPORT, configured(temperature=0.2))
    log.ask(NEWER, configured(temperature=0.9))

    assert log.why().cause == "another parameter"
    assert log.why().also == ("other words: the closest question is 98% the same",)
    assert [change.text for change in closest(log.why()).changes] == ["temperature 0.2 → 0.9"]


def test_words_that_differ_much_come_before_parameters(log: Log) -> None:
    log.ask("Summarise the report of 2023 in three sentences.", configured(temperature=0.2))
    log.ask("Summarise the book in four long sentences.", configured(temperature=0.9))

    assert log.why().cause == "other words"
    assert "parameters differ too" in log.why().sentence
    assert log.why().also == ("another parameter: temperature 0.2 → 0.9",)


def test_a_similar_question_of_the_same_configuration_comes_before_a_closer_one_of_another(log: Log) -> None:
    log.ask("Summarise the 1999 report in four sentences.", PLAIN)
    log.ask(REPORT, configured("gpt-5"))
    log.ask(NEWER, PLAIN)

    assert closest(log.why()).configuration == PLAIN


# Earlier entries


def test_an_answer_that_was_replaced_since_was_there_before(log: Log) -> None:
    log.ask(REPORT, configured(temperature=0.2))
    first = log.ask(REPORT, configured(temperature=0.9))
    log.number += 1
    log.store_entry(REPORT, configured(temperature=0.2))
    assert log.why(first).cause == "first time"  # until the history says that it is the second answer

    second = log.ask(REPORT, configured(temperature=0.5))
    log.number += 1
    log.store_entry(REPORT, configured(temperature=0.2))
    log.store.remove(Selection(configurations=[configured(temperature=0.9).key]))
    assert "temperature 0.2 → 0.5" in log.why(second).sentence


def test_many_later_similar_questions_do_not_hide_the_earlier_one(log: Log) -> None:
    log.ask("Summarise the 2023 report of the first shop")
    number = log.ask("Summarise the 2024 report of the next shop")
    for shop in range(150):
        log.ask(f"Summarise the 2024 report of the next shop {shop}")

    assert closest(log.why(number)).question == "Summarise the 2023 report of the first shop"


def test_an_entry_under_the_key_itself_does_not_explain_its_miss(log: Log) -> None:
    log.store_entry(REPORT)  # brought back by undo after the miss, say
    log.ask(REPORT, stored=False)

    assert log.why().cause == "first time"


# Causes that the lookup or an earlier one names


@pytest.mark.parametrize(
    ("outcome", "reason", "cause", "told"),
    [
        ("miss", Reason(Kind.EXPIRED), "expired", "had expired"),
        ("miss", Reason(Kind.REMOVED), "removed", "removed"),
        ("miss", Reason(Kind.EVICTED), "evicted", "make room"),
        ("miss", Reason(Kind.BUDGET), "budget reached", "budget"),
        ("miss", Reason(Kind.RETRY), "retry", "the model is asked again"),
        ("miss", Reason(Kind.UNPARSED, "ValidationError"), "retry", "could not be parsed"),
        ("miss", Reason(Kind.MODEL_UNKNOWN), "model unknown", "did not say which model"),
        ("bypass", Reason(Kind.MODE, "refresh"), "mode", "Mode refresh: every call asks the model"),
        ("bypass", Reason(Kind.MODE, "bypass"), "mode", "nothing is looked up"),
        ("bypass", Reason(Kind.CACHE_FALSE), "cache=False", "cache=False"),
        ("miss", Reason(Kind.OWN_STREAM), "not cached", "in a way of its own"),
        ("miss", Reason(Kind.EVENTS), "not cached", 'version="v2" are'),
        ("error", Reason(Kind.ERROR, "OSError while looking up an answer: disk gone"), "error", "disk gone"),
    ],
)
def test_the_reason_known_at_the_lookup_is_the_cause(
    log: Log, outcome: str, reason: Reason, cause: str, told: str
) -> None:
    log.ask(REPORT)
    log.ask(NEWER, outcome=outcome, reason=reason)

    assert log.why().cause == cause
    assert told in log.why().sentence


@pytest.mark.parametrize(
    ("earlier", "cause", "told"),
    [
        (
            {"reason": Reason(Kind.NOT_STORED, "cut off (length)")},
            "not stored",
            "Lookup 2 asked the same, but its answer",
        ),
        ({"reason": Reason(Kind.NOT_STORED, "empty")}, "not stored", "not stored: empty"),
        ({"reason": Reason(Kind.ERROR, "OSError while storing an answer: disk full")}, "error", "disk full"),
        (
            {"outcome": "error", "reason": Reason(Kind.ERROR, "OSError: disk gone"), "seconds": None},
            "error",
            "disk gone",
        ),
        ({"mode": "readonly"}, "mode", "in mode readonly, which stores nothing"),
        ({"mode": "replay", "seconds": None}, "mode", "in mode replay"),
        ({"outcome": "bypass", "mode": "bypass", "reason": Reason(Kind.MODE, "bypass")}, "mode", "in mode bypass"),
        ({"outcome": "bypass", "reason": Reason(Kind.CACHE_FALSE)}, "cache=False", "a model with cache=False"),
        ({"reason": Reason(Kind.OWN_STREAM)}, "not cached", "a stream of its own"),
        ({"reason": Reason(Kind.BUDGET), "seconds": None}, "budget reached", "budget"),
        ({"seconds": None}, "no answer yet", "got no answer"),
        ({"seconds": 60.0}, "no answer yet", "at the same time"),
        ({"outcome": "hit"}, "removed", "removed"),
        ({"outcome": "bypass", "reason": Reason(Kind.MODE, "refresh"), "mode": "refresh"}, "removed", "removed"),
    ],
)
def test_the_outcome_of_the_same_call_last_time_is_the_cause(
    log: Log, earlier: dict[str, Any], cause: str, told: str
) -> None:
    log.ask(NEWER)
    log.ask(REPORT, stored=False, **earlier)
    log.ask(REPORT)

    assert log.why().cause == cause
    assert told in log.why().sentence


@pytest.mark.parametrize("how", ["removed", "evicted"])
def test_an_entry_that_is_gone_is_the_cause(log: Log, how: str) -> None:
    log.ask(REPORT)
    log.store.clear() if how == "removed" else log.store.evict(0)
    log.ask(REPORT)

    assert log.why().cause == how
    assert log.why(1).cause == "first time"


@pytest.mark.parametrize(("mode", "told"), [("replay", "the model was not called"), ("readonly", "not stored")])
def test_a_mode_that_stores_nothing_is_said_beside_the_cause(log: Log, mode: str, told: str) -> None:
    log.ask(REPORT)
    log.ask(NEWER, mode=mode, stored=False)

    assert log.why().cause == "other words"
    assert [note for note in log.why().notes if told in note] == list(log.why().notes) != []


def test_a_hit_names_its_entry_and_what_it_saved(log: Log) -> None:
    log.ask(REPORT)
    log.ask(REPORT, outcome="hit", reason=None, match="exact", seconds=1.5, usage=Usage(10, 5))

    explanation = log.why()
    assert (explanation.cause, explanation.nearest) == ("hit", None)
    assert "A hit: the answer was stored 20" in explanation.sentence
    assert explanation.entry == digest(PLAIN.key + REPORT)[:8]
    assert explanation.saved == (1.5, Usage(10, 5))

    log.store.clear()
    assert "Its entry is not in this store." in log.why().sentence


def test_a_question_that_nobody_asked(log: Log) -> None:
    assert not_asked(log.store, NEWER).sentence.endswith("nothing like it is recorded.")
    log.ask(REPORT)

    assert not_asked(log.store, NEWER).sentence.endswith("the closest recorded question is 98% the same.")
    assert not_asked(log.store, REPORT).sentence.endswith("an answer is recorded all the same.")
    assert not_asked(log.store, "zzz").nearest is None


# For the message of a miss in replay


def test_the_closest_entry_reads_as_one_line(log: Log) -> None:
    entry = log.store_entry(REPORT, configured(temperature=0.2))
    found = find_closest(
        log.store, Question(NEWER, configured(temperature=0.9), digest("new"), digest(NEWER, 8)), at_least=0
    )

    label = "gpt-4o-mini · temperature 0.2"
    words = "Summarise the [-2023-]{+2024+} report in three sentences."
    assert str(found) == f"{entry.key[:8]} ({label}): {words}; temperature 0.2 → 0.9"


def test_the_closest_entry_is_found_however_little_it_has_in_common(log: Log) -> None:
    assert find_closest(log.store, Question(REPORT), at_least=0) is None
    log.ask("zzz", configured("gpt-5"))

    assert find_closest(log.store, Question(REPORT, PLAIN)) is None
    found = find_closest(log.store, Question(REPORT, PLAIN), at_least=0)
    assert found is not None
    assert found.question == "zzz"


# Words


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("a b", "a b", ""),
        ("", "new", "{+new+}"),
        ("one two three", "one three", "one [-two -]three"),
        ("a b", "c d", "[-a b-]{+c d+}"),
        ("France", "France ", "[-France-]{+France·+}"),
        ("a\nb", "a b", "[-a⏎\n-]{+a·+}b"),
        ("日本の首都は", "中国の首都は", "[-日本-]{+中国+}の首都は"),
        ("in 2023.", "in 2024.", "in [-2023-]{+2024+}."),
    ],
)
def test_words_are_compared_as_git_does(old: str, new: str, shown: str) -> None:
    assert as_text(word_diff(old, new)) == shown


def test_a_long_text_is_cut_to_what_is_around_the_differences() -> None:
    words = [f"w{n}" for n in range(300)]
    changed = ["X" if n in (50, 250) else word for n, word in enumerate(words)]

    shown = as_text(word_diff(" ".join(words), " ".join(changed)))
    assert shown.startswith("… w42 ")
    assert "[-w50-]{+X+} w51" in shown
    assert " w58 … w242 " in shown
    assert shown.endswith("[-w250-]{+X+} w251 w252 w253 w254 w255 w256 w257 w258 … ")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one word", "other words", "letters", "first and last", "quotes"])
def test_a_prompt_of_a_megabyte_takes_no_more_than_a_moment(log: Log, kind: str) -> None:
    words = [f"w{n}" for n in range(150_000)]
    text = " ".join(words)
    old, new = {
        "one word": (text, text.replace("w70000 ", "X ")),
        "other words": (text, " ".join(f"x{n % 7}" for n in range(300_000))),
        "letters": ("ab" * 500_000, "ba" * 500_000),
        "first and last": (text, "X " + text[2:-1] + "Y"),
        "quotes": ("\"a': '" * 170_000, '\'a": "' * 170_000),
    }[kind]
    log.ask(old)
    log.ask(new)

    assert len(repr(log.why())) < 20_000  # and not after minutes, as where time grows with the square


def test_control_characters_and_tags_are_neutralised() -> None:
    words = word_diff("tall <b>", "tall \x1b[31m<script>\u202e\r\ud800")

    for shown in (as_text(words), as_html(words)):
        assert not set("\x1b\u202e\r\ud800") & set(shown)
        assert "\\x1b" in shown
    assert "\x1b" not in re.sub("\x1b\\[(31|32|0)m", "", as_ansi(words))  # but for our own
    assert "<script>" not in as_html(words)
    assert "&lt;" in as_html(words)


def test_keys_are_masked_in_every_text(log: Log) -> None:
    key = "sk-0123456789abcdef"
    log.ask(f"My key is {key}, keep it.", replace(PLAIN, parameters=json.dumps({"note": f"Bearer {key}"})))
    log.ask(f"My key is {key}, lose it.", replace(PLAIN, key="0e" * 16, parameters=json.dumps({"note": key})))

    explanation = log.why()
    assert explanation.cause == "another parameter"
    for text in (explanation.question, explanation.sentence, closest(explanation).question, str(closest(explanation))):
        assert key not in text
    assert "note *** → ***" not in str(closest(explanation))
    assert "note changed" in str(closest(explanation))


def test_text_that_is_not_unicode_is_explained(log: Log) -> None:
    log.ask("What is \ud800 in Unicode?")
    log.ask("What is \ud801 in Unicode?")
    log.ask(chat(("human", "What is \ud800 here in Unicode?")))

    assert log.why().cause == "other words"
    as_text(closest(log.why()).words).encode()


# The parts


@pytest.mark.parametrize("parameters", ["", "no JSON", "[]", '{"tools": "x"}', '{"tools": [1, null, {"function": 2}]}'])
def test_parameters_that_cannot_be_read_break_nothing(parameters: str) -> None:
    unreadable = replace(configured("gpt-5"), parameters=parameters)

    assert changes(PLAIN, unreadable)[0].text == "model gpt-4o-mini → gpt-5"
    assert changes(unreadable, PLAIN)[0].text == "model gpt-5 → gpt-4o-mini"


def test_a_configuration_does_not_differ_from_itself() -> None:
    for same in (configured(temperature=0.2), configured(llm_string="[('stop', None)]")):
        assert changes(same, same) == ()


@pytest.mark.parametrize("prompt", ["", "[{", '[{"lc": 1}]', '[{"lc": 1, "kwargs": 3}]', '[{"lc"', b"\xed\xa0\x80"])
def test_a_prompt_that_cannot_be_read_is_text(prompt: str | bytes) -> None:
    assert [message.role for message in conversation(prompt)] == ["prompt"]


def test_prompts_that_are_the_same_do_not_differ() -> None:
    prompt = conversation(chat(("human", "a"), ("ai", "b")))

    assert first_difference(prompt, prompt) is None


# Time


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_searched_in_a_moment(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store")
    log = Log(store)
    entry = log.store_entry(REPORT)
    many = (
        replace(
            entry, key=digest(str(n)), question=f"What is the price of item {n} in shop {n % 977}?", created=NOW - n
        )
        for n in range(100_000)
    )
    store.put_all(many, [PLAIN], replace=False)
    log.ask("What is the price of item 17 in the shop 17?")

    assert log.why().cause == "other words"
    store.close()


def test_a_text_and_a_message_of_the_same_words_are_told_apart() -> None:
    for old, new in ((REPORT, chat(("human", REPORT))), (chat(("human", REPORT)), REPORT)):
        found = first_difference(conversation(old), conversation(new))
        assert found is not None
        assert (found.old, found.new) == ("", "")
