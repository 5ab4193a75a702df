"""One session in a kernel of the Python that runs this, as a person types it. Prints what was seen, as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.kernel import SECONDS, Kernel, badges

START = "%load_ext gptcache_magics\n%gptcache on"
ASK = """\
from langchain_core.language_models import FakeListChatModel
model = FakeListChatModel(responses=["one", "two"])
print([model.invoke("Why?").content for _ in range(2)])"""


def seen(kernel: Kernel) -> Iterator[tuple[str, bool]]:
    """Yield what a front end shows of the cache, and whether it was seen."""
    asked = kernel.run(ASK, "a")
    yield "hit", "['one', 'one']" in asked.text
    yield "badge", len(badges(asked)) == 1
    yield "stats", "FakeListChatModel" in kernel.run("%gptcache stats").text
    yield "why", "first time" in kernel.run("%gptcache why 1").text
    saved, live = kernel.run("%gptcache panel").shown
    yield "panel", "FakeListChatModel" in saved["text/html"] and len(live) == 2
    yield "doctor", "✓ LangChain's cache: is this one" in kernel.run("%gptcache doctor").text
    asked_for = kernel.client.complete("%gptcache sta", len("%gptcache sta"))
    reply = kernel.client.get_shell_msg(timeout=SECONDS)
    yield "Tab", reply["parent_header"]["msg_id"] == asked_for and reply["content"]["matches"] == ["status", "stats"]
    yield "off", kernel.run("%gptcache off").text.startswith("Cache off. This run: 1 hit, 1 miss")


with TemporaryDirectory() as folder, Kernel(Path(folder), START, PYTHONPATH="") as kernel:
    print(json.dumps(dict(seen(kernel))))
