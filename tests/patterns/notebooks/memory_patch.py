# Long-term memory as trustcall keeps it: documents by id, patched by tool calls, and calls that failed are mended.

# %%
import json
from uuid import uuid4

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel, Field, ValidationError

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)


# %%
class Memory(BaseModel):
    """Something worth knowing about the user."""

    topic: str = Field(description="One word.")
    content: str


class PatchDoc(BaseModel):
    """Respond with a patch of an existing document."""

    json_doc_id: str
    path: str
    value: str


store = InMemoryStore()
MEMORIES = ("memories", "ada")


def known():
    return {item.key: item.value for item in store.search(MEMORIES)}


def mended(messages, answer, call, error):
    """Ask for a patch of a call whose arguments do not fit."""
    told = f"Error: {error.errors()[0]['loc'][0]} is missing. Patch the document with json_doc_id: {call['id']}"
    patch = llm.bind_tools([PatchDoc], tool_choice="PatchDoc").invoke(
        [*messages, answer, ToolMessage(told, tool_call_id=call["id"], status="error")]
    )
    (args,) = (each["args"] for each in patch.tool_calls)
    assert args["json_doc_id"] == call["id"], "the patch is for a call of this run"
    return call["args"] | {args["path"].strip("/"): args["value"]}


def remember(turns):
    documents = known()
    told = "Reflect on the conversation and retain what is worth knowing."
    if documents:
        told += "\nExisting documents:\n" + "\n".join(
            f'<document id="{key}">{json.dumps(value)}</document>' for key, value in documents.items()
        )
    messages = [SystemMessage(told), *turns]
    answer = llm.bind_tools([PatchDoc, Memory] if documents else [Memory], tool_choice="any").invoke(messages)
    for call in answer.tool_calls:
        args = call["args"]
        if call["name"] == "PatchDoc":
            assert args["json_doc_id"] in documents, "the patch is for a document of this run"
            store.put(MEMORIES, args["json_doc_id"], documents[args["json_doc_id"]] | {args["path"]: args["value"]})
            continue
        try:
            Memory(**args)
        except ValidationError as error:
            args = mended(messages, answer, call, error)
        store.put(MEMORIES, str(uuid4()), args)


def chat(turns, text):
    facts = "\n".join(f"- {value['topic']}: {value['content']}" for value in known().values())
    turns.append(HumanMessage(text))
    turns.append(llm.invoke([SystemMessage(f"You are a helpful chatbot. You remember:\n{facts}"), *turns]))


# %%
turns = []
chat(turns, "Hi, I am Ada, and I play chess.")
remember(turns)

# %%
chat(turns, "I have taken up sailing, too.")
remember(turns)

# %%
chat([], "What do I like?")
