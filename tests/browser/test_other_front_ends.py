"""The panel where notebooks are shown in other ways: nbclassic, Voilà, files that were executed and saved."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from tests.browser.conftest import NotebookPage

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
from langchain_core.language_models import FakeListChatModel
for question in ["first", "second", "first"]:
    FakeListChatModel(responses=["rewsna terces a"[::-1]]).invoke(question)"""
PANEL = "%gptcache panel"
ROW = ".gptcache-grid tbody tr[data-key]"
# Voilà's own page asks for icons from there, with or without a widget on it.
VOILA_ASKS = "https://cdn.jsdelivr.net/npm/@fortawesome/"
TABLE = ".jp-OutputArea table, .output_area table"
NOT_FOUND = "model not found"
TOLD = "() => getComputedStyle(document.querySelector('.gptcache-lacking')).visibility === 'visible'"
KERNEL_READY = "() => window.Jupyter?.notebook?.kernel?.is_connected() && window.Jupyter.notebook._fully_loaded"
# It loads the code of widgets after it says that all is loaded.
WIDGETS_READY = "() => window.Jupyter.notebook.kernel.widget_manager !== undefined"


def notebook_of(*cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@pytest.fixture
def page(chromium, jupyter):
    """Return a page that may ask this machine only."""
    outside = []

    def gate(route):
        if route.request.url.startswith(("http://127.0.0.1", "http://localhost", "data:", "blob:")):
            return route.continue_()
        if not route.request.url.startswith(VOILA_ASKS):
            outside.append(route.request.url)
        return route.abort()

    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.route("**/*", gate)
    yield page
    context.close()
    assert not outside, f"The page asked for something outside this machine: {outside}"


def test_the_panel_lives_in_nbclassic(page, jupyter, pictures):
    nbformat.write(notebook_of(SETUP, PANEL), jupyter.folder / "classic.ipynb")
    page.goto(f"{jupyter.url}/nbclassic/notebooks/classic.ipynb")
    page.wait_for_function(KERNEL_READY, timeout=60_000)
    page.evaluate("() => window.Jupyter.notebook.execute_cells([0])")
    page.locator(".output_area", has_text="Cache on").wait_for()
    page.wait_for_function(WIDGETS_READY)
    page.evaluate("() => window.Jupyter.notebook.execute_cells([1])")

    page.locator(ROW, has_text="FakeListChatModel").wait_for(timeout=60_000)
    page.get_by_role("tab", name="Lookups").click()
    page.locator(ROW, has_text="second").click()
    page.locator(".gptcache-detail:visible", has_text="second").wait_for()
    page.screenshot(path=pictures / "nbclassic.png")


def test_the_panel_lives_in_voila(page, tmp_path, pictures):
    nbformat.write(notebook_of(SETUP, PANEL), tmp_path / "served.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "voila", "served.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with (tmp_path / "log").open("wb") as log:
        served = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/", timeout=2).close()
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.2)
        page.goto(f"http://127.0.0.1:{port}/", timeout=60_000)
        page.locator(ROW, has_text="FakeListChatModel").wait_for(timeout=60_000)
        page.get_by_role("tab", name="Entries").click()
        page.locator(ROW, has_text="second").wait_for()
        page.screenshot(path=pictures / "voila.png")
    finally:
        served.terminate()
        served.wait(20)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Return a notebook as papermill and nbconvert execute and save it."""
    notebook = notebook_of(SETUP, PANEL)
    folder = tmp_path_factory.mktemp("executed")
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, resources=resources, timeout=60, store_widget_state=False).execute()
    return notebook


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
@pytest.mark.parametrize("front", ["lab/tree", "notebooks", "nbclassic/notebooks"])
def test_a_saved_notebook_shows_the_figures_without_a_kernel_that_knows_the_panel(
    page, jupyter, executed, pictures, front, trusted
):
    path = jupyter.folder / f"saved-{trusted}.ipynb"
    nbformat.write(executed, path)
    if trusted:
        jupyter.trust(path)
    page.goto(f"{jupyter.url}/{front}/{path.name}?reset")

    page.locator(TABLE, has_text="FakeListChatModel").first.wait_for(timeout=60_000)
    error = page.locator(".jp-OutputArea-output", has_text=NOT_FOUND)
    if trusted and "nbclassic" not in front:  # there widgets are tried, with the new kernel
        error.wait_for(state="attached", timeout=60_000)
    assert not error.is_visible()
    assert page.locator(TABLE, has_text="FakeListChatModel").first.is_visible()
    assert "a secret answer" not in page.content()
    page.screenshot(path=pictures / f"saved-{front.partition('/')[0]}-{'' if trusted else 'un'}trusted.png")


def test_an_exported_page_shows_the_figures_and_asks_nobody(page, executed, tmp_path):
    html = HTMLExporter().from_notebook_node(executed)[0]
    (tmp_path / "page.html").write_text(html)
    page.unroute("**/*")
    page.goto(f"file://{tmp_path / 'page.html'}")

    page.locator("table", has_text="FakeListChatModel").first.wait_for()
    assert "a secret answer" not in html


def test_a_page_without_anywidget_shows_the_saved_form_and_what_to_do(page, jupyter, pictures):
    """So is an open page after ``%pip install``, and one of a server whose environment is not the kernel's."""
    page.route("**/extensions/anywidget/**", lambda route: route.abort())
    notebook = NotebookPage(page, jupyter, "lab", [SETUP, PANEL])
    notebook.run(0)
    notebook.run(1, wait=False)

    told = page.locator(".gptcache-lacking", has_text="Reload the page")
    told.wait_for(timeout=60_000)
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.gptcache-lacking')).visibility == 'visible'"
    )
    assert page.locator(TABLE, has_text="FakeListChatModel").first.is_visible()
    assert page.locator(".gptcache-panel > *:visible").count() == 1
    told.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "without-anywidget.png")
