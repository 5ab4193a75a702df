"""A notebook server on loopback and Chromium to look at it: what the browser tests stand on.

One server shows a notebook in JupyterLab and in Notebook 7. It has folders of its own for everything, so that nobody's
settings change the outcome. A page that asks for anything outside this machine, or logs an error, fails its test.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOW_TO_GET_IT = "The browser tests need Chromium: apt-get install chromium fonts-dejavu-core, or run: make test"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATHS = {"lab": "lab/tree", "notebook": "notebooks"}
# Notebook 7 logs these by itself, with no widget on the page.
NOISE = ("reading 'schema'", "filebrowser:open-path")

READY = """() => {
  const session = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session;
  return session?.kernel?.status === "idle" && session.kernel.connectionStatus === "connected";
}"""
RUN_CELL = """([index, wait]) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  const done = window.jupyterapp.commands.execute("notebook:run-cell");
  return wait ? done.then(() => null) : null;
}"""
EXECUTE = """(code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
  return kernel.requestExecute({ code, store_history: false }).done.then(() => null);
}"""
INTERRUPT = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.interrupt()"
HAS_RUN = """(index) => {
  const prompt = document.querySelectorAll(".jp-Notebook .jp-CodeCell")[index].querySelector(".jp-InputPrompt");
  return /\\[\\d+\\]/.test(prompt?.textContent ?? "");
}"""


class Server:
    """A Jupyter server with one notebook folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "notebooks"
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
        places += ("JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
        self._environment = environment = dict(os.environ) | {place: str(home / place.lower()) for place in places}
        self._settings(home / "jupyterlab_settings_dir")
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.url.rpartition(":")[2],
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.folder,
            "ServerApp.disable_check_xsrf": True,
            "IdentityProvider.token": "",
            "LabApp.expose_app_in_browser": True,
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--{name}={value}" for name, value in options.items()]
        self._log = home / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self._wait()

    def stop(self) -> None:
        """End the server and its kernels, which are its children."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def trust(self, path: Path) -> None:
        """Trust a notebook, as a person does by running and saving it here."""
        command = [sys.executable, "-m", "jupyter", "trust", str(path)]
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    def _settings(self, folder: Path) -> None:
        wanted = {
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "notebook-extension/tracker": {"windowingMode": "none"},
        }
        for name, values in wanted.items():
            path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(values))

    def _wait(self) -> None:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/api/status", timeout=2).close()
            except (urllib.error.URLError, OSError):
                if self._process.poll() is not None:
                    break
                time.sleep(0.2)
            else:
                return
        pytest.fail(f"The notebook server did not start:\n{self._log.read_text()[-3000:]}")


class NotebookPage:
    """One notebook, open in a browser, driven through the application's own commands: clicks on a cell get lost."""

    def __init__(self, page, server: Server, front: str, cells: list[str]) -> None:
        import nbformat

        self.page, self.front = page, front
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        # Without it the application asks which kernel to start.
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        name = f"{front}-{time.monotonic_ns()}.ipynb"
        nbformat.write(notebook, server.folder / name)
        reset = "?reset" if front == "lab" else ""
        page.goto(f"{server.url}/{PATHS[front]}/{name}{reset}", wait_until="domcontentloaded")
        page.wait_for_function(READY, timeout=60_000)
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")

    def cell(self, index: int):
        """Return the code cell at this place."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def cells(self) -> list[str]:
        """Return the ids of the notebook's cells."""
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.id)"
        )

    def run(self, index: int, wait: bool = True) -> str:
        """Run a cell and return its output as text."""
        self.page.evaluate(RUN_CELL, [index, wait])
        if not wait:
            return ""
        self.wait_for_run(index)
        output = "\n".join(self.cell(index).locator(".jp-OutputArea-output").all_inner_texts())
        assert not re.search(r"Error\b", output), output  # a column of the panel is called Errors
        return output

    def wait_for_run(self, index: int) -> None:
        """Wait until a cell has run."""
        self.page.wait_for_function(HAS_RUN, arg=index, timeout=60_000)

    def interrupt(self) -> None:
        """Interrupt the kernel."""
        self.page.evaluate(INTERRUPT)

    def execute(self, code: str) -> None:
        """Run code in the kernel without a cell, which would take the focus."""
        self.page.evaluate(EXECUTE, code)

    def theme(self, name: str) -> None:
        """Change the theme of the application, such as ``JupyterLab Dark``."""
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        self.page.wait_for_function("(name) => document.body.dataset.jpThemeName === name", arg=name)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_notebook(chromium, jupyter):
    """Return a function that opens a new notebook with the given cells in a front end."""
    contexts, outside, errors = [], [], []

    def gate(route):
        url = route.request.url
        if url.startswith((jupyter.url, "data:", "blob:")):
            return route.continue_()
        outside.append(url)
        return route.abort()

    def note(text):
        if not any(noise in text for noise in NOISE):
            errors.append(text)

    def open_one(cells: list[str], front: str = "lab", width: int = 1280) -> NotebookPage:
        context = chromium.new_context(viewport={"width": width, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.route("**/*", gate)
        page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))
        return NotebookPage(page, jupyter, front, cells)

    yield open_one
    for context in contexts:
        context.close()
    assert not outside, f"The page asked for something outside this machine: {outside}"
    assert not errors, f"The browser's console has errors: {errors}"


@pytest.fixture
def pictures(tmp_path):
    """Return the folder for screenshots, which PICTURES names; by default a temporary folder."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
