"""``-m``: a model by its name, by a part of it, or by a glob."""

from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from tests.support.filled_store import CLAUDE, LLAMA, MINI, MINI_HOT, FilledStore, configuration

MODELS = (MINI, MINI_HOT, CLAUDE, LLAMA, configuration("openai", "gpt-4o"), configuration("groq", "llama3"))
MODEL_FILE = configuration("ollama", "SmolLM2-135M-Instruct.Q4_1.gguf [q4]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with an entry and a lookup of each configuration."""
    folder = tmp_path_factory.mktemp("models")
    store = FilledStore(folder)
    for number, each in enumerate((*MODELS, MODEL_FILE)):
        store.keep(each, key=f"{number:02}" * 16)
        store.look("miss", each)
    store.close()
    return folder


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        ("gpt-4o", ["gpt-4o"]),
        ("gpt-4o-mini", ["gpt-4o-mini · T 0", "gpt-4o-mini · T 0.7"]),
        ("mini", ["gpt-4o-mini · T 0", "gpt-4o-mini · T 0.7"]),
        ("T 0.7", ["gpt-4o-mini · T 0.7"]),
        ("Sonnet", ["claude-sonnet-4-0"]),
        ("anthropic/", ["claude-sonnet-4-0"]),
        ("smollm", [MODEL_FILE.label]),
        ("[q4]", [MODEL_FILE.label]),
        ("gpt-4o*", ["gpt-4o", "gpt-4o-mini · T 0", "gpt-4o-mini · T 0.7"]),
        ("GPT-4?", ["gpt-4o"]),
        ("*mini", ["gpt-4o-mini · T 0", "gpt-4o-mini · T 0.7"]),
        ("openai/*", ["gpt-4o", "gpt-4o-mini · T 0", "gpt-4o-mini · T 0.7"]),
        ("* T 0.*", ["gpt-4o-mini · T 0.7"]),
        ("groq/llama3", ["llama3"]),
        ("llama3", ["llama3", "llama3"]),
        ("*", sorted(each.label for each in (*MODELS, MODEL_FILE))),
    ],
)
def test_a_name_a_part_or_a_glob_selects_the_same_in_every_table(folder: Path, typed: str, labels: list[str]) -> None:
    assert sorted(gm.lookups(model=typed, at=folder)["configuration"]) == labels
    assert sorted(gm.entries(model=typed, at=folder)["configuration"]) == labels
    assert gm.stats("total", model=typed, at=folder)["lookups"].tolist() == [len(labels)]
    assert gm.why(model=typed, at=folder).explanation.configuration.label in labels


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("gpt", "'gpt' fits gpt-4o and gpt-4o-mini. Type more, or a glob: -m 'gpt*'"),
        ("4o", "'4o' fits gpt-4o and gpt-4o-mini. Type more, or a glob: -m '*4o*'"),
        ("groq", None),
        ("ollama", "'ollama' fits SmolLM2-135M-Instruct.Q4_1.gguf [q4] and llama3 (ollama). Type more, or a glob: …"),
        ("4", f"'4' fits {MODEL_FILE.model}, claude-sonnet-4-0, gpt-4o and gpt-4o-mini. Type more, or a glob: …"),
        ("a", f"'a' fits {MODEL_FILE.model}, claude-sonnet-4-0, gpt-4o, gpt-4o-mini, llama3 (groq) and more. Type …"),
        ("gpt-5*", "No model 'gpt-5*' in this store. Did you mean …"),
        ("", "No model '' in this store. …"),
    ],
)
def test_an_unclear_part_is_refused_with_what_to_type(folder: Path, typed: str, told: str | None) -> None:
    for command in (gm.stats, gm.lookups, gm.entries, gm.why):
        if told is None:
            command(model=typed, at=folder)
            continue
        with pytest.raises(CommandError) as caught:
            command(model=typed, at=folder)
        assert str(caught.value).startswith(told.rstrip("…")) if told.endswith("…") else str(caught.value) == told
