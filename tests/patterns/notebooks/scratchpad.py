# An agent whose prompt quotes its earlier messages as Python shows them, step after step.

# %%
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)

PROMPT = """Answer with an Action, or with a Final Answer.

Question: {question}
Scratchpad: {scratchpad}
"""


# %%
def lookup(action):
    return "Observation: the Rhine is 1,233 km long, the Danube 2,850 km."


scratchpad = []
for _ in range(4):
    answer = llm.invoke(PROMPT.format(question="Which is longer, the Rhine or the Danube?", scratchpad=scratchpad))
    scratchpad.append(answer)
    if "Final Answer" in answer.text:
        break
    scratchpad.append(HumanMessage(lookup(answer.text)))
assert len(scratchpad) == 5
