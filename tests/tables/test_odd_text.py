"""Text of every kind, wherever a user may have it: no table, export, explanation, panel or bundle breaks on it.

The answer that the user gets is exactly as it came; where text leaves the store for a table it is valid Unicode, as
pandas with pyarrow needs it.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import gptcache_magics as gm
from gptcache_magics import bundle
from gptcache_magics.settings import CELL, Cell
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import frames

pytestmark = pytest.mark.slow

ODD = {
    "lone surrogates": "half \ud83d of a pair \udc00",
    "NUL": "before\0after",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f\x1b[31mred",
    "right to left": "\u202e\u200fשלום\u2066x",
    "joined emoji": "👩‍💻👨‍👩‍👧‍👦🏳️‍🌈",
    "separators": "a\u2028b\u2029c\x85d\r\ne",
    "noncharacters": "\ufeff\ufffe\uffff\U0010ffff",
    "combining": "e" + "\u0301" * 200,
    "quotes": "'\"`<script>\\ %s {x} $x$ | ,;\t",
    "long": "ü" * 2_500_000,
}


class OddModel(SimpleChatModel):
    """A fake model with an odd name that calls an odd tool and gives an odd answer."""

    model: str
    said: str

    @property
    def _llm_type(self) -> str:
        return "odd"

    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise AssertionError

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        call = {"name": self.said[:50], "args": {self.said[:50]: self.said}, "id": "1", "type": "tool_call"}
        message = AIMessage(self.said, tool_calls=[call], response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture(params=ODD)
def text(request: pytest.FixtureRequest) -> str:
    return ODD[request.param]


@pytest.fixture
def asked(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AIMessage:
    """Ask twice with this text everywhere; return the answer of the hit."""
    monkeypatch.chdir(tmp_path)
    gm.on(tmp_path / "store")
    CELL.set(Cell(f"{text[:80]}.ipynb", text[:20], 1, f"{text} = 1"))
    model = OddModel(model=text[:200], said=text, metadata={"x": text[:10]})
    prompt = [SystemMessage(text), HumanMessage(text)]
    first = model.invoke(prompt, stop=[text[:50]])
    with gm.using(tag=_word(text)):
        second = model.invoke(prompt, stop=[text[:50]])
    CELL.set(None)
    assert (first.content, first.tool_calls) == (second.content, second.tool_calls)
    return second


@pytest.fixture(autouse=True)
def off() -> Any:
    yield
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)


def _word(text: str) -> str:
    return "".join(text[:30].split()) or "x"


def tables() -> dict[str, pd.DataFrame]:
    store = gm.current().store  # type: ignore[union-attr]
    keys = frames.configurations(store)["key"]
    return {
        "entries": gm.entries(),
        "lookups": gm.lookups(),
        "models": gm.models(),
        "status": gm.status().to_frame(),
        "differences": frames.differences(store, keys[0], keys[0]),
        **{by: gm.stats(by, wide=True) for by in ("model", "configuration", "cell", "notebook", "day", "total")},
    }


def test_an_answer_comes_back_as_it_came(asked: AIMessage, text: str) -> None:
    assert asked.content == text
    assert asked.tool_calls[0]["args"] == {text[:50]: text}
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]
    assert gm.current().ledger.failures == 0  # type: ignore[union-attr]


def test_every_table_can_be_exported(asked: AIMessage, tmp_path: Path) -> None:
    for name, table in tables().items():
        table.to_csv(tmp_path / f"{name}.csv")
        json.loads(table.reset_index().to_json())
        assert table.to_string()
        assert table.to_html()
        table.reset_index().astype(str).drop_duplicates().sort_values(table.reset_index().columns[0])
        if importlib.util.find_spec("pyarrow"):
            table.reset_index().to_parquet(tmp_path / f"{name}.parquet")
            table.convert_dtypes(dtype_backend="pyarrow")
        for column in table.columns[table.dtypes == "string"]:
            assert "".join(table[column].dropna()).encode() is not None


def test_everything_can_be_shown_and_explained(asked: AIMessage) -> None:
    (id,) = gm.entries().index
    for shown in (gm.show(id), gm.show(id, raw=True), gm.why(), gm.doctor(), gm.status(), gm.stats(plot=True)):
        repr(shown).encode()
    for row in gm.lookups().index:
        repr(gm.why(int(row))).encode()
        gm.why(int(row))._repr_html_().encode()
    gm.panel(static=True)._repr_html_().encode()
    assert gm.off().encode()


def test_a_panel_opens_every_tab(asked: AIMessage) -> None:
    from gptcache_magics.widgets.panel import _within

    for tab in ("Models", "Lookups", "Entries", "Charts", "Tuning"):
        panel = gm.panel(tab)
        entries = panel._tabs[2]
        if tab == "Entries":
            entries.grid.selection = [gm.entries().index[0]]
        for widget in _within(panel):
            json.dumps(widget.get_state(), default=str, ensure_ascii=False).encode()
        panel.close()


def test_a_bundle_gives_the_same_entries(asked: AIMessage, text: str, tmp_path: Path) -> None:
    assert gm.save("odd.jsonl").startswith("Saved 1 entry")
    contents = bundle.read("odd.jsonl")
    assert contents.refused == []
    before = gm.current().store.entries(Selection())  # type: ignore[union-attr]
    assert [(each.key, each.prompt, each.answer) for each in contents.entries] == [
        (each.key, each.prompt, each.answer) for each in before
    ]
    gm.off()
    gm.on("odd.jsonl")
    model = OddModel(model=text[:200], said="another", metadata={"x": text[:10]})
    assert isinstance(bundle.opened("odd.jsonl"), SQLiteStore)
    del model


def test_searches_and_changes_take_odd_text(asked: AIMessage, text: str) -> None:
    (id,) = gm.entries().index
    gm.edit(id, text=f"{text} edited")
    gm.tag("draft", id)
    assert len(gm.entries(tag="draft")) == 1
    assert len(gm.show(id).text) > 0
    gm.remove(id)
    gm.undo()
    assert len(gm.entries()) == 1
