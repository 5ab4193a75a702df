"""Words that praise and words that blame: *great* and *poor* make two reviews opposite, whatever else they share.

The lists are of words that judge in nearly every sentence. Words that judge in some only are left out: a *cold* beer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gptcache_magics.semantic.guards.stems import stem

__all__ = ["blame", "praise"]

_PRAISE: Final = (
    "good great excellent superb fantastic wonderful amazing awesome brilliant perfect outstanding terrific "
    "marvellous marvelous fabulous splendid magnificent phenomenal stellar exceptional impressive stunning gorgeous "
    "beautiful lovely charming delightful pleasant enjoyable nice fine decent solid superior flawless spotless "
    "immaculate pristine intact undamaged unharmed unscathed clean tidy hygienic fresh delicious tasty yummy "
    "flavourful flavorful scrumptious juicy crisp crispy comfortable comfy cosy cozy roomy spacious quiet calm "
    "peaceful relaxing friendly polite courteous welcoming attentive helpful considerate thoughtful generous "
    "warmhearted patient professional competent skilled skilful skillful knowledgeable honest sincere truthful "
    "trustworthy loyal reliable dependable sturdy durable robust stable accurate precise prompt punctual swift "
    "speedy responsive efficient effective useful handy practical convenient intuitive effortless smooth seamless "
    "affordable reasonable bargain worthwhile valuable priceless exciting thrilling gripping captivating "
    "fascinating engaging entertaining fun funny hilarious witty clever smart wise ingenious inspiring inspired "
    "uplifting memorable unforgettable original creative elegant stylish vivid bright legible readable safe secure "
    "healthy beneficial harmless happy glad joyful cheerful delighted thrilled satisfied grateful thankful proud "
    "hopeful confident relieved excited optimistic love adore enjoy admire praise applaud cherish recommend "
    "appreciate thank congratulate succeed success successful win won triumph thrive flourish improve improvement "
    "improved fixed repaired restored solved resolved recover recovered approve approved accept accepted welcome "
    "welcomed agree lucky fortunate ideal best better favourite favorite masterpiece gem joy delight pleasure "
    "blessing works worked working functional operational"
)
_BLAME: Final = (
    "bad poor awful terrible horrible dreadful horrid atrocious abysmal appalling lousy crappy rubbish trash "
    "garbage mediocre inferior disappointing disappointed unsatisfactory unacceptable pathetic ridiculous ugly "
    "hideous nasty unpleasant disgusting revolting gross repulsive vile foul damaged broken cracked torn ripped "
    "dented scratched shattered smashed ruined spoiled spoilt defective faulty flawed buggy glitchy corrupted "
    "leaking leaky missing dirty filthy grubby stained greasy dusty mouldy moldy smelly stinking stale rotten soggy "
    "bland tasteless inedible undercooked overcooked burnt uncomfortable cramped noisy rude impolite unfriendly "
    "hostile arrogant grumpy dismissive condescending careless inattentive ignorant unhelpful useless worthless "
    "pointless lazy incompetent unprofessional clumsy dishonest deceitful liar fraud fraudulent scam fake bogus "
    "misleading unreliable undependable flimsy fragile shoddy shaky wobbly unstable inaccurate imprecise incorrect "
    "wrong late delayed overdue slow sluggish unresponsive inefficient ineffective impractical inconvenient "
    "confusing confused complicated clunky overpriced pricey ripoff unreasonable boring dull tedious dreary "
    "monotonous predictable forgettable lame stupid silly dumb foolish nonsense annoying annoyed irritating "
    "irritated frustrating frustrated infuriating tiresome exhausting painful blurry blurred illegible unreadable "
    "dim unsafe dangerous hazardous harmful toxic risky unhealthy sad unhappy miserable depressed depressing gloomy "
    "upset angry furious outraged worried anxious nervous afraid scared frightened terrified ashamed embarrassed "
    "embarrassing jealous lonely hopeless pessimistic hate hated loathe despise detest dislike disliked resent "
    "regret complain complained blame criticize criticise insult mock ridicule fail failed failure fails flop lose "
    "lost loss defeat defeated worsen worse worst decline crash crashed crashes broke malfunction malfunctioned "
    "ruin waste wasted reject rejected refuse refused deny denied unfair unjust unlucky unfortunate disaster "
    "nightmare shame disgrace disgraceful horror dead died ignored ignore rudely"
)
_GOOD: Final = frozenset(map(stem, _PRAISE.split()))
_BAD: Final = frozenset(map(stem, _BLAME.split()))


def praise(stems: Iterable[str]) -> list[str]:
    """Return the stems that praise, as adverbs too."""
    return [each for each in stems if each in _GOOD or _adjective(each) in _GOOD]


def blame(stems: Iterable[str]) -> list[str]:
    """Return the stems that blame, as adverbs too."""
    return [each for each in stems if each in _BAD or _adjective(each) in _BAD]


def _adjective(adverb: str) -> str:
    return stem(adverb.removesuffix("ly"))
