"""Name what changed inside a tool: its description, its parameters and their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from gptcache_magics.identity.providers import DECLARATIONS
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import as_text, cut, word_diff

__all__ = ["tool_changes"]

WRAPPERS: Final = (
    "function",
    "parameters",
    "input_schema",
    "inputSchema",
    "schema",
    "properties",
    "parametersJsonSchema",
    "parameters_json_schema",
)
"""Names that providers put around what a person wrote."""
CHARACTERS: Final = 60
DIFF_CHARACTERS: Final = 160
PARTS: Final = 5
"""Most changes of one tool that are named."""


def tool_changes(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yield the changes of a list of tools: ``tools changed: search (description “a” → “b”)``."""
    if old == new:
        return
    before, after = _named(old), _named(new)
    for what, names in (
        ("added", [each for each in after if each not in before]),
        ("removed", [each for each in before if each not in after]),
    ):
        if names:
            yield f"{name} {what}: {masked(', '.join(names))}"
    changed = [each for each in after if each in before and before[each] != after[each]]
    for each in changed:
        parts = [*_parts(before[each], after[each])]
        more = f", and {len(parts) - PARTS} more" if len(parts) > PARTS else ""
        yield f"{name} changed: {masked(each)} ({', '.join(parts[:PARTS])}{more})"
    if not changed and before.keys() == after.keys():
        yield f"{name} in another order"


def _parts(old: Any, new: Any) -> Iterator[str]:
    """Yield what differs in one tool. A parameter that only one of the two has is one difference."""
    before, after = _flat(old), _flat(new)
    had, has = ({*map(_parameter, each)} - {()} for each in (before, after))
    yield from (f"{_name_of(each)} added" for each in sorted(has - had))
    yield from (f"{_name_of(each)} removed" for each in sorted(had - has))
    for path in dict.fromkeys((*after, *before)):
        if _parameter(path) in had ^ has:
            continue
        if path not in before:
            yield f"{_name_of(path)} added: {_shown(after[path])}"
        elif path not in after:
            yield f"{_name_of(path)} removed"
        elif before[path] != after[path]:
            yield f"{_name_of(path)} {_change(before[path], after[path])}"


def _parameter(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the place of the parameter that holds a place; empty if none does."""
    return path[: path.index("properties") + 2] if "properties" in path[:-1] else ()


def _flat(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return the values of a tool by their places."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[tuple[str, ...], Any] = {}
    for name, each in value.items():
        found |= _flat(each, (*path, str(name)))
    return found


def _name_of(path: tuple[str, ...]) -> str:
    """Return the name of a place in a tool: ``description``, ``parameter place``, ``parameter place.type``."""
    inside = [name for at, name in enumerate(path) if name not in WRAPPERS or (at and path[at - 1] == "properties")]
    return f"{'parameter ' if 'properties' in path[:-1] else ''}{'.'.join(inside) or 'it'}"


def _change(old: Any, new: Any) -> str:
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > CHARACTERS:
        return cut(as_text(word_diff(masked(old), masked(new))), DIFF_CHARACTERS)
    shown = _shown(old), _shown(new)
    return " → ".join(shown) if shown[0] != shown[1] else "changed"


def _each(tools: Any) -> Iterator[Any]:
    """Yield tools one by one: Google's declare several functions in one."""
    for tool in tools if isinstance(tools, list) else []:
        found = [tool.get(name) for name in DECLARATIONS] if isinstance(tool, dict) else []
        declared = next((each for each in found if isinstance(each, list)), None)
        if declared is not None:
            yield from declared
            beside = {name: each for name, each in tool.items() if name not in DECLARATIONS}
            yield from [beside] if beside else []
        else:
            yield tool


def _named(tools: Any) -> dict[str, Any]:
    """Return tools by their names, as OpenAI, Anthropic, Google, Ollama and LangChain write them."""
    named: dict[str, Any] = {}
    for tool in _each(tools):
        found = tool.get("function", tool) if isinstance(tool, dict) else {}
        name = _name(found) if isinstance(found, dict) else None
        named[str(name or "unnamed")] = tool
    return named


def _name(tool: dict[str, Any]) -> Any:
    """Return the name of a tool; of a provider's own without one, such as ``google_search``, its only field."""
    alone = next(iter(tool)) if len(tool) == 1 else None
    return tool.get("name") or tool.get("title") or tool.get("type") or alone


def _shown(value: Any) -> str:
    text = f"“{value}”" if isinstance(value, str) else orjson.dumps(value).decode()
    text = masked(text)
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
