# A small limit of tokens: the answer is cut off.

# %%
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0, max_tokens=12)

# %%
short = llm.invoke("Tell me a long story.")

# %%
ChatOpenAI(model="gpt-4o-mini", temperature=0).invoke(f"Go on: {short.text}")
