# Self-consistency: several answers to one question, side by side, then a vote among them.

# %%
from concurrent.futures import ThreadPoolExecutor

from langchain_openai import ChatOpenAI

import gptcache_magics as gm

gm.on(samples=3)
llm = ChatOpenAI(model="gpt-4o-mini", temperature=0.8)

# %%
prompt = "A bat and a ball cost $1.10. The bat costs $1.00 more than the ball. How much is the ball? Think aloud."
thoughts = [llm.invoke(prompt).text for _ in range(3)]
assert len(set(thoughts)) == 3

# %%
vote = ChatOpenAI(model="gpt-4o-mini", temperature=0)
vote.invoke("Which answer do most of these give?\n" + "\n---\n".join(thoughts))

# %%
puzzle = "How many times do the hands of a clock overlap in a day? Think aloud."
with ThreadPoolExecutor(3) as pool:
    thoughts = [answer.text for answer in pool.map(llm.invoke, [puzzle] * 3)]
assert len(set(thoughts)) == 3
vote.invoke("Which answer do most of these give?\n" + "\n---\n".join(sorted(thoughts)))

# %%
thoughts = [answer.text for answer in llm.batch(["Name a prime above 100. Think aloud."] * 3)]
vote.invoke("Which answer do most of these give?\n" + "\n---\n".join(sorted(thoughts)))
