"""Read a live model: its name, its address, and every field that can change an answer.

A model is read again for each call, because it can be changed between two calls. Of a class whose requests have been
compared, the fields that change no answer are left out (:mod:`gptcache_magics.identity.providers`). Of any other class
everything counts: fields, private attributes, parameters that it says identify it, and the code that the user wrote.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import is_
from types import NoneType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, ref

import orjson
from pydantic_core import PydanticUndefined

from gptcache_magics.identity import classes, clients
from gptcache_magics.identity.objects import attributes
from gptcache_magics.identity.origin import is_installed, name_of
from gptcache_magics.identity.providers import (
    ARRIVING,
    BASE_URLS,
    MODEL_NAMES,
    PROVIDERS,
    UNSET_IF_EMPTY,
    Provider,
    carried_by,
    is_known,
    left_out,
    owner_of,
    provider_of,
)
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import is_credential, plain_url, without_secrets
from gptcache_magics.text.secret_names import is_secret

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = [
    "Facts",
    "Reading",
    "behaviour",
    "content",
    "facts_of",
    "fields",
    "is_model",
    "key_variables",
    "model_name",
    "plain_values",
    "reading_of",
]

_IDENTIFYING: Final = ("_identifying_params", "_default_params")
_SEEN: Final = ("name", "tags", "metadata")
"""LangChain's own fields that it reads itself only, unless a method of the user's reads them."""
_ANSWERING: Final = ("_generate", "_agenerate", "_stream", "_astream", "_call", "_acall", "_get_request_payload")
_HTTP_CLIENTS: Final = ("http_client", "http_async_client")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Facts about all models of a class."""

    known: bool
    """Whether a provider's package or langchain-core wrote the class as it is, and not the user or anybody else."""
    counted: tuple[tuple[str, Any], ...]
    """The fields that count, each with its default."""
    names: tuple[str, ...]
    """Names of the values that :func:`plain_values` reads."""
    attributes: frozenset[str]
    """Names of all attributes that a model has which nobody added one to."""
    sync_clients: tuple[str, ...]
    async_clients: tuple[str, ...]
    addresses: frozenset[str]
    """The fields that hold the provider's address."""
    urls: frozenset[str]
    """Addresses that the provider's client uses by default."""
    arriving: frozenset[str]
    """Arguments that change how the answer arrives."""
    headers_variable: str
    """Environment variable that a client reads headers from when the first call makes it."""
    replaced: dict[str, Any]
    """Functions and mocks that the user has put into installed classes, by their places."""
    answering: list[tuple[Callable[[str], Any], str, Any]]
    """Members of installed bases that an answer comes from, None where a base has none: lookup, name and member."""
    key_variables: list[str] = field(default_factory=list)
    configurations: dict[Hashable, Configuration] = field(default_factory=dict)
    """The configurations of plain models, by what :func:`plain_values` reads of them."""

    def hold(self) -> bool:
        """Return whether nobody has put another method into the class since these facts were found."""
        for member_of, name, member in self.answering:  # noqa: SIM110 (all() costs more than what it does here)
            if member_of(name) is not member:
                return False
        return True


_facts: WeakKeyDictionary[type, Facts] = WeakKeyDictionary()


def facts_of(kind: type) -> Facts:
    """Return what is true of all models of a class."""
    facts = _facts.get(kind)
    if facts is None or not facts.hold():
        facts = _facts[kind] = _facts_of(kind)
    return facts


def _facts_of(kind: Any) -> Facts:
    declared = getattr(kind, "model_fields", {})
    own, replaced = classes.has_functions(kind), classes.replaced(kind)
    known = is_known(kind) and not replaced
    counted = tuple(
        (name, _default(each))
        for name, each in declared.items()
        if ((own and name in _SEEN) or not left_out(kind, name))
        and (not is_secret(name) or each.annotation in (bool, int, float))
    )
    computed = {name for base in kind.__mro__ for name, each in vars(base).items() if isinstance(each, cached_property)}
    private = {name for base in kind.__mro__ for name in vars(base).get("__private_attributes__", ())}
    holders = [
        name for name in (*declared, *private, *computed) if name.endswith("client") and name not in _HTTP_CLIENTS
    ]
    holders = sorted((each for each in holders if each in computed or left_out(kind, each)), key=len, reverse=True)
    provider = PROVIDERS.get(provider_of(kind), Provider())
    profile = ("profile",) if "profile" in declared and (provider.reads_profile or not is_known(kind)) else ()
    return Facts(
        known=known,
        counted=counted,
        names=(*(name for name, _ in counted), *MODEL_NAMES, *profile),
        attributes=frozenset(declared) | computed,
        sync_clients=tuple(each for each in holders if "async" not in each),
        async_clients=tuple(each for each in holders if "async" in each),
        addresses=frozenset(name for name in BASE_URLS if _is_address(kind, name)),
        urls=frozenset(provider.urls),
        arriving=(ARRIVING - {"timeout"} if provider.sends_timeout else ARRIVING) if known else frozenset(),
        headers_variable=provider.headers_variable if computed & {*holders} else "",
        replaced=replaced,
        answering=[
            (vars(base).get, name, vars(base).get(name))
            for name in _ANSWERING
            for base in _down_to_last(kind, name)
            if is_known(base)
        ],
    )


def _down_to_last(kind: type, name: str) -> Sequence[type]:
    """Return the bases of a class in their order, down to the last that has a member of its own of this name."""
    having = [place for place, base in enumerate(kind.__mro__) if name in vars(base)]
    return kind.__mro__[: having[-1] + 1] if having else ()


def _is_address(kind: type, name: str) -> bool:
    """Return whether the provider's own class declares a field, or :func:`_beyond` reads it from the client."""
    owner = owner_of(kind, name)
    return is_known(owner) if owner is not None else name == "base_url"


def _default(declared: Any) -> Any:
    made = declared.default_factory
    return made() if made in (dict, list, set, tuple) else declared.default


def is_model(value: Any) -> bool:
    """Return whether a value is a language model."""
    return hasattr(type(value), "model_fields") and hasattr(type(value), "generate_prompt")


def model_name(model: Any, kwargs: Mapping[str, Any]) -> str:
    """Return the name that the call or the model gives, or an empty text."""
    values = vars(model)
    for value in (kwargs.get("model"), *map(values.get, MODEL_NAMES)):
        if isinstance(value, str) and value:
            return value
    return ""


def content(model: Any, reader: Reader) -> Any:
    """Return all that distinguishes a model which another object holds, however that calls it."""
    called, awaited = (fields(model, reader, awaited=each) for each in (False, True))
    read = called if called == awaited else [called, awaited]
    return [name_of(type(model)), model_name(model, {}), read, behaviour(model, reader)]


def fields(model: Any, reader: Reader, *, awaited: bool = False) -> dict[str, Any]:
    """Return the fields that can change an answer and differ from the class's defaults, with those a user added.

    Parameters
    ----------
    awaited
        Whether the call is asynchronous: it may have a client of its own.

    Raises
    ------
    Unreadable
        If the data of a field cannot be read. The message names the field.
    """
    facts = facts_of(type(model))
    values = vars(model)
    found: dict[str, Any] = {}
    counting = frozenset[str]() if facts.known else _counting(type(model))
    for name, default in facts.counted:
        if name in counting:
            continue
        value = values.get(name)
        if name == "metadata" and isinstance(value, dict) and left_out(type(model), name):  # the field of LangChain's
            value = {each: item for each, item in value.items() if each != "lc_versions"} or None
        if value is default or (value is None and default is PydanticUndefined):
            continue
        if facts.known and name in UNSET_IF_EMPTY and not value:
            continue
        read = _field(name, value, reader)
        if name in facts.addresses and isinstance(read, str):
            read = plain_url(read)
        if type(value) is type(default) and read == _field(name, default, reader):
            continue
        if (name in facts.addresses and read in facts.urls and facts.known) or (name in _HTTP_CLIENTS and read is None):
            continue
        found[name] = read
    if getattr(model, "model_extra", None):
        found["model_extra"] = {
            name: _field(name, value, reader)
            for name, value in model.model_extra.items()
            if not is_credential(name, value)
        }
    found.update((name, each) for name, each in _beyond(model, facts, reader, awaited) if name not in counting)
    return found


def _counting(kind: type) -> frozenset[str]:
    """Return the names of attributes that count calls; an installed class reads what it declares."""
    owners = ((name, owner_of(kind, name)) for name in classes.counting(kind))
    return frozenset(name for name, owner in owners if owner is None or not is_installed(owner.__module__))


def _field(name: str, value: Any, reader: Reader) -> Any:
    try:
        return without_secrets(reader.fork().plain(value), name)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from None


def _beyond(model: Any, facts: Facts, reader: Reader, awaited: bool) -> Iterator[tuple[str, Any]]:
    """Yield what counts beside the fields: private and added attributes, a profile, and what the client sends."""
    kind = type(model)
    usual = {*kind.model_fields, *(model.model_extra or ())}
    for name, value in attributes(model).items():
        default = getattr(getattr(kind, "__private_attributes__", {}).get(name), "default", PydanticUndefined)
        if name not in usual and not is_secret(name) and not (type(value) is type(default) and value == default):
            yield name, _field(name, value, reader)
    profile = vars(model).get("profile") if "profile" in facts.names else None
    if profile is not None and profile != getattr(model, "_resolve_model_profile", dict)():
        yield "profile", _field("profile", profile, reader)
    sent = _sent(model, facts)
    if sent is None:
        for name, client in _clients(model, (*facts.sync_clients, *facts.async_clients)):
            yield name, _field(name, client, reader)
        return
    values = vars(model)
    used = sent[awaited] or sent[not awaited]
    named = {plain_url(value) for name, value in values.items() if name in facts.addresses and isinstance(value, str)}
    urls = [each.url for each in used]
    if any(url and url not in named | facts.urls for url in urls):
        yield "base_url", urls[0] if len(urls) == 1 else urls
    more = [clients.beyond(each, values, awaited=awaited) for each in used]
    if _differ(*sent):
        yield "client", [each._replace(url="") for each in used]
    elif any(more):
        yield "client", more


def _clients(model: Any, names: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the clients of these names that a model has, with their names."""
    values, private = vars(model), getattr(model, "__pydantic_private__", None) or {}
    found = [(name, values.get(name) or private.get(name)) for name in names]
    return [(name, client) for name, client in found if client is not None]


def _sent(model: Any, facts: Facts) -> tuple[tuple[clients.Sent, ...], tuple[clients.Sent, ...]] | None:
    """Return what the clients for calls and those for asynchronous calls send; None if one is the user's own."""
    called, awaited = _sent_by(model, facts, facts.sync_clients), _sent_by(model, facts, facts.async_clients)
    return None if called is None or awaited is None else (called, awaited)


def _sent_by(model: Any, facts: Facts, names: tuple[str, ...]) -> tuple[clients.Sent, ...] | None:
    values, private = vars(model), model.__pydantic_private__
    roots: list[Any] = []
    for name in names:
        client = values.get(name) or (private and private.get(name))
        if client is not None:
            root = clients.root_of(client)
            if root is None:
                return None
            if not roots or (root is not roots[0] and root is not roots[-1]):
                roots.append(root)
    if not roots and names and facts.headers_variable:
        return (clients.unbuilt(values, facts.headers_variable),)
    return tuple(map(clients.sent_by, roots))


def _differ(one: tuple[clients.Sent, ...], two: tuple[clients.Sent, ...]) -> bool:
    """Return whether calls and asynchronous calls add something else to a request."""
    return bool(one and two) and {each[1:] for each in one} != {each[1:] for each in two}


def behaviour(model: Any, reader: Reader) -> dict[str, Any]:
    """Return what a class that is not known does: its code, its defaults, and how it identifies itself."""
    kind = type(model)
    found: dict[str, Any] = {"code": classes.members(kind, reader.fork()), "defaults": _own_defaults(kind, reader)}
    if not is_installed(kind.__module__):
        found["doc"] = kind.__doc__
    if replaced := facts_of(kind).replaced:
        found["replaced"] = {name: _field(name, member, reader) for name, member in replaced.items()}
    for name in _IDENTIFYING:
        owner = next((base for base in kind.__mro__ if name in vars(base)), kind)
        if not is_known(owner):
            found[name] = _field(name, _asked(model, name), reader)
    return {name: value for name, value in found.items() if value}


def _asked(model: Any, name: str) -> Any:
    try:
        return getattr(model, name, None)
    except Exception as error:  # its text is the user's, and may hold a secret
        raise Unreadable(f"{name} raises {type(error).__name__}") from None


def _own_defaults(kind: Any, reader: Reader) -> dict[str, Any]:
    declared = {**kind.model_fields, **getattr(kind, "__private_attributes__", {})}
    return {
        name: _field(name, each.default, reader)
        for name, each in declared.items()
        if each.default is not PydanticUndefined
        and (owner := owner_of(kind, name)) is not None
        and not is_installed(owner.__module__)
    }


class Reading:
    """A plain model as it was when it was read, with the configurations of its calls."""

    __slots__ = (
        *("_awaited", "_changing", "_clients", "_configurations", "_content", "_extra", "_facts", "_kind", "_names"),
        *("_values", "carried", "model"),
    )

    def __init__(self, model: Any, facts: Facts, *, awaited: bool, forget: Any) -> None:
        values: dict[str, Any] = vars(model)
        counted = map(values.get, facts.names)
        self.model, self._kind, self._awaited, self._facts = ref(model, forget), type(model), awaited, facts
        self._configurations: dict[bytes, Configuration] = {}
        """The configurations of calls, by the content of their arguments."""
        self.carried = carried_by(model)
        """The metadata of earlier answers that the model's requests carry."""
        self._names, self._values, self._extra = [*values], [*values.values()], model.__pydantic_extra__
        self._changing = [self._extra, *(each for each in counted if type(each) not in _UNCHANGING)]
        self._content = _content(self._changing)
        names = (*facts.sync_clients, *facts.async_clients)
        self._clients = clients.Remembered(values[name] for name in names if values.get(name))

    def configuration(self, kwargs: Mapping[str, Any]) -> Configuration | None:
        """Return the configuration of a call with these arguments, if it is remembered."""
        try:
            return self._configurations.get(_content(kwargs) if kwargs else b"")
        except (TypeError, ValueError):  # not plain data
            return None

    def remember(self, kwargs: Mapping[str, Any], configuration: Configuration) -> None:
        """Remember the configuration of a call, whose arguments are plain data."""
        if len(self._configurations) >= ARGUMENTS:
            self._configurations.clear()
        self._configurations[_content(kwargs) if kwargs else b""] = configuration

    def holds(self, model: Any, *, awaited: bool) -> bool:
        """Return whether the model is as it was, so that its configurations are those of this reading."""
        alive: Any = self.model()
        values: dict[str, Any] = vars(model)
        try:
            return (
                alive is model
                and awaited is self._awaited
                and type(model) is self._kind
                and self._facts.hold()
                and [*values] == self._names
                and all(map(is_, values.values(), self._values))
                and model.__pydantic_extra__ is self._extra
                and self._clients.hold()
                and _content(self._changing) == self._content
            )
        except (TypeError, ValueError):  # what changes holds other data now
            return False


ARGUMENTS: Final = 64
"""Calls with other arguments of one model whose configurations are remembered."""
_UNCHANGING: Final = frozenset({NoneType, bool, int, float, str, bytes})


def reading_of(model: Any, facts: Facts, *, awaited: bool, forget: Any) -> Reading | None:
    """Return the reading of a plain model, without its configuration; None if it is not to be remembered.

    Parameters
    ----------
    forget
        Called with the weak reference to the model when that is gone.
    """
    values, private = vars(model), model.__pydantic_private__ or {}
    names = (*facts.sync_clients, *facts.async_clients)
    if names and (not any(map(values.get, names)) or any(map(private.get, names))):
        return None  # the first call makes the client, or it is not a field
    if not all(is_installed(type(each).__module__) for each in values.values()):
        return None  # an object of the user's may hold the model
    return Reading(model, facts, awaited=awaited, forget=forget)


def plain_values(model: Any, facts: Facts, kwargs: Mapping[str, Any], *, awaited: bool = False) -> Hashable | None:
    """Return all that :func:`fields` and :func:`model_name` read, and the arguments, by content and type.

    Returns
    -------
    A value that is equal only where theirs are; None if the model must be read in full: a value is not plain data, or
    the class is not known.
    """
    attributes = vars(model)
    if not facts.known or not facts.attributes.issuperset(attributes) or (sent := _sent(model, facts)) is None:
        return None
    for each in (*sent[0], *sent[1]):
        if each.by_itself:
            return None
    values: Any = tuple(map(attributes.get, facts.names)), model.__pydantic_extra__, kwargs
    try:
        return _content(values), *sent[0], None, *sent[1], awaited and sent[0] != sent[1]
    except (TypeError, ValueError):  # marshal refuses all that is not of Python's own types
        return None


def _content(values: Any) -> bytes:
    """Return plain data as bytes; raise ``TypeError`` or ``ValueError`` for other data."""
    orjson.dumps(values, option=_PLAIN)  # refuses arrays and whatever else marshal takes for bytes
    return marshal.dumps(values, 2)


_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def key_variables(model: Any) -> str:
    """Return the names of the environment variables that the model's class reads its key from."""
    names = facts_of(type(model)).key_variables
    if not names:
        variables = getattr(model, "lc_secrets", {}).values()
        names.append(" ".join(sorted(each for each in variables if is_secret(each))))
    return names[0]
