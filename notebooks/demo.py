"""Run the quickstart in a real kernel; show which model answered and what the cache saved.

The executed notebook and a page of it go to ``build/``. The kernel works there too, on an empty store: every run starts
from nothing, and a store of your own beside the notebook is left alone.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

NOTEBOOKS = Path(__file__).resolve().parent
BUILD = NOTEBOOKS.parent / "build"
WIDE_TABLES = "import pandas; pandas.options.display.width = 120"


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run every cell in place, in ``build/``, with the notebook's folder importable."""
    shutil.rmtree(BUILD / ".gptcache", ignore_errors=True)
    # A widget saved with its state asks a CDN for its code; without it, the table it shows instead is enough.
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR", f"--IPKernelApp.exec_lines={WIDE_TABLES}"],
        resources={"metadata": {"path": BUILD}},
        store_widget_state=False,
        timeout=300,
    )
    paths = [str(NOTEBOOKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    client.execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYDEVD_DISABLE_FILE_VALIDATION": "1"})


def shown(notebook: nbformat.NotebookNode, tag: str) -> str:
    """Return as text what the last cell with this tag showed."""
    tagged = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    if not tagged:
        raise SystemExit(f"quickstart.ipynb has no cell tagged {tag!r}")
    texts = [output.get("text") or output.get("data", {}).get("text/plain") for output in tagged[-1].outputs]
    return "\n".join(text.strip("\n") for text in texts if text)


def main() -> None:
    """Execute, write both files, print what the notebook showed and where the files lie."""
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    BUILD.mkdir(exist_ok=True)
    executed, page = BUILD / "quickstart.ipynb", BUILD / "quickstart.html"

    print(f"Running {len(notebook.cells)} cells of quickstart.ipynb", flush=True)
    start = time.perf_counter()
    try:
        execute(notebook)
    except CellExecutionError as error:
        sys.exit(str(error))
    finally:
        nbformat.write(notebook, executed)
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")

    print(f"{shown(notebook, 'model')}\n\n{shown(notebook, 'stats')}\n\n{shown(notebook, 'off')}")
    print(f"Done in {time.perf_counter() - start:.0f} s. The executed notebook, with the panel:")
    for path in (executed, page):
        print(f"  {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
