"""The notebooks run from top to bottom in a real kernel, without a key and without a network."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def executed(name: str, folder: Path) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, timeout=120
    ).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def test_the_quickstart_hits_what_it_asked_before_and_misses_a_changed_parameter(tmp_path: Path) -> None:
    cells = executed("quickstart.ipynb", tmp_path)

    asked = [text_of(cell) for cell in cells if cell.source.endswith("ask_all(llm)")]
    assert len(asked) == 2
    assert asked[0].splitlines()[::2][:1] == asked[1].splitlines()[:1]
    (stats,) = [cell for cell in cells if "stats" in cell.metadata.get("tags", [])]
    assert text_of(stats).split("pretender-1")[1].split()[:3] == ["9", "5", "4"]
    (changed,) = [text_of(cell) for cell in cells if cell.source.startswith("lookups =")]
    assert "hit" in changed
    assert "T 0.9" in changed
    assert "Cache off." in text_of(cells[-1])
    assert (tmp_path / ".gptcache" / "cache.db").exists()


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_is_committed_as_executed_and_without_errors(name: str) -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells if cell.cell_type == "code"]

    assert all(cell.execution_count for cell in cells)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
