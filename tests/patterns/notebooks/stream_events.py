# Streams: pieces of the answer in every way that LangChain and LangGraph show them.

# %%
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)
chain = ChatPromptTemplate.from_template("Tell me about {topic}.") | llm | StrOutputParser()

# %%
pieces = [
    event["data"]["chunk"]
    async for event in chain.astream_events({"topic": "owls"}, version="v2")
    if event["event"] == "on_parser_stream"
]
assert len(pieces) > 3

# %%
graph = StateGraph(MessagesState)
graph.add_node("model", lambda state: {"messages": [llm.invoke(state["messages"])]})
app = graph.add_edge(START, "model").compile()
question = {"messages": [("user", "Tell me about otters.")]}
pieces = [chunk.text for chunk, _ in app.stream(question, stream_mode="messages")]
assert len(pieces) > 3


# %%
class Typewriter(BaseCallbackHandler):
    def __init__(self):
        self.pieces = []

    def on_llm_new_token(self, token, **kwargs):
        self.pieces.append(token)


writer = Typewriter()
whole = "".join(chain.stream({"topic": "orcas"}, config={"callbacks": [writer]}))
assert "".join(writer.pieces) == whole

# %%
writer = Typewriter()
typed = ChatOpenAI(model="gpt-4o-mini", temperature=0, streaming=True, callbacks=[writer])
answer = await typed.ainvoke("Tell me about ospreys.")
assert "".join(writer.pieces) == answer.text
