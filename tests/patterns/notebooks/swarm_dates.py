# A swarm: two agents that hand over to each other, one of them with the date in its prompt.

# %%
import os
from datetime import date
from typing import Annotated

from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.types import Command

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)
today = date.fromisoformat(os.environ["LESSON_DAY"])  # date.today(), were there time to wait for another day


# %%
def handoff_to(agent):
    @tool(f"transfer_to_{agent}", description=f"Hand over to the {agent} assistant.")
    def handoff(state: Annotated[dict, InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]):
        told = ToolMessage(f"Successfully transferred to {agent}", name=agent, tool_call_id=tool_call_id)
        return Command(goto=agent, graph=Command.PARENT, update={"messages": [*state["messages"], told]})

    return handoff


@tool
def search_flights(day: str) -> str:
    """Search flights."""
    return "LX 332 at 09:40, LX 338 at 17:15"


flights = create_agent(
    llm,
    [search_flights, handoff_to("hotels")],
    system_prompt=f"You book flights. Today is {today:%A, %d %B %Y}.",
    name="flights",
)
hotels = create_agent(llm, [handoff_to("flights")], system_prompt="You book hotels.", name="hotels")

swarm = StateGraph(MessagesState).add_node("flights", flights, destinations=("hotels",))
swarm = swarm.add_node("hotels", hotels, destinations=("flights",)).add_edge(START, "hotels")
swarm = swarm.compile(checkpointer=InMemorySaver())

# %%
thread = {"configurable": {"thread_id": "1"}}
swarm.invoke({"messages": [("user", "Which hotel in London is near the station?")]}, thread)

# %%
swarm.invoke({"messages": [("user", "And a flight there tomorrow?")]}, thread)
