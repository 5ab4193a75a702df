"""Keep the credentials of other servers, such as those of MCP, out of keys and out of what is stored of an answer.

Some servers repeat in an answer the tools that a request came with.
"""

from __future__ import annotations

from typing import Any, Final

from gptcache_magics.identity.providers import DECLARATIONS
from gptcache_magics.protocols.base import Json
from gptcache_magics.text.masking import is_credential, without_secrets

__all__ = ["without_credentials"]

_WITH_CREDENTIALS: Final = frozenset({"tools", "mcp_servers", "data_sources", "headers", "extra_headers"})
"""Parameters that may hold credentials of other servers. All else is the model's to see, whatever its name is."""
_SEEN_OF_TOOLS: Final = frozenset(
    [
        *("function", "custom", *DECLARATIONS),
        *("parameters", "input_schema", "input_examples"),
    ]
)
"""Fields of tools that the model sees, in which names are the user's."""


def without_credentials(fields: Json) -> Json:
    """Return the parameters of a request, or the fields of an answer, without the credentials of other servers."""
    return {
        name: _counted(name, value) if name in _WITH_CREDENTIALS else value
        for name, value in fields.items()
        if not is_credential(name, value)
    }


def _counted(name: str, value: Any) -> Any:
    """Return the part of a parameter that counts: without the credentials of other servers."""
    if name != "tools" or not isinstance(value, list):
        return without_secrets(value, name)
    return [
        {**without_secrets(tool), **{each: tool[each] for each in _SEEN_OF_TOOLS if each in tool}}
        if isinstance(tool, dict)
        else tool
        for tool in value
    ]
