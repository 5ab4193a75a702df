"""Functions, tools and classes count with what they do, and not with where they stand."""

import dataclasses
import functools
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool
from pydantic import BaseModel, create_model

from tests.support.calls import Chat, key

CACHED = "import functools\n@functools.cache\n"
HEAD = """
from typing import Any, ClassVar
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

"""
MODEL = """
class Mine(BaseChatModel):
    tone: str = "kind"

    @property
    def _llm_type(self):
        return "mine"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("one"))])
"""


def cell(source: str, name: str) -> Any:
    """Return what a notebook's cell defines under a name."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), space)
    return space[name]


def function(source: str) -> Callable[..., Any]:
    """Return the function ``f`` of a cell."""
    made: Callable[..., Any] = cell(source, "f")
    return made


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(city: str): return 1", "def f(city: int): return 1"),
        ("def f(city): return 1", "def f(country): return 1"),
        ("def f(a):\n '''Look up.'''\n return 1", "def f(a):\n '''Search.'''\n return 1"),
        ("def f(a=1): return a", "def f(a=2): return a"),
        ("def f(*, a=1): return a", "def f(*, a=2): return a"),
        ("def f(a, b): return 1", "def f(a, *, b): return 1"),
        ("def f(a): return 1", "def f(a): return True"),
        ("def f(a): return 0.0", "def f(a): return -0.0"),
        ("def f(a): return [lambda: 1]", "def f(a): return [lambda: 2]"),
        ("def f(a): return a + 1", "def f(a): return a - 1"),
        ("TONE = 'kind'\ndef f(a): return TONE", "TONE = 'rude'\ndef f(a): return TONE"),
        ("TONES = {'a': 'kind'}\ndef f(a): return TONES[a]", "TONES = {'a': 'rude'}\ndef f(a): return TONES[a]"),
        *(
            (f"WORD = 'a'\ndef f(a, d={{}}):\n {body}", f"WORD = 'b'\ndef f(a, d={{}}):\n {body}")
            for body in (
                "b = c = WORD\n return c",
                "return 'a' < WORD < a",
                "return WORD or 'd'",
                "return WORD and 'd'",
                "d[WORD] = a",
                "d[WORD] += a",
                "del d[WORD]",
                "d[a] = WORD",
                "a.WORD = WORD",
                "a.WORD.append(WORD)",
                "return (b := WORD)",
            )
        ),
        ("def g(): return 1\ndef f(a): return g()", "def g(): return 2\ndef f(a): return g()"),
        ("class G:\n x = 1\ndef f(a): return G()", "class G:\n x = 2\ndef f(a): return G()"),
        (f"{CACHED}def f(a): return 1", f"{CACHED}def f(a): return 2"),
    ],
)
def test_functions_that_do_something_else_differ(one: str, two: str) -> None:
    for wrap in (lambda each: each, tool_of, lambda each: functools.partial(each, 1)):
        assert key(tools=[wrap(function(one))]) != key(tools=[wrap(function(two))])
        assert key(tools=[wrap(function(one))]) == key(tools=[wrap(function("\n\n" + one))])


def tool_of(each: Callable[..., Any]) -> BaseTool:
    """Return a tool that calls a function."""
    return StructuredTool.from_function(func=each, name="f", description="d", args_schema={"type": "object"})


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("CALLS = []\ndef f(a): CALLS.append(a)", "CALLS = [7]\ndef f(a): CALLS.append(a)"),
        ("N = 0\ndef f(a):\n global N\n N += 1", "N = 7\ndef f(a):\n global N\n N += 1"),
        ("N = {}\ndef f(a): N[a] = 1", "N = {1: 1}\ndef f(a): N[a] = 1"),
        ("N = {}\ndef f(a): N[a] += 1", "N = {1: 1}\ndef f(a): N[a] += 1"),
        ("N = {}\ndef f(a): del N[a]", "N = {1: 1}\ndef f(a): del N[a]"),
    ],
)
def test_a_function_that_counts_its_calls_stays_the_same(one: str, two: str) -> None:
    assert key(tools=[function(one)]) == key(tools=[function(two)])


def looked_up(word: str) -> Callable[[str], str]:
    """Return a tool that keeps a word."""

    def look(city: str) -> str:
        """Look up."""
        return city + word

    return look


def test_methods_and_closures_count_with_what_they_hold() -> None:
    assert key(tools=[tool(looked_up("a"))]) == key(tools=[tool(looked_up("a"))]) != key(tools=[tool(looked_up("b"))])
    assert key(tools=[Box(1).get]) == key(tools=[Box(1).get]) != key(tools=[Box(2).get])


class Box:
    """Keeps a value."""

    def __init__(self, value: int) -> None:
        self.value = value

    def get(self) -> int:
        """Return it."""
        return self.value


class Searcher(BaseTool):
    """A tool with a field."""

    name: str = "search"
    description: str = "Search."
    most: int = 3

    def _run(self, question: str) -> str:
        return question * self.most


def test_a_tool_of_a_class_of_its_own_counts_with_its_fields() -> None:
    assert key(tools=[Searcher()]) == key(tools=[Searcher(tags=["a"])]) != key(tools=[Searcher(most=4)])


SCHEMAS: list[tuple[Any, Any]] = [
    (create_model("Reply", a=(int, ...)), create_model("Reply", a=(str, ...))),
    (create_model("Reply", a=(int, ...)), create_model("Reply", b=(int, ...))),
    (create_model("Reply", __doc__="One.", a=(int, ...)), create_model("Reply", __doc__="Two.", a=(int, ...))),
    (typing.TypedDict("Reply", {"a": int}), typing.TypedDict("Reply", {"a": str})),  # type: ignore[operator]
    (typing.TypedDict("Reply", {"a": int}), typing.TypedDict("Reply", {"a": int}, total=False)),  # type: ignore[operator]
    (dataclasses.make_dataclass("Reply", [("a", int)]), dataclasses.make_dataclass("Reply", [("a", str)])),
    (Enum("Reply", ["A", "B"]), Enum("Reply", ["A", "C"])),
    (list[int], list[str]),
    (int | None, str | None),
    (typing.Literal["a"], typing.Literal["b"]),
    (typing.Annotated[int, "a"], typing.Annotated[int, "b"]),
]


@pytest.mark.parametrize(("one", "two"), SCHEMAS, ids=[str(number) for number in range(len(SCHEMAS))])
def test_classes_of_one_name_with_another_schema_differ(one: Any, two: Any) -> None:
    assert key(tools=[one]) == key(tools=[one]) != key(tools=[two]) == key(tools=[two])
    assert key(response_format=one) != key(response_format=two)


def test_a_schema_without_code_counts_as_the_json_that_a_provider_is_sent() -> None:
    class Reply(BaseModel):
        """A reply."""

        answer: str

    assert key(guided_json=Reply) == key(guided_json=Reply.model_json_schema())


# Classes of models


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"one"', '"two"'),
        ('"kind"', '"rude"'),
        ('tone: str = "kind"', 'tone: str = "kind"\n    other: int = 1'),
        ('tone: str = "kind"', 'tone: str = "kind"\n    WORD: ClassVar[str] = "a"'),
        ('tone: str = "kind"', 'tone: str = "kind"\n    _word: str = PrivateAttr("a")'),
        ("AIMessage", "WORD and AIMessage"),
    ],
)
def test_a_class_defined_again_with_another_body_is_another_class(old: str, new: str) -> None:
    one, two = (cell(HEAD + source, "Mine") for source in (MODEL, MODEL.replace(old, new, 1)))

    assert key(one()) != key(two())
    assert key(cell(HEAD + "\n\n" + MODEL, "Mine")()) == key(one())


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("before", ["", "@functools.lru_cache\n    "])
def test_a_class_defined_again_while_the_cache_is_on_is_another_class(before: str) -> None:
    told = f"    __hash__ = object.__hash__\n\n    {before}def told(self):\n        return 'one'\n"
    sources = [MODEL, MODEL.replace('"one"', '"two"'), MODEL.replace('"one"', "self.told()") + told]
    sources.append(sources[2].replace("'one'", "'two'"))
    models = [cell("import functools" + HEAD + source, "Mine") for source in sources]
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(HEAD + MODEL.replace('"one"', "WORD"), space)
    answers = []
    for space["WORD"] in ("three", "four"):
        answers.append(space["Mine"]().invoke("q").content)

    assert [kind().invoke("q").content for kind in models] == ["one", "two"] * 2
    assert answers == ["three", "four"]


def test_a_constant_that_a_model_reads_counts_as_it_is_now() -> None:
    space: dict[str, Any] = {"__name__": "__main__", "WORD": "a"}
    exec(HEAD + MODEL.replace('"one"', "WORD"), space)
    model = space["Mine"]()
    before = key(model)
    space["WORD"] = "b"

    assert key(model) != before


def test_a_class_that_counts_its_calls_stays_the_same() -> None:
    counting = MODEL.replace('tone: str = "kind"', "CALLS: ClassVar[list] = []").replace(
        "        return Chat", "        self.CALLS.append(1)\n        return Chat"
    )
    model = cell(HEAD + counting, "Mine")()
    before = key(model)
    model.invoke("question")

    assert key(model) == before


def test_a_method_that_is_replaced_is_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(Chat())
    monkeypatch.setattr(Chat, "_generate", lambda self, *arguments, **options: None)

    assert key(Chat()) != before
