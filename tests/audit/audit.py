"""Compare requests with keys: where two requests differ, their keys must differ."""

import asyncio
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

import gptcache_magics as gm
from tests.audit.cases import Case, cases_of
from tests.audit.equivalent import reduced
from tests.audit.subjects import Subject
from tests.audit.wire import Wire

__all__ = ["HEADER", "Report", "audit", "environment"]

HEADER: Final = f"{'class':<28}" + "".join(
    f"{name:>12}" for name in ("calls", "pairs", "wrong", "waste", "bypassed", "not tried")
)


DROPPED, OVERRIDDEN, TWICE = "(empty argument)", "(argument over a field)", "(one value in two places)"
KNOWN_WASTE: Final = {
    re.escape(DROPPED): "None and empty arguments count, because most classes send them; this one drops them",
    re.escape(OVERRIDDEN): "a field counts where an argument takes its place",
    re.escape(TWICE): "a field, an argument and model_kwargs are not compared with each other",
    "output_version|LC_OUTPUT_VERSION|include_response_headers": "changes the answer and not the request",
    "profile": "what is known of a model may change later requests",
    ".*client.*|root_.*": "a client that this call does not use may be another's, and its content is compared",
    ".*_(api_base|base|url|endpoint)|endpoint|api_base|base_url|.*_(API_BASE|BASE_URL|HOST|ENDPOINT)": (
        "a field that was set after the client was made, and an address that two variables give"
    ),
    ".*_CUSTOM_HEADERS|default_(headers|query)|extra_(headers|query|body)": "empty ones, and those of a made client",
    "stop|stop_sequences|tools|betas|message|history|headers": "empty is not told from none; a history is cut",
    "(dis)?allowed_special|deployment_name|model_(name|version)|openai_api_(type|version)": "often not sent",
    "logprobs|seed|max_(completion|output)_tokens|verbosity|tool_choice|bind_tools|options|think": "two ways to say it",
    "output_config|reasoning_effort|reuse_last_container": "two ways to say it, to Anthropic",
    "stream_options|disabled_params|use_.*|model_kwargs": "switches without effect on this request",
}
"""Names whose values may change the key and not the request, as patterns, each with the reason: a miss too many."""


KNOWN_THRIFTLESS: Final = {
    "history tool text, .*": "earlier versions of OpenAI's class send the whole block",
    "history system text, .*": "earlier versions of Anthropic's class send the whole block",
    "history ai text of v1, .*": "Anthropic's class reads other fields of blocks of that form",
    ".*(name|reasoning_content)=None": "None is sent by some classes",
}
"""Labels of calls that count what this version of a class does not send, as patterns, each with the reason."""


@dataclass(frozen=True)
class Observation:
    """One call, and the key that the cache looked under."""

    case: Case
    requests: tuple[str, ...]
    """The requests that it made, modulo the equivalences of its class."""
    key: str | None
    """None if the call went past the cache."""


@dataclass
class Report:
    """The outcome of one class's audit."""

    subject: Subject
    observed: list[Observation] = field(default_factory=list)
    not_tried: dict[str, str] = field(default_factory=dict)
    """Reasons by the label of the case."""
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """The pairs of calls whose requests differ under one key."""
        return [
            f"{ours.case.label}  |  {theirs.case.label}: {_difference(ours, theirs)}"
            for group in _groups(self.observed, lambda each: each.key)
            for ours, theirs in _unlike(group, lambda each: each.requests)
        ]

    @property
    def waste(self) -> Counter[str]:
        """The names whose variation changed the key and not the request, with the number of calls."""
        return Counter(
            _cause(ours.case, theirs.case)
            for group in _groups(self.observed, lambda each: each.requests)
            for ours, theirs in _unlike([each for each in group if each.key], lambda each: each.key)
        )

    @property
    def thriftless(self) -> list[str]:
        """The calls that ask the same as another one, for the reason in their case, and have another key."""
        by_label = {each.case.label: each for each in self.observed}
        pairs = [(each, by_label.get(each.case.same_as)) for each in self.observed if each.case.same_as]
        return [
            f"{one.case.label}  |  {two.case.label}"
            for one, two in pairs
            if two is not None and one.requests == two.requests and one.key != two.key
            if not any(re.fullmatch(known, one.case.label) for known in KNOWN_THRIFTLESS)
        ]

    @property
    def new_waste(self) -> list[str]:
        """The names in ``waste`` for which there is no reason in ``KNOWN_WASTE``."""
        return sorted(name for name in self.waste if not any(re.fullmatch(known, name) for known in KNOWN_WASTE))

    @property
    def row(self) -> str:
        """The line of this class in the table of all."""
        figures = (len(self.observed), self.pairs, len(self.wrong), sum(self.waste.values()), len(self.unreadable))
        numbers = "".join(f"{figure:>12,}" for figure in (*figures, len(self.not_tried)))
        unknown = f"\n    new waste: {', '.join(self.new_waste)}" if self.new_waste else ""
        return f"{self.subject!s:<28}{numbers}{self.seconds:>8.1f} s{unknown}"

    @property
    def unreadable(self) -> set[str]:
        """The names whose variation made a call go past the cache."""
        return {each.case.name for each in self.observed if each.key is None}

    @property
    def pairs(self) -> int:
        """The number of comparisons: each call with each other."""
        return len(self.observed) * (len(self.observed) - 1) // 2


def _groups(observed: Iterable[Observation], by: Any) -> Iterator[list[Observation]]:
    groups: dict[Any, list[Observation]] = defaultdict(list)
    for each in observed:
        if by(each) is not None:
            groups[by(each)].append(each)
    yield from groups.values()


def _unlike(group: list[Observation], by: Any) -> Iterator[tuple[Observation, Observation]]:
    """Yield the first call of a group, with one of each kind that differs from it."""
    seen = {by(group[0])} if group else set()
    for each in group:
        if by(each) not in seen:
            seen.add(by(each))
            yield group[0], each


def _cause(ours: Case, theirs: Case) -> str:
    """Return why two calls of one request have two keys: a kind of call, or the name that is varied."""
    if any(value in (None, "", [], {}) for value in (*ours.arguments.values(), *theirs.arguments.values())):
        return DROPPED
    if (ours.fields and ours.arguments) or (theirs.fields and theirs.arguments):
        return OVERRIDDEN
    return TWICE if ours.name == theirs.name else theirs.name


def _difference(ours: Observation, theirs: Observation) -> str:
    """Return where two requests differ."""
    one, two = " ".join(ours.requests), " ".join(theirs.requests)
    start = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), 0)
    return f"…{one[max(0, start - 30) : start + 60]}… is …{two[max(0, start - 30) : start + 60]}…"


def audit(subject: Subject, wire: Wire, cache: gm.GPTCache) -> Report:
    """Make every call of a class, and note request and key of each."""
    report, started = Report(subject), time.perf_counter()
    variables = _variables(subject, wire, cache)
    for case in cases_of(subject, wire.url, wire.other_url, variables):
        seen = _observe(subject, case, wire, cache)
        if isinstance(seen, str):
            report.not_tried[case.label] = seen
        else:
            report.observed.append(seen)
    report.seconds = time.perf_counter() - started
    return report


def _observe(subject: Subject, case: Case, wire: Wire, cache: gm.GPTCache) -> Observation | str:
    """Make one call. Returns why it made none if it did not reach the server."""
    wire.requests.clear()
    cache.ledger.recent.clear()
    fields = {name: value for name, value in subject.base(wire.url).items() if name not in case.without}
    asked = False
    with environment({**subject.variables(wire.url), **case.environment}):
        try:
            model = subject.kind(**_copied({**fields, **case.fields}))
            for name, value in _copied(case.assigned).items():
                setattr(model, name, value)
            runnable = case.bound(model) if case.bound else model
            wire.requests.clear()  # some classes ask the server for its models when they are made
            asked = True
            if case.asynchronous:
                LOOP.run_until_complete(runnable.ainvoke(_copied(case.prompt), **_copied(case.arguments)))
            else:
                runnable.invoke(_copied(case.prompt), **_copied(case.arguments))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        else:
            why = "answered without a request"
    if not (asked and wire.requests):
        return why
    looked = [lookup for lookup in cache.ledger.recent if lookup.outcome == "miss"]
    key = " ".join(str(lookup.key) for lookup in looked) or None
    requests = tuple(reduced(each, subject.equivalent, subject.provider) for each in wire.requests)
    return Observation(case, requests, key)


def _variables(subject: Subject, wire: Wire, cache: gm.GPTCache) -> list[str]:
    """Return the environment variables that are read when a model is made and asked, with and without an address."""
    kind, read = type(os.environ), dict[str, None]()
    original = kind.__getitem__

    def recording(environment: Any, name: str) -> str:
        read[name] = None
        return original(environment, name)

    _observe(subject, Case("", ""), wire, cache)  # imports what reads variables of its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__getitem__", recording)
        for without in ((), (subject.url,)):
            _observe(subject, Case("", "", without=without), wire, cache)
    return [name for name in read if name not in os.environ and not VARIABLES_LEFT_OUT.search(name)]


VARIABLES_LEFT_OUT: Final = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|LANGCHAIN|LANGSMITH|LITELLM_LOCAL|PROXY|proxy|^SSL|^PYT|^PATH|^HOME$|_LOG$|^(TMP|TEMP)"
)
"""Environment variables with credentials, and those of tracing, of the network, and of Python."""


def _copied(value: Any) -> Any:
    """Return a copy of containers, so that a class that changes what it is given spoils no later case."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if type(value) is list else value


LOOP: Final = asyncio.new_event_loop()
"""One loop for all calls, because clients keep their connections per loop."""


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for the time of a block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in variables if name in before})
