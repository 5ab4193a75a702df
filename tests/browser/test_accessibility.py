"""axe-core looks at every tab of the panel, in both themes: no serious violation."""

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
from langchain_core.language_models import FakeListChatModel
for question in ["the 2023 report", "the 2024 report", "the 2023 report"]:
    FakeListChatModel(responses=["forty-two"]).invoke(question)"""
SERIOUS = ("serious", "critical")
COLOURS_FADED_IN = """() => {
  const fading = document.querySelector(".gptcache-panel").getAnimations({ subtree: true });
  return Promise.allSettled(fading.map((each) => each.finished)).then(() => null);
}"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    notebook = open_notebook([SETUP, "%gptcache panel"])
    notebook.run(0)
    notebook.run(1)
    notebook.page.locator(".gptcache-grid:visible tbody tr[data-key]").first.wait_for()
    notebook.page.get_by_role("button", name="Filter", exact=True).click()
    notebook.page.get_by_role("combobox", name="Cause", exact=True).wait_for()
    return notebook


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("title", ["Models", "Lookups", "Entries", "Charts"])
def test_no_serious_violation(notebook, title, theme):
    page = notebook.page
    notebook.theme(theme)
    page.get_by_role("tab", name=title, exact=True).click()
    if title == "Charts":
        page.locator(".gptcache-panel svg:visible").first.wait_for()
    else:
        row = page.locator(".gptcache-grid:visible tbody tr[data-key]").first
        row.wait_for()
        if row.get_attribute("aria-selected") != "true":  # a second click lets the row go
            row.click()
        page.locator(".gptcache-panel [role=region]:visible").first.wait_for()
    page.evaluate(COLOURS_FADED_IN)

    found = Axe().run(page, context=".gptcache-panel").response["violations"]
    told = [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes'][:3]]}"
        for violation in found
        if violation["impact"] in SERIOUS
    ]
    assert not told, "\n".join(told)
    assert title == "Charts" or page.locator(".gptcache-panel [role=region]:visible").count()
