"""Prompts of one template: fillings in other words, changed fillings, and the other fillings of the template.

``templates.jsonl`` was written for this project. A line is a template with ``{gaps}`` and six fillings: one is
``stored``, the ``same`` is asked in other words, and an ``other`` one looks alike. Rules were written with the half
``write``; of the half ``check`` the totals were seen, and two wrong answers, which led to rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Formatter
from typing import Final, NamedTuple

from measure import Bar, table
from semantic_caches import Ours, question
from semantic_pairs import Half, Pair, percent, share

import gptcache_magics as gm

__all__ = ["Template", "of_templates", "read_templates"]

FILE: Final = Path(__file__).with_name("templates.jsonl")
KINDS: Final = ("stored", "same", "other")
FALSE, HIT = 0.01, 0.25
ALONE, LEARNT, GIVEN = "one prompt stored", "all six stored", "all six stored, --template"


class Template(NamedTuple):
    """A template with its prompts."""

    text: str
    stored: list[str]
    same: list[str]
    other: list[str]

    @property
    def pairs(self) -> Iterator[Pair]:
        """All pairs of a stored prompt and one that is asked."""
        for asked, same in ((self.same, True), (self.other, False)):
            yield from (Pair(one, other, same) for one, other in zip(self.stored, asked, strict=True))


def read_templates(half: Half = "all", path: Path = FILE) -> list[Template]:
    """Return the templates of a file, or those of one half."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [_template(row) for row in rows if half in ("all", row["half"])]


def _template(row: dict[str, object]) -> Template:
    text = str(row["template"])
    names = sorted({field for _, field, *_ in Formatter().parse(text) if field}, reverse=True)  # {y} is written first
    fillings = row["fillings"]
    assert isinstance(fillings, list)
    prompts = ([text.format(**dict(zip(names, each[kind], strict=True))) for each in fillings] for kind in KINDS)
    return Template(text, *prompts)


def of_templates(templates: Sequence[Template], ours: Ours) -> tuple[list[Bar], list[Pair]]:
    """Print what is served of each kind. Return the bars, and the pairs that are served."""
    rows, bars = [], list[Bar]()
    served: list[Pair] = []
    for name in (ALONE, LEARNT, GIVEN):
        hits, wrong, cross = _rates(templates, ours, name, served)
        rows.append((name, percent(hits), percent(wrong), percent(cross)))
        bars += [
            Bar(f"templates, {name}: false ≤ {percent(FALSE)}", percent(wrong), wrong <= FALSE),
            Bar(f"templates, {name}: hit ≥ {percent(HIT)}", percent(hits), hits >= HIT),
        ]
    number = sum(len(each.stored) for each in templates)
    print(f"{len(templates)} templates, {number} fillings, each asked in other words and changed.\n")
    table(("", "hit, in other words", "false, changed", "false, answered from another filling"), rows)
    return bars, served


def _rates(templates: Sequence[Template], ours: Ours, name: str, served: list[Pair]) -> tuple[float, float, float]:
    """Return the shares of fillings in other words and of changed ones that are served, and of answers from others.

    Pairs that are served rightly where nothing else is stored are added to ``served``.
    """
    hits, wrong, cross = [], [], []
    for template in templates:
        if name == GIVEN:
            gm.on(template=template.text)
        turns = [[each] for each in template.stored] if name == ALONE else [template.stored]
        for stored in turns:
            ours.fresh()
            ours.store(map(question, stored))
            for pair in template.pairs:
                if pair.stored in stored:
                    found = ours.ask(question(pair.asked))
                    right = found == pair.stored
                    (hits if pair.same else wrong).append(right if pair.same else found is not None)
                    cross.append(found is not None and not right)
                    if right and name == ALONE:
                        served.append(pair)
            if name == ALONE:
                cross += [ours.ask(question(each)) is not None for each in template.stored if each not in stored]
    if name == GIVEN:
        gm.on(template="none")
    return share(hits), share(wrong), share(cross)
