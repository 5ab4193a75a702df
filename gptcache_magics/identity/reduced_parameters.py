"""Take what changes no answer away from the fields and arguments that were read of a call.

Only of classes whose requests have been compared: of any other class, everything counts.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.facts import Facts
from gptcache_magics.text.masking import HIDDEN, are_headers

__all__ = ["reduced"]

Parameters = dict[str, Any]
_TOOLS: Final = ("tools", "functions")
_OBJECT: Final = f'"{HIDDEN}":'.encode()
"""Stands in the JSON of a value that is not JSON data."""


def reduced(
    facts: Facts, fields: Parameters, arguments: Parameters, bookkeeping: Container[str]
) -> tuple[Parameters, Parameters]:
    """Return the fields and arguments of a call that change its answer.

    Parameters
    ----------
    bookkeeping
        Names of parameters of the request that the provider documents not to change an answer.
    """
    if not facts.known:
        return fields, arguments
    more = fields.get("model_kwargs")
    more = more if isinstance(more, Mapping) else {}
    defaults = {name for name, default in facts.counted if default}
    reduction = _Reduction(bookkeeping, facts.takes_headers)
    kept = reduction(fields, defaults)
    if more:
        kept["model_kwargs"] = reduction(more, {*fields, *defaults})
        if not kept["model_kwargs"]:
            del kept["model_kwargs"]
    return kept, reduction(arguments, {*fields, *more})


class _Reduction(NamedTuple):
    """The names and values to take away from the parameters of one call."""

    bookkeeping: Container[str]
    takes_headers: bool

    def __call__(self, given: Mapping[str, Any], replacing: Container[str]) -> Parameters:
        """Return parameters without bookkeeping, and without mappings that held credentials and tracking only.

        Parameters
        ----------
        replacing
            Names of parameters with another value, whose place even an empty mapping takes.
        """
        kept: Parameters = {}
        for name, value in given.items():
            if name in self.bookkeeping:
                continue
            if name == "extra_body" and isinstance(value, Mapping):
                value = {each: item for each, item in value.items() if each not in self.bookkeeping}
            if value == {} and self.takes_headers and name not in replacing and _is_added(name):
                continue
            kept[name] = _in_one_order(value) if name in _TOOLS else value
        return kept


def _is_added(name: str) -> bool:
    """Return whether a parameter of this name holds what is added to a request."""
    return name == "extra_body" or are_headers(name)


def _in_one_order(tools: Any) -> Any:
    """Return tools sorted by their content, unless two have one name, or one has none: then their order counts."""
    if not isinstance(tools, list) or len(tools) < 2:
        return tools
    names = [_name(tool) for tool in tools]
    if not all(names) or len({*names}) < len(names):
        return tools
    content = [dumps(tool) for tool in tools]
    if any(_OBJECT in each for each in content):  # it may refer to one that was read before
        return tools
    return [tool for _, tool in sorted(zip(content, tools, strict=True), key=lambda pair: pair[0])]


def _name(tool: Any) -> str:
    """Return the name of a tool, or the type of one that the provider runs itself."""
    if not isinstance(tool, Mapping):
        return ""
    function = tool.get("function")
    kind = tool.get("type")
    name = tool.get("name") or (isinstance(function, Mapping) and function.get("name"))
    return str(name or (kind if kind != "function" else None) or "")
