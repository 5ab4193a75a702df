"""A notebook with cells of SDKs is verified without a key and without the network; a bundle holds no key."""

from pathlib import Path

import anthropic
import nbformat
import openai
import pytest

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

CELLS = [
    "import gptcache_magics, openai, anthropic",
    "client = openai.OpenAI(); claude = anthropic.Anthropic()",
    """
def chat(question):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="gpt-4o", messages=messages)

def said(question):
    messages = [{"role": "user", "content": question}]
    return claude.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=messages)
""",
    'chat("a recorded question"); said("a recorded question")',
]
MISSING = ['chat("another recorded question")', 'said("another one")']


@pytest.fixture
def bundle(server: ProviderServer, tmp_path: Path) -> Path:
    """Return a bundle of two answers, recorded at an address that nobody else has."""
    gm.on(":memory:")
    messages: list[dict[str, str]] = [{"role": "user", "content": "a recorded question"}]
    query = {"key": "AIzaSyA-secret-of-the-query-0123456789abc"}
    tool = {"type": "mcp", "server_label": "x", "server_url": "https://x.org", "authorization": "mcp-token-0123456789"}
    client = openai.OpenAI(api_key=KEY, base_url=server.openai_url)
    client.chat.completions.create(model="gpt-4o", messages=messages, extra_query=query)  # type: ignore[call-overload]
    client.responses.create(model="gpt-4o", input="with a server", tools=[tool])  # type: ignore[call-overload]
    claude = anthropic.Anthropic(api_key=KEY, base_url=server.url)
    claude.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=messages)  # type: ignore[arg-type]
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()
    return tmp_path / "lesson.jsonl"


def notebook(folder: Path, cells: list[str]) -> str:
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbformat.write(written, folder / "lesson.ipynb")
    return str(folder / "lesson.ipynb")


def test_no_key_is_in_a_bundle(bundle: Path) -> None:
    text = bundle.read_text("utf-8")
    assert '"http":"openai-chat"' in text
    for secret in (KEY, "secret-of-the-query", "mcp-token"):
        assert secret not in text


def test_a_recorded_notebook_replays_without_keys_at_another_address(bundle: Path, tmp_path: Path) -> None:
    report = gm.verify(notebook(tmp_path, CELLS), bundle=str(bundle))
    assert report.ok, report
    assert report.hits == 2


def test_what_is_not_recorded_is_named_with_its_cell(bundle: Path, tmp_path: Path) -> None:
    report = gm.verify(
        notebook(tmp_path, [*CELLS, *MISSING, 'client.embeddings.create(model="e", input="x")']), bundle=str(bundle)
    )
    found = report.to_frame()[["cell", "kind"]].to_numpy().tolist()
    assert found == [[5, "miss"], [6, "miss"], [7, "embeddings"]], report
    assert "{+another +}recorded question" in str(report) or "another recorded question" in str(report)
