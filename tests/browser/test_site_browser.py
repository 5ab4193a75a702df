"""The documentation's site, as `make docs` builds it, in a real browser: it needs nobody else, and its search finds."""

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.site]

SITE = Path(__file__).parents[2] / "build" / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
# What newcomers type, and where the answer is.
QUESTIONS = {
    "run a class without keys": "how-to/class",
    "why did my call miss": "explanation/why",
    "hide prompts": "how-to/hide-prompts",
    "share with a team postgres": "how-to/team",
    "use with openai sdk": "how-to/sdks",
    "budget": "how-to/prompt",
    "pytest": "how-to/testing",
    "same question in other words": "how-to/other-words",
    "several kernels": "how-to/several-kernels",
    "colab": "how-to/front-ends",
    "dataframe": "how-to/batch",
    "no api key": "how-to/local-model",
}
FIRST = 3
"""The results that a person looks at."""
SEARCHED = """([words, wanted]) => {
  const results = document.querySelectorAll(".md-search-result__item > a");
  const number = parseInt(document.querySelector(".md-search-result__meta").textContent);
  const found = results[0] && new URL(results[0].href).searchParams.get("h");
  return results.length >= Math.min(number, wanted) && found?.split(" ").every((word) => words.includes(word));
}"""
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => element !== document.body &&
    (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
  return [...document.querySelectorAll(".md-content *")]
    .filter((each) => each.getBoundingClientRect().right > width + 1 && !scrolls(each.parentElement))
    .map((each) => `${each.tagName}: ${each.textContent.slice(0, 40)}`);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve the site, and return its address."""
    if not PAGES:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"No site in {SITE}. Build it and test it: make docs")
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(chromium, site):
    """Return a page, and a list of what it logs and of what it asks for elsewhere."""
    found = []
    context = chromium.new_context(base_url=site)
    page = context.new_page()
    page.on("request", lambda asked: asked.url.startswith((site, "data:", "blob:")) or found.append(asked.url))
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield page, found
    context.close()


def test_every_page_fits_a_phone_and_asks_nobody_else(page) -> None:
    page, found = page
    page.set_viewport_size({"width": 400, "height": 900})
    titles = {}
    for name in PAGES:
        page.goto(name)
        titles[name] = page.locator("h1").all_inner_texts()
        found.extend(f"{name}: {each}" for each in page.evaluate(TOO_WIDE))

    assert not found
    assert not {name: each for name, each in titles.items() if len(each) != 1}


def test_the_search_answers_what_newcomers_ask(page) -> None:
    page, found = page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("index.html")
    box, results = page.locator("[data-md-component=search-query]"), page.locator(".md-search-result__item > a")
    missed = {}
    for question, answer in QUESTIONS.items():
        box.click()
        box.fill(question)
        box.press("End")  # the site listens to keys
        page.wait_for_function(SEARCHED, arg=[question.split(), FIRST])
        first = [urlsplit(each.get_attribute("href")).path.strip("/") for each in results.all()[:FIRST]]
        if f"{answer}.html" not in first:
            missed[question] = first

    assert not missed
    assert not found
