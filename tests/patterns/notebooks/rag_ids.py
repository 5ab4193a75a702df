# Retrieval: documents with ids of their own, put into the prompt as they are and as text.

# %%
import random
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)

# %%
pages = {
    "owls.pdf": "Owls hunt at night. They hear a mouse under the snow.",
    "otters.pdf": "Otters hold hands while they sleep, so that they do not drift apart.",
    "orcas.pdf": "Orcas live in families that the oldest mother leads.",
}


def metadata(name):
    """Return the metadata in the order in which a database happens to give it back."""
    items = [("source", name), ("page", 1), ("author", "Ada"), ("kind", "pdf"), ("tags", {"animals", "night", "sea"})]
    random.shuffle(items)
    return dict(items)


documents = [Document(text, metadata=metadata(name), id=str(uuid4())) for name, text in pages.items()]
found = InMemoryVectorStore.from_documents(documents, DeterministicFakeEmbedding(size=64)).as_retriever()

# %%
prompt = ChatPromptTemplate.from_template("Answer from this context only:\n{context}\n\nQuestion: {question}")
raw = {"context": found, "question": RunnablePassthrough()} | prompt | llm | StrOutputParser()
raw.invoke("When do owls hunt?")

# %%
raw.batch(["Why do otters hold hands?", "Who leads a family of orcas?"])


# %%
def joined(documents):
    return "\n\n".join(document.page_content for document in documents)


tidy = {"context": found | joined, "question": RunnablePassthrough()} | prompt | llm | StrOutputParser()
tidy.invoke("When do owls hunt?")


# %%
def united(question):
    """Return the documents that two wordings of a question find, each once, in the order of a set."""
    by_id = {document.id: document for each in (question, question.lower()) for document in found.invoke(each)}
    return [by_id[each] for each in set(by_id)]


several = {"context": united, "question": RunnablePassthrough()} | prompt | llm | StrOutputParser()
several.invoke("What do otters and orcas do together?")
