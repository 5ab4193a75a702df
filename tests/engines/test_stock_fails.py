"""Faults of stock ``langchain_community.cache.GPTCache``: the reasons for this package, each still reproduced.

Every script runs in a process and a folder of its own, because importing gptcache reads and writes the working folder.
If one of these tests fails, upstream has mended something: drop the claim.
"""

from pathlib import Path

import pytest

from tests.support.processes import run
from tests.support.provider_server import ProviderServer

START = """
import sys, warnings
warnings.simplefilter("ignore")
from langchain_community.cache import GPTCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama, OllamaLLM

url = sys.argv[1]
cache = GPTCache()
set_llm_cache(cache)
llama = ChatOllama(model="llama3", base_url=url)
"""

FAULTS = {
    "two Ollama models share answers": """
print(llama.invoke("Hi").text == ChatOllama(model="qwen3", temperature=1.5, base_url=url).invoke("Hi").text)
""",
    "two Ollama completion models share answers": """
llama, qwen = (OllamaLLM(model=model, base_url=url) for model in ("llama3", "qwen3"))
print(llama.invoke("Hi") == qwen.invoke("Hi"))
""",
    "clear clears nothing": """
first = llama.invoke("Hi").text
cache.clear()
print(llama.invoke("Hi").text == first)
""",
    "a hit has the id of the message that was bought": """
print(llama.invoke("Hi").id == llama.invoke("Hi").id)
""",
    "a changed field keeps the old answer": """
first = llama.invoke("Hi").text
llama.temperature = 1.5
print(llama.invoke("Hi").text == first)
""",
    "a chat of three turns is paid again, turn by turn": """
def chat():
    history, bought = [], []
    for question in ("Who?", "When?", "Where?"):
        history.append(HumanMessage(question))
        history.append(llama.invoke(history))
    return [message.text for message in history]

print(chat() != chat())
""",
    "stream never looks": """
print(len({"".join(piece.text for piece in llama.stream("Hi")) for _ in range(2)}) == 2)
""",
    "an llm_string as long as ChatOpenAI's raises": """
try:
    cache.lookup("Hi", "x" * 269)
except OSError as error:
    print("name too long" in str(error))
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_stock_cache_still_has_this_fault(server: ProviderServer, tmp_path: Path, fault: str) -> None:
    done = run("-c", START + FAULTS[fault], server.url, folder=tmp_path)

    assert done.stdout.strip().endswith("True"), done.stdout + done.stderr
