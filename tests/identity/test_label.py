"""Labels of configurations."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.calls import Chat, Persona, identity, schema, without_address


@pytest.mark.parametrize(
    ("fields", "kwargs", "label"),
    [
        ({}, {}, "small"),
        ({"temperature": 0.2}, {}, "small · T 0.2"),
        ({"temperature": 0.1 + 0.2}, {}, "small · T 0.3"),
        ({"temperature": 1.0}, {}, "small · T 1"),
        ({}, {"temperature": 0}, "small · T 0"),
        ({"temperature": 0.2}, {"tools": [schema("a")] * 3}, "small · T 0.2 · 3 tools"),
        ({}, {"tools": [schema("a")]}, "small · 1 tool"),
        ({}, {"response_format": Persona}, "small · structured"),
        ({"model": "large", "seed": 7, "strict": True}, {}, "large · seed 7 · strict True"),
        ({"instructions": "x" * 100}, {}, "small · instructions"),
        ({}, {"stop": ["."]}, "small · stop"),
        ({}, {f"p{n}": n for n in range(9)}, "small · p0 0 · p1 1 · p2 2 · p3 3 · p4 4 · …"),
    ],
    ids=without_address,
)
def test_a_configuration_is_labelled_by_what_is_not_as_usual(
    fields: Mapping[str, Any], kwargs: Mapping[str, Any], label: str
) -> None:
    assert identity(Chat(**fields), **kwargs).configuration.label == label
