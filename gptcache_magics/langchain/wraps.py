"""Wrap methods of LangChain's classes, and put every class back as it was.

Nothing here holds a class of the user: the wraps are found again in the classes below those of LangChain. A class that
is not imported yet is wrapped on its import, because importing the class takes longer than turning the cache on.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from gptcache_magics import fork
from gptcache_magics.engines import safe_import

__all__ = ["Choose", "Make", "Method", "Wraps", "install", "release", "wrapped"]

_lock = threading.RLock()  # release() may run from the garbage collector, in the middle of install()
_users: list[object] = []
_wraps: list[Wraps] = []


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


fork.in_child(_renew)


def install(user: object, choices: Mapping[str, Mapping[str, Choose]]) -> None:
    """Wrap classes that are not wrapped yet, until every ``user`` has released them.

    Parameters
    ----------
    user
        The cache that needs the wraps, or an object in its place. It is kept until ``release``.
    choices
        For each module, the names of its classes, each with what chooses the methods.
    """
    with _lock:
        if not _users:
            _undo()  # the rest of a release that was interrupted
        _users.append(user)
    for module, kinds in choices.items():
        safe_import.on_import(module, functools.partial(_wrap, kinds))


def release(user: object) -> None:
    """Take the wraps away if no other cache needs them. Releasing twice, or before ``install``, does no harm."""
    with _lock:
        _users[:] = filter(lambda each: each is not user, _users)
        if not _users:
            _undo()


def _undo() -> None:
    while _wraps:
        _wraps[-1].undo()
        _wraps.pop()


def wrapped(bases: Collection[str]) -> Iterator[tuple[type, str, Any]]:
    """Yield each wrap of the classes ``bases`` and those below them: class, name and wrap."""
    for each in [*_wraps]:
        if each.base.__name__ not in bases:
            continue
        yield each.base, Wraps.name, each.wrapper
        for kind in each.kinds():
            for name, method in list(vars(kind).items()):
                if isinstance(method, Method):
                    yield kind, name, method


def _wrap(kinds: Mapping[str, Choose], module: ModuleType) -> None:
    for name, choose in kinds.items():
        base = getattr(module, name)
        with _lock:
            found = next((each for each in _wraps if each.base is base), None)
            if not _users or (found is not None and found.complete):
                continue
            if found is None:
                found = Wraps(base, choose)
                _wraps.append(found)  # listed first: an interrupt may come at any instruction, and release must find it
            found.put()


class Wraps:
    """The wraps of a class, and of the classes below it, as long as they are installed.

    ``__init_subclass__`` is one of them: a later subclass may override a wrapped method.

    Parameters
    ----------
    choose
        Returns the makers of a class's wraps by the name of the method, given the class and ``base``.
    """

    name = "__init_subclass__"

    def __init__(self, base: Any, choose: Choose) -> None:
        self.base: type = base
        self.choose = choose
        self.active = True
        """Whether the wraps act: one over which another library has wrapped passes calls through later."""
        self.complete = False
        """Whether the methods of the base class and its subclasses are wrapped."""
        self.original = vars(base).get(self.name)

        def made(cls: Any, /, **kwargs: Any) -> None:
            (self.original.__get__(None, cls) if self.original else super(base, cls).__init_subclass__)(**kwargs)
            if self.active:
                with _lock:
                    self._wrap_methods(cls)

        self.wrapper = classmethod(made)

    def kinds(self) -> Iterator[type]:
        """Yield the base class and those below it, each once."""
        yield from dict.fromkeys((self.base, *_subclasses(self.base)))

    def put(self) -> None:
        """Wrap the base class and those below it."""
        setattr(self.base, self.name, self.wrapper)
        for kind in self.kinds():
            self._wrap_methods(kind)
        self.complete = True

    def undo(self) -> None:
        """Put the originals back, except those over which another library has wrapped."""
        self.active = False
        if vars(self.base).get(self.name) is self.wrapper:
            if self.original is None:
                delattr(self.base, self.name)
            else:
                setattr(self.base, self.name, self.original)
        for kind in self.kinds():
            for name, method in list(vars(kind).items()):
                if isinstance(method, Method):
                    setattr(kind, name, method.function_in(kind))

    def _wrap_methods(self, kind: type) -> None:
        for name, make in self.choose(kind, self.base).items():
            function = vars(kind).get(name)
            if isinstance(function, FunctionType):
                setattr(kind, name, Method(function, kind, name, make, self))


class Method:  # noqa: D101
    # A docstring would be the one of every method.
    #
    # A method of a class, wrapped. It is no function, for the sake of %autoreload. That either gives the code of a new
    # method to the old one, which here passes it on, or it puts the new method into the old class. There, super()
    # would mean the new class, so that such a method is made again.

    __slots__ = ("function", "kind", "make", "name", "wrapper", "wraps")

    def __init__(self, function: FunctionType, kind: type, name: str, make: Make, wraps: Wraps) -> None:
        self.function, self.kind, self.name, self.make, self.wraps = function, kind, name, make, wraps
        self.wrapper = functools.wraps(function)(make(self))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        kinds = type(instance).__mro__
        if self.kind not in kinds:
            for holder in kinds:
                if vars(holder).get(self.name) is self:
                    return self._moved(holder).__get__(instance)
        return MethodType(self.wrapper, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method, as it was got from a class."""
        return self.wrapper(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _same, (self.function,)  # another process has its own wraps

    def __getattr__(self, name: str) -> Any:
        if name in Method.__slots__:
            raise AttributeError(name)
        return getattr(self.wrapper if name == "__wrapped__" else self.function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Method.__slots__:
            object.__setattr__(self, name, value)
            return
        try:
            setattr(self.function, name, value)
        except ValueError as error:  # another closure: but for this, %autoreload would write into the memory
            raise RuntimeError("The module must be loaded as a whole.") from error

    @property
    def __doc__(self) -> str | None:
        return self.function.__doc__

    @__doc__.setter
    def __doc__(self, text: str | None) -> None:
        self.function.__doc__ = text

    def function_in(self, kind: type) -> FunctionType:
        """Return the method of the user, with the meaning that ``super()`` has in a class."""
        function = self.function
        names = function.__code__.co_freevars
        if self.kind in kind.__mro__ or "__class__" not in names:
            return function
        cells = tuple(
            CellType(kind) if name == "__class__" else cell
            for name, cell in zip(names, function.__closure__ or (), strict=True)
        )
        made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        functools.update_wrapper(made, function)
        del made.__wrapped__  # type: ignore[attr-defined]
        return made

    def _moved(self, kind: type) -> Method:
        made = Method(self.function_in(kind), kind, self.name, self.make, self.wraps)
        setattr(kind, self.name, made)
        return made


def _same(function: FunctionType) -> FunctionType:
    return function


def _subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


Make = Callable[[Method], Callable[..., Any]]
"""Makes the function that stands in for a method. It is of the method's own kind: a coroutine function for one."""
Choose = Callable[[type, type], Mapping[str, Make]]
