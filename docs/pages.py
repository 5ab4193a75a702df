"""Make the pages of the site that come from the code: commands, functions, settings, notebooks, the changelog.

MkDocs calls the functions whose names begin with ``on_`` (https://www.mkdocs.org/dev-guide/plugins/#events).
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient

import gptcache_magics as gm
from gptcache_magics import commands
from gptcache_magics.commands._cell import EXAMPLE, cell_parser
from gptcache_magics.commands._parser import Declared, Parser, summary
from gptcache_magics.settings import Config

ROOT: Final = Path(__file__).parent.parent
BUILT: Final = ROOT / "build" / "docs"
"""Folder of the executed notebooks."""
COMMANDS: Final = "reference/commands/"
"""Folder of the commands' pages. In the navigation it stands for all of them."""
CELL: Final = "cell"
"""Name of the page of ``%%gptcache``."""
MODULE: Final = re.compile(r"\b(?:typing|collections\.abc|pathlib|types)\.")
"""Finds modules in the names of types."""
OR: Final = " &#124; "
"""A bar between values, which does not end the cell of a table."""
SETTINGS: Final = "<!-- settings -->"
"""Place of the table of settings in its page."""
WIDGET: Final = "application/vnd.jupyter.widget-view+json"
"""Form of a live widget. A page shows its saved form: the live one would ask a CDN for its code."""
ROLE: Final = re.compile(r":(?:mod|class|func|meth):(?=<code>|`)")
"""Finds roles of reStructuredText in docstrings, which Markdown does not know."""
CACHE: Final = ("lookup", "alookup", "update", "aupdate", "clear", "aclear", "stats", "close")
"""The methods of ``GPTCache`` that users call; the others are LangChain's and ours."""
MEMBERS: Final = {"GPTCache": ("    options:", f"      members: [{', '.join(CACHE)}]")}
SELDOM_FOUND: Final = "---\nsearch:\n  boost: 0.3\n---\n"
"""Puts a page behind others in the search: the changelog has every word."""
LINE: Final = 80
"""Most characters of a signature on one line."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each command into the navigation."""
    each_command = [
        f"{COMMANDS}index.md",
        *({name: f"{COMMANDS}{name}.md"} for name in commands.COMMANDS),
        {"%%gptcache": f"{COMMANDS}{CELL}.md"},
    ]
    for section in config.nav or ():
        for title, entries in section.items():
            if isinstance(entries, list):
                section[title] = [{"Commands": each_command} if _is_commands(each) else each for each in entries]
    return config


@event_priority(100)  # before the plugin that turns notebooks into pages
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks, and the pages that come from the code."""
    written = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for uri, text in pages(written):
        files.append(File.generated(config, uri, content=text))
    for path in _executed_notebooks():
        files.append(File(path, str(BUILT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of settings into its page."""
    return markdown.replace(SETTINGS, "\n".join(_settings()))


def on_page_content(html: str, **_: Any) -> str:
    """Take the roles out of docstrings."""
    return ROLE.sub("", html)


def pages(written: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield path and Markdown of each page that comes from the code.

    Parameters
    ----------
    written
        The pages that are written by hand, by path: the page of a command links those that use the command.
    """
    yield f"{COMMANDS}index.md", "\n".join(_commands())
    for name in commands.COMMANDS:
        yield f"{COMMANDS}{name}.md", "\n".join(_command(name, written))
    yield f"{COMMANDS}{CELL}.md", "\n".join(_cell_magic())
    yield "reference/python.md", "\n".join(_python())
    yield "changelog.md", SELDOM_FOUND + (ROOT / "CHANGELOG.md").read_text("utf-8")


def _executed_notebooks() -> Iterator[str]:
    """Run a copy of each notebook of the repository, and yield its path below ``BUILT``."""
    tutorials = BUILT / "tutorials"
    tutorials.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with TemporaryDirectory() as folder:
            shutil.copytree(path.parent, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
            told = {"extra_arguments": ["--log-level=ERROR"], "resources": {"metadata": {"path": folder}}}
            NotebookClient(notebook, timeout=300, **told).execute()
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                output.get("data", {}).pop(WIDGET, None)
        notebook.metadata.pop("widgets", None)
        nbformat.write(notebook, tutorials / path.name)
        yield f"{tutorials.name}/{path.name}"


def _is_commands(entry: Any) -> bool:
    return isinstance(entry, dict) and COMMANDS in entry.values()


def _commands() -> Iterator[str]:
    yield from (
        *("# Commands", ""),
        *("`%gptcache` alone is `%gptcache status`, and `%gptcache --version` tells the versions. Each command has a",),
        *('Python function of the same name and options: `gm.stats(by="cell")`.', ""),
    )
    rows = ((f"[`%gptcache {name}`]({name}.md)", _job(name)) for name in commands.COMMANDS)
    yield from _table(("Command", "Job"), rows)
    yield from ("", f"[`{EXAMPLE}`]({CELL}.md), as the first line of a cell, holds for that cell only.")


def _command(name: str, written: Mapping[str, str]) -> Iterator[str]:
    function = commands.function(name)
    yield from (f"# %gptcache {name}", "", _job(name), "", "```", commands.command(name).EXAMPLE, "```", "")
    yield from _body(function)
    yield from _options(commands.parser(name))
    yield from ("", "## In Python", "", "```py", f"gm.{name}{_signature(function)}", "```", "")
    uses = sorted(uri for uri, text in written.items() if re.search(rf"%gptcache {name}\b", text))
    if uses:
        yield from ("## Used in", "", *(f"- [{_title(written[uri])}](../../{uri})" for uri in uses))


def _cell_magic() -> Iterator[str]:
    yield from ("# %%gptcache", "", "As the first line of a cell: settings for this run of the cell.", "")
    yield from (
        "```",
        EXAMPLE,
        "```",
        "",
        "The cell runs as if the line were not there. `gm.using` is the same for a block.",
        "",
    )
    yield from _options(cell_parser())
    yield from ("", "## In Python", "", "```py", f"with gm.using{_signature(gm.using)}:", "    ...", "```")


def _job(name: str) -> str:
    return summary(commands.function(name))


def _body(function: Callable[..., Any]) -> Iterator[str]:
    """Yield what a docstring says after its first line and before its sections."""
    told = (inspect.getdoc(function) or "").partition("\n\n")[2]
    text = re.split(r"^\w+\n-+$", told, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if text:
        yield from (text.replace("``", "`"), "")


def _options(parser: Parser) -> Iterator[str]:
    """Yield the words and options of a command as a table."""
    rows = [(_typed(each), f"`{each.name}`", _meaning(each)) for each in parser.declared]
    yield from ("## Options", "")
    yield from _table(("Typed", "In Python", "Meaning"), rows) if rows else ("It takes none.",)


def _typed(each: Declared) -> str:
    kind = each.declaration
    named = "" if each.flag else each.name.strip("_").upper()
    values = [kind.metavar] if kind.metavar else [*each.values] or [named]
    return " ".join([", ".join(f"`{name}`" for name in each.names), OR.join(f"`{value}`" for value in values if value)])


def _meaning(each: Declared) -> str:
    usual = each.several or each.default in (None, False, "", inspect.Parameter.empty)
    usual = usual or "default" in each.declaration.help
    return each.declaration.help if usual else f"{each.declaration.help} (default: `{each.default}`)"


def _signature(function: Callable[..., Any]) -> str:
    """Return the parameters of a function with their types, a line for each if they are long."""
    signature = inspect.signature(function)
    short = MODULE.sub("", str(signature)).replace("'", "")
    if len(short) <= LINE:
        return short
    marked, keywords = [], False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not keywords:
            marked.append("*")
        keywords = keywords or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        marked.append(MODULE.sub("", str(each)))
    return "(\n" + "".join(f"    {each},\n" for each in marked) + short[short.rindex(")") :]


def _python() -> Iterator[str]:
    yield from ("# Python", "", "Each command has a function of its name, with the same options:", "")
    rows = ((f"[`gm.{name}`](commands/{name}.md)", _job(name)) for name in commands.COMMANDS)
    yield from _table(("Function", "Job"), rows)
    for name in gm.__all__:
        if name not in commands.COMMANDS and not name.endswith(("Error", "Miss", "Reached")):
            yield from ("", f"::: gptcache_magics.{name}", *MEMBERS.get(name, ()))
    yield from ("", "The exceptions have [a page of their own](exceptions.md).")


def _settings() -> Iterator[str]:
    defaults = {each.name: {} if each.default == () else each.default for each in fields(Config)}
    rows = ((f"`{each.name}`", f"`{defaults[each.name]!r}`", each.metadata["help"]) for each in fields(Config))
    yield from _table(("Setting", "Default", "Meaning"), rows)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    heading = tuple(heading)
    yield from (f"| {' | '.join(heading)} |", "|---" * len(heading) + "|")
    for row in rows:
        yield f"| {' | '.join(each.replace(chr(10), ' ') for each in row)} |"


def _title(text: str) -> str:
    """Return the title of a page."""
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")
