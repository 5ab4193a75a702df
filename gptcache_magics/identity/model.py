"""Read a live model: its name, its address, and every field that can change an answer.

A model is read again for each call, because it can be changed between two calls. Of a class whose requests have been
compared, the fields that change no answer are left out (:mod:`gptcache_magics.identity.providers`). Of any other class
everything counts: fields, private attributes, parameters that it says identify it, and the code that the user wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticUndefined

from gptcache_magics.identity import classes, clients
from gptcache_magics.identity.addresses import address
from gptcache_magics.identity.facts import HTTP_CLIENTS, Facts, facts_of
from gptcache_magics.identity.local_file import LocalFile, local_file
from gptcache_magics.identity.objects import attributes
from gptcache_magics.identity.origin import is_installed, name_of
from gptcache_magics.identity.providers import MODEL_NAMES, UNSET_IF_EMPTY, is_known, left_out, owner_of
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import is_credential, without_secrets
from gptcache_magics.text.secret_names import is_secret

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["behaviour", "content", "fields", "is_model", "model_file", "model_name", "sent_of"]

_IDENTIFYING: Final = ("_identifying_params", "_default_params")


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


def model_file(model: Any, kwargs: Mapping[str, Any]) -> LocalFile | None:
    """Return the file that a model which runs here is read from, if its name is that of one."""
    values = vars(model)
    named = (kwargs.get("model"), *map(values.get, MODEL_NAMES))
    return next((file for each in named if each and (file := local_file(each)) is not None), None)


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
    counting = frozenset[str]() if facts.known else _counting(type(model), reader)
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
            read = address(read)
        if type(value) is type(default) and read == _field(name, default, reader):
            continue
        if (name in facts.addresses and read in facts.urls and facts.known) or (name in HTTP_CLIENTS and read is None):
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


def _counting(kind: type, reader: Reader) -> frozenset[str]:
    """Return the names of attributes that count calls; an installed class reads what it declares."""
    owners = ((name, owner_of(kind, name)) for name in classes.counting(kind, reader))
    return frozenset(name for name, owner in owners if owner is None or not is_installed(owner.__module__))


def _field(name: str, value: Any, reader: Reader) -> Any:
    try:
        return without_secrets(reader.fork().plain(value), name)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from None


def _beyond(model: Any, facts: Facts, reader: Reader, awaited: bool) -> Iterator[tuple[str, Any]]:
    """Yield what counts beside the fields: private and added attributes, a profile, and what the client sends."""
    kind = type(model)
    usual, private = {*kind.model_fields, *(model.model_extra or ())}, getattr(kind, "__private_attributes__", {})
    for name, value in attributes(model).items():
        if name in usual or is_secret(name):
            continue
        default = getattr(private.get(name), "default", PydanticUndefined)
        if not (type(value) is type(default) and value == default):
            yield name, _field(name, value, reader)
    profile = vars(model).get("profile") if "profile" in facts.names else None
    if profile is not None and profile != getattr(model, "_resolve_model_profile", dict)():
        yield "profile", _field("profile", profile, reader)
    sent = sent_of(model, facts)
    if sent is None:
        for name, client in _clients(model, (*facts.sync_clients, *facts.async_clients)):
            yield name, _field(name, client, reader)
        return
    values = vars(model).copy()  # another thread may make a client just now
    used = sent[awaited] or sent[not awaited]
    named = {address(value) for name, value in values.items() if name in facts.addresses and isinstance(value, str)}
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


def sent_of(model: Any, facts: Facts) -> tuple[tuple[clients.Sent, ...], tuple[clients.Sent, ...]] | None:
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
    own = [base for base in kind.__mro__ if not is_installed(base.__module__)]
    names = frozenset[str]().union(*(vars(base).get("__annotations__", ()) for base in own))
    return {
        name: _field(name, each.default, reader)
        for name, each in declared.items()
        if name in names and each.default is not PydanticUndefined and owner_of(kind, name) in own
    }
