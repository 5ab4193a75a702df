# A tutorial that compares openai, google and anthropic in a loop, one after the other and at once; LangChain judges.

# %%
import asyncio

import anthropic
import openai
from google import genai
from google.genai import types
from langchain_openai import ChatOpenAI

gpt, gpt_async = openai.OpenAI(), openai.AsyncOpenAI()
claude, claude_async = anthropic.Anthropic(), anthropic.AsyncAnthropic()
gemini = genai.Client()
SYSTEM = "Answer in one sentence."


def chat(question):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


# %%
def ask_openai(question):
    return gpt.chat.completions.create(model="gpt-4o-mini", messages=chat(question)).choices[0].message.content


def ask_google(question):
    config = types.GenerateContentConfig(system_instruction=SYSTEM, temperature=0)
    return gemini.models.generate_content(model="gemini-2.5-flash", contents=question, config=config).text


def ask_anthropic(question):
    answer = claude.messages.create(
        model="claude-haiku-4-5", max_tokens=300, system=SYSTEM, messages=[{"role": "user", "content": question}]
    )
    return answer.content[0].text


questions = ["Why is the sky blue?", "Why is grass green?"]
answers = {
    (ask.__name__, question): ask(question) for question in questions for ask in (ask_openai, ask_google, ask_anthropic)
}


# %%
async def all_at_once(question):
    user = [{"role": "user", "content": question}]
    return await asyncio.gather(
        gpt_async.responses.create(model="gpt-4o-mini", instructions=SYSTEM, input=question),
        claude_async.messages.create(model="claude-haiku-4-5", max_tokens=300, system=SYSTEM, messages=user),
        gemini.aio.models.generate_content(model="gemini-2.5-pro", contents=question),
    )


together = await all_at_once("Why is the sea salty?")

# %%
stories = ["", ""]
for chunk in gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="Tell a short story."):
    stories[0] += chunk.text or ""
for piece in gpt.chat.completions.create(model="gpt-4o-mini", messages=chat("Tell a short story."), stream=True):
    stories[1] += piece.choices[0].delta.content or ""

# %%
judge = ChatOpenAI(model="gpt-4o", temperature=0)
verdicts = [
    judge.invoke("Which is best?\n" + "\n".join(text for (_, asked), text in answers.items() if asked == question)).text
    for question in questions
]
