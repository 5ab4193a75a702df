# Map and reduce: chunks of a text side by side, then their summaries, until those are short enough.

# %%
import operator
from typing import Annotated, TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.constants import START
from langgraph.graph import END, StateGraph
from langgraph.types import Send

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)
summarize = ChatPromptTemplate.from_messages([("human", "Write a summary:\n{text}")]) | llm | StrOutputParser()
reduce = ChatPromptTemplate.from_messages([("human", "Make one of these:\n{texts}")]) | llm | StrOutputParser()


# %%
class State(TypedDict):
    chunks: list[str]
    summaries: Annotated[list[str], operator.add]
    final: str


async def one(state):
    return {"summaries": [await summarize.ainvoke({"text": state["chunk"]})]}


async def all_of_them(state):
    texts = state["summaries"]
    while len(texts) > 1:
        pairs = [texts[at : at + 2] for at in range(0, len(texts), 2)]
        texts = await reduce.abatch([{"texts": "\n".join(pair)} for pair in pairs])
    return {"final": texts[0]}


graph = StateGraph(State).add_node("one", one).add_node("all", all_of_them)
graph.add_conditional_edges(START, lambda state: [Send("one", {"chunk": each}) for each in state["chunks"]], ["one"])
app = graph.add_edge("one", "all").add_edge("all", END).compile()

# %%
chunks = [f"Chapter {number}: it was a dark and stormy night, and nobody slept." for number in range(1, 6)]
ended = await app.ainvoke({"chunks": chunks})
assert len(ended["summaries"]) == 5
