"""Scripts and styles that a browser gets: without comments and indents, and otherwise as they are written."""

from pathlib import Path

from gptcache_magics.widgets.scripts import one_module, one_style


def test_only_whole_lines_of_comments_and_indents_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(
        "// About it.\n/** @param {string} x\n *  @returns {string} */\nexport function a(x) {\n  // why\n"
        '  const y = /** @type {any} */ (x); // "//" stays\n\n  /** @type {string} */ (y.z) = "/* no comment */";\n}\n'
    )
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport default { a };\n')
    (tmp_path / "c.css").write_text("/* Why. */\n.c {\n  color: red; /* here */\n}\n")
    assert one_module(tmp_path, "a", "b") == (
        'function a(x) {\nconst y = /** @type {any} */ (x); // "//" stays\n'
        '/** @type {string} */ (y.z) = "/* no comment */";\n}\nexport default { a };\n'
    )
    assert one_style(tmp_path, "c") == ".c {\ncolor: red; /* here */\n}\n"
