"""Of a class that nobody has compared with its requests, everything counts."""

import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import PrivateAttr

from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.langchain import hooks
from gptcache_magics.langchain.hooks import METHODS, PROVIDER_METHODS, PUBLIC_METHODS
from tests.support.calls import Chat, key


class Persona(BaseChatModel):
    """A model of a user, with names that the providers' classes use for something else."""

    client: Any = None
    organization: str = ""
    max_retries: int = 2
    timeout: float | None = None
    streaming: bool = False
    batch_size: int = 1
    _who: str = PrivateAttr("pirate")
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "persona"

    @cached_property
    def words(self) -> list[str]:
        """Something computed from the rest."""
        return [self._who]

    def _generate(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError


class Identified(Persona):
    """A model that says by itself what identifies it."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"said": SAID[0]}


class Defaults(Persona):
    """A model that says by itself what it sends."""

    @property
    def _default_params(self) -> dict[str, Any]:
        return {"said": SAID[0]}


SAID = {0: "one"}


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "another"},
        {"organization": "acme"},
        {"max_retries": 3},
        {"timeout": 1.0},
        {"streaming": True},
        {"batch_size": 2},
    ],
)
def test_every_field_counts(fields: dict[str, Any]) -> None:
    assert key(Persona(**fields)) == key(Persona(**fields)) != key(Persona())


def test_arguments_that_a_provider_would_not_see_count() -> None:
    assert len({key(Persona(), **kwargs) for kwargs in ({}, {"stream": True}, {"timeout": 7})}) == 3


def test_private_and_added_attributes_count() -> None:
    one, two, three = Persona(), Persona(), Persona()
    two._who = "poet"
    vars(three)["added"] = "poet"

    assert len({key(each) for each in (one, two, three)}) == 3
    assert one.words == ["pirate"]
    assert key(one) == key(Persona())


@pytest.mark.parametrize("kind", [Identified, Defaults])
def test_what_a_class_says_of_itself_counts(kind: type[Persona], monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(kind())
    monkeypatch.setitem(SAID, 0, "two")

    assert key(kind()) != before


class Mine(ChatOpenAI):
    """A provider's class with something added."""

    persona: str = "pirate"
    _who: str = PrivateAttr("pirate")


def test_a_subclass_counts_what_it_adds_and_leaves_out_what_its_base_leaves_out() -> None:
    def mine(**fields: Any) -> Mine:
        return Mine(model="small", api_key="key", **fields)

    other = mine()
    other._who = "poet"

    assert len({key(mine()), key(other), key(mine(persona="poet"))}) == 3
    assert key(mine()) == key(mine(max_retries=7, timeout=3, streaming=True, organization="acme"))


def test_a_client_that_a_model_holds_counts_with_its_address_and_headers() -> None:
    def holding(**options: Any) -> str:
        return key(Chat(anything=OpenAI(**{"api_key": "one", **options})))

    assert holding() == holding(api_key="two")
    assert len({holding(), holding(base_url="http://a/v1"), holding(default_headers={"X-Persona": "poet"})}) == 3


HEAD = """
import functools, pathlib
from typing import Any, ClassVar
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult
from langchain_core.prompts import PromptTemplate
from tests.identity.test_own_classes import Persona
from langchain_core.language_models import LLM

"""


def cell(source: str, name: str = "Own") -> Any:
    """Return what a notebook's cell defines under a name."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(HEAD + source, "<cell>", "exec"), space)
    return space[name]


@pytest.fixture
def on() -> Iterator[None]:
    """Wrap the methods of every class."""
    hooks.install("a test")
    yield
    hooks.release("a test")


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("name", sorted({*METHODS, *PUBLIC_METHODS, *PROVIDER_METHODS}))
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_wrapped_method_that_is_defined_again_is_another_class(name: str, kind: str) -> None:
    body = f"class Own(Persona):\n    {kind} {name}(self, *arguments, **options):\n        return "
    one, same, two = (cell(body + word) for word in ('"a"', '"a"', '"b"'))

    assert key(one()) == key(same()) != key(two())


@pytest.mark.usefixtures("on")
def test_a_completion_model_whose_call_is_defined_again_is_another_class() -> None:
    own = "class Own(LLM):\n    @property\n    def _llm_type(self):\n        return 'own'\n"
    body = f"{own}    def _call(self, prompt, *arguments, **options):\n        return "
    one, two = cell(body + '"a"'), cell(body + '"b"')

    assert key(one()) != key(two())


def test_a_class_is_the_same_whether_its_methods_are_wrapped_or_not() -> None:
    own = cell("class Own(Persona):\n    def _generate(self, *arguments, **options):\n        return 'a'")
    before, held = key(own()), key(Chat(anything=own()._generate))
    hooks.install("a test")
    try:
        assert key(own()) == before
        assert key(Chat(anything=own()._generate)) == held
    finally:
        hooks.release("a test")
    assert key(own()) == before


SAY = "\n    def say(self):\n        return "
MEMBERS = [
    f"class Own(Persona):\n    who: ClassVar[Any] = SystemMessage('a'){SAY}self.who.content",
    f"class Own(Persona):\n    who: ClassVar[Any] = PromptTemplate.from_template('a'){SAY}self.who.template",
    f"class Own(Persona):\n    who: ClassVar[Any] = pathlib.PurePath('a'){SAY}str(self.who)",
    f"class Own(Persona):\n    who: ClassVar[Any] = [SystemMessage('a')]{SAY}self.who[0].content",
    f"class Own(Persona):\n    __who__: ClassVar[str] = 'a'{SAY}self.__who__",
    f"class Own(Persona):\n    'a'{SAY}self.__doc__",
    f"class Own(Persona):\n    class Who: name = 'a'{SAY}self.Who.name",
    f"class Own(Persona):\n    get = functools.partialmethod(lambda self, who: who, 'a'){SAY}self.get()",
    f"class Own(Persona):\n    @staticmethod\n    @functools.lru_cache\n    def get(): return 'a'{SAY}self.get()",
    f"class Own(Persona):\n    @classmethod\n    @functools.cache\n    def get(cls): return 'a'{SAY}self.get()",
    f"class Own(Persona):\n    @functools.cache\n    def get(self): return 'a'{SAY}self.get()",
    f"class Own(Persona):\n    @functools.singledispatchmethod\n    def get(self, n): return 'a'{SAY}self.get(1)",
    "class Meta(type(Persona)):\n    @property\n    def who(cls): return 'a'\n"
    f"class Own(Persona, metaclass=Meta):{SAY}type(self).who",
    "def make(who):\n    class Own(Persona):\n        def say(self): return who.content\n    return Own\n"
    "Own = make(SystemMessage('a'))",
    "def make(who):\n    class Own(Persona):\n        def say(self): return who['x'][0]\n    return Own\n"
    "Own = make({'x': [pathlib.PurePath('a')]})",
]


@pytest.mark.parametrize("source", MEMBERS)
def test_every_member_of_a_class_counts(source: str) -> None:
    one, same, two = cell(source), cell(source), cell(source.replace("'a'", "'b'"))

    assert key(one()) == key(same()) != key(two())


def test_a_member_that_a_method_assigns_and_another_reads_counts() -> None:
    own = cell(
        "class Own(Persona):\n    who: ClassVar[str] = 'a'\n    @classmethod\n    def become(cls, who): cls.who = who"
        f"{SAY}self.who"
    )
    before = key(own())
    own.become("b")

    assert key(own()) != before


READS = ["len(self.CALLS)", "getattr(self, 'CALLS')", "(lambda: self.CALLS)()"]
DECORATED = ["functools.cache", "(lambda f: lambda self: f(self))", "(lambda f: functools.partialmethod(f))"]


@pytest.mark.parametrize("reads", [*READS, *(f"1\n    @{each}{SAY}self.CALLS" for each in DECORATED)])
def test_a_list_that_a_class_fills_counts_if_the_class_reads_it(reads: str) -> None:
    counting = "class Own(Persona):\n    CALLS: ClassVar[list] = []\n    def log(self):\n        self.CALLS.append(1)"
    for source, counts in ((counting, False), (f"{counting}{SAY}{reads}", True)):
        own = cell(source)
        before = key(own())
        own().log()
        assert (key(own()) != before) is counts


def test_a_member_that_cannot_be_read_is_named() -> None:
    own = cell("class Own(Persona):\n    who: ClassVar[Any] = (each for each in 'a')")

    with pytest.raises(Unreadable, match=r"Own\.who: builtins\.generator"):
        key(own())


def test_names_and_tags_count_where_a_method_of_the_user_can_read_them() -> None:
    given: list[dict[str, Any]] = [{}, {"name": "pirate"}, {"tags": ["a"]}, {"metadata": {"a": 1}}]
    assert len({key(Persona(**each)) for each in given}) == 4
    assert len({key(ChatOpenAI(model="small", api_key="k", **each)) for each in given}) == 1
    assert len({key(Bare(model="small", api_key="k", **each)) for each in given}) == 1


class Bare(ChatOpenAI):
    """A class without methods."""


class Placed(Persona):
    """A model with fields that other classes call an address."""

    base_url: str = ""


def test_an_address_of_a_class_of_the_user_counts_as_it_is() -> None:
    assert key(Placed(base_url="http://x/")) != key(Placed(base_url="http://x"))


SPEAKER = """
class Speaker:
    def __init__(self, word): self.word = word
    def say(self): return self.word
"""
READ = [
    f"{SPEAKER}speaker = Speaker('a')\nclass Own(Persona):{SAY}speaker.say()",
    f"{SPEAKER}say = Speaker('a').say\nclass Own(Persona):{SAY}say()",
    f"speakers = [SystemMessage('a')]\nclass Own(Persona):{SAY}speakers[0].content",
    f"template = PromptTemplate.from_template('a')\nclass Own(Persona):{SAY}template.format()",
    f"words = {{'who': pathlib.PurePath('a')}}\ndef say(): return words\nclass Own(Persona):{SAY}say()",
]


@pytest.mark.parametrize("source", READ)
def test_an_object_of_the_module_that_a_method_reads_counts(source: str) -> None:
    one, same, two = cell(source), cell(source), cell(source.replace("'a'", "'b'"))

    assert key(one()) == key(same()) != key(two())


def test_a_logger_that_a_method_writes_to_does_not_count() -> None:
    source = f"import logging\nlog = logging.getLogger('a')\nclass Own(Persona):{SAY}log.info('said')"
    one, two = cell(source), cell(source)

    assert key(one()) == key(two())


IMPORTED = [
    f"import words_of_mine\nclass Own(Persona):{SAY}words_of_mine.WHO",
    f"import words_of_mine as words\nclass Own(Persona):{SAY}words.who()",
    f"import words_of_mine as words\nclass Own(Persona):{SAY}getattr(words, 'WHO')",
    f"from words_of_mine import who\nclass Own(Persona):{SAY}who()",
    f"import words_of_mine\nclass Own(Persona):{SAY.replace('return', 'from words_of_mine import WHO; return')}WHO",
    f"import words_of_mine\nclass Own(Persona):{SAY.replace('return', 'import words_of_mine as w; return')}w.WHO",
]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the file of a module of the user."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "words_of_mine.py"
    file.write_text("WHO = 'a'\ndef who():\n    return WHO\n")
    yield file
    sys.modules.pop("words_of_mine", None)


@pytest.mark.parametrize("source", IMPORTED)
def test_a_module_of_the_user_counts_by_what_a_method_reads_of_it(words: Path, source: str) -> None:
    one, same = key(cell(source)()), key(cell(source)())
    words.write_text(words.read_text().replace("'a'", "'changed'"))
    del sys.modules["words_of_mine"]

    assert one == same != key(cell(source)())


@pytest.mark.usefixtures("words")
def test_a_module_that_a_method_is_to_import_is_not_known_before() -> None:
    own = cell(IMPORTED[4].removeprefix("import words_of_mine\n"))

    with pytest.raises(Unreadable, match="words_of_mine is not imported yet"):
        key(own())


def test_a_package_that_a_method_imports_counts_by_its_name() -> None:
    own = cell("class Own(Persona):\n    def say(self):\n        import numpy.linalg\n        return numpy")

    assert key(own()) == key(own())


def test_a_method_that_is_put_into_a_provider_s_class_makes_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatOpenAI(model="small", api_key="k")
    before = key(model)
    for name, method in (("_generate", lambda *_: "a"), ("_generate", lambda *_: "b"), ("_stream", lambda *_: "a")):
        with monkeypatch.context() as patch:
            patch.setattr(ChatOpenAI, name, method)
            assert key(model) != before
        assert key(model) == before


def test_a_mock_in_a_provider_s_class_does_not_answer_for_it() -> None:
    model = ChatOpenAI(model="small", api_key="k")
    before = key(model)
    with (
        patch.object(ChatOpenAI, "_generate", return_value="a"),
        pytest.raises(Unreadable, match=r"OpenAI\._generate"),
    ):
        key(model)
    assert key(model) == before


OWN = "class Own(Persona):\n    "
COUNTERS = {
    "a global": f"n = 0\n{OWN}def say(self):\n        global n\n        n += 1\n        return n",
    "a list": f"said = []\n{OWN}{SAY}said.append(1)",
    "an iterator": f"import itertools\nn = itertools.count()\n{OWN}{SAY}f'answer {{next(n)}}'",
    "a field": f"{OWN}n: int = 0\n    def say(self):\n        self.n += 1\n        return f'answer {{self.n}}'",
    "a field, in full": f"{OWN}n: int = 0\n    def say(self):\n        self.n = self.n + 1\n        return self.n",
    "a private attribute": f"{OWN}_n: int = 0\n    def say(self):\n        self._n += 1\n        return self._n",
    "a private list": f"{OWN}_n: list = []{SAY}self._n.append(1)",
    "a private mapping": f"{OWN}_n: dict = {{'a': 0}}\n    def say(self):\n        self._n['a'] += 1",
    "the latest": f"{OWN}last: Any = None\n    def say(self):\n        self.last = 'said'",
    "a list in a mapping": f"import collections\nn = collections.defaultdict(list)\n{OWN}{SAY}n['a'].append(1)",
    "a class variable": f"{OWN}n: ClassVar[int] = 0\n    def say(self):\n        Own.n += 1\n        return Own.n",
    "an object": f"import types\nn = types.SimpleNamespace(a=0)\n{OWN}def say(self):\n        n.a += 1",
    "an object of the user": f"class N:\n    a = 0\n    def more(self): self.a += 1\nn = N()\n{OWN}{SAY}n.more()",
}


@pytest.mark.parametrize("source", COUNTERS.values(), ids=COUNTERS)
def test_a_count_of_calls_does_not_count(source: str) -> None:
    model = cell(source)()
    before = key(model)
    model.say()

    assert key(model) == before


@pytest.mark.parametrize("read", ["len(self._n)", "number(self)"])
def test_a_memory_that_is_read_counts(read: str) -> None:
    body = f"_n: list = []\n    def say(self):\n        self._n.append(1)\n        return {read}"
    model = cell(f"def number(model):\n    return len(model._n)\n{OWN}{body}")()
    before = key(model)
    model.say()

    assert key(model) != before


HELD = f"n = N()\n{OWN}held: Any = n{SAY}self.held.a"
KEPT = {
    "what is set once": f"class N:\n    def __init__(self): self.a = 'a'\n{HELD}",
    "what other code reads": f"class N:\n    a = 'a'\n    def more(self): self.a += '!'\n{HELD}",
    "a class variable that is set": f"{OWN}a: ClassVar[str] = 'a'\n    def be(self, who): Own.a = who{SAY}self.a",
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_what_is_no_count_counts(source: str) -> None:
    assert key(cell(source)()) != key(cell(source.replace("'a'", "'b'"))())


def test_a_field_of_a_provider_counts_although_a_method_adds_to_it() -> None:
    class Hotter(ChatOpenAI):
        def hotter(self) -> None:
            self.n = (self.n or 1) + 1
            self.seed += 1  # type: ignore[operator]

    one, two = (Hotter(model="small", api_key="k", seed=1) for _ in range(2))
    two.hotter()
    assert key(one) != key(two)


NAMING = """
import socket, types
s = types.SimpleNamespace(who="a", unused=1, socket=socket.socket())
def made(s):
    class Own(Persona):
        def say(self):
            return s.who
    return Own
class Own(Persona):
    def say(self):
        return s.who
"""


@pytest.mark.parametrize("own", ["Own", "made(s)"])
def test_of_an_object_that_code_refers_to_the_part_counts_that_it_names(own: str) -> None:
    one, unused, other = (
        cell(f"{NAMING}\n{change}\nchosen = {own}", "chosen") for change in ("", "s.unused = 2", "s.who = 'b'")
    )

    assert key(one()) == key(unused()) != key(other())


@pytest.mark.parametrize(
    "read",
    [
        *("os.environ['WHO']", "os.getenv('WHO')", "environ.get('WHO')", "os.environ[NAME]", "os.environ[NAMES[0]]"),
        *("[os.environ[name] for name in ('WHO',)]", "variable('WHO')", "os.environ[self.name_of_it]"),
    ],
)
def test_a_variable_that_a_method_reads_counts(monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    around = "NAME = 'WHO'\nNAMES = ['WHO']\ndef variable(name): return os.environ[name]"
    own = cell(f"import os\nfrom os import environ\n{around}\n{OWN}name_of_it: str = 'WHO'{SAY}{read}")
    keys = set()
    for value in ("a", "b", "a"):
        monkeypatch.setenv("WHO", value)
        keys.add(key(own()))

    assert len(keys) == 2


@pytest.mark.parametrize("reads", ["", "os.getenv('WHO', '') + "])
def test_a_lone_surrogate_in_code_counts(reads: str) -> None:
    one, other = (cell(f"import os\n{OWN}{SAY}{reads}'\\ud80{last}'") for last in "01")

    assert key(one()) != key(other())


@pytest.mark.parametrize(
    "read",
    [
        *("globals()['STYLE']", "globals().get('STYLE')", "eval('STYLE')", "eval('STYLE + \"!\"')"),
        *("(lambda: eval('STYLE'))()", "type(self).say.__globals__['STYLE']", "sys._getframe().f_globals['STYLE']"),
        *("__import__('styles').STYLE", "import_module('styles').STYLE", "sys.modules['styles'].STYLE"),
    ],
)
def test_what_a_method_reads_by_a_name_in_a_text_counts(monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    keys = set()
    for style in ("a", "b", "a"):
        module = ModuleType("styles")
        vars(module)["STYLE"] = style
        monkeypatch.setitem(sys.modules, "styles", module)
        own = cell(f"import sys\nfrom importlib import import_module\nSTYLE = {style!r}\n{OWN}{SAY}{read}")
        keys.add(key(own()))

    assert len(keys) == 2


def test_a_text_of_a_calculator_that_is_no_name_does_not_count() -> None:
    source = f"In = ['a']\nerror = 'a'\n{OWN}{SAY}str(eval(self.organization)) + 'In' + 'An error: '"
    one, other = (cell(each) for each in (source, source.replace("'a'", "'b'")))

    assert key(one(organization="1")) == key(other(organization="1"))


PUT = [
    f"def style(): return style.v\nstyle.v = 'a'\n{OWN}{SAY}style()",
    f"def style(): pass\nstyle.v = 'a'\n{OWN}fn: Any = style{SAY}self.fn.v",
    f"{OWN}{SAY}type(self).say.v\nOwn.say.v = 'a'",
]


@pytest.mark.parametrize("source", PUT)
def test_what_is_put_on_a_function_counts(source: str) -> None:
    assert key(cell(source)()) != key(cell(source.replace("'a'", "'b'"))())


@pytest.mark.parametrize("wrap", [lambda schema: {"schema": schema}, lambda schema: {"parameters": schema}])
def test_the_order_of_a_schema_s_properties_counts(wrap: Any) -> None:
    model = ChatOpenAI(model="small", api_key="k")
    properties = {"reasoning": {"type": "string"}, "answer": {"type": "string"}}
    turned = dict(reversed(properties.items()))
    one, two, same = (
        key(model, response_format=wrap({"type": "object", "properties": each}))
        for each in (properties, turned, dict(properties))
    )
    assert one == same != two


def test_the_text_of_an_error_of_the_user_s_is_not_told() -> None:
    class Closed:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("zq81xk77aaWx")

    with pytest.raises(Unreadable, match="Closed raises RuntimeError") as raised:
        key(Persona(client=Closed()))
    assert "zq81" not in str(raised.value)


KEYS = [
    f"API_KEY = 'a'\n{OWN}{SAY}API_KEY",
    f"import types\nmine = types.SimpleNamespace(api_key='a')\n{OWN}{SAY}mine.api_key",
    f"{OWN}api_key: ClassVar[str] = 'a'{SAY}self.api_key",
    f"import os\nos.environ['MY_API_KEY'] = 'a'\n{OWN}{SAY}os.environ['MY_API_KEY']",
]


@pytest.mark.parametrize("source", KEYS)
def test_a_rotated_key_in_code_is_the_same_call(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("MY_API_KEY", "")
    assert key(cell(source)()) == key(cell(source.replace("'a'", "'b'"))())
