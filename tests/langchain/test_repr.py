"""A hit looks like the answer that it repeats: a prompt that quotes messages is the same prompt in the next kernel."""

import asyncio
import copy
import json
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

import gptcache_magics as gm
from tests.support.models import graph, weather
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.slow

NAMES = ("ChatOpenAI", "ChatAnthropic", "ChatOllama")
FACES: dict[str, Callable[[Any], list[Any]]] = {
    "invoke": lambda llm: [llm.invoke("q")],
    "ainvoke": lambda llm: [asyncio.run(llm.ainvoke("q"))],
    "batch": lambda llm: llm.batch(["q", "r"]),
    "generate": lambda llm: [each.message for each in llm.generate([[HumanMessage("q")]]).generations[0]],
    "stream": lambda llm: [reduce(add, llm.stream("q"))],
    "astream": lambda llm: [asyncio.run(joined(llm))],
    "tools": lambda llm: [llm.bind_tools([weather]).invoke("q")],
    "streamed within a graph": lambda llm: streamed(llm),
}


async def joined(llm: Any) -> Any:
    """Return the chunks of a stream as one."""
    chunks = [chunk async for chunk in llm.astream("q")]
    return reduce(add, chunks)


def streamed(llm: Any) -> list[Any]:
    """Return the answer of a model that LangGraph lets stream."""
    *_, (_, state) = graph(llm).stream({"messages": [("user", "q")]}, stream_mode=["messages", "values"])
    return [each for each in state["messages"] if isinstance(each, AIMessage)]


def without_ids(shown: str) -> str:
    """Return a repr without the message ids."""
    return re.sub(r"lc_run--[-\w]+", "id", shown)


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", NAMES)
def test_a_hit_looks_like_the_answer_in_every_face(server: ProviderServer, name: str, face: str) -> None:
    fields = {"stream_usage": True} if name == "ChatOpenAI" else {}
    bought, hit = (FACES[face](server.model(name, **fields)) for _ in range(2))

    assert without_ids(repr(hit)) == without_ids(repr(bought))
    assert set(gm.lookups()["outcome"]) == {"hit", "miss"}
    assert len({each.id for each in (*bought, *hit)}) == 2 * len(hit)
    for one in hit:
        assert one.response_metadata["gptcache"]["match"] == "exact"
        assert "gptcache" not in dict(one.response_metadata)


@pytest.mark.usefixtures("on")
def test_a_mark_is_read_by_its_name_and_is_not_an_item(server: ProviderServer) -> None:
    bought, hit = (server.model("ChatOpenAI").invoke("q").response_metadata for _ in range(2))

    assert hit == bought
    assert list(hit) == list(bought)
    assert "gptcache" in hit
    assert "gptcache" not in bought
    assert hit.get("gptcache") is hit["gptcache"]
    assert hit.get("model_name") == bought["model_name"]
    assert hit.get("nothing", 3) == 3
    with pytest.raises(KeyError):
        hit["nothing"]
    for other in (pickle.loads(pickle.dumps(hit)), copy.deepcopy(hit)):
        assert type(other) is dict
        assert other == bought
    assert hit.pop("gptcache")["match"] == "exact"
    assert "gptcache" not in hit
    assert hit.pop("gptcache", None) is None


@pytest.mark.usefixtures("on")
def test_metadata_that_is_made_again_by_its_class_is_that_of_the_answer(server: ProviderServer) -> None:
    @dataclass
    class Row:
        metadata: dict[str, Any]

    bought, hit = (server.model("ChatOpenAI").invoke("q").response_metadata for _ in range(2))

    made = asdict(Row(hit))["metadata"]
    assert made == bought
    assert "gptcache" not in made
    assert made.get("gptcache") is None
    assert hit["gptcache"]["match"] == "exact"


@pytest.mark.usefixtures("on")
def test_a_stream_of_an_answer_that_was_stored_without_an_id_has_a_mark_and_an_id_of_its_own(
    server: ProviderServer, tmp_path: Path
) -> None:
    llm, file = server.model("ChatOpenAI", stream_usage=True), tmp_path / "answers.jsonl"
    bought = llm.invoke("q")
    gm.save(file)
    text = file.read_text()
    file.write_text(re.sub(r'"id": ?"lc_run--[^"]*",? ?', "", text))
    assert file.read_text() != text
    gm.load(file, replace=True)
    assert llm.invoke("q").id is None

    ids = set()
    for _ in range(2):
        hit = reduce(add, llm.stream("q"))
        assert hit.text == bought.text
        assert hit.response_metadata["gptcache"]["match"] == "exact"
        ids.add(hit.id)
    assert len(ids) == 2
    assert all(each.startswith("lc_run--") and str(bought.id) not in each for each in ids)
    assert server.calls == 1


KERNEL = """
import asyncio, json, re, sys
import gptcache_magics as gm
from functools import reduce
from operator import add
from langchain_core.load import dumps
from langchain_core.messages import messages_to_dict
from langchain_openai import ChatOpenAI

gm.on({folder!r})
llm = ChatOpenAI(model="gpt-4o-mini", api_key="sk-test", base_url={url!r}, max_retries=0)
{body}
print(json.dumps([int((gm.lookups()["outcome"] != "hit").sum()), ids]))
"""
BODIES = {
    "a judge": """
a = llm.invoke("draft")
b = llm.invoke(f"judge {[a]}")
c = llm.invoke(f"judge again {[a, b]}")
ids = [each.id for each in (a, b, c)]
""",
    "a scratchpad": """
notes = []
for step in range(4):
    notes.append(llm.invoke(f"step {step} after {notes}"))
ids = [each.id for each in notes]
""",
    "JSON": """
a = llm.invoke("draft")
b = llm.invoke("judge " + json.dumps(messages_to_dict([a])))
c = llm.invoke("judge again " + dumps([a, b]))
ids = [each.id for each in (a, b, c)]
""",
    "equal drafts": """
drafts = [llm.invoke("draft") for _ in range(3)] + asyncio.run(llm.abatch(["draft"] * 3))
b = llm.invoke(f"choose from {drafts}")
ids = [each.id for each in (*drafts, b)]
""",
    "a joined stream": """
a = reduce(add, llm.stream("draft"))
b = llm.invoke(f"judge {a}")
c = llm.invoke(f"judge again {b} {[*llm.stream('other')]}")
ids = [each.id for each in (a, b, c)]
""",
    "a joined stream, async": """
async def whole():
    total = None
    async for chunk in llm.astream("draft"):
        total = chunk if total is None else total + chunk
    return total
a = asyncio.run(whole())
b = llm.invoke(f"judge {a}")
ids = [each.id for each in (a, b)]
""",
    "events of a stream and of an answer": """
async def events(make):
    return [(each["event"], each["data"]) async for each in make.astream_events("draft", version="v2")]
seen = [data for event, data in asyncio.run(events(llm)) if event == "on_chat_model_stream"]
a = reduce(add, [each["chunk"] for each in seen])
from langchain_core.runnables import RunnableLambda
inner = RunnableLambda(lambda text: llm.invoke(text))
heard = [data for event, data in asyncio.run(events(inner)) if event in ("on_chat_model_stream", "on_chat_model_end")]
b = llm.invoke(f"judge {a} {[each.get('output') for each in seen]}")
c = llm.invoke("judge again " + re.sub("lc_run--[-a-f0-9]+", "", str([heard[0], heard[-1]])))
ids = [b.id, c.id]
""",
    "a stream within events": """
async def answer():
    return [event["data"]["output"] async for event in llm.astream_events("draft") if event["event"].endswith("end")]
a = asyncio.run(answer())
b = llm.invoke(f"judge {[each.content for each in a]}")
ids = [b.id]
""",
}


def runs(server: ProviderServer, folder: Path, body: str, number: int) -> tuple[list[int], list[list[str]]]:
    """Return how many calls each of several kernels paid for, and the ids that each saw."""
    url = f"{server.url}/v1"
    paid, ids = [], []
    for _ in range(number):
        before = server.calls
        output = output_of(KERNEL.format(folder=str(folder / "store"), url=url, body=body), folder=folder)
        misses, seen = json.loads(output.splitlines()[-1])
        assert misses == server.calls - before
        paid.append(misses)
        ids.append(seen)
    return paid, ids


@pytest.mark.parametrize("case", BODIES)
def test_a_prompt_that_quotes_messages_is_paid_for_once(server: ProviderServer, tmp_path: Path, case: str) -> None:
    (first, *others), ids = runs(server, tmp_path, BODIES[case], 2)

    assert first > 1
    assert others == [0]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])


REPLACED = """
with gm.using(mode="refresh"):
    a = llm.invoke("draft")
b = llm.invoke("draft")
ids = [a.id, b.id]
"""


def test_a_hit_never_has_the_id_of_an_answer_that_this_kernel_paid_for(server: ProviderServer, tmp_path: Path) -> None:
    _, ids = runs(server, tmp_path, REPLACED, 2)

    for each in ids:
        assert len(set(each)) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_ids_repeat_neither_in_forked_children_nor_where_random_numbers_are_seeded(
    server: ProviderServer, tmp_path: Path
) -> None:
    body = """
import os, random
ids = []
def ask():
    random.seed(7)
    for question in ("draft", "other", "other"):
        os.write(1, f"id {llm.invoke(question).id}\\n".encode())  # in one piece: two children write at once
ask()
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        ask()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
ask()
"""
    seen = []
    for _ in range(2):
        script = KERNEL.format(folder=str(tmp_path / "store"), url=f"{server.url}/v1", body=body)
        seen.append(re.findall(r"^id (\S+)$", output_of(script, folder=tmp_path), re.MULTILINE))

    for ids in seen:
        assert len(ids) == len(set(ids)) == 12
    assert sorted(seen[0]) == sorted(seen[1])
