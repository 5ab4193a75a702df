"""Find what is true of all models of a class: which fields count, and where clients and addresses are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from gptcache_magics.identity import classes
from gptcache_magics.identity.providers import (
    ARRIVING,
    BASE_URLS,
    MODEL_NAMES,
    PROVIDERS,
    Provider,
    is_known,
    left_out,
    owner_of,
    provider_of,
)
from gptcache_magics.text.secret_names import is_secret

if TYPE_CHECKING:
    from gptcache_magics.identity.call import ReadCall

__all__ = ["HTTP_CLIENTS", "Facts", "facts_of", "key_variables"]

_SEEN: Final = ("name", "tags", "metadata")
"""LangChain's own fields that it reads itself only, unless a method of the user's reads them."""
_ANSWERING: Final = ("_generate", "_agenerate", "_stream", "_astream", "_call", "_acall", "_get_request_payload")
HTTP_CLIENTS: Final = ("http_client", "http_async_client")
"""Fields that hold an HTTP client of the user's, which the provider's client then uses."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Facts about all models of a class."""

    known: bool
    """Whether a provider's package or langchain-core wrote the class as it is, and not the user or anybody else."""
    counted: tuple[tuple[str, Any], ...]
    """The fields that count, each with its default."""
    names: tuple[str, ...]
    """Names of the values that ``plain_values`` reads: see :mod:`gptcache_magics.identity.reading`."""
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
    takes_headers: bool
    """Whether empty headers and an empty body of a call change nothing."""
    headers_variable: str
    """Environment variable that a client reads headers from when the first call makes it."""
    replaced: dict[str, Any]
    """Functions and mocks that the user has put into installed classes, by their places."""
    answering: list[tuple[Callable[[str], Any], str, Any]]
    """Members of installed bases that an answer comes from, None where a base has none: lookup, name and member."""
    key_variables: list[str] = field(default_factory=list)
    calls: dict[Hashable, ReadCall] = field(default_factory=dict)
    """The calls of plain models as they were read, by what ``plain_values`` reads of them."""

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
        name for name in (*declared, *private, *computed) if name.endswith("client") and name not in HTTP_CLIENTS
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
        takes_headers=provider.takes_headers,
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
    """Return whether the provider's own class declares a field, or its client has the address."""
    owner = owner_of(kind, name)
    return is_known(owner) if owner is not None else name == "base_url"


def _default(declared: Any) -> Any:
    made = declared.default_factory
    return made() if made in (dict, list, set, tuple) else declared.default


def key_variables(model: Any) -> str:
    """Return the names of the environment variables that the model's class reads its key from."""
    names = facts_of(type(model)).key_variables
    if not names:
        variables = getattr(model, "lc_secrets", {}).values()
        names.append(" ".join(sorted(each for each in variables if is_secret(each))))
    return names[0]
