"""Values as canonical JSON: different for different values, the same for equal ones in every process."""

import array
import collections
import datetime
import decimal
import functools
import json
import math
import pathlib
import re
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.calls import Chat, Color, Login, Open, Pair, Persona, Plain, Slotted, key, suffixed, without_address
from tests.support.processes import output_of


def nested(value: Any, depth: int = 60) -> list[Any]:
    """Return a value in many lists."""
    return [value] if not depth else [nested(value, depth - 1)]


def chained(value: Any, depth: int = 60) -> Plain:
    """Return a value in many objects."""
    return Plain(a=value if not depth else chained(value, depth - 1))


def changed(values: Any, place: int, value: Any) -> Any:
    """Return a copy of an array or a frame with one other value."""
    copy = values.copy()
    if isinstance(copy, pd.DataFrame):
        copy.iloc[place, 0] = value
    else:
        copy[place] = value
    return copy


LONG = np.zeros(5000)
FRAME = pd.DataFrame({"a": range(3000), "b": ["x"] * 3000})


class Text(str):
    """A text of the user's own class."""

    __slots__ = ("mood",)


class Numbers(list[int]):
    """A list of the user's own class."""


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (LONG, changed(LONG, 2500, 1)),
        (LONG, LONG.astype("float32")),
        (LONG.reshape(50, 100), LONG.reshape(100, 50)),
        (np.array([1, None], object), np.array([2, None], object)),
        (np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-02"], "M8[D]")),
        (np.float64(1), np.float64(2)),
        (FRAME, changed(FRAME, 1500, 9)),
        (FRAME, FRAME.rename(columns={"b": "c"})),
        (FRAME["a"], FRAME["b"]),
        (FRAME.index, FRAME.index + 1),
        (pd.Categorical(["a", "b"]), pd.Categorical(["b", "a"])),
        (pd.Timestamp(1), pd.Timestamp(2)),
        (b"ab", "6162"),
        (b"ab", "b'ab'"),
        (b"a" * 5000, b"a" * 4999 + b"b"),
        (memoryview(b"a"), memoryview(b"b")),
        (2**70, str(2**70)),
        (math.nan, "nan"),
        ([math.nan], [None]),
        ([math.inf], [-math.inf]),
        (-0.0, 0.0),
        ({1, 2}, [1, 2]),
        ({1: "a", "1": "b"}, {"1": "b"}),
        ("half \ud83d", "half \\ud83d"),
        (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
        (datetime.timedelta(1), datetime.timedelta(2)),
        (decimal.Decimal("1.0"), decimal.Decimal("1.1")),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (pathlib.PurePath("a"), pathlib.PurePath("b")),
        (collections.deque([1]), collections.deque([2])),
        (array.array("d", [1]), array.array("d", [2])),
        (slice(1), slice(2)),
        (Text("a"), Text("b")),
        (Numbers([1]), Numbers([2])),
        (nested(1), nested(2)),
        (chained(1), chained(2)),
        (Plain(_a=1), Plain(_a=2)),
        (Plain(client=Plain(a=1)), Plain(client=Plain(a=2))),
        ("https://x/one/", "https://x/one"),
        (1, 2),
        (1, 1.5),
        (0, False),
        ("a", "A"),
        ("half \ud83d", "half \ud83e"),
        (2**70, 2**70 + 1),
        ({"a": 2**70}, {"a": -(2**70)}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({("a", "b"): 1}, {("a", "b"): 2}),
        ({("a", "b"): 1}, {("a", "c"): 1}),
        ([1, 2], [2, 1]),
        ({"a": 1}.keys(), {"b": 1}.keys()),
        ({"a": 1}.values(), {"a": 2}.values()),
        ({"a": 1}.items(), {"a": 2}.items()),
        ({"a", "b"}, {"a", "c"}),
        (frozenset({1}), frozenset({2})),
        (Color.RED, Color.BLUE),
        (Persona(name="Ada"), Persona(name="Bob")),
        (Persona(tags=["a"]), Persona(tags=["b"])),
        ([Persona(name="Ada")], [Persona(name="Bob")]),
        (Persona, Login),
        (Login(user="ada"), Login(user="bob")),
        (Login(more={"a": 1}), Login(more={"a": 2})),
        (Pair("ada", ""), Pair("bob", "")),
        (Plain(a=1), Plain(a=2)),
        (Plain(a=[1]), Plain(a=[2])),
        (Slotted(1), Slotted(2)),
        (Open(mood="good"), Open(mood="bad")),  # type: ignore[call-arg]
        (Plain(a=Plain(b=1)), Plain(a=Plain(b=2))),
        (b"one", b"two"),
        (1 + 2j, 1 + 3j),
        (str.upper, str.lower),
        (lambda text: text.upper(), lambda text: text.lower()),
        (lambda text: text + "a", lambda text: text + "b"),
        (lambda text="a": text, lambda text="b": text),
        (suffixed("a"), suffixed("b")),
        (functools.partial(suffixed, "a"), functools.partial(suffixed, "b")),
        (functools.partial(str.upper), functools.partial(str.lower)),
        (functools.partial(suffixed("a")), functools.partial(suffixed("b"))),
        (Plain(a=1).method, Plain(a=2).method),
        ("Read https://x/#one and answer.", "Read https://x/#two and answer."),
        ("https://x/?page=1", "https://x/?page=2"),
        ("https://x/one", "https://x/two"),
        ("https://x/#one", "https://x/#two"),
    ],
    ids=lambda value: without_address(value)[:40],
)
def test_two_values_of_a_field_differ(one: Any, two: Any) -> None:
    assert key(Chat(anything=one)) != key(Chat(anything=two))
    assert key(anything=one) != key(anything=two)
    assert key(Chat(anything={"nested": [one]})) != key(Chat(anything={"nested": [two]}))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (Plain(), Plain()),
        (Plain(a=1), Plain(a=1)),
        ([Plain()], [Plain()]),
        (Persona(name="Ada"), Persona(name="Ada")),
        (Login(), Login()),
        (suffixed("a"), suffixed("a")),
        (LONG, LONG.copy()),
        (np.arange(10)[::2], np.arange(0, 10, 2)),
        (FRAME, FRAME.copy()),
        ((1, 2), [1, 2]),
        (Plain(lock=threading.Lock(), a=1), Plain(lock=threading.Lock(), a=1)),
        (math.nan, float("nan")),
        ({"api_key": "one"}, {"api_key": "two"}),
        ({"headers": {"Authorization": "one"}}, {"headers": {"Authorization": "two"}}),
        (Login(password="one"), Login(password="two")),
        ("https://ada:one@x/v1", "https://ada:two@x/v1"),
    ],
    ids=lambda value: without_address(value)[:40],
)
def test_equal_values_of_a_field_share_a_key(one: Any, two: Any) -> None:
    assert key(Chat(anything=one)) == key(Chat(anything=two))
    assert key(anything=one) == key(anything=two)


def test_any_value_of_a_field_has_a_key() -> None:
    """Even what pydantic has no schema for, or what JSON has no word for."""
    values = (
        Chat,
        Plain,
        object,
        json,
        len,
        math.nan,
        range(3),
        {1: 2**70, "a": 1},
        {"\ud83d": "\ud83d"},
        ...,
    )

    assert len({key(Chat(anything=value)) for value in values}) == len(values)


PROCESS = """
import functools, os
from tests.support.calls import *
source = '''
def has(text):
    return [word for word in text.split() if word in {"one", "two", "three"} or (lambda: word)()]
'''
space = {"__name__": "__main__"}
exec(compile(source, f"/tmp/kernel_{os.getpid()}/1.py", "exec"), space)  # as a notebook's cell is compiled
values = [
    {"a", "b", "c", "d"}, frozenset("abcdef"), {"a": {"x", "y", "z"}}, Plain(), Plain(a={"x", "y"}), object(),
    str.upper, space["has"], functools.partial(space["has"], "text"), Persona(), Persona, Login(), Color.RED,
    suffixed("a"), 2**70,
]
for value in values:
    print(key(Chat(anything=value)), repr(value)[:60].partition(" at 0x")[0].split("{")[0])
"""


@pytest.mark.slow
def test_the_key_is_the_same_in_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keys(seed: str) -> list[str]:
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        return [line.partition(" ")[0] for line in output_of(PROCESS, folder=tmp_path).splitlines()]

    one, two = keys("1"), keys("2")
    assert len(set(one)) == len(one) > 10
    assert one == two
