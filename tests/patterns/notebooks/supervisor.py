# A supervisor and two workers, as langgraph-supervisor wires them: each hands back with a call of a new id.

# %%
from uuid import uuid4

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)


# %%
@tool
def web_search(query: str) -> str:
    """Search the web."""
    return "Headcount: Facebook 67,317, Apple 164,000, Amazon 1,551,000, Netflix 14,000, Google 181,269."


@tool
def add(numbers: list[float]) -> float:
    """Add numbers."""
    return sum(numbers)


@tool
def transfer_to_researcher() -> str:
    """Ask the researcher for help."""


@tool
def transfer_to_mathematician() -> str:
    """Ask the mathematician for help."""


workers = {
    "researcher": create_agent(llm, [web_search], system_prompt="You look things up. Do no maths.", name="researcher"),
    "mathematician": create_agent(llm, [add], system_prompt="You add numbers up.", name="mathematician"),
}


def handed_back(name):
    call = {"name": "transfer_back_to_supervisor", "args": {}, "id": str(uuid4())}
    return [
        AIMessage("Transferring back to supervisor", tool_calls=[call], name=name),
        ToolMessage("Successfully transferred back to supervisor", name=call["name"], tool_call_id=call["id"]),
    ]


def supervisor(state):
    told = SystemMessage("You manage a researcher and a mathematician. Ask one at a time.")
    answer = llm.bind_tools([transfer_to_researcher, transfer_to_mathematician]).invoke([told, *state["messages"]])
    answer.name = "supervisor"
    sent = [
        ToolMessage(f"Successfully transferred to {call['name']}", name=call["name"], tool_call_id=call["id"])
        for call in answer.tool_calls
    ]
    return {"messages": [answer, *sent]}


def goes_to(state):
    last = state["messages"][-1]
    return last.name.removeprefix("transfer_to_") if isinstance(last, ToolMessage) else END


graph = StateGraph(MessagesState).add_node(supervisor).add_edge(START, "supervisor")
for name, agent in workers.items():

    def work(state, agent=agent, name=name):
        return {"messages": [agent.invoke(state)["messages"][-1], *handed_back(name)]}

    graph.add_node(name, work).add_edge(name, "supervisor")
team = graph.add_conditional_edges("supervisor", goes_to).compile()

# %%
ended = team.invoke({"messages": [("user", "How many people work for the FAANG companies?")]})
assert ended["messages"][-1].name == "supervisor"
