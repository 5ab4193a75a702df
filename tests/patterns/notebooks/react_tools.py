# A prompt that shows its tools as Python does, with the addresses of their functions.

# %%
from langchain_core.prompts import PromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)


@tool
def search(query: str) -> str:
    """Search the web."""
    return "Paris has two million inhabitants."


@tool
def calculate(expression: str) -> str:
    """Calculate."""
    return "4"


# %%
prompt = PromptTemplate.from_template(
    "You have these tools: {tools}\n\nQuestion: {question}\nThought: {agent_scratchpad}"
)
chain = prompt.partial(tools=[search, calculate]) | llm.bind(stop=["\nObservation"])
thought = chain.invoke({"question": "How many people live in Paris?", "agent_scratchpad": ""}).text

# %%
observed = f"{thought}\nObservation: {search.invoke('Paris')}"
chain.invoke({"question": "How many people live in Paris?", "agent_scratchpad": observed})
