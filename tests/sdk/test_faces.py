"""Which library asked: in ``lookups``, in ``stats --by face`` and in the panel."""

from typing import Any

import anthropic
import openai
import pytest
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from tests.sdk.ask import ask
from tests.support.provider_server import KEY, ProviderServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("sdks_on")


def ask_with_three(client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer) -> None:
    for _ in range(2):
        ask(client, "one")
    claude.messages.create(model="claude-3-5-haiku-latest", max_tokens=9, messages=[{"role": "user", "content": "two"}])
    ChatOpenAI(model="gpt-4o-mini", api_key=KEY, base_url=server.openai_url).invoke("three")  # type: ignore[arg-type]


def test_lookups_and_figures_name_the_library(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer
) -> None:
    ask_with_three(client, claude, server)

    assert gm.lookups()["face"].tolist() == ["langchain", "anthropic", "openai", "openai"]
    assert gm.stats(by="face")["lookups"].to_dict() == {"openai": 2, "langchain": 1, "anthropic": 1}
    assert gm.stats(by="face", since="all")["hits"].to_dict() == {"openai": 1, "langchain": 0, "anthropic": 0}
    assert gm.stats("total", face="openai")["lookups"].tolist() == [2]
    assert gm.lookups(face="anthropic")["model"].tolist() == ["claude-3-5-haiku-latest"]


def test_a_library_that_asked_nothing_is_refused_with_those_that_did(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer
) -> None:
    ask_with_three(client, claude, server)

    for table in (gm.lookups, gm.stats):
        with pytest.raises(CommandError) as caught:
            table(face="opnai")
        assert str(caught.value) == (
            "No lookup of 'opnai' in this store. Did you mean 'openai'? Libraries: langchain, anthropic, openai."
        )
    with pytest.raises(CommandError, match=r"model, configuration, face, cell, notebook, day, cause, author, total"):
        gm.stats(by="library")  # type: ignore[call-overload]


def test_the_panel_is_narrowed_to_a_library(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer
) -> None:
    ask_with_three(client, claude, server)
    panel: Any = gm.panel()
    panel._view_count = 1
    panel._tab.selected_index = [tab.title for tab in panel._tabs].index("Lookups")
    lookups = panel._tabs[panel._tab.selected_index]

    def rows() -> list[str]:
        return [row[0] for span in lookups.grid.page["spans"] for row in span["rows"]] if lookups.opened else []

    wait_until(lambda: rows() == ["4", "3", "2", "1"])
    lookups.grid.selection = ["1"]
    assert lookups.only_face.description == "Only this library"
    lookups.only_face.click()
    wait_until(lambda: rows() == ["2", "1"])
    assert [chip["label"] for chip in panel._filters.chips] == ["Remove filter library openai"]
    assert lookups.only_face.layout.display == "none"
    wait_until(lambda: "1 of 2 lookups" in panel._figures.value)
    panel.narrow("face", None)
    wait_until(lambda: len(rows()) == 4)
    panel.close()
