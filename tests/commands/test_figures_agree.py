"""One session with every kind of lookup: each place that counts it says the same."""

import asyncio
import math
import re
import resource
from collections import Counter
from contextlib import suppress

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from pydantic import BaseModel

import gptcache_magics as gm
from gptcache_magics.controller import controller
from gptcache_magics.tables import frames
from gptcache_magics.tables.source import Source
from gptcache_magics.widgets.figures import figures
from gptcache_magics.widgets.tabs.headings import headings
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.models import ModelsTab
from gptcache_magics.widgets.view import View
from tests.support.provider_server import ProviderServer
from tests.support.shell import Typist

COUNTS = ["lookups", "hits", "misses", "bypassed", "errors"]
BADGE = {"hits": "hit", "misses": "miss", "bypassed": "bypassed", "errors": "error"}
SET_UP = """
priced = server.model("ChatOpenAI", model="gpt-4o-mini", max_retries=0)
house = server.model("ChatOpenAI", model="house-model")
"""
CELLS = (
    'for question in ("a", "b", "a", "a"): priced.invoke(question)',
    'for question in ("a", "a"): house.invoke(question)',
    'server.finish_reason = "length"; priced.invoke("cut"); house.invoke("cut"); server.finish_reason = None',
    'with gm.using(mode="bypass"): priced.invoke("a"); house.invoke("c")',
    'gm.edit(gm.entries().index[0], "better"); house.invoke("a"); priced.invoke("a")',
    "gm.on(ignore='id'); [priced.invoke(f'about 3f2504e0-4f89-11d3-9a0c-0305e82c330{n}') for n in (1, 2)]",
    "server.fail_next(1)\nwith suppress(Exception): priced.invoke('fails')",
    "spoil(); priced.invoke('cannot be stored'); mend()",
    'priced.batch(["d", "e", "d"])',
)


@pytest.fixture
def session(ip: InteractiveShell, magic: Typist, server: ProviderServer) -> tuple[Source, list[str]]:
    """Return the source of the cache that is on, and what was shown below each cell of a session."""

    def limit_files(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    magic.told("on store")
    ip.user_ns |= {
        "gm": gm,
        "suppress": suppress,
        "server": server,
        "spoil": lambda: limit_files(1),  # as on a full disk
        "mend": lambda: limit_files(resource.RLIM_INFINITY),
    }
    magic.cell(SET_UP)
    return controller.source(), [magic.cell(cell) for cell in CELLS]


def test_every_count_is_the_same_wherever_it_is_shown(session: tuple[Source, list[str]]) -> None:
    source, shown = session
    total = gm.stats("total", wide=True).loc["total"]
    assert total[COUNTS].tolist() == [19, 7, 10, 2, 1]
    assert total["lookups"] == total[["hits", "misses", "bypassed"]].sum()
    assert total[["ignoring_hits", "not_stored", "unpriced_saved", "unpriced_paid"]].tolist() == [1, 2, 2, 3]

    badges = Counter[str]()
    for text in shown:
        for number, word in re.findall(
            r"(\d+) (hit|miss|bypassed|error)", text.partition("gptcache: ")[2].partition(" ·")[0]
        ):
            badges[word] += int(number)
    assert {name: badges[word] for name, word in BADGE.items()} == total[list(BADGE)].to_dict()

    run = gm.status().run
    assert run.startswith("7 hits (1 but for what is ignored), 10 misses, 2 bypassed, 1 error · ")
    assert gm.status().not_stored.startswith("2 cut off at max_tokens.")

    for by in ("model", "configuration", "cell", "notebook", "day", "cause"):
        table = gm.stats(by, wide=True)
        for name in (*COUNTS, "ignoring_hits", "not_stored", "unpriced_saved", "unpriced_paid"):
            assert table[name].sum() == total[name], (by, name)
        for name in ("saved_usd", "paid_usd"):
            assert table[name].sum() == pytest.approx(total[name])
    lookups = gm.lookups()
    assert lookups.groupby("cause").size().to_dict() == gm.stats("cause")["lookups"].to_dict()
    pd.testing.assert_frame_equal(controller.cache.stats(), gm.stats())

    view = View("run")
    texts = {figure.label: (figure.value, figure.remark) for figure in figures(source, view)}
    assert texts["Hit rate"][1] == "7 of 17, 2 bypassed, 1 error"
    assert ", 2 of unknown price" in texts["Saved"][1]
    assert ", 3 of unknown price" in texts["Paid"][1]
    models = ModelsTab.read(source, view)
    assert models[COUNTS].sum().to_dict() == total[COUNTS].to_dict()
    frame = LookupsTab.read(source, view)
    for by in ("cell", "cause"):
        assert len(headings(source, view, frame, by).headings) == len(frames.stats(source.store, by))


def test_unknown_money_is_unknown_wherever_it_is_shown(session: tuple[Source, list[str]]) -> None:
    source, shown = session
    for table in (gm.stats(), controller.cache.stats(), ModelsTab.read(source, View("run"))):
        assert table.loc["house-model", ["saved_usd", "paid_usd"]].isna().all()
        assert table.loc["gpt-4o-mini", ["saved_usd", "paid_usd"]].notna().all()
    assert "$" not in shown[1]
    for figure in figures(source, View("run", model="house-model"))[:2]:
        assert figure.value.endswith(" tokens"), "tokens lead where no price is known"
        assert "unknown price" in figure.remark
    by_house = frames.lookups(source.store, model="house-model")
    assert math.isnan(by_house["paid_usd"].max())
    assert "and 3 calls of unknown price" in gm.status().run


FAILURES = (
    """
class Reply(BaseModel):
    name: str

for method in ("json_schema", "json_mode", "function_calling"):
    with suppress(Exception):
        priced.with_structured_output(Reply, method=method).invoke("answer in json: " + method)
""",
    "with suppress(Exception): refused.invoke('nobody is there')",
    "server.fail_next(1)\nwith suppress(Exception): priced.invoke('refused')",
    "server.fail_next(1)\nwith suppress(Exception): list(priced.stream('refused'))",
)
CANCELLED = """
async def leave():
    call = asyncio.create_task(priced.ainvoke("cancelled"))
    while server.calls == before:
        await asyncio.sleep(0.01)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call

before = server.calls
server.delay = 30
await leave()
server.delay = 0
"""
LEFT = "for chunk in priced.stream('left'): break"


def test_a_failed_call_costs_what_was_charged_for_it(
    ip: InteractiveShell, magic: Typist, server: ProviderServer
) -> None:
    magic.told("on store")
    ip.user_ns |= {"suppress": suppress, "server": server, "asyncio": asyncio, "BaseModel": BaseModel}
    magic.cell(SET_UP + "refused = server.model('ChatOpenAI', base_url='http://127.0.0.1:9/v1', max_retries=0)")
    ip.run_cell("%gptcache stats --reset")
    for cell in FAILURES:
        magic.cell(cell)
    total = gm.stats("total", wide=True).loc["total"]
    assert total["unpriced_paid"] == 0
    lookups = gm.lookups().set_index("question")
    assert (
        lookups.loc["answer in json: json_schema", "paid_usd"] == lookups.loc["answer in json: json_mode", "paid_usd"]
    )
    assert lookups.loc["answer in json: json_schema", "paid_usd"] > 0
    assert (lookups.loc[["nobody is there", "refused"], "paid_usd"] == 0).all()
    assert "unknown price" not in gm.status().run

    for number, cell in enumerate((CANCELLED, LEFT), start=1):
        shown = magic.cell(cell)
        assert "gptcache: 1 miss · " in shown
        calls = f"{number} calls" if number > 1 else "1 call"
        assert f"and {calls} of unknown price" in gm.status().run
        assert gm.stats("total", wide=True).loc["total", "unpriced_paid"] == number
    source = controller.source()
    texts = {figure.label: figure.remark for figure in figures(source, View("run"))}
    assert ", 2 of unknown price" in texts["Paid"]
    assert total["paid_usd"] == pytest.approx(gm.lookups()["paid_usd"].sum())


def test_the_same_failures_give_the_same_figures_in_the_next_run(
    ip: InteractiveShell, magic: Typist, server: ProviderServer
) -> None:
    ip.user_ns |= {"suppress": suppress, "server": server, "BaseModel": BaseModel}
    magic.cell(SET_UP)
    paid = []
    for _ in range(2):
        magic.told("on :memory:")
        magic.cell(FAILURES[0].replace('"json_schema", "json_mode", "function_calling"', '"json_schema",'))
        paid.append(gm.stats("total")["paid_usd"].item())
        magic.told("off")
    assert paid[0] == paid[1] > 0
