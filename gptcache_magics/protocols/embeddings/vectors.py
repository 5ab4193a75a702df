"""Pack the vectors of an embedding as small as they are, so that they come back equal to what was received.

Base64 and numbers that are those of a float32 take 4 bytes a dimension, small whole numbers 1, and all others 8. A
vector with other whole numbers, such as a 0 that a server writes for 0.0, stays JSON, as does what is beside it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    import numpy as np

__all__ = ["dumps", "is_vector", "pack", "unpack"]

JSON: Final = "json"
"""Form of a vector that stays JSON."""
MARK: Final = "$"
"""Name in packed JSON of the place of a vector."""
_ENCODED: Final = frozenset({"embedding", "base64"})
"""Names of texts that are a vector in base64."""
_TYPES: Final = {"base64": "<f4", "single": "<f4", "wide": "<f4", "double": "<f8", "signed": "i1", "unsigned": "u1"}


def pack(item: Any) -> bytes:
    """Return the bytes of what an answer says of one text.

    Raises
    ------
    ValueError
        If it has no vector, or a number that is none.
    """
    vectors: list[bytes] = []
    head = orjson.dumps(_packed(item, "", vectors))
    if not vectors:
        raise ValueError("it has no vector")
    return head + b"\n" + b"".join(vectors)


def unpack(data: bytes) -> Any:
    """Return what ``pack`` was given, with arrays in place of lists. Raises an error of any class for other bytes."""
    head, _, vectors = data.partition(b"\n")
    places = iter(_places(found := orjson.loads(head)))
    begins = 0
    made: dict[int, Any] = {}
    for place in places:
        form, length = place[MARK]
        made[id(place)] = _vector(form, vectors[begins : begins + length], length)
        begins += length
    if begins != len(vectors) or not made:
        raise ValueError("the vectors have another length")
    return _filled(found, made)


def is_vector(value: Any) -> bool:
    """Return whether ``unpack`` has put a vector here."""
    if isinstance(value, str):
        return bool(_decoded(value))
    if isinstance(value, list):
        return bool(value) and {*map(type, value)} <= {int, float}
    return hasattr(value, "dtype")


def dumps(value: Any) -> bytes:
    """Return JSON that may hold arrays."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _packed(value: Any, name: str, vectors: list[bytes]) -> Any:
    if isinstance(value, dict):
        if MARK in value:
            raise ValueError(f"it has a field {MARK}")
        return {name: _packed(each, name, vectors) for name, each in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], str | dict | list):
        form, data = _numbers(value)
    elif isinstance(value, str) and name in _ENCODED:
        form, data = "base64", _decoded(value)
    elif isinstance(value, list):
        return [_packed(each, name, vectors) for each in value]
    else:
        return value
    vectors.append(data)
    return {MARK: [form, len(data)]}


def _numbers(values: list[Any]) -> tuple[str, bytes]:
    """Return the smallest form that gives these numbers back, and their bytes in it."""
    import numpy as np

    if {*map(type, values)} - {int, float}:
        raise ValueError("a vector holds what is no number")
    if {*map(type, values)} == {int}:
        low, high = min(values), max(values)
        if low >= -128 and high < 256 and (low >= 0 or high < 128):
            form = "unsigned" if low >= 0 else "signed"
            return form, np.array(values, _TYPES[form]).tobytes()
    if int in map(type, values):
        return JSON, orjson.dumps(values)
    double = np.array(values, "<f8")
    if not np.isfinite(double).all() or double.tolist() != values:
        raise ValueError("a number is beyond those of a vector")
    with np.errstate(over="ignore"):
        single = double.astype("<f4")
    if (single.astype("<f8") == double).all():
        return "wide", single.tobytes()
    if np.isfinite(single).all() and orjson.loads(dumps(single)) == values:  # as a float32 is written
        return "single", single.tobytes()
    return "double", double.tobytes()


def _decoded(text: str) -> bytes:
    import numpy as np

    data = base64.b64decode(text, validate=True)
    if not data or len(data) % 4 or base64.b64encode(data).decode() != text:
        raise ValueError("a vector is no float32 in base64")
    if not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise ValueError("a vector holds what is no number")
    return data


def _vector(form: str, data: bytes, length: int) -> str | list[float] | np.ndarray:
    import numpy as np

    if len(data) != length:
        raise ValueError("the vectors are cut off")
    if form == JSON:
        values: list[float] = orjson.loads(data)
        if not isinstance(values, list) or {*map(type, values)} - {int, float}:
            raise ValueError("a vector holds what is no number")
        return values
    if form == "base64":
        return base64.b64encode(data).decode()
    found = np.frombuffer(data, _TYPES[form])
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError("a vector holds what is no number")
    return found.astype("<f8") if form == "wide" else found


def _places(value: Any) -> list[dict[str, Any]]:
    """Return the places of vectors, in their order."""
    if isinstance(value, dict):
        return [value] if MARK in value else [place for each in value.values() for place in _places(each)]
    return [place for each in value for place in _places(each)] if isinstance(value, list) else []


def _filled(value: Any, made: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        if id(value) in made:
            return made[id(value)]
        return {name: _filled(each, made) for name, each in value.items()}
    return [_filled(each, made) for each in value] if isinstance(value, list) else value
