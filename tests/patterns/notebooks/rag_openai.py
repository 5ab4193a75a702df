# Retrieval with openai alone: the notebook embeds its documents and each question, and asks with the nearest ones.

# %%
import numpy as np
from openai import OpenAI

client = OpenAI()
documents = [
    "The library opens at nine and closes at six.",
    "Books can be kept for four weeks.",
    "A lost book costs its price and five euros.",
    "The reading room on the second floor is silent.",
]


# %%
def embed(texts):
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
    return np.array([each.embedding for each in answer.data])


index = embed(documents)


# %%
def ask(question):
    scores = index @ embed([question])[0]
    nearest = [documents[number] for number in np.argsort(-scores)[:2]]
    prompt = f"Answer from the context.\n\nContext:\n{nearest}\n\nQuestion: {question}"
    answer = client.chat.completions.create(
        model="gpt-4o-mini", temperature=0, messages=[{"role": "user", "content": prompt}]
    )
    return answer.choices[0].message.content


answers = [ask(question) for question in ("When does the library close?", "What does a lost book cost?")]

# %%
documents.append("Members under twelve need a guardian's signature.")
index = embed(documents)
answers.append(ask("Can my daughter become a member?"))
