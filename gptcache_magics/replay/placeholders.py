"""Placeholders for keys that a notebook asks for while it is verified, although no model is called.

A key is asked for in five ways: ``os.environ[NAME]``, the class of a model that is built, a helper of LangChain for
the classes of services, ``getpass`` and ``input``. A variable that is only tested, as in ``if os.getenv(NAME)``, is not
set here: the runner sets those that the notebook's cells name.
"""

from __future__ import annotations

import ast
import builtins
import getpass
import linecache
import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from types import FrameType
from typing import Any, Final

from gptcache_magics.identity.providers import KEY_VARIABLE
from gptcache_magics.lookup.placeholder_keys import PLACEHOLDER

__all__ = ["give"]

Told = Callable[[str], None]
"""Takes the name of a variable that was asked for, or ``getpass`` or ``input``."""


def give(kernel: Any | None, told: Told) -> None:
    """Give placeholders from now on, and tell of each; a script has no kernel."""
    _give_variables(told)
    _give_to_models(told)
    _give_to_services(told)
    _answer_for_the_user(kernel, told)


def _give_variables(told: Told) -> None:
    class Environment(type(os.environ)):  # type: ignore[misc]  # a class of os that has a private name
        """The environment of a process, in which each key that is asked for by name is there."""

        def __getitem__(self, name: str) -> str:
            try:
                return str(super().__getitem__(name))
            except KeyError:
                if _tested() or not KEY_VARIABLE.fullmatch(name):
                    raise
            told(name)
            return PLACEHOLDER

    os.environ.__class__ = Environment


def _tested() -> bool:
    """Return whether a variable is only looked for: ``get``, ``in``, ``pop`` and ``setdefault`` ask by name, too."""
    return sys._getframe(2).f_globals.get("__name__") in ("_collections_abc", "collections.abc")


def _give_to_models(told: Told) -> None:
    from langchain_core.language_models import BaseLanguageModel
    from langchain_core.load.serializable import Serializable

    build = Serializable.__init__

    @wraps(build)
    def built(self: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(self, BaseLanguageModel):
            for name in _variables(self, kwargs):
                if not os.environ.get(name):
                    os.environ[name] = PLACEHOLDER
                    told(name)
        build(self, *args, **kwargs)

    Serializable.__init__ = built  # type: ignore[method-assign]


def _variables(model: Any, given: Mapping[str, object]) -> list[str]:
    """Return the variables from which a model that is not built yet will read its key."""
    try:
        secrets = model.lc_secrets.items()
    except Exception:  # the property reads fields
        return []
    fields = type(model).model_fields
    names = ((variable, {name, getattr(fields.get(name), "alias", None)}) for name, variable in secrets)
    return [variable for variable, spelled in names if KEY_VARIABLE.fullmatch(variable) and not spelled & given.keys()]


def _give_to_services(told: Told) -> None:
    from langchain_core.utils import env

    get = env.get_from_env

    @wraps(get)
    def given(key: str, env_key: str, default: str | None = None) -> str:
        if default is None and not os.environ.get(env_key) and KEY_VARIABLE.fullmatch(env_key):
            told(env_key)
            return PLACEHOLDER
        return get(key, env_key, default)

    env.get_from_env = given


def _answer_for_the_user(kernel: Any | None, told: Told) -> None:
    """Answer ``getpass`` and ``input``; in a ``try`` or a loop, ``input`` fails as it does without a user."""
    ask = builtins.input if kernel is None else kernel.raw_input

    def typed(prompt: object = "") -> str:
        if _is_prepared(sys._getframe(1)):
            return str(ask(prompt))
        told("input")
        return PLACEHOLDER

    def secret(prompt: str = "Password: ", stream: object = None, **options: object) -> str:
        told("getpass")
        return PLACEHOLDER

    if kernel is not None:
        kernel.raw_input, kernel.getpass = typed, secret
    builtins.input, getpass.getpass = typed, secret


_PREPARED: Final = (ast.Try, ast.While)


def _is_prepared(frame: FrameType) -> bool:
    """Return whether the line that runs stands in a ``try`` or a ``while``."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    except (SyntaxError, ValueError):
        return False
    around = [node for node in ast.walk(tree) if isinstance(node, _PREPARED)]
    return any(node.lineno <= frame.f_lineno <= (node.end_lineno or 0) for node in around)
