# A deep agent: a plan, files in the state, and an agent below it that works with files of its own.

# %%
from typing import Annotated

from langchain.agents import AgentState, create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command

llm = ChatAnthropic(model="claude-haiku-4-5", max_tokens=2_000)


def merged(old, new):
    return {**(old or {}), **(new or {})}


class Deep(AgentState):
    todos: list[str]
    files: Annotated[dict[str, str], merged]


# %%
Id = Annotated[str, InjectedToolCallId]
State = Annotated[dict, InjectedState]


@tool
def write_todos(todos: list[str], tool_call_id: Id) -> Command:
    """Write down the plan."""
    told = ToolMessage(f"Updated todo list to {todos}", tool_call_id=tool_call_id)
    return Command(update={"todos": todos, "messages": [told]})


@tool
def write_file(path: str, content: str, tool_call_id: Id) -> Command:
    """Write a file."""
    told = ToolMessage(f"Updated file {path}", tool_call_id=tool_call_id)
    return Command(update={"files": {path: content}, "messages": [told]})


@tool
def ls(state: State) -> list[str]:
    """List the files."""
    return list(state.get("files", {}))


@tool
def read_file(path: str, state: State) -> str:
    """Read a file."""
    lines = state["files"][path].splitlines()
    return "\n".join(f"{number:>6}\t{line}" for number, line in enumerate(lines, 1))


researcher = create_agent(llm, [write_file, ls, read_file], system_prompt="You research.", state_schema=Deep)


@tool
def task(description: str, state: State, tool_call_id: Id) -> Command:
    """Give a task to an agent of its own, which shares the files."""
    ended = researcher.invoke({"messages": [("user", description)], "files": state.get("files", {})})
    told = ToolMessage(ended["messages"][-1].text, tool_call_id=tool_call_id)
    return Command(update={"files": ended["files"], "messages": [told]})


agent = create_agent(
    llm, [write_todos, write_file, ls, read_file, task], system_prompt="You plan and delegate.", state_schema=Deep
)

# %%
ended = agent.invoke({"messages": [("user", "Write a report on owls.")]})
assert sorted(ended["files"]) == ["notes.md", "report.md"]
