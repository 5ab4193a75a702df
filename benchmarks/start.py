"""Time to start: ``%load_ext``, ``gm.on()`` and the first lookup, each in a fresh process.

The second column says what was imported before the clock started; the last one, which heavy packages the step imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from measure import Bar, Options, median, rounds, table

__all__ = ["run"]

HEAVY: Final = ("gptcache", "langchain_core", "langchain_community", "pandas", "ipywidgets", "sqlalchemy")

_STOCK = (
    "from langchain_community.cache import GPTCache; from gptcache.manager.factory import manager_factory;"
    " from gptcache.processor.pre import get_prompt; from langchain_core.globals import set_llm_cache;"
    " set_llm_cache(GPTCache(lambda cache, llm_string: cache.init("
    "pre_embedding_func=get_prompt, data_manager=manager_factory('map'))))"
)
_SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"
_MODELS = "import langchain_core.globals; from langchain_core.language_models import BaseChatModel, BaseLLM"
_ON = "import gptcache_magics as gm; cache = gm.on('store')"
_LOOKUP = "langchain_core.globals.get_llm_cache().lookup('a prompt', 'an llm_string')"

STEPS: Final = {
    "%load_ext gptcache_magics": ("IPython", _SHELL, "shell.run_line_magic('load_ext', 'gptcache_magics')"),
    "gm.on()": ("langchain_core", "import langchain_core", _ON),
    "import LangChain's models, for comparison": ("langchain_core", "import langchain_core", _MODELS),
    "gm.on(), models imported": ("langchain_core's models", _MODELS, _ON),
    "gm.on(), ChatOpenAI imported": ("langchain_openai", "import langchain_openai.chat_models.base", _ON),
    "first lookup of ours": ("gm.on()", f"{_MODELS}; {_ON}", _LOOKUP),
    "stock GPTCache, set as the cache": ("langchain_core's models", _MODELS, _STOCK),
    "first lookup of stock": ("stock GPTCache", f"{_MODELS}; {_STOCK}", _LOOKUP),
}
_CHILD = """
import sys, time, json, warnings
warnings.simplefilter("ignore")
{before}
heavy = {heavy!r}
present = [name for name in heavy if name in sys.modules]
clock = time.process_time if {cpu} else time.perf_counter
started = clock()
{step}
seconds = clock() - started
print(json.dumps([seconds, [name for name in heavy if name in sys.modules and name not in present]]))
"""


def run(options: Options) -> list[Bar]:
    """Print what each step takes; two of them have a bar."""
    imported: dict[str, list[str]] = {}

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        _, before, step = STEPS[name]
        folder = options.folder / f"start {len(list(options.folder.iterdir()))}"
        folder.mkdir()
        code = _CHILD.format(before=before, step=step, heavy=HEAVY, cpu=options.cpu)
        environment = {**os.environ, "IPYTHONDIR": str(options.folder / "ipython")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        child = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if child.returncode:
            raise RuntimeError(f"{name}: {child.stderr.strip().splitlines()[-1]}")
        seconds, imported[name] = json.loads(child.stdout.splitlines()[-1])
        return {"start": float(seconds)}

    samples = rounds(STEPS, 1 if options.quick else 9, turn)["start"]
    print("### Start, in fresh processes\n")
    rows = (
        (name, before, f"{median(samples[name]) * 1e3:,.0f}", ", ".join(imported[name]) or "none")
        for name, (before, _, _) in STEPS.items()
    )
    table(("step", "imported before", "ms", f"of {', '.join(HEAVY)} it imported"), rows)
    load, on = median(samples["%load_ext gptcache_magics"]), median(samples["gm.on(), models imported"])
    bare = median(samples["gm.on()"])
    brought = [name for name in imported["gm.on()"] if name in ("gptcache", "langchain_community")]
    loaded = imported["%load_ext gptcache_magics"]
    return [
        Bar("%load_ext: ≤ 30 ms over IPython", f"{load * 1e3:.0f} ms", load <= 0.030),
        Bar("%load_ext imports none of the heavy packages", ", ".join(loaded) or "none", not loaded),
        Bar("gm.on() after import langchain_core: ≤ 0.5 s", f"{bare:.2f} s", bare <= 0.5),
        Bar("gm.on() after LangChain's models: ≤ 0.5 s", f"{on:.2f} s", on <= 0.5),
        Bar("gm.on() imports neither gptcache nor langchain_community", ", ".join(brought) or "neither", not brought),
    ]
