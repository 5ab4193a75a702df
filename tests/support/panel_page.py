"""The parts of a panel on a page, found as a person finds them."""

__all__ = ["CHARTS", "ROWS", "button", "open_tab", "search", "show_panel", "wait_for_words"]

CHARTS = ".gptcache-panel svg:not(.gptcache-grid-spark):visible"
ROWS = ".gptcache-grid:visible tbody tr[aria-selected]"


def show_panel(notebook):
    """Run the first two cells of a notebook, of which the second shows the panel, and return the notebook."""
    notebook.run(0)
    notebook.run(1)
    notebook.page.locator(ROWS).first.wait_for()
    return notebook


def open_tab(page, title):
    """Open a tab and wait for what it shows."""
    page.get_by_role("tab", name=title, exact=True).click()
    if title == "Charts":
        page.locator(CHARTS).first.wait_for()
    else:
        page.get_by_role("grid", name=title).wait_for()


def search(page, query):
    """Type a query into the search of the table in sight."""
    page.locator(".gptcache-grid:visible input[type=search]").fill(query)


def button(page, name):
    """Return the button of the panel that has this name."""
    return page.locator(".gptcache-panel").get_by_role("button", name=name, exact=True)


def wait_for_words(page, text):
    """Wait for the line that says what a button did."""
    page.locator(".gptcache-said-line:visible", has_text=text).wait_for()
