"""The configuration of a call: the model with everything about it and the call that can change an answer.

A configuration is read from the live model for each call, because LangChain's ``llm_string`` is a snapshot that may not
even name the model. A configuration is remembered under the model's values, which are compared by content each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, Final

import orjson

from gptcache_magics.identity.call import Call, ReadCall
from gptcache_magics.identity.canonical import ADDRESS, Reader, dumps
from gptcache_magics.identity.carried import carried_by
from gptcache_magics.identity.facts import facts_of, key_variables
from gptcache_magics.identity.label import label_of, temperature_of
from gptcache_magics.identity.local_file import with_contents
from gptcache_magics.identity.model import behaviour, fields, model_file, model_name
from gptcache_magics.identity.origin import name_of
from gptcache_magics.identity.providers import (
    BOOKKEEPING,
    CALL_LEFT_OUT,
    FORMATS,
    MODEL_NAMES,
    PROVIDERS,
    USUAL,
    provider_of,
)
from gptcache_magics.identity.reading import Reading, plain_values, reading_of
from gptcache_magics.identity.reduced_parameters import reduced
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.store.protocol import Configuration
from gptcache_magics.text.masking import HIDDEN, is_credential, shown, without_secrets
from gptcache_magics.text.secret_names import is_secret

__all__ = ["arguments_of", "configuration_of", "configuration_of_llm_string", "read", "unreadable_configuration"]

_ENVIRONMENT: Final = (b"environ", b"environb", b"getenv")
REMEMBERED: Final = 512
"""Number of configurations to remember; a notebook has a few."""


def configuration_of(call: Call) -> Configuration:
    """Return the configuration of a call, as its model and arguments are now.

    Raises
    ------
    Unreadable
        If a value cannot be read to its data. The message names the field or the argument.
    """
    return read(call).configuration


def read(call: Call) -> ReadCall:
    """Return what the prompts of a call have in common. Raises the errors of :func:`configuration_of`."""
    model, kwargs, awaited = call.model, arguments_of(call), call.awaited
    if call.counts_bookkeeping:  # rarely
        return _read_in_full(model, kwargs, awaited=awaited, counts_bookkeeping=True)
    reading = _readings.get(id(model))
    if reading is None or not reading.holds(model, awaited=awaited):
        return _read(model, kwargs, None, awaited=awaited)
    return reading.call(kwargs) or _read(model, kwargs, reading, awaited=awaited)


def _read(model: Any, kwargs: dict[str, Any], reading: Reading | None, *, awaited: bool) -> ReadCall:
    """Return what is read of a call, and remember it if model and arguments are plain data."""
    facts = facts_of(type(model))
    values = plain_values(model, facts, kwargs, awaited=awaited)
    if values is None:
        return _read_in_full(model, kwargs, awaited=awaited)
    number = id(model)
    reading = reading or reading_of(model, facts, awaited=awaited, forget=partial(_forget, number))
    known = facts.calls
    call = known.get(values)
    if call is None:
        if len(known) >= REMEMBERED:
            known.clear()
        call = known[values] = _read_in_full(model, kwargs, awaited=awaited)
    # Another thread may have changed something meanwhile.
    unchanged = values == plain_values(model, facts, kwargs, awaited=awaited)
    if reading is not None and unchanged and reading.holds(model, awaited=awaited):
        reading.remember(kwargs, call)
        if len(_readings) >= REMEMBERED:
            _readings.clear()
        _readings[number] = reading
    return call


def _forget(number: int, gone: Any) -> None:
    reading = _readings.get(number)
    if reading is not None and reading.model is gone:
        _readings.pop(number, None)


_readings: Final[dict[int, Reading]] = {}
"""The latest reading of each plain model that lives, by its ``id``."""


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the arguments that the model gets. ``stop=None`` is how LangChain passes none."""
    method = "stream" if call.streams else "events" if "events" in call.method else "generate"
    left_out = CALL_LEFT_OUT[method]
    given = {
        name: value
        for name, value in call.kwargs.items()
        if name not in left_out and not (name == "stop" and value is None)
    }
    if not given:
        return given
    arriving = facts_of(type(call.model)).arriving
    return {
        name: value
        for name, value in given.items()
        if name not in FORMATS and name not in arriving and not is_credential(name, value)
    }


def unreadable_configuration(call: Call) -> Configuration:
    """Return what can be told of a model that cannot be read: provider and name. Nothing is stored under its key."""
    kind = type(call.model)
    name = model_name(call.model, call.kwargs) or kind.__name__
    content = dumps([name_of(kind), name, "unreadable"])
    key = blake2b(content, digest_size=16).hexdigest()
    name = shown(_last_part(name))
    return Configuration(key, provider_of(kind), name, label_of(name, {}), None, "{}")


def _read_in_full(model: Any, kwargs: dict[str, Any], *, awaited: bool, counts_bookkeeping: bool = False) -> ReadCall:
    kind = type(model)
    reader = Reader()
    counted = fields(model, reader, awaited=awaited)
    arguments = {name: _argument(name, value, reader) for name, value in kwargs.items()}
    name = before = model_name(model, kwargs)
    beside = [does] if (does := behaviour(model, reader)) else []
    data = dumps([name_of(kind), name, counted, arguments, *beside])
    if variables := _variables(data):
        beside.append(variables)
        data = dumps([name_of(kind), name, counted, arguments, *beside])
    facts, provider = facts_of(kind), provider_of(kind)

    def configuration(data: bytes, name: str) -> Configuration:
        return configuration_from_json(data, provider, name or kind.__name__, key_variables(model), facts.addresses)

    bookkeeping = frozenset[str]() if counts_bookkeeping else BOOKKEEPING.get(provider, frozenset())
    counted, arguments, called = *reduced(facts, counted, arguments, bookkeeping), name
    # The class of a provider sends the path to its server, which may read another file than the one that lies here.
    asks_server = facts.known or provider in PROVIDERS
    file = None if asks_server else model_file(model, kwargs)
    if file is not None and name in ("", file.path):
        name, called = file.identity, file.name
    unread = [name, counted, arguments, *beside]
    if file is not None:
        for path in (file.given, file.path):  # an object first: it may hold the text
            unread = orjson.loads(dumps(unread).replace(dumps(path), dumps(file.identity)))
    read = _with_contents(unread, asks_server=asks_server, known=facts.known)
    sent = dumps([name_of(kind), *unread, *read])
    # Nobody knows the contents that the first versions answered from.
    earlier = configuration(data, before) if sent != data and not read else None
    return ReadCall(configuration(sent, called), carried_by(model, facts, kwargs), earlier)


def _with_contents(read: Sequence[Any], *, asks_server: bool, known: bool) -> list[dict[str, Any]]:
    """Return what was read with the contents of the files and folders that are named in it; empty if there are none.

    Parameters
    ----------
    asks_server
        Whether the class is a provider's or made of one. It may ask a server of this machine, which reads files; but
        most names of its models are no files, whatever lies in the working folder.
    """
    name, fields, arguments, *beside = read
    named = {each: value for each, value in {**fields, **arguments}.items() if each in MODEL_NAMES}
    others = {} if known else {each: value for each, value in {**fields, **arguments}.items() if each not in named}
    does = {each: value for each, value in beside[0].items() if each != "code"} if beside and not known else {}
    before = [name, named, others, does]
    after = [with_contents(each, places=asks_server) for each in before[:2]] + [*map(with_contents, before[2:])]
    return [{"contents": after}] if after != before else []


def _variables(content: bytes) -> dict[str, str]:
    """Return the environment variables that are named in what was read, if code in it reads any; without credentials.

    The name may stand elsewhere than the code that reads it: in a global, in a field, in the call of a function.
    """
    if not any(b'"%s"' % name in content for name in _ENVIRONMENT):
        return {}
    named = {name: value for name, value in os.environ.items() if name != "_" and dumps(name) in content}
    return {name: "" if is_secret(name) else value for name, value in named.items()}


def _argument(name: str, value: Any, reader: Reader) -> Any:
    try:
        plain = without_secrets(reader.fork().plain(value), name)
        # A class reads as its schema, and a provider's package sends it in another form than the schema as it is.
        bare = name == "response_format" and isinstance(value, Mapping) and "properties" in value
        return {"schema": plain} if bare else plain
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from None


@lru_cache(maxsize=REMEMBERED)
def configuration_from_json(
    content: bytes, provider: str, model: str, environment: str, addresses: frozenset[str]
) -> Configuration:
    """Return the configuration that canonical JSON describes.

    Parameters
    ----------
    content
        JSON of class, model name, fields and arguments, for classes that are not known also of what they do:
        everything that can change an answer.
    environment
        Names of the variables that the model's class reads its key from, with spaces between them.
    addresses
        The fields that hold the provider's address, which is no part of a portable key.
    """
    kind, _, fields, kwargs, *behaviour = orjson.loads(content)
    parameters = {**fields, **kwargs}
    for name in MODEL_NAMES:
        if parameters.get(name) == model:
            del parameters[name]
    portable: list[Any] = [provider, model, {**parameters}]
    if provider in PROVIDERS:  # of another class, nobody knows whether a field of such a name is an address
        portable[2] = {name: each for name, each in parameters.items() if name not in addresses or name in kwargs}
    if behaviour or kind not in USUAL:
        portable += [kind, *behaviour]
    model, parameters = shown(_last_part(model)), shown(parameters)
    return Configuration(
        key=blake2b(content, digest_size=16).hexdigest(),
        provider=provider,
        model=model,
        label=label_of(model, parameters),
        temperature=temperature_of(parameters),
        parameters=_json(parameters),
        portable=blake2b(dumps(portable), digest_size=16).hexdigest(),
        environment=environment,
        call_parameters=_json(shown({name: fields.get(name) for name in kwargs})),
    )


def _last_part(name: str) -> str:
    """Return the name of a model without the folders of a path, which unlike a name says where it begins."""
    if not name.startswith(("/", "\\", "./", "../", "~")) and name[1:3] not in (":/", ":\\"):
        return name
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1] or name


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@lru_cache(maxsize=64)
def configuration_of_llm_string(llm_string: str) -> tuple[Configuration, bool]:
    """Return the known facts about a model that no hook saw, and whether its name is among them."""
    scrubbed = ADDRESS.sub("", llm_string)
    named = re.search(r"""["'](?:model_name|model|model_id)["'](?:: |, )["']([^"']+)["']""", scrubbed)
    kind = re.search(r"""["']_type["'], ["']([^"']+)["']""", scrubbed)
    model = shown(named.group(1) if named else kind.group(1) if kind else "unknown")
    digest = blake2b(b"llm_string\0" + scrubbed.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    parameters = dumps({"llm_string": HIDDEN}).decode()  # it may hold anything, in a form that cannot be read
    return Configuration(digest, "", model, model, None, parameters), named is not None
