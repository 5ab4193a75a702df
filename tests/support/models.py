"""Parts of calls: a schema, a tool, a graph, and the text of an answer."""

from typing import Any

from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

__all__ = ["Reply", "graph", "text_of", "weather"]


class Reply(BaseModel):
    """A reply with its text."""

    answer: str


@tool
def weather(city: str) -> str:
    """Return the weather in a city."""
    return "Sun"


def graph(llm: Any) -> Any:
    """Return a LangGraph graph of one node, which asks a model."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [llm.invoke(state["messages"])]})
    builder.add_edge(START, "model")
    return builder.compile()


def text_of(answer: Any) -> str:
    """Return the text of an answer of a chat or a completion model."""
    return answer if isinstance(answer, str) else str(answer.text)
