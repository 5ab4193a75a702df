# Structured outputs with anthropic: a helper that parses, a tool that is forced, an agent's loop, and a stream.

# %%
import json

import anthropic
from pydantic import BaseModel

client = anthropic.Anthropic()
MODEL = "claude-haiku-4-5"


class Ticket(BaseModel):
    product: str
    severity: str


# %%
mails = [
    "The kettle leaks since Monday, and the kitchen floor is wet.",
    "Where can I find the manual of the toaster?",
    "My mixer smells of smoke!",
]
tickets = [
    client.messages.parse(
        model=MODEL, max_tokens=512, messages=[{"role": "user", "content": mail}], output_format=Ticket
    ).parsed_output
    for mail in mails
]

# %%
extract = {
    "name": "print_sentiment",
    "description": "Prints how the customer feels.",
    "input_schema": {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]},
}
scores = []
for mail in mails:
    answer = client.messages.create(
        model=MODEL,
        max_tokens=512,
        tools=[extract],
        tool_choice={"type": "tool", "name": "print_sentiment"},
        messages=[{"role": "user", "content": f"<text>{mail}</text>"}],
    )
    scores.append(next(block.input for block in answer.content if block.type == "tool_use"))

# %%
stock = {
    "name": "stock",
    "description": "Returns how many pieces are in stock.",
    "input_schema": {"type": "object", "properties": {"answer": {"type": "string"}}},
}
messages = [{"role": "user", "content": "Can the customer get a new kettle this week?"}]
while True:
    answer = client.messages.create(
        model=MODEL, max_tokens=512, system="You serve customers.", tools=[stock], messages=messages
    )
    messages.append({"role": "assistant", "content": answer.content})
    calls = [block for block in answer.content if block.type == "tool_use"]
    if not calls:
        break
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": json.dumps({"pieces": 3})} for call in calls]
    messages.append({"role": "user", "content": results})

# %%
with client.messages.stream(
    model=MODEL,
    max_tokens=512,
    messages=[{"role": "user", "content": f"Write one polite reply to all: {[t.model_dump() for t in tickets]}"}],
) as stream:
    reply = "".join(stream.text_stream)
    final = stream.get_final_message()
