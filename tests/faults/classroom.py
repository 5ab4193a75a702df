"""A class of kernels on one PostgreSQL, half of them through a pgbouncer. The server is stopped and started meanwhile.

``python -m tests.faults.classroom [KERNELS]`` prints what the class has asked, paid and waited for. Each kernel asks
every question in an order of its own, and calls of several kernels at the same time are to share one model call.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptcache_magics.store.postgres.roles import role_of
from gptcache_magics.store.postgres.script import script
from tests.support.kernel import Kernel
from tests.support.postgres import Database, PgBouncer, PostgresServer
from tests.support.provider_server import KEY, ProviderServer

__all__ = ["Report", "meet"]

SPACE = "class"
QUESTIONS = {"before": 20, "while the server is away": 5, "after": 10}
"""New questions of each phase; those of the earlier phases are asked again."""
MODEL_SECONDS = 0.2
STARTED_AT_ONCE = 3
START = """
import json, random, time
import gptcache_magics as gm
from langchain_openai import ChatOpenAI
%load_ext gptcache_magics
%config GPTCacheMagics.team_single_flight = True
print(gm.on({url!r}, space={space!r}))
model = ChatOpenAI(model="gpt-4o-mini", api_key={key!r}, base_url={base_url!r}, max_retries=0)

def ask(questions, seed):
    random.Random(seed).shuffle(questions)
    asked = []
    for question in questions:
        began = time.time()
        try:
            text, error = model.invoke(question).text, ""
        except Exception as failed:
            text, error = "", repr(failed)
        asked.append((question, text, error, time.time() - began))
        time.sleep(0.05)
    print(json.dumps(asked))
"""
_MISSES = """SELECT l.at, l.author, trim(l.reason_kind || ' ' || l.reason_detail) FROM gptcache.lookup l
    JOIN gptcache.question q ON q.space = l.space AND q.id = coalesce(l.asked, l.entry)
    WHERE l.outcome = 'miss' AND q.question = %s ORDER BY l.at"""
_REASONS = """SELECT trim(reason_kind || ' ' || reason_detail), count(*) FROM gptcache.lookup
    WHERE outcome = 'miss' AND at > %s GROUP BY 1 ORDER BY 2 DESC"""
BACK = """
import time
began = time.time()
while gm.current().store.trouble and time.time() - began < 90:
    time.sleep(0.1)
print(json.dumps([time.time() - began, gm.current().store.trouble]))
"""


@dataclass
class Report:
    """What a class has asked, paid and waited for."""

    kernels: int
    calls: int = 0
    paid: int = 0
    questions: int = 0
    twice: list[str] = field(default_factory=list)
    """Questions that were paid again although the server was there."""
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    longest: dict[str, float] = field(default_factory=dict)
    """Longest call of each phase, in seconds; the model takes ``MODEL_SECONDS``."""
    back: float = 0.0
    """Longest time after the start of the server until a kernel knew that it is back."""
    entries: int = 0
    lookups: int = 0
    authors: int = 0
    """Entries, lookups and authors of lookups that the server has at the end."""
    misses: dict[str, list[str]] = field(default_factory=dict)
    """Misses of the questions that were paid without need."""
    reasons: list[tuple[str, int]] = field(default_factory=list)
    """Reasons of the misses after the server is back, with their numbers."""


def meet(folder: Path, server: PostgresServer, pooler: PgBouncer, database: Database, kernels: int) -> Report:
    """Let a class ask before, while and after the server is away."""
    database.run(script(SPACE))
    report = Report(kernels)
    payments: list[tuple[float, str]] = []
    with ProviderServer() as provider, ExitStack() as ends:
        provider.delay = MODEL_SECONDS
        provider.mind = lambda body, number: _paid(payments, body["messages"][-1]["content"])
        group = ends.enter_context(_class(folder, pooler, database, provider, kernels))
        known: list[str] = []
        away: list[float] = []
        for phase, number in QUESTIONS.items():
            known += [f"Question {len(known) + each} of the class?" for each in range(number)]
            running = [each.send(f"ask({known!r}, {seed})") for seed, each in enumerate(group)]
            if phase == "while the server is away":
                time.sleep(1)
                away.append(time.time())
                server.stop()
            asked = [_printed(each, request) for each, request in zip(group, running, strict=True)]
            _note(report, phase, [call for calls in asked for call in calls])
            if phase == "while the server is away":
                server.start()
                waits = [each.send(BACK) for each in group]
                report.back = max(_printed(each, request)[0] for each, request in zip(group, waits, strict=True))
                away.append(time.time())
        for each in group:
            each.run("%gptcache off")
    report.paid, report.questions, report.twice = len(payments), len(known), _twice(payments, *away)
    report.entries = database.ask("SELECT count(*) FROM gptcache.entry")[0][0]
    report.lookups, report.authors = database.ask("SELECT count(*), count(DISTINCT author) FROM gptcache.lookup")[0]
    report.reasons = database.ask(_REASONS, away[1])
    for question in dict.fromkeys(report.twice):
        misses = database.ask(_MISSES, question)
        report.misses[question] = [f"{at - misses[0][0]:.2f} s {author}: {reason}" for at, author, reason in misses]
    return report


def _paid(payments: list[tuple[float, str]], question: str) -> str:
    payments.append((time.time(), question))
    return _answer(question)


def _answer(question: str) -> str:
    return f"The answer to: {question}"


@contextmanager
def _class(
    folder: Path, pooler: PgBouncer, database: Database, provider: ProviderServer, number: int
) -> Iterator[list[Kernel]]:
    """Start the kernels, each with a folder and a role of its own; every other one goes through the pooler."""

    def started(place: int) -> Kernel:
        name = f"student{place}"
        own = folder / name
        own.mkdir()
        url = database.role(name, role_of(SPACE, "writer"))
        url = pooler.url(database, name) if place % 2 else url
        given = {"url": url, "space": SPACE, "key": KEY, "base_url": provider.openai_url}
        return ends.enter_context(Kernel(own, START.format(**given), NO_PROXY="127.0.0.1"))

    with ExitStack() as ends:
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            group = list(pool.map(started, range(number)))
        yield group


def _printed(kernel: Kernel, request: str) -> Any:
    ran = kernel.until(request, seconds=120)
    assert ran.status == "ok", ran.tracebacks
    return json.loads(ran.text.strip().splitlines()[-1])


def _note(report: Report, phase: str, calls: Sequence[tuple[str, str, str, float]]) -> None:
    report.calls += len(calls)
    report.failures += [error for _, _, error, _ in calls if error]
    report.wrong += [
        question for question, text, error, _ in calls if not error and text != f"The answer to: {question}"
    ]
    report.longest[phase] = max(seconds for *_, seconds in calls)


def _twice(payments: Sequence[tuple[float, str]], stopped: float, back: float) -> list[str]:
    """Return the questions that were paid without need: not for the first time, and the server was there."""
    first: dict[str, float] = {}
    needless: list[str] = []
    for moment, question in sorted(payments):
        since = moment - first.setdefault(question, moment)
        if since and (moment < stopped or moment > back):
            needless.append(question)
    return needless


def main(kernels: int = 30) -> None:
    """Print what a class of so many kernels does."""
    began = time.time()
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer(max_connections=str(20 + 5 * kernels)) as server,
        server.database() as database,
        ExitStack() as ends,
    ):
        pooler = PgBouncer(server, size=4)
        ends.callback(pooler.close)
        report = meet(Path(folder), server, pooler, database, kernels)
    asked = f"{report.calls:,} calls of {report.questions} questions"
    twice, failed, wrong = map(len, (report.twice, report.failures, report.wrong))
    print(f"{kernels} kernels, {asked}, {time.time() - began:.0f} s with their start")
    print(f"paid {report.paid}, without need {twice}, failed {failed}, wrong {wrong}")
    print("longest call:", ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in report.longest.items()))
    print(f"known to be back after {report.back:.1f} s")
    print(f"on the server: {report.entries} entries, {report.lookups:,} lookups by {report.authors} authors")
    print("misses afterwards:", ", ".join(f"{number} {reason}" for reason, number in report.reasons))
    print(*report.misses.items(), *report.failures[:5], *report.wrong[:5], sep="\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
