# What a company adds to its calls: a user, metadata, headers that trace them, tools in the order of a set.

# %%
from uuid import uuid4

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)

# %%
told = ChatOpenAI(
    model="gpt-4o-mini",
    temperature=0,
    default_headers={"X-Request-Id": str(uuid4())},
    model_kwargs={"user": f"session-{uuid4()}", "metadata": {"run": str(uuid4())}},
)
told.invoke("What is a kilobyte?")

# %%
llm.invoke("What is a megabyte?", prompt_cache_key=str(uuid4()), safety_identifier=str(uuid4()))


# %%
@tool
def search(query: str) -> str:
    """Search the web."""


@tool
def place(name: str) -> str:
    """Find a place."""


@tool
def weather(city: str) -> str:
    """Return the weather."""


@tool
def news(topic: str) -> str:
    """Return the news."""


by_name = {each.name: each for each in (search, place, weather, news)}
llm.bind_tools([by_name[name] for name in set(by_name)]).invoke("What is a gigabyte?")
