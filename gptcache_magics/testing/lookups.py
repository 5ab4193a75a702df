"""The contract of a store that keeps lookups."""

from __future__ import annotations

from collections import Counter

from gptcache_magics.store.protocol import LookupLog, Period, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import GPT, NOON, column, lookup

__all__ = ["LookupLogContract"]


class LookupLogContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.LookupLog``; it needs no entries."""

    def test_lookups_come_back_newest_first(self, store: LookupLog, reader: LookupLog) -> None:
        store.record([lookup(100, name="c")], [], 1000)
        store.forget_lookups()
        store.record([lookup(n, run="one") for n in range(5)], [GPT], 1000)
        store.record([lookup(n, run="two", notebook="Ä.ipynb") for n in range(5, 8)], [GPT], 1000)

        every = reader.lookups(Period())
        assert column(every, "number_in_run") == [7, 6, 5, 4, 3, 2, 1, 0]
        assert column(every, "notebook")[:4] == ["Ä.ipynb"] * 3 + [""]
        assert column(reader.lookups(Period(), 3), "number_in_run") == [7, 6, 5]
        assert column(reader.lookups(Period(run="one")), "number_in_run") == [4, 3, 2, 1, 0]
        assert column(reader.lookups(Period(after=NOON + 6)), "number_in_run") == [7, 6]
        assert reader.outcomes(Period(run="two")).at == [NOON + 7, NOON + 6, NOON + 5]
        assert reader.outcomes(Period(run="two")).configuration == [GPT.key] * 3
        assert reader.lookups(Period(run="three")) == []

    def test_a_lookup_written_again_is_the_same_lookup(self, store: LookupLog, reader: LookupLog) -> None:
        asked = lookup(1, "miss")
        store.record([asked, lookup(2, "miss")], [GPT], 1000)
        asked.seconds, asked.usage, asked.reason = 1.5, Usage(7, 8), Reason(Kind.ERROR, "told later")
        store.record([asked], [], 1000)

        found = reader.lookups(Period())
        assert column(found, "number_in_run") == [2, 1]
        assert column(found, "seconds") == [None, 1.5]
        assert column(found, "output_tokens") == [None, 8]
        assert column(found, "reason") == [None, Reason(Kind.ERROR, "told later")]

    def test_the_cause_of_a_miss_is_found_later(self, store: LookupLog, reader: LookupLog) -> None:
        new = Reason(Kind.NEW)
        store.record([lookup(1, "miss", reason=new), lookup(2), lookup(3, "miss", reason=new)], [GPT], 1000)
        store.record([lookup(4, "miss", reason=Reason(Kind.EXPIRED))], [GPT], 1000)

        misses = reader.unexplained(10)
        assert column(misses, "number_in_run") == [3, 1]
        assert column(reader.unexplained(1), "number_in_run") == [3]
        every = {row.number_in_run: row.number for row in reader.lookups(Period())}
        causes = {every[1]: Reason(Kind.FIRST), every[3]: Reason(Kind.CONTEXT, "message 2"), every[4]: new}
        store.put_causes(causes)
        assert reader.unexplained(10) == []
        assert column(reader.lookups(Period()), "reason")[:2] == [Reason(Kind.EXPIRED), causes[every[3]]]
        assert column(reader.lookups(Period()), "reason")[3] == Reason(Kind.FIRST)

    def test_the_newest_lookups_are_kept(self, store: LookupLog, reader: LookupLog) -> None:
        for first in range(0, 1000, 50):
            store.record([lookup(n, name=n) for n in range(first, first + 50)], [GPT], 100)

        numbers = column(reader.lookups(Period()), "number_in_run")
        assert numbers == list(range(999, 999 - len(numbers), -1))
        assert 100 <= len(numbers) <= 160
        assert column(reader.lookups(Period()), "question") == [f"question {n}" for n in numbers]

    def test_who_asked_is_kept_and_counted(self, store: LookupLog, reader: LookupLog) -> None:
        store.record([lookup(1), lookup(2, face="openai"), lookup(3, face="anthropic"), lookup(4)], [GPT], 1000)
        faces = ["langchain", "anthropic", "openai", "langchain"]

        assert column(reader.lookups(Period()), "face") == faces
        assert reader.outcomes(Period()).face == faces
        for cells in (True, False):
            counted = Counter[str]()
            for each in reader.sums(Period(), cells=cells):
                counted[each.face] += each.lookups
            assert counted == Counter(faces)

    def test_sums_by_who_asked_outlast_the_lookups(self, store: LookupLog, reader: LookupLog) -> None:
        asked = lookup(0, "miss", face="litellm")
        store.record([asked], [GPT], 1000)
        asked.outcome, asked.face = "hit", "openai"  # written again, it is counted once
        store.record([asked], [GPT], 1000)
        for first in range(1, 1001, 50):
            again = [lookup(n, face="openai" if n % 5 else "langchain") for n in range(first, first + 50)]
            store.record(again, [GPT], 100)

        assert len(reader.lookups(Period())) < 200
        for cells in (True, False):
            sums = reader.sums(Period(), cells=cells)
            assert sum(each.lookups for each in sums if each.face == "openai") == 801
            assert sum(each.lookups for each in sums) == 1001
