"""Tables of stored texts in IPython: a terminal gets no byte that it would obey, and the data stay raw."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

import gptcache_magics as gm
from gptcache_magics.notebook.frame_display import escaped
from gptcache_magics.tables.mark import marked
from tests.support.kernel import Kernel
from tests.support.processes import output_of
from tests.support.shell import Typist, ask

HOSTILE = "\x1b]0;title\x07\x1b[2Jx\u202ey\u2066z\0\u200b\x9b31m\u2028\rend"
WIDE = "import pandas; pandas.options.display.width = None; pandas.options.display.max_columns = None\n"
TABLES = [
    *("entries", "lookups", "models", "stats", "stats --wide", "stats --by configuration"),
    *("stats --by cell", "stats --by notebook", "stats --by cause", "stats --by day", "lookups -n 1"),
]


def harmless(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@pytest.fixture
def used(magic: Typist, tmp_path: Path) -> Typist:
    """Turn the cache on, and store hostile texts wherever a caller can put one."""
    magic.told("on store")
    with gm.using(tag=HOSTILE.split()[0].partition("\u2028")[0]):
        ask(f"question {HOSTILE}", f"model {HOSTILE}")
    ask("another question", f"other {HOSTILE}")
    gm.edit(gm.entries().index[0], f"answer {HOSTILE}")
    return magic


def shown(shell: InteractiveShell, data: object) -> tuple[str, str | None]:
    """Return how IPython shows a value: as text, and as HTML."""
    assert shell.display_formatter is not None
    formats, _ = shell.display_formatter.format(data)
    return formats["text/plain"], formats.get("text/html")


@pytest.mark.parametrize("place", ["", " --at store"])
def test_every_table_is_shown_with_escapes(used: Typist, place: str) -> None:
    first, second = gm.models().index
    tables = {line: used(line + place) for line in TABLES} | {"--diff": gm.models(diff=[first, second])}
    with pd.option_context("display.max_columns", None, "display.width", None, "display.max_colwidth", None):
        for line, df in tables.items():
            text, html = shown(used.ip, df)
            assert harmless(text), line
            assert html is not None
            assert harmless(html), line
            if line in ("entries", "lookups", "models", "--diff"):
                assert r"\x1b[2Jx\u202ey" in text
                assert r"\x1b[2Jx\u202ey" in html


def test_a_table_without_rows_is_a_sentence_and_keeps_its_columns(magic: Typist) -> None:
    magic.told("on store")
    yet = "yet. Run a cell that calls a model."
    expected = {
        "lookups": f"No lookups {yet}",
        "stats --by cell": f"No lookups {yet}",
        "entries": f"No entries {yet}",
        "models": f"No models {yet}",
        "clear --dry-run": "Nothing to remove.",
        "stats --embeddings": (
            "No texts were embedded in this run through the cache. To keep embeddings: %gptcache on --embeddings"
        ),
    }
    for line, sentence in expected.items():
        df = magic(line)
        assert shown(magic.ip, df) == (sentence, f"<div>{sentence}</div>"), line
        assert len(df.columns) > 3

    ask("question <b>1</b>")
    gm.stats(reset=True)
    expected = {
        "lookups": "No lookups in this run. Earlier ones: %gptcache lookups --since all",
        "stats": "No lookups in this run. Earlier ones: %gptcache stats --by model --since all",
        "lookups --outcome hit -m small-model --since 1h": (
            "No lookups with --outcome hit and --model small-model in the last 1h. "
            "All lookups: %gptcache lookups --since all"
        ),
        "entries --expired --grep <b>no --at store": (
            "No entries with --grep <b>no and --expired. All entries: %gptcache entries --at store"
        ),
        "remove --expired --dry-run": "Nothing to remove.",
        "pin --expired --dry-run": "Nothing to pin: no entry fits.",
        "models --diff small-model small-model": (
            "No parameter differs. All configurations: %gptcache stats --by configuration --since all"
        ),
    }
    for line, sentence in expected.items():
        text, html = shown(magic.ip, magic(line))
        assert text == sentence
        assert html is not None
        assert "<b>" not in html


@pytest.mark.parametrize(
    ("session", "name"),
    [
        ("/home/me/console-1-7f3c9a52-11aa-4c1e-9b0d-5a2f3c4d5e6f", "console-1"),
        ("/home/me/work-jvsc-7f3c9a5211aa4c1e9b0d5a2f3c4d5e6f.ipynb", "work.ipynb"),
        ("/home/me/2026-11-28-work.ipynb", "2026-11-28-work.ipynb"),
    ],
)
def test_a_cell_has_a_name_that_a_person_can_read(
    magic: Typist, monkeypatch: pytest.MonkeyPatch, session: str, name: str
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    magic.told("on store")
    magic.ip.user_ns["ask"] = ask
    magic.cell('ask("a question")')
    assert gm.lookups()["cell"].tolist() == gm.stats(by="cell").index.tolist()
    assert gm.stats(by="cell").index[0].startswith(f"{name} [")


def test_rows_that_a_person_has_filtered_out_are_shown_as_pandas_shows_them(used: Typist) -> None:
    nothing = used("entries").query("hits > 99")
    assert shown(used.ip, nothing)[0] == repr(nothing)


def test_what_is_made_of_a_table_is_shown_with_escapes_and_computed_with_raw(used: Typist) -> None:
    df = used("entries")
    assert f"question {HOSTILE}" in set(df["question"])
    for made in (df.head(1), df[["question", "hits"]], df["question"], df.sort_values("created").T):
        assert harmless(shown(used.ip, made)[0])
    shown(used.ip, df)
    assert f"question {HOSTILE}" in set(df["question"])
    pd.testing.assert_frame_equal(df, gm.entries())


@pytest.mark.parametrize("line", ["remove --grep question --dry-run", "clear --dry-run"])
def test_the_table_of_a_dry_run_is_shown_with_escapes(used: Typist, line: str) -> None:
    text, html = shown(used.ip, used(line))
    assert harmless(text)
    assert html is not None
    assert harmless(html)


def test_other_frames_and_tables_without_such_marks_are_shown_as_pandas_shows_them(used: Typist) -> None:
    theirs = pd.DataFrame({"text": ["\x1b[31m"], "number": [1]})
    plain = gm.stats(by="total")
    for df in (theirs, plain):
        assert shown(used.ip, df) == (repr(df), df._repr_html_())  # type: ignore[operator]
    assert shown(used.ip, theirs["text"]) == (repr(theirs["text"]), None)


@pytest.mark.parametrize("rows", [3, 59, 61, 500])
def test_the_rows_that_pandas_shows_are_escaped(rows: int) -> None:
    index = pd.MultiIndex.from_tuples([("\x1b[1m", number) for number in range(rows)])
    data: dict[str, Any] = {
        "text": pd.Series([f"\x1b {number}" for number in range(rows)], dtype="string"),
        "level": pd.Categorical(["\x07"] * rows),
        "number": range(rows),
    }
    df = marked(pd.DataFrame(data).set_index(index))
    df.columns = pd.Index(["\x9btext", "level", "level"])
    text = repr(escaped(df))
    assert harmless(text)
    assert text.count(r"\x1b ") == (rows if rows < 60 else 10)
    assert repr(escaped(df.iloc[:0])) == repr(df.iloc[:0]).replace("\x9b", r"\x9b")


def test_a_printer_of_the_user_is_used_and_left(ip: InteractiveShell, tmp_path: Path) -> None:
    assert ip.display_formatter is not None
    html = ip.display_formatter.formatters["text/html"]
    ip.run_line_magic("unload_ext", "gptcache_magics")
    html.for_type(pd.DataFrame, theirs := lambda df: f"theirs: {df['text'].iloc[0]}")
    ip.run_line_magic("load_ext", "gptcache_magics")
    df = marked(pd.DataFrame({"text": ["\x1b[31m"]}))
    assert shown(ip, df)[1] == r"theirs: \x1b[31m"
    ip.run_line_magic("unload_ext", "gptcache_magics")
    assert html.for_type(pd.DataFrame) is theirs
    assert ip.display_formatter.formatters["text/plain"].for_type(pd.DataFrame) is None


LATER = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "gptcache_magics")
assert "pandas" not in sys.modules
import pandas as pd
from gptcache_magics.tables.mark import marked
def text(): return shell.display_formatter.format(df)[0]
df = marked(pd.DataFrame({"text": ["\\x1b[31m"]}))
print(text()["text/plain"].isascii() and "\\x1b" not in "".join(text().values()), end=" ")
shell.run_line_magic("unload_ext", "gptcache_magics")
print(text()["text/plain"] == repr(df), end=" ")
print([len(each.deferred_printers) for kind, each in shell.display_formatter.formatters.items() if kind == "text/html"])
"""


def test_pandas_may_come_after_the_extension_and_stay_when_it_goes(tmp_path: Path) -> None:
    assert output_of(LATER, folder=tmp_path) == "True True [0]"


@pytest.mark.kernel
def test_a_kernel_sends_no_byte_that_a_terminal_obeys(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run(f"{WIDE}ask({f'question {HOSTILE}'!r}, {f'model {HOSTILE}'!r})")
        for line in ("entries", "lookups", "models", "stats", "entries --at .gptcache"):
            ran = kernel.run(f"%gptcache {line}")
            assert ran.status == "ok"
            assert r"\x1b" in ran.text
            assert harmless(ran.text)


TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if not pid:
    os.environ["TERM"] = "dumb"
    os.execv(sys.executable, [sys.executable, "-m", "IPython", "--colors=NoColor", "--simple-prompt", "--no-banner",
        "--no-confirm-exit", "--HistoryManager.enabled=False", "-i", "-c", sys.argv[1]])
os.write(terminal, b"df\\nexit()\\n")
said = b""
try:
    while piece := os.read(terminal, 65536):
        said += piece
except OSError:
    pass
print(ascii(said.decode()))
"""
"""A person at a terminal, who types ``df`` and leaves."""


def test_a_terminal_gets_no_byte_that_it_obeys(used: Typist, tmp_path: Path) -> None:
    pytest.importorskip("pty")
    gm.off()
    first = f"%load_ext gptcache_magics\n{WIDE}df = %gptcache entries --at {Path.cwd() / 'store'}"
    said = output_of(TERMINAL, first, folder=tmp_path)
    assert r"\\x1b]0;title\\x07" in said
    assert r"\x07" not in said.replace(r"\\x07", "")
    assert r"\x1b]0" not in said.replace(r"\\x1b", "")
    assert r"\u202e" not in said.replace(r"\\u202e", "")
