"""Any value as canonical JSON: equal values give equal bytes in every process, and different values different bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import orjson

from gptcache_magics.identity.model import model_fields, model_name
from gptcache_magics.text.masking import HIDDEN, without_secrets

__all__ = ["ADDRESS", "dumps"]

ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""The address of an object in memory, as its ``repr`` writes it."""


def dumps(value: Any) -> bytes:
    """Return JSON with sorted keys, the same for equal values in every process."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except (TypeError, ValueError):
        return orjson.dumps(_portable(value), option=options)


def _portable(value: Any) -> Any:
    """Convert the values that orjson refuses: integers over 64 bits, lone surrogates, keys that are not text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_portable(str(name)): _portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else str(value)
    return value if value is None or isinstance(value, bool | float) else _portable(_plain(value))


def _plain(value: Any) -> Any:
    """Return what distinguishes an object from others of its class, without its address."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "get_secret_value"):
        return None
    if isinstance(value, type):
        return _schema(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain_state(item, 3) for item in value), key=repr)
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if hasattr(type(value), "model_fields") and hasattr(value, "generate_prompt"):  # a language model within another
        return [kind, model_name(value, {}), model_fields(value)]
    if isinstance(value, partial):
        return _object(kind, _plain(value.func), value.args, value.keywords)
    if isinstance(value, MethodType):
        return _object(kind, _plain(value.__func__), _plain(value.__self__))
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        kept = _plain_state([cells, value.__defaults__, value.__kwdefaults__], 1)
        return _object(f"{value.__module__}.{value.__qualname__}", _plain_state(value.__code__, 1), kept)
    return _plain_state(value, 3)


def _schema(kind: type) -> Any:
    try:
        return kind.model_json_schema()  # type: ignore[attr-defined]
    except Exception:  # not a pydantic class, or one without a JSON schema
        return f"{kind.__module__}.{kind.__qualname__}"


def _plain_state(value: Any, depth: int) -> Any:
    """Return the data that an object holds, ``depth`` objects deep; deeper objects give only their class."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return without_secrets({str(name): _plain_state(item, depth) for name, item in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain_state(item, depth) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if isinstance(value, CodeType):  # without its file name: a notebook puts the number of the process into it
        return [value.co_code.hex(), value.co_names, _plain_state(value.co_consts, depth)]
    if isinstance(value, type | ModuleType):
        return [getattr(value, "__module__", ""), value.__name__]
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if depth == 0:
        return kind
    if isinstance(value, FunctionType | MethodType | partial):
        return _plain(value)
    state = {**getattr(value, "__dict__", {}), **(getattr(value, "model_extra", None) or {})}
    slots = [
        name for base in type(value).__mro__ for name in getattr(base, "__slots__", ()) if not name.startswith("__")
    ]
    state.update({name: getattr(value, name) for name in slots if hasattr(value, name)})
    shown = ADDRESS.sub("", repr(value)) if not state else ""
    return _object(kind, shown, without_secrets({name: _plain_state(item, depth - 1) for name, item in state.items()}))


def _object(kind: str, *data: Any) -> dict[str, Any]:
    """Return an object whose data counts but is not shown."""
    return {HIDDEN: kind, "data": data}
