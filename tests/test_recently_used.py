"""A memory of what was used last."""

import random
from contextlib import suppress
from typing import Any

from gptcache_magics import recently_used
from gptcache_magics.recently_used import RecentlyUsed
from tests.support.interrupts import interrupted_after


def test_the_value_used_least_recently_makes_room() -> None:
    memory = RecentlyUsed[str](3)
    for name in "abc":
        memory[name] = name
    assert memory.get("a") == "a"
    memory["d"] = "d"
    assert [*memory] == ["c", "a", "d"]


def test_sizes_are_bounded_and_a_value_that_is_too_large_is_not_kept() -> None:
    memory = RecentlyUsed[str](10, len)
    memory["a"] = "x" * 6
    memory["b"] = "x" * 4
    assert len(memory) == 2
    memory["b"] = "x" * 5  # in place of the other one
    assert [*memory] == ["b"]
    memory["c"] = "x" * 11
    assert not memory
    memory["d"] = "x" * 10
    assert [*memory] == ["d"]


def use(memory: Any, chance: random.Random) -> None:
    for _ in range(10):
        name = str(chance.randrange(12))
        memory[name] = "x" * chance.randrange(1, 5)
        memory.get(str(chance.randrange(12)))
        memory.pop(str(chance.randrange(12)), None)


def test_an_interrupt_at_any_instruction_leaves_it_in_order() -> None:
    for steps in range(1, 1_000):
        chance, memory = random.Random(steps), RecentlyUsed[str](20, len)
        use(memory, chance)
        with suppress(KeyboardInterrupt), interrupted_after(steps, recently_used):
            use(memory, chance)
        for _ in range(20):
            use(memory, chance)
        memory["last"] = "x" * 4
        assert memory["last"] == "x" * 4
        assert sum(len(memory[name]) for name in [*memory]) <= 20
