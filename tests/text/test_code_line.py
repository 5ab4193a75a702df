"""The first line of a cell, as tables show it and the store keeps it: without the credentials in it."""

import pytest

from gptcache_magics.text.code_line import short_line, shown_line, telling_line

S = "zq81xk77aa"

LINES = {
    f'API_KEY = "{S}"': 'API_KEY = "•••"',
    f"api_key='{S}'": "api_key='•••'",
    f'os.environ["X_API_KEY"] = "{S}"': 'os.environ["X_API_KEY"] = "•••"',
    f'os.environ["ACME"] = "{S}"': 'os.environ["ACME"] = "•••"',
    f'os.environ.update(OPENAI_API_KEY="{S}")': 'os.environ.update(OPENAI_API_KEY="•••")',
    f'os.environ |= {{"ACME": "{S}"}}': 'os.environ |= {"ACME": "•••"}',
    f'os.environ.setdefault("OPENAI_API_KEY", "{S}")': 'os.environ.setdefault("OPENAI_API_KEY", "•••")',
    f'os.putenv("ACME", "{S}")': 'os.putenv("•••", "•••")',
    f"%env OPENAI_API_KEY={S}": "%env OPENAI_API_KEY=•••",
    f"%env ACME {S}": "%env ACME •••",
    f"%set_env ACME={S} and {S}": "%set_env ACME=•••",
    f"!export ACME={S}": "!export ACME=•••",
    f"!curl -H 'X-Token: {S}' https://api.example/v1": "!curl •••",
    f"!curl -u ada:{S} https://api.example/v1": "!curl •••",
    f"!mysql -u root -p{S} shop": "!mysql •••",
    f"!echo {S} | docker login --password-stdin": "!echo •••",
    f"!wandb login {S}": "!wandb •••",
    f"%sql --password={S} shop": "%sql --password •••",
    f"%connect --token {S}": "%connect •••",
    f"%sql postgresql://ada:{S}@db.example/shop": "%sql postgresql://•••@db.example/shop",
    f'headers = {{"X-Token": "{S}", "Accept": "*/*"}}': 'headers = {"X-Token": "•••", "Accept": "•••"}',
    f'llm = ChatOpenAI(api_key="{S}", model="gpt-4o")': 'llm = ChatOpenAI(api_key="•••", model="•••")',
    f'llm = ChatOpenAI(model="gpt-4o", api_key="{S}")': 'llm = ChatOpenAI(model="gpt-4o", api_key="•••")',
    f'token = f"Bearer {S}"': 'token = f"•••"',
    f'PASSWORD = """{S}"""': 'PASSWORD = """•••"""',
    f"PASSWORD = '''{S}": "PASSWORD = '''•••",
    f'secret = rb"{S}"': 'secret = rb"•••"',
    f'KEYS = ["{S}", "{S}b"]': 'KEYS = ["•••", "•••"]',
    f'TOKENS = {{"{S}": "prod"}}  # access_tokens': 'TOKENS = {"•••": "•••"}  # •••',
    f'x = "{S}"  # the api_key': 'x = "•••"  # •••',
    f"# my token is {S}": "# •••",
    f"API_KEY = load()  # was {S}": "API_KEY = load()  # •••",
    f'auth = ("ada", "{S}")': 'auth = ("•••", "•••")',
    f'login("{S}")': 'login("•••")',
    f'huggingface_hub.login(token="{S}")': 'huggingface_hub.login(token="•••")',
    f'credential = AzureKeyCredential("{S}")': 'credential = AzureKeyCredential("•••")',
    f'conn = connect("db", "ada", "{S}")': 'conn = connect("•••", "•••", "•••")',
    f'dsn = "Server=db;Uid=ada;Password={S};"': 'dsn = "•••"',
    f'engine = create_engine("mysql://ada:{S}@db/shop")': 'engine = create_engine("mysql://•••@db/shop")',
    f'settings("Server=db;Uid=ada;Pwd={S};")': 'settings("Server=db;Uid=ada;Pwd=•••;")',
    f'requests.get("https://api.example/v1?key={S}&q=a")': 'requests.get("https://api.example/v1?key=•••&q=a")',
    f"!TOKEN={S} python run.py": "! •••",
    f'pw = "{S}"': 'pw = "•••"',
    f'headers = {{"X-Any": "{S}"}}': 'headers = {"X-Any": "•••"}',
    f'senha = "{S}"': 'senha = "•••"',
    f'contraseña = "{S}"': 'contraseña = "•••"',
    f'密码 = "{S}"': '密码 = "•••"',
    "PIN_PASSWORD = 778899": "PIN_PASSWORD = •••",
    'x = "aB3dE5gH7jK9mN1pQ3rS"': 'x = "•••"',
}

ORDINARY = """
    import gptcache_magics as gm
    %load_ext gptcache_magics
    %gptcache on --semantic 0.93
    %%gptcache replay --tag lesson-1
    llm = ChatOpenAI(model="gpt-4o-mini", temperature=0.2, max_tokens=1024)
    llm.invoke("What is the tallest mountain?")
    for author in ("Ann", "Bob"):  # two authors
    tokenizer = load("cl100k_base")
    df = pd.read_csv("data/keywords.csv")
    !pip install gptcache-magics
    answer = chain.invoke({"question": "Why?"})
    await llm.ainvoke("Hello")
    url = "https://docs.example/page?q=cache#top"
"""


@pytest.mark.parametrize(("line", "shown"), LINES.items())
def test_a_credential_in_a_line_is_hidden(line: str, shown: str) -> None:
    assert shown_line(line) == shown
    assert S not in shown_line(f"    {line}")


@pytest.mark.parametrize("line", [line.strip() for line in ORDINARY.splitlines() if line.strip()])
def test_an_ordinary_line_is_shown_as_it_is(line: str) -> None:
    assert shown_line(line) == line


@pytest.mark.parametrize("line", ["", "'", '"""', "#", "!", "%", "\\", "\ud800 = 'x'", "x" * 100_000, "'" * 10_000])
def test_any_line_can_be_shown(line: str) -> None:
    assert isinstance(shown_line(line), str)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (
            "import os\nfrom langchain import (\n    agents,\n    tools,\n)\n\n# Ask.\nanswer = chain.invoke(1)",
            "answer = chain.invoke(1)",
        ),
        ("%%gptcache refresh\nllm.invoke('Hi')", "llm.invoke('Hi')"),
        ("!pip list\n@tool\ndef add(a, b): ...", "def add(a, b): ..."),
        ("%load_ext gptcache_magics\n%gptcache on", "%load_ext gptcache_magics"),
        ("importance = 1", "importance = 1"),
        ("  \n", ""),
    ],
)
def test_a_cell_is_named_by_the_first_line_that_does_something(source: str, named: str) -> None:
    assert telling_line(source) == named


def test_a_long_line_ends_with_a_whole_word() -> None:
    line = "verdicts = judge.batch([prompt.format(question=question) for question in questions])"
    assert short_line(line) == "verdicts = judge.batch([prompt.format(question=question) …"
    assert short_line("x" * 100) == "x" * 58 + " …"
