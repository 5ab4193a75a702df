# Judges: a model compares answers that the prompt quotes as Python shows them, and as text.

# %%
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0)
other = ChatOpenAI(model="gpt-4o", temperature=0)


class Verdict(BaseModel):
    """Which answer is better."""

    winner: str
    why: str


# %%
questions = ["Why is the sky blue?", "Why is grass green?"]
answers = [[model.invoke(question) for model in (llm, other)] for question in questions]

# %%
judge = llm.with_structured_output(Verdict)
verdicts = [
    judge.invoke(f"Compare the answers to “{question}”.\n[A] {a}\n[B] {b}")
    for question, (a, b) in zip(questions, answers, strict=True)
]

# %%
judge.invoke("Which conversation is better?\n" + "\n".join(f"{pair}" for pair in answers))

# %%
judge.invoke("Which text is better?\n" + "\n".join(a.text + b.text for a, b in answers))
