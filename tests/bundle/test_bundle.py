"""Entries as a file and back: the same bytes, nothing lost, without keys, and only entries are taken."""

import importlib
import json
import os
import pickle
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_community.cache import SQLiteCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AIMessageChunk, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation

import gptcache_magics as gm
from gptcache_magics import bundle, generations
from gptcache_magics.commands._selection import cell_number
from gptcache_magics.controller import controller
from gptcache_magics.errors import GPTCacheMagicsError, StoreError
from gptcache_magics.identity.canonical import dumps as canonical_json
from gptcache_magics.identity.key import identify_by_llm_string, key_of
from gptcache_magics.store.protocol import Configuration, Entry, EntryRow, Store, Usage
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, column
from tests.support.models import weather
from tests.support.provider_server import Json, ProviderServer
from tests.support.shell import NumberedModel, Typist, ask

GPT = Configuration(
    key="67" * 16,
    provider="openai",
    model="gpt-4o-mini",
    label="gpt-4o-mini · T 0",
    temperature=0.0,
    parameters='{"stop":["Ω"],"temperature":0.0}',
    portable="70" * 16,
    environment="AZURE_OPENAI_AD_TOKEN OPENAI_API_KEY",
)
PLAIN = Configuration("68" * 16, "", "unknown", "unknown", None, "{}")
HEADER = '{"gptcache_magics":"bundle","schema":1}'
KEY = "sk-proj-0123456789abcdef"
CAN_WRITE_ANYWHERE = os.geteuid() == 0


@pytest.fixture
def magic(magic: Typist) -> Typist:
    """Type lines without a badge under a cell; cells can ask a model."""
    magic.ip.run_line_magic("config", "GPTCacheMagics.badge = False")
    magic.ip.run_cell("from tests.support.shell import ask")
    return magic


@pytest.fixture
def used(magic: Typist) -> Typist:
    """Type lines in a store with two entries of ``small-model`` and one of ``large-model``."""
    magic.told("on")
    ask("How tall is Etna?")
    ask("What is the capital of France?")
    ask("What is the capital of Peru?", "large-model")
    return magic


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a bundle that does not exist yet."""
    return tmp_path / "lesson.jsonl"


def chat(*messages: Any) -> str:
    """Return a prompt as LangChain gives it to a cache."""
    return dumps(list(messages) or [HumanMessage("How tall is Etna?")])


def encoded(*answers: Any) -> bytes:
    """Encode generations, given as such or as texts and messages."""
    made = [ChatGeneration(message=AIMessage(each)) if isinstance(each, str | list) else each for each in answers]
    return generations.encode([ChatGeneration(message=each) if isinstance(each, AIMessage) else each for each in made])


def entry(prompt: str | None = None, answer: bytes | None = None, **fields: Any) -> Entry:
    """Return an entry as the cache stores it."""
    configuration: Configuration = fields.pop("configuration", GPT)
    who = identify_by_llm_string(chat() if prompt is None else prompt, configuration.model)
    key = key_of(configuration.key, who.seen, fields.get("sample", 0))
    given = {"key": key, "created": 1_767_225_600.25, "prompt_digest": who.prompt_digest, **fields}
    return Entry(
        configuration=configuration.key,
        prompt=who.prompt,
        question=who.question,
        answer=encoded("3,403 m") if answer is None else answer,
        **given,
    )


def filled(store: SQLiteStore, *entries: Entry) -> SQLiteStore:
    """Store these entries, and return the store."""
    store.put_all(entries, [GPT, PLAIN], replace=False)
    return store


def lines_of(path: Path) -> list[Json]:
    """Return the lines of a bundle."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def entries_of(path: Path) -> list[Json]:
    """Return the lines of a bundle that are entries."""
    return [line for line in lines_of(path) if "entry" in line]


def kept(store: Store) -> tuple[list[EntryRow], list[Configuration]]:
    """Return all that a bundle must keep of a store."""
    found = store.entries(EVERYTHING)
    used = {*column(found, "configuration")}
    return (
        sorted(row._replace(accessed=None, hits=0, expires=None, pinned=False) for row in found),
        [each for each in store.configurations() if each.key in used],
    )


def questions(found: Sequence[EntryRow] | Path) -> set[str]:
    """Return the questions that were asked."""
    if isinstance(found, Path):
        return {entry.question for entry in bundle.read(found).entries}
    return {*column(found, "question")}


# Saving


def test_a_run_is_saved_with_what_it_stored_and_what_it_hit(used: Typist, path: Path) -> None:
    used.told("off")
    used.told("on")
    ask("How tall is Etna?")
    ask("What is the capital of Chad?")

    assert used.told("save lesson.jsonl").startswith("Saved 2 entries to lesson.jsonl (")
    assert questions(path) == {"How tall is Etna?", "What is the capital of Chad?"}
    assert used.told("save lesson.jsonl --all").startswith("Saved 4 entries to lesson.jsonl (1.8 kB).")
    assert len(bundle.read(path).entries) == 4


@pytest.mark.parametrize(
    ("options", "told", "expected"),
    [
        ("-m large-model", "Saved 1 entry to lesson.jsonl (", {"What is the capital of Peru?"}),
        ("--tag lesson-1", "Saved 1 entry to lesson.jsonl (", {"How tall is Etna?"}),
        ("--tag lesson-1 -m large-model", "Nothing to save: no entry fits.", set()),
        ("--at .gptcache", "Saved 3 entries to lesson.jsonl (", ...),
        ("--at .gptcache --model small-model", "Saved 2 entries to lesson.jsonl (", ...),
    ],
)
def test_options_say_which_entries_are_saved(
    used: Typist, path: Path, options: str, told: str, expected: set[str]
) -> None:
    used.told(f"tag lesson-1 {gm.entries(grep='Etna').index[0]}")

    assert used.told(f"save lesson.jsonl {options}").startswith(told)
    assert path.exists() == (expected != set())
    assert expected in (..., set()) or questions(path) == expected
    assert "No entry has the tag 'nosuch'" in used.refused("save other.jsonl --all --tag nosuch")


def test_a_cell_is_saved_by_its_number_or_as_the_last(magic: Typist, path: Path) -> None:
    magic.told("on")
    magic.cell("ask('one'), ask('two')")
    first = magic.ip.execution_count - 1
    magic.cell("ask('two'), ask('three')")
    magic.cell("1 + 1")

    for cell, expected in ((first, {"one", "two"}), ("last", {"two", "three"})):
        assert magic.told(f"save lesson.jsonl --cell {cell}").startswith("Saved 2 entries")
        assert questions(path) == expected
    assert magic.refused("save other.jsonl --cell 99").startswith("Cell 99 of this run asked the cache nothing.")
    assert not path.with_name("other.jsonl").exists()
    assert gm.save("lesson.jsonl", cell=first).startswith("Saved 2 entries")
    assert cell_number(controller.source(), "last") == first + 1


def test_there_is_no_last_cell_before_one_asked(magic: Typist) -> None:
    magic.told("on")

    assert magic.refused("save lesson.jsonl --cell last") == (
        "No cell of this run asked the cache yet. All lookups: %gptcache lookups --since all"
    )


def test_entries_of_other_runs_that_fit_are_mentioned(used: Typist) -> None:
    used.told("off")
    used.told("on")
    ask("How tall is Etna?")

    told = used.told("save lesson.jsonl -m small-model")
    assert told.startswith("Saved 1 entry to lesson.jsonl (")
    assert told.endswith("1 more fits, of other runs: --all")
    assert "more" not in used.told("save lesson.jsonl")


@pytest.mark.slow
def test_an_answer_that_later_calls_may_not_get_is_not_saved(magic: Typist, server: ProviderServer) -> None:
    magic.told("on")
    server.finish_reason = "length"
    server.model("ChatOpenAI").invoke("How tall is Etna?")

    assert magic.told("save lesson.jsonl") == "Nothing to save: no entry fits. Save entries of other runs, too: --all"


def test_a_name_of_a_compressed_file_is_refused(used: Typist, path: Path) -> None:
    assert used.refused(f"save {path}.gz").endswith(f"%gptcache save {path}")
    assert not Path(f"{path}.gz").exists()


def test_a_store_that_is_not_on_is_saved_too(used: Typist, path: Path) -> None:
    used.told("off")

    assert used.refused("save lesson.jsonl").startswith("The cache is off.")
    assert used.told("save lesson.jsonl --at .gptcache").startswith("Saved 3 entries")
    assert len(bundle.read(path).entries) == 3


@pytest.mark.slow
def test_thousands_of_entries_of_a_run_are_saved(magic: Typist, path: Path) -> None:
    magic.told("on :memory:")
    NumberedModel().batch([f"question {n}" for n in range(2_500)], {"max_concurrency": 2})

    assert magic.told("save lesson.jsonl").startswith("Saved 2,500 entries")
    assert len(questions(path)) == 2_500


# The same bytes


def test_the_same_entries_give_the_same_bytes(used: Typist, path: Path) -> None:
    used.told("save lesson.jsonl --all")
    before = path.read_bytes()
    ask("How tall is Etna?")  # a hit
    used.told(f"pin {gm.entries().index[0]}")
    used.told("save lesson.jsonl --all")
    assert path.read_bytes() == before

    used.told("off")
    used.told("on other")
    assert used.told("load lesson.jsonl") == "lesson.jsonl: 3 entries added."
    used.told("save again.jsonl --all")
    assert path.with_name("again.jsonl").read_bytes() == before
    with_more = [*bundle.read(path).entries, entry("another")]
    store = filled(SQLiteStore(":memory:"))
    store.put_all(reversed(with_more), bundle.read(path).configurations, replace=False)
    bundle.save(store, EVERYTHING, "again.jsonl")
    assert {*before.splitlines()} < {*path.with_name("again.jsonl").read_bytes().splitlines()}


def test_a_line_is_for_people_to_read(path: Path, store: SQLiteStore) -> None:
    bundle.save(filled(store, entry(chat(SystemMessage("Be brief."), HumanMessage("¿Cómo está?")))), EVERYTHING, path)

    header, configuration, line = lines_of(path)
    assert header == json.loads(HEADER)
    assert (configuration["model"], configuration["parameters"]) == ("gpt-4o-mini", {"stop": ["Ω"], "temperature": 0.0})
    assert line["messages"] == [
        {"content": "Be brief.", "type": "system"},
        {"content": "¿Cómo está?", "type": "human"},
    ]
    assert line["answer"][0][2]["content"] == "3,403 m"
    assert not {"seconds", "usage", "finish_reason", "edited", "tags", "sample", "prompt"} & {*line}
    assert "¿Cómo está?" in path.read_text("utf-8")


@pytest.mark.parametrize("call_parameters", [None, "{}", '{"stop":null}', '{"temperature":0.7}'])
def test_the_parameters_of_the_call_come_back_and_are_left_out_where_unknown(
    path: Path, store: SQLiteStore, call_parameters: str | None
) -> None:
    asked = replace(GPT, call_parameters=call_parameters)
    store.put_all([entry("How tall is Etna?")], [asked], replace=False)
    bundle.save(store, EVERYTHING, path)

    _, configuration, _ = lines_of(path)
    assert configuration.get("call_parameters") == (None if call_parameters is None else json.loads(call_parameters))
    assert ("call_parameters" in configuration) == (call_parameters is not None)
    assert bundle.read(path).configurations == [asked]
    bundle.save(bundle.opened(path), EVERYTHING, path.with_name("again.jsonl"))
    assert path.with_name("again.jsonl").read_bytes() == path.read_bytes()


def test_a_new_answer_changes_one_line(path: Path, store: SQLiteStore) -> None:
    many = [entry(chat(HumanMessage(f"question {n}"))) for n in range(20)]
    bundle.save(filled(store, *many), EVERYTHING, path)
    before = path.read_bytes().splitlines()
    store.put(replace(many[7], answer=encoded("another"), created=1_800_000_000.0), GPT)
    bundle.save(store, EVERYTHING, path)

    after = path.read_bytes().splitlines()
    assert len(after) == len(before)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


# There and back


@pytest.mark.parametrize(
    "made",
    [
        entry(),
        entry("a prompt of a completion model"),
        entry(""),
        entry("half \ud83d of a pair \udc00"),
        entry("NUL \0, line \n, 👩‍💻 ‮שלום, \u2028"),
        entry(chat(HumanMessage("half \ud83d of a pair \udc00"))),
        entry(chat(HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}, "x"]))),
        entry(chat(ToolMessage("1", tool_call_id="1"), ChatMessage("x", role="critic"), AIMessage("", name="Ada"))),
        entry(chat(AIMessage("", tool_calls=[tool_call(name="f", args={"n": 2**70, "x": 1e300}, id="1")]))),
        entry(chat(AIMessage("", tool_calls=[tool_call(name="f", args={"n": float("nan")}, id="1")]))),
        entry(chat(AIMessageChunk(content="Hi"))),
        entry('[{"lc": 1, "no JSON'),
        entry('[{"a":1}]'),
        entry("[" * 5_000),
        entry('[{"lc": 1, "kwargs": {"a": 1, "a": 2}, "id": ["x"]}]'),
        entry(None, encoded("one", "two")),
        entry(None, encoded(AIMessage([{"type": "text", "text": "Sun"}, "plain"], id="run-1", name="Ada"))),
        entry(None, encoded(AIMessage("", tool_calls=[tool_call(name="f", args={"Łódź": [1, 2.5]}, id="1")]))),
        entry(None, encoded(AIMessage("Hi", response_metadata={"nan": float("nan"), "inf": float("inf")}))),
        entry(None, encoded(AIMessage("Hi", response_metadata={"big": 2**70, "small": 5e-324, "zero": -0.0}))),
        entry(None, encoded(AIMessage("half \ud83d", response_metadata={"big": 2**70}))),
        entry("half \ud83d", encoded(AIMessage("Hi", response_metadata={"big": 2**70}))),
        entry(None, encoded(ChatGenerationChunk(message=AIMessageChunk(content="Hi")))),
        entry("p", encoded(Generation(text="Hi", generation_info={"eval_count": 3}))),
        entry(None, b'F[ [null, "", {"content": "spaces"}] ]'),
        entry(seconds=0.0, usage=Usage(0, 12, None, 3), finish_reason="stop", edited=True, tags=" draft lesson-1 "),
        entry(seconds=1e-9, created=0.0, sample=3, configuration=PLAIN),
    ],
    ids=lambda made: f"{made.prompt[-40:]!a} {made.answer[:60]!r} {made.tags}",
)
def test_an_entry_comes_back_as_it_was(path: Path, store: SQLiteStore, made: Entry) -> None:
    bundle.save(filled(store, made), EVERYTHING, path)
    contents = bundle.read(path)

    assert contents.refused == []
    assert contents.entries == [made]
    assert {GPT.key: GPT, PLAIN.key: PLAIN}[made.configuration] == contents.configurations[0]
    again = filled(SQLiteStore(":memory:"))
    again.put_all(contents.entries, contents.configurations, replace=False)
    assert kept(again) == kept(store)
    before = path.read_bytes()
    bundle.save(again, EVERYTHING, path)
    assert path.read_bytes() == before


def test_expiry_pins_and_hits_are_not_part_of_a_bundle(path: Path, store: SQLiteStore) -> None:
    bundle.save(filled(store, entry(expires=12.0)), EVERYTHING, path)

    assert bundle.read(path).entries == [entry()]


ASKED: dict[str, Callable[[ProviderServer, str], object]] = {
    "chat": lambda server, name: server.model(name).invoke("How tall is Etna?"),
    "stream": lambda server, name: "".join(str(piece.content) for piece in server.model(name).stream("And Ararat?")),
    "temperature": lambda server, name: server.model(name, temperature=0.2).invoke("How tall is Etna?"),
    "tools": lambda server, name: server.model(name).bind_tools([weather]).invoke("Weather in Łódź?"),
    "tool result": lambda server, name: (
        server.model(name)
        .bind_tools([weather])
        .invoke(
            [
                HumanMessage("Weather in Łódź?"),
                AIMessage("", tool_calls=[tool_call(name="weather", args={"city": "Łódź"}, id="call_1")]),
                ToolMessage("Sun", tool_call_id="call_1"),
            ]
        )
    ),
    "image": lambda server, name: server.model(name).invoke(
        [
            HumanMessage(
                [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                ]
            )
        ]
    ),
    "responses": lambda server, name: server.model(
        name, **({"use_responses_api": True} if name == "ChatOpenAI" else {})
    ).invoke("Who was Etna?"),
    "odd text": lambda server, name: server.model(name).invoke("NUL \0 and a 👩‍💻"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatAnthropic", "ChatOllama"])
def test_answers_of_providers_are_served_from_a_bundle(magic: Typist, server: ProviderServer, name: str) -> None:
    magic.told("on")
    bought = [ask_it(server, name) for ask_it in ASKED.values()]
    assert controller.cache is not None
    before = kept(controller.cache.store)
    told = magic.told("save lesson.jsonl")
    assert told.startswith(f"Saved {len(ASKED)} entries to lesson.jsonl")
    assert "masked" not in told
    magic.told("off")

    magic.told("on elsewhere")
    assert magic.told("load lesson.jsonl") == f"lesson.jsonl: {len(ASKED)} entries added."
    assert kept(controller.cache.store) == before
    calls = server.calls
    served = [ask_it(server, name) for ask_it in ASKED.values()]
    assert server.calls == calls
    for one, other in zip(bought, served, strict=True):
        assert getattr(other, "content", other) == getattr(one, "content", one)
        assert getattr(other, "tool_calls", []) == getattr(one, "tool_calls", [])
        assert (getattr(other, "usage_metadata", None) or {}).items() >= (
            getattr(one, "usage_metadata", None) or {}
        ).items()
    assert {*gm.lookups()["outcome"]} == {"hit"}


@pytest.mark.parametrize("name", ["OpenAI", "OllamaLLM"])
def test_answers_of_completion_models_are_served_from_a_bundle(
    magic: Typist, server: ProviderServer, name: str
) -> None:
    magic.told("on")
    bought = server.model(name).invoke("How tall is Etna?")
    magic.told("save lesson.jsonl")
    magic.told("off")
    magic.told("on elsewhere")
    magic.told("load lesson.jsonl")

    assert server.model(name).invoke("How tall is Etna?") == bought
    assert server.calls == 1


def test_a_bundle_can_be_opened_as_a_store(used: Typist, path: Path, tmp_path: Path) -> None:
    used.told("save lesson.jsonl")
    with path.open("a") as file:
        file.write("no JSON\n")
    store = bundle.opened("lesson.jsonl")

    assert store.where == str(path)
    assert store.count()[0] == 3
    assert list(store.notices) == ["lesson.jsonl: 1 refused: line 7 (not JSON)."]
    assert controller.cache is not None
    assert kept(store) == kept(controller.cache.store)
    assert {entry.name for entry in tmp_path.iterdir()} == {".gptcache", ".ipython", "lesson.jsonl"}
    store.close()


# Secrets


def test_a_key_in_an_answer_is_masked_and_the_entry_still_matches(magic: Typist, path: Path) -> None:
    magic.told("on")
    NumberedModel().invoke("What is your key?")
    assert controller.cache is not None
    store = controller.cache.store
    [old] = store.entries(EVERYTHING)
    key = old.key
    answer = AIMessage(
        f"It is {KEY}.",
        tool_calls=[tool_call(name="log_in", args={"password": "hunter2", "note": f"Bearer {KEY}"}, id="1")],
        response_metadata={"logprobs": {"content": [{"token": "It", "logprob": -0.5}]}},
    )
    for data in (encoded(answer), encoded(AIMessage(**{**dict(answer), "additional_kwargs": {"n": 2**70}}))):
        store.put(replace(old.entry, answer=data), store.configurations()[0])
        told = magic.told("save lesson.jsonl")

        assert told.endswith("1 answer held what looks like a key, masked in the file.")
        assert not any(secret in path.read_text() for secret in (KEY, "hunter2"))
        [read] = bundle.read(path).entries
        assert read.key == key
        assert read.tags == " masked-answer "
        [back] = generations.decode(read.answer)
        assert isinstance(back, ChatGeneration)
        assert isinstance(back.message, AIMessage)
        assert back.text == "It is ***."
        assert back.message.tool_calls[0]["args"] == {"password": "***", "note": "***"}
        assert back.message.response_metadata == answer.response_metadata
    found = store.get(key)
    assert found is not None
    assert KEY.encode() in found.answer  # the store itself is private and exact


@pytest.mark.parametrize(
    "prompt",
    [
        f"My key is {KEY}. What is yours?",
        f"half \ud83d of a pair, {KEY}",
        chat(HumanMessage(f'My "key" is\n{KEY}. What is yours?')),
        chat(HumanMessage([{"type": "text", "text": KEY}])),
        chat(AIMessage("", tool_calls=[tool_call(name="f", args={"a": {"api_key": "tr0ub4dor"}}, id="1")])),
        chat(HumanMessage('{"password": "tr0ub4dor"}')),
        f'[{{"lc": no JSON, "{KEY}"',
    ],
)
def test_a_key_in_a_prompt_is_masked_and_the_entry_matches_nothing(path: Path, store: SQLiteStore, prompt: str) -> None:
    original = entry(prompt, tags=" draft ", sample=2)
    saved = bundle.save(filled(store, original), EVERYTHING, path)

    assert (saved.entries, saved.masked_prompts, saved.masked_answers) == (1, 1, 0)
    assert not any(secret in path.read_text() for secret in (KEY, "tr0ub4dor", original.key))
    contents = bundle.read(path)
    [read] = contents.entries
    assert read.tags == " draft masked-prompt "
    assert read.key != original.key
    assert read.key != entry(read.prompt).key  # nor for a call with the masked prompt
    assert read.prompt_digest == ""
    assert read.sample == 2
    assert "***" in read.prompt

    before = path.read_bytes()
    again = SQLiteStore(":memory:")
    again.put_all(contents.entries, contents.configurations, replace=False)
    assert bundle.save(again, EVERYTHING, path).masked_prompts == 1
    assert path.read_bytes() == before


def test_entries_that_differ_only_by_a_key_are_both_kept(path: Path, store: SQLiteStore) -> None:
    one, other = (entry(f"My key is {KEY}{n}", created=1_767_225_600.0 + n) for n in range(2))
    bundle.save(filled(store, one, other), EVERYTHING, path)

    assert len({each.key for each in bundle.read(path).entries}) == 2


def test_masked_prompts_are_said_and_never_served(magic: Typist, server: ProviderServer, path: Path) -> None:
    magic.told("on")
    for question in (f"My key is {KEY}.", f"And {KEY} is hers.", "How tall is Etna?"):
        server.text = "Thank you."
        server.model("ChatOpenAI").invoke(question)

    assert magic.told("save lesson.jsonl").endswith(
        ". 2 prompts held what looks like a key: they are masked in the file and will not match."
    )
    magic.told("remove --grep Etna")
    magic.told(f"remove --grep {KEY} --yes")
    assert magic.told("save lesson.jsonl --all") == "Nothing to save: no entry fits."
    assert magic.told("load lesson.jsonl") == (
        "lesson.jsonl: 3 entries added. 2 prompts held what looked like a key and cannot match."
    )
    for question in (f"My key is {KEY}.", "My key is ***.", "How tall is Etna?"):
        server.model("ChatOpenAI").invoke(question)
    assert [*gm.lookups(limit=3)["outcome"]] == ["hit", "miss", "miss"]
    assert len(gm.entries(tag="masked-prompt")) == 2


def test_one_masked_prompt_is_said_of_one(magic: Typist) -> None:
    magic.told("on")
    ask(f"My key is {KEY}.")

    assert magic.told("save lesson.jsonl").endswith(
        ". 1 prompt held what looks like a key: it is masked in the file and will not match."
    )


# Lines that are not entries


CONFIGURATION: Json = {
    "configuration": "67" * 16,
    "provider": "openai",
    "model": "gpt-4o-mini",
    "label": "gpt-4o-mini",
    "environment": ["OPENAI_API_KEY"],
}
ENTRY: Json = {
    "entry": entry(chat(HumanMessage("How tall is Etna?"))).key,
    "messages": [{"content": "How tall is Etna?", "type": "human"}],
    "answer": [[None, "", {"content": "3,403 m"}]],
    "created": 1_767_225_600.0,
    "configuration": "67" * 16,
}
DEEP = "[" * 100_000 + "]" * 100_000
WRONG: list[tuple[str | bytes | Json, str]] = [
    ("no JSON", "not JSON"),
    ("{", "not JSON"),
    ("<<<<<<< HEAD", "not JSON"),
    (b"\xff\xfe\x00", "not JSON"),
    ('{"entry": NaN}', "not JSON"),
    (DEEP, "not JSON"),
    ("[]", "neither an entry nor a configuration"),
    ("17", "neither an entry nor a configuration"),
    ("{}", "neither an entry nor a configuration"),
    ({**ENTRY, "entry": "ab"}, "'entry' is not 32 hexadecimal digits"),
    ({**ENTRY, "entry": "AB" * 16}, "'entry' is not 32 hexadecimal digits"),
    ({**ENTRY, "entry": "ab " * 11}, "'entry' is not 32 hexadecimal digits"),
    ({**ENTRY, "entry": None}, "'entry' is not 32 hexadecimal digits"),
    ({**ENTRY, "configuration": 7}, "'configuration' is not 32 hexadecimal digits"),
    ({**ENTRY, "configuration": "00" * 16}, "its configuration is not in the file"),
    ({**ENTRY, "messages": None}, "'prompt' is missing"),
    ({**ENTRY, "messages": [{"content": "x", "type": "robot"}]}, "'messages' does not hold messages"),
    ({**ENTRY, "messages": [{"content": "x", "type": []}]}, "'messages' does not hold messages"),
    ({**ENTRY, "messages": ["x"]}, "'messages' does not hold messages"),
    ({**ENTRY, "messages": [{"content": [1], "type": "human"}]}, "the prompt cannot be read"),
    ({**ENTRY, "prompt": 17}, "'prompt' is not a text"),
    ({**ENTRY, "answer": None}, "'answer' is missing"),
    ({**ENTRY, "answer": 17}, "the answer cannot be read"),
    ({**ENTRY, "answer": "X[]"}, "the answer cannot be read"),
    ({**ENTRY, "answer": "Sno JSON"}, "the answer cannot be read"),
    ({**ENTRY, "answer": {"langchain": 1}}, "the answer cannot be read"),
    ({**ENTRY, "answer": [1, 2]}, "the answer cannot be read"),
    ({**ENTRY, "answer": [[None, "", {"content": 1}]]}, "the answer cannot be read"),
    ({**ENTRY, "answer": [[None, "", {"content": "x", "type": "human"}]]}, "the answer cannot be read"),
    ({**ENTRY, "answer": [[None, "", {"content": "x", "response_metadata": None}]]}, "the answer cannot be read"),
    ({**ENTRY, "answer": []}, "no answer"),
    ({**ENTRY, "answer": [[None, "", {"content": ""}]]}, "empty"),
    ({**ENTRY, "answer": [[{"finish_reason": "length"}, "cut", None]]}, "cut off at max_tokens (length)"),
    ({**ENTRY, "created": None}, "'created' is missing"),
    ({**ENTRY, "created": "today"}, "'created' is not a valid number"),
    ({**ENTRY, "created": True}, "'created' is not a valid number"),
    ({**ENTRY, "created": -1}, "'created' is not a valid number"),
    ({**ENTRY, "created": 1e18}, "'created' is not a valid number"),
    (
        '{"entry": "' + "ab" * 16 + '", "prompt": "", "answer": "Sx", "created": 1e999}',
        "'created' is not a valid number",
    ),
    ({**ENTRY, "seconds": [1]}, "'seconds' is not a valid number"),
    ({**ENTRY, "usage": []}, "'usage' is not an object"),
    ({**ENTRY, "usage": {"input_tokens": 1.5}}, "'input_tokens' is not a valid whole number"),
    ({**ENTRY, "usage": {"output_tokens": 2**63}}, "'output_tokens' is not a valid whole number"),
    ({**ENTRY, "sample": -1}, "'sample' is not a valid whole number"),
    ({**ENTRY, "edited": 1}, "'edited' is neither true nor false"),
    ({**ENTRY, "tags": "draft"}, "'tags' is not a list of words"),
    ({**ENTRY, "tags": ["two words"]}, "'tags' is not a list of words"),
    ({**ENTRY, "tags": ["half \ud83d"]}, "'tags' is not a list of words"),
    ({**ENTRY, "tags": ["half\ud83d"]}, "'tags' is not valid Unicode"),
    ({**ENTRY, "finish_reason": "half \ud83d"}, "'finish_reason' is not valid Unicode"),
    ({**ENTRY, "finish_reason": 1}, "'finish_reason' is not a text"),
    ({**CONFIGURATION, "configuration": "no"}, "'configuration' is not 32 hexadecimal digits"),
    ({**CONFIGURATION, "portable": "no"}, "'portable' is not 32 hexadecimal digits"),
    ({**CONFIGURATION, "model": ["gpt"]}, "'model' is not a text"),
    ({**CONFIGURATION, "provider": "half \ud83d"}, "'provider' is not valid Unicode"),
    ({**CONFIGURATION, "temperature": "hot"}, "'temperature' is not a valid number"),
    ({**CONFIGURATION, "parameters": []}, "'parameters' is not an object"),
    ({**CONFIGURATION, "parameters": "null"}, "'parameters' is not an object"),
    ({**CONFIGURATION, "environment": "PATH"}, "'environment' is not a list"),
    ({**CONFIGURATION, "call_parameters": None}, "'call_parameters' is not an object"),
    ({**CONFIGURATION, "call_parameters": ["stop"]}, "'call_parameters' is not an object"),
]


def written(path: Path, *lines: str | bytes | Json, header: str = HEADER) -> Path:
    """Write a bundle of these lines, and return its path."""
    texts = [json.dumps(line) if isinstance(line, dict) else line for line in (header, *lines)]
    path.write_bytes(b"".join((text if isinstance(text, bytes) else text.encode()) + b"\n" for text in texts))
    return path


@pytest.mark.parametrize(("line", "reason"), WRONG, ids=[f"{str(line)[-70:]!a}" for line, _ in WRONG])
def test_a_wrong_line_is_refused_by_its_number_and_the_others_are_taken(
    path: Path, line: str | bytes | Json, reason: str
) -> None:
    contents = bundle.read(written(path, CONFIGURATION, line, ENTRY))

    assert contents.refused == [(3, reason)]
    assert [(each.key, each.question) for each in contents.entries] == [(ENTRY["entry"], "How tall is Etna?")]
    assert len(contents.configurations) == 1
    store = bundle.opened(path)
    assert store.get(ENTRY["entry"]) is not None


def test_refused_lines_come_in_their_order(path: Path) -> None:
    elsewhere = {**ENTRY, "configuration": "00" * 16}

    assert [number for number, _ in bundle.read(written(path, elsewhere, "no JSON", elsewhere)).refused] == [2, 3, 4]


def test_many_wrong_lines_are_reported_by_the_first_few(used: Typist, path: Path) -> None:
    written(path, CONFIGURATION, *(line for line, _ in WRONG[:5]), ENTRY)

    assert used.told("load lesson.jsonl") == (
        "lesson.jsonl: 1 entry added, 5 refused: line 3 (not JSON), line 4 (not JSON), line 5 (not JSON), …."
    )
    assert len(gm.entries()) == 4


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("begins", ["", "\ufeff"])
def test_the_changes_that_editors_and_git_make_to_a_file_do_not_harm(path: Path, begins: str, ends: str) -> None:
    shuffled = [begins + HEADER, json.dumps(ENTRY), json.dumps(CONFIGURATION), json.dumps(CONFIGURATION)]
    path.write_bytes(ends.join(shuffled).encode())

    contents = bundle.read(path)
    assert contents.refused == []
    assert len(contents.entries) == len(contents.configurations) == 1


def test_a_very_long_line_is_taken(path: Path) -> None:
    said = "long " * 2_000_000
    long = {**ENTRY, "entry": entry(chat(HumanMessage(said))).key, "messages": [{"content": said, "type": "human"}]}

    assert len(bundle.read(written(path, CONFIGURATION, long, ENTRY)).entries) == 2


@pytest.mark.parametrize(
    "name",
    ["PATH", "LD_PRELOAD", "path_key", "HOME", "OPENAI_API_KEY=x", "A B_API_KEY", "API_KEY" * 50, "_API_KEY", 7, None],
)
def test_a_variable_that_is_not_the_name_of_a_key_is_not_taken(path: Path, name: object) -> None:
    environment = ["OPENAI_API_KEY", name, "AZURE_OPENAI_AD_TOKEN"]
    [read] = bundle.read(written(path, {**CONFIGURATION, "environment": environment})).configurations

    assert read.environment == "OPENAI_API_KEY AZURE_OPENAI_AD_TOKEN"


def test_every_key_variable_of_a_real_model_is_taken(server: ProviderServer, magic: Typist, path: Path) -> None:
    magic.told("on")
    for name in ("ChatOpenAI", "ChatAnthropic"):
        server.model(name).invoke("How tall is Etna?")
    magic.told("save lesson.jsonl")

    taken = {each.provider: each.environment for each in bundle.read(path).configurations}
    assert taken == {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def test_an_answer_never_makes_objects_of_other_classes(path: Path) -> None:
    prompt = {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"], "kwargs": {}}
    secret = {"lc": 1, "type": "secret", "id": ["PATH"]}
    message = json.loads(dumps(ChatGeneration(message=AIMessage("x"))))
    message["kwargs"]["message"]["kwargs"]["content"] = secret
    lines = [{**ENTRY, "answer": {"langchain": [each]}} for each in (prompt, secret, message)]

    contents = bundle.read(written(path, CONFIGURATION, *lines))
    assert contents.entries == []
    unreadable = "the answer cannot be read"
    assert [reason for _, reason in contents.refused] == [unreadable, "a NoneType is not a generation", unreadable]


class Bomb:
    """An object that does harm when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("harm"), "done")


@pytest.mark.parametrize("name", ["lesson.pkl", "lesson.PICKLE", "lesson.jsonl", "lesson"])
def test_a_pickle_is_never_opened(magic: Typist, tmp_path: Path, name: str) -> None:
    # The oldest protocol does not begin with the byte that the others do.
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol=0 if name.lower().endswith(("pkl", "pickle")) else 5))
    magic.told("on")

    assert magic.refused(f"load {name}") == (
        f"{name} is a Python pickle and was not opened: loading one can run code. "
        "Ask for a bundle (%gptcache save lesson.jsonl)."
    )
    assert not bundle.is_bundle(name)
    assert not (tmp_path / "harm").exists()


NOT_A_BUNDLE = " is not a bundle. A bundle is made by %gptcache save lesson.jsonl"
NEWER = (
    "newer.jsonl was written by a newer gptcache-magics (bundle schema 2, this one reads 1). "
    "Update: %pip install -U gptcache-magics"
)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nosuch.jsonl", "There is no file nosuch.jsonl. A bundle is made by %gptcache save lesson.jsonl"),
        ("nosuch.pkl", "There is no file nosuch.pkl. A bundle is made by %gptcache save lesson.jsonl"),
        (".", ". is a folder. A bundle is a file: %gptcache save lesson.jsonl --at ."),
        ("pipe", "pipe is a pipe or a device. A bundle is a file: cat pipe > lesson.jsonl"),
        ("/dev/null", "/dev/null is a pipe or a device."),
        ("pipe --from langchain-sqlite", "pipe is a pipe or a device. LangChain's SQLiteCache is a file"),
        ("notes.txt", "notes.txt" + NOT_A_BUNDLE),
        ("empty", "empty" + NOT_A_BUNDLE),
        ("binary", "binary" + NOT_A_BUNDLE),
        ("other.jsonl", "other.jsonl" + NOT_A_BUNDLE),
        ("odd.jsonl", "odd.jsonl" + NOT_A_BUNDLE),
        ("newer.jsonl", NEWER),
        ("good.jsonl --keep --replace", "load: --keep or --replace. Give one of them."),
        ("good.jsonl --from gptcache", "load: --from takes bundle, langchain-sqlite. Got 'gptcache'."),
        ("", "load: missing: FILE."),
        ("a b", "load: too many words: b."),
        ("good.jsonl --from langchain-sqlite", "good.jsonl cannot be read as LangChain's SQLiteCache: file is not a"),
        ("cache.db", "cache.db has no answers of LangChain's SQLiteCache."),
        ("cache.db --from bundle", "cache.db" + NOT_A_BUNDLE),
        ("nosuch.db --from langchain-sqlite", "There is no file nosuch.db. LangChain's SQLiteCache calls it"),
    ],
)
def test_a_file_that_is_not_a_bundle_is_refused_with_one_sentence(
    used: Typist, tmp_path: Path, line: str, sentence: str
) -> None:
    (tmp_path / "notes.txt").write_text("my notes")
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(128)) * 1000)
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    written(tmp_path / "odd.jsonl", header='{"gptcache_magics":"bundle","schema":"1"}')
    written(tmp_path / "newer.jsonl", header='{"gptcache_magics":"bundle","schema":2}')
    written(tmp_path / "good.jsonl", CONFIGURATION, ENTRY)
    (tmp_path / "cache.db").write_bytes((tmp_path / ".gptcache" / "cache.db").read_bytes())
    os.mkfifo(tmp_path / "pipe")

    assert used.refused(f"load {line}").startswith(sentence)
    assert len(gm.entries()) == 3


# Files that must not be overwritten


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("notes.txt", "notes.txt is not a bundle and was not touched. Name another file: %gptcache save lesson.jsonl"),
        ("empty", "empty is not a bundle and was not touched."),
        ("pipe", "pipe is not a bundle and was not touched."),
        ("lessons", "lessons is a folder. Name a file: %gptcache save lessons/lesson.jsonl"),
        ("no/such/lesson.jsonl", "There is no folder no/such. Make it, or name another file."),
        ("lesson.pkl", "A bundle is text, not a pickle. Type: %gptcache save lesson.jsonl"),
        ("x" * 300, "x" * 300 + " cannot be written: file name too long. Name another file."),
        ("", "save: missing: FILE."),
        ("lesson.jsonl -m nosuch", "No model 'nosuch' in this store."),
        ("lesson.jsonl --cell 0", "save: --cell takes the number beside a cell, such as 12, or last. Got '0'."),
        ("lesson.jsonl --cell first", "save: --cell takes the number beside a cell, such as 12, or last. Got 'first'."),
        ("lesson.jsonl --cell 1 --all", "save: --cell is about this run, --all about a store. Give one."),
        ("lesson.jsonl --cell 1 --at .gptcache", "save: --cell is about this run, --at about a store. Give one."),
        ("lesson.jsonl --at nosuch", "There is no store in nosuch."),
    ],
)
def test_a_place_that_cannot_hold_a_bundle_is_refused(used: Typist, tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "notes.txt").write_text("my notes")
    (tmp_path / "empty").touch()
    (tmp_path / "lessons").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())

    assert used.refused(f"save {line}").startswith(sentence)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "notes.txt").read_text() == "my notes"


@pytest.mark.skipif(CAN_WRITE_ANYWHERE, reason="this user may write anywhere")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_file_that_may_not_be_written_is_refused(path: Path, store: SQLiteStore, what: str) -> None:
    filled(store, entry())
    bundle.save(store, EVERYTHING, path)
    before = path.read_bytes()
    locked = path if what == "file" else path.parent
    locked.chmod(0o500)
    store.put(entry("another"), GPT)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            bundle.save(store, EVERYTHING, path)
    finally:
        locked.chmod(0o700)
    assert path.read_bytes() == before


def test_a_bundle_of_any_version_may_be_written_over(used: Typist, path: Path) -> None:
    written(path, header='{"gptcache_magics":"bundle","schema":2}')

    assert used.told("save lesson.jsonl").startswith("Saved 3 entries")


def test_a_write_that_fails_leaves_the_old_bundle(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.save(filled(store, entry()), EVERYTHING, path)
    before = path.read_bytes()
    store.put(entry("another"), GPT)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="cannot be written: no space left on device"):
        bundle.save(store, EVERYTHING, path)
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_bundle_has_the_rights_of_any_new_file_and_an_old_one_keeps_its_own(
    path: Path, store: SQLiteStore, umask: int
) -> None:
    before = os.umask(umask)
    try:
        bundle.save(filled(store, entry()), EVERYTHING, path)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask
        path.chmod(0o640)
        bundle.save(store, EVERYTHING, path)
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_link_to_a_bundle_stays_a_link(path: Path, store: SQLiteStore, tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    for _ in range(2):
        bundle.save(filled(store, entry()), EVERYTHING, link)

        assert link.is_symlink()
        assert len(bundle.read(path).entries) == 1


# Loading


def test_load_keeps_stored_answers_unless_replace_is_given(used: Typist, path: Path) -> None:
    used.told("save lesson.jsonl --all")
    used.told("mode refresh")
    new = ask("How tall is Etna?")
    used.told("mode auto")
    used.told(f"remove {gm.entries(grep='Peru').index[0]}")

    assert used.told("load lesson.jsonl --keep") == "lesson.jsonl: 1 entry added, 2 kept as in the store."
    assert ask("How tall is Etna?") == new
    assert used.told("load lesson.jsonl") == "lesson.jsonl: 0 entries added, 3 kept as in the store."
    assert used.told("load lesson.jsonl --replace") == "lesson.jsonl: 1 entry added or replaced, 2 unchanged."
    assert ask("How tall is Etna?") != new
    assert "before" in repr(gm.show(gm.entries(grep="Etna").index[0]))


def test_load_needs_a_cache_of_ours_that_is_on(magic: Typist, path: Path) -> None:
    written(path, CONFIGURATION, ENTRY)
    assert magic.refused("load lesson.jsonl").startswith(
        "load: the cache is off, and load adds to the one that is on: %gptcache on, then"
    )

    magic.ip.user_ns["set_up"] = lambda cache: None
    magic.told("on --init set_up")
    assert magic.refused("load lesson.jsonl").startswith(
        "load: the answers come from the gptcache of init_func <lambda>"
    )


def test_the_functions_raise_typed_errors(used: Typist) -> None:
    for wrong in (
        lambda: gm.save("lesson.jsonl", cell="first"),
        lambda: gm.save("lesson.jsonl", cell=0),
        lambda: gm.save("a\0b"),
        lambda: gm.load("a\0b"),
        lambda: gm.load("nosuch"),
        lambda: gm.load("lesson.jsonl", from_="pickle"),
        lambda: bundle.opened("nosuch"),
    ):
        with pytest.raises(GPTCacheMagicsError):
            wrong()


# LangChain's own cache


@pytest.fixture
def langchain_db(server: ProviderServer, tmp_path: Path) -> Path:
    """Return the file of a ``SQLiteCache`` that real models filled."""
    path = tmp_path / ".langchain.db"
    set_llm_cache(SQLiteCache(str(path)))
    for name in ("ChatOpenAI", "ChatAnthropic", "OpenAI"):
        server.model(name).invoke("How tall is Etna?")
    server.model("ChatOpenAI").bind_tools([weather]).invoke("Weather in Łódź?")
    set_llm_cache(None)
    assert server.calls == 4
    return path


@pytest.mark.parametrize("options", ["", " --from langchain-sqlite"])
def test_the_answers_of_a_sqlite_cache_are_served(
    magic: Typist, server: ProviderServer, langchain_db: Path, options: str
) -> None:
    before = langchain_db.read_bytes()
    magic.told("on")
    assert magic.told(f"load .langchain.db{options}") == ".langchain.db: 4 entries added."
    assert magic.told("load .langchain.db") == ".langchain.db: 0 entries added, 4 kept as in the store."

    answers = [server.model(name).invoke("How tall is Etna?") for name in ("ChatOpenAI", "ChatAnthropic")]
    called = server.model("ChatOpenAI").bind_tools([weather]).invoke("Weather in Łódź?")
    assert server.calls == 4
    assert all("Etna" in str(answer.content) for answer in answers)
    assert called.tool_calls[0]["name"] == "weather"
    assert langchain_db.read_bytes() == before
    assert [*gm.lookups()["outcome"]] == ["hit"] * 3
    assert gm.entries(grep="Etna")["input_tokens"].notna().sum() == 2
    server.model("ChatOpenAI", temperature=0.9).invoke("How tall is Etna?")
    assert server.calls == 5
    server.model("OpenAI").invoke("How tall is Etna?")  # its description leaves out arguments and server
    assert server.calls == 6


def test_several_generations_of_a_sqlite_cache_are_one_answer(tmp_path: Path, magic: Typist) -> None:
    cache = SQLiteCache("theirs.db")
    several = [Generation(text="one"), Generation(text="two"), Generation(text="three")]
    cache.update("Tell me three.", "[('model', 'gpt')]", several)
    [made] = bundle.read_langchain("theirs.db").entries

    assert generations.decode(made.answer) == several
    assert made.key == identify_by_llm_string("Tell me three.", "[('model', 'gpt')]").key
    assert made.prompt_digest
    assert made.created == pytest.approx((tmp_path / "theirs.db").stat().st_mtime)


def test_odd_rows_of_a_sqlite_cache_are_refused_and_the_others_taken(magic: Typist) -> None:
    cache = SQLiteCache("theirs.db")
    cache.update("1 good", "llm", [Generation(text="good")])
    with sqlite3.connect("theirs.db") as db:
        other = dumps(HumanMessage("not a generation"))
        bad = dumps(Generation(text="x")).replace('"Generation"', '"Nonsense"')
        for prompt, index, response in (
            ("2 legacy", 0, "plain text of an early version"),
            ("3 legacy", 0, '{"answer": 42}'),
            ("4 number", 0, 17),
            ("5 null", 0, None),
            ("6 bytes", 0, b"\xff"),
            ("7 other class", 0, other),
            ("8 no class", 0, bad),
            ("9 half", 0, dumps(Generation(text="good"))),
            ("9 half", 1, bad),
            ("A empty", 0, dumps(Generation(text=""))),
            (b"\xff", 0, "no prompt"),
            ("B secret", 0, '{"lc": 1, "type": "secret", "id": ["PATH"]}'),
            ("C deep", 0, '{"lc":' + DEEP + "}"),
        ):
            db.execute("INSERT INTO full_llm_cache VALUES (?, 'llm', ?, ?)", (prompt, index, response))
    db.close()
    contents = bundle.read_langchain("theirs.db")

    texts = {each.prompt: generations.decode(each.answer)[0].text for each in contents.entries}
    # The column is of text: SQLite itself makes "17" of the number.
    assert texts == {
        "1 good": "good",
        "2 legacy": "plain text of an early version",
        "3 legacy": '{"answer": 42}',
        "4 number": "17",
    }
    assert len(contents.refused) == 9
    assert {reason for _, reason in contents.refused} >= {"not text", "empty", "it cannot be read"}
    magic.told("on")
    assert magic.told("load theirs.db").startswith("theirs.db: 4 entries added, 9 refused: row ")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (a)",
        "CREATE VIEW full_llm_cache AS SELECT 1 AS rowid, 'p' AS prompt, 'l' AS llm, 0 AS idx, 'r' AS response",
        "CREATE TABLE full_llm_cache (a)",
    ],
)
def test_a_database_of_something_else_is_refused(magic: Typist, statement: str) -> None:
    with sqlite3.connect("theirs.db") as db:
        db.execute(statement)
    db.close()
    magic.told("on")

    assert "LangChain's SQLiteCache" in magic.refused("load theirs.db")


def test_a_damaged_database_is_refused(magic: Typist, langchain_db: Path) -> None:
    data = bytearray(langchain_db.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    langchain_db.write_bytes(data)
    magic.told("on")

    assert magic.refused("load .langchain.db").startswith(".langchain.db cannot be read as LangChain's SQLiteCache:")


def test_no_bundle_module_is_imported_before_it_is_needed() -> None:
    assert importlib.import_module("gptcache_magics.commands.save").__dict__.get("bundle") is None
    assert importlib.import_module("gptcache_magics.commands.load").__dict__.get("bundle") is None


# Keys


OTHER_KEYS: dict[str, Callable[[Json], Json]] = {
    "another question": lambda line: {**line, "messages": [{"content": "How tall is Elbrus?", "type": "human"}]},
    "another system message": lambda line: {
        **line,
        "messages": [{"content": "Lie.", "type": "system"}, *line["messages"]],
    },
    "another sample": lambda line: {**line, "sample": 1},
    "the prompt of a completion model": lambda line: {
        **{name: value for name, value in line.items() if name != "messages"},
        "prompt": "How tall is Etna?",
    },
    "any key": lambda line: {**line, "entry": "ab" * 16},
    "marked as masked": lambda line: {**line, "entry": "ab" * 16, "tags": ["masked-prompt"]},
}


@pytest.mark.parametrize("change", OTHER_KEYS)
def test_an_entry_whose_key_does_not_fit_its_prompt_is_refused(path: Path, change: str) -> None:
    contents = bundle.read(written(path, CONFIGURATION, OTHER_KEYS[change](ENTRY), ENTRY))

    assert contents.refused == [(3, "its key does not fit its prompt")]
    assert [each.key for each in contents.entries] == [ENTRY["entry"]]


def test_an_entry_under_the_configuration_of_another_is_refused(path: Path) -> None:
    other = {**CONFIGURATION, "configuration": "68" * 16}
    contents = bundle.read(written(path, CONFIGURATION, other, {**ENTRY, "configuration": "68" * 16}, ENTRY))

    assert contents.refused == [(4, "its key does not fit its prompt")]


def test_a_refused_entry_is_said_and_its_call_asks_the_model(used: Typist, path: Path) -> None:
    used.told("save lesson.jsonl")
    swapped = path.read_text().replace("Etna", "Elbrus")
    path.write_text(swapped)
    used.told("off")
    used.told("on elsewhere")

    told = used.told("load lesson.jsonl")
    assert told.startswith("lesson.jsonl: 2 entries added, 1 refused: line ")
    assert told.endswith("(its key does not fit its prompt).")
    assert ask("How tall is Etna?") != ask("How tall is Elbrus?")
    assert list(gm.lookups()["outcome"]) == ["miss", "miss"]


def test_edited_tagged_sampled_and_masked_entries_fit_their_keys(magic: Typist, path: Path) -> None:
    magic.told("on --samples 2")
    for question in ("How tall is Etna?", "How tall is Etna?", f"My key is {KEY}."):
        ask(question)
    for id in gm.entries().index:
        magic.told(f"edit {id} edited")
        magic.told(f"tag draft {id}")
    magic.told("save lesson.jsonl")
    magic.told("off")
    magic.told("on lesson")
    assert magic.told("load lesson.jsonl").startswith("lesson.jsonl: 3 entries added. 1 prompt held")
    for id in gm.entries(tag="masked-prompt").index:
        magic.told(f"edit {id} again")
    magic.told("save again.jsonl --all")

    assert bundle.read("again.jsonl").refused == []
    assert {each.edited for each in bundle.read("again.jsonl").entries} == {True}
    assert len(bundle.read("again.jsonl").entries) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({**ENTRY, "answer": [[None, "", {"content": "3,404 m"}]]}, "the call has another answer above"),
        ({**CONFIGURATION, "model": "another"}, "another configuration has its key"),
        ({**ENTRY, "prompt": "How tall is Elbrus?"}, "it has a 'prompt' and 'messages'"),
        (json.dumps(ENTRY)[:-1] + ', "entry": "' + "ab" * 16 + '"}', "an object has a name twice"),
        (json.dumps(ENTRY).replace('"content": "How', '"content": "x", "content": "How'), "an object has a name twice"),
        ({**ENTRY, "seconds": 10**400}, "'seconds' is not a valid number"),
        (json.dumps({**CONFIGURATION, "configuration": "68" * 16, "parameters": DEEP}), "cannot be read"),
        (json.dumps(ENTRY)[:-1] + ', "x": ' + DEEP + "}", "not JSON"),
        (json.dumps(ENTRY).encode("utf-16"), "not JSON"),
        (json.dumps(ENTRY).encode().replace(b"Etna", b"Etn\0"), "not JSON"),
        (json.dumps(ENTRY).encode().replace(b"Etna", b"Etn\xe4"), "not JSON"),
    ],
    ids=lambda value: str(value)[-40:] if isinstance(value, str) else "",
)
def test_a_line_by_a_clumsy_or_a_hostile_hand_is_refused(path: Path, line: str | bytes | Json, reason: str) -> None:
    contents = bundle.read(written(path, CONFIGURATION, ENTRY, line))

    assert [why for _, why in contents.refused][:1] == [reason]
    assert [each.key for each in contents.entries] == [ENTRY["entry"]]


def test_a_line_beyond_every_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptcache_magics.bundle.files.LINE_BYTES", 1_000)
    contents = bundle.read(written(path, CONFIGURATION, '{"entry": "' + "x" * 5_000 + '"}', ENTRY))

    assert contents.refused == [(3, "not JSON")]
    assert len(contents.entries) == 1


def test_a_file_does_not_rename_a_model_that_the_store_knows(used: Typist, path: Path) -> None:
    used.told("save lesson.jsonl")
    path.write_text(path.read_text().replace("small-model", "tiny-model"))
    used.told("load lesson.jsonl")

    assert sorted(gm.models().index) == ["large-model", "small-model"]


def test_a_history_of_an_earlier_version_that_left_out_less_fits_its_key(path: Path) -> None:
    messages: list[Json] = [
        {"content": "Hi", "type": "ai", "additional_kwargs": {"parsed": {"a": 1}}},
        {"content": "How tall is Etna?", "type": "human"},
    ]
    identity = ("langchain", "schema", "messages")
    names = {"ai": "AIMessage", "human": "HumanMessage"}
    seen = canonical_json(
        [{"lc": 1, "type": "constructor", "id": [*identity, names[each["type"]]], "kwargs": each} for each in messages]
    )
    line = {**ENTRY, "entry": key_of("67" * 16, seen), "messages": messages}

    assert bundle.read(written(path, CONFIGURATION, line)).refused == []


def test_a_key_of_a_text_that_is_not_shown_is_refused(path: Path) -> None:
    line = {**ENTRY, "entry": key_of("67" * 16, b"null"), "prompt": "How tall is Etna?"}
    del line["messages"]

    assert bundle.read(written(path, CONFIGURATION, line)).refused == [(3, "its key does not fit its prompt")]
