"""Embeddings of a team as a person meets them: an SDK, ``doctor``, ``clear``, ``save`` and ``status``."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openai
import pytest
from IPython.core.interactiveshell import InteractiveShell

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics.store.sqlite.embeddings import embedding_checksum
from tests.support.postgres import Database
from tests.support.provider_server import KEY, ProviderServer
from tests.support.shell import Typist
from tests.support.team import team_store
from tests.support.waiting import wait_until

MODEL = "text-embedding-3-small"


@pytest.fixture(autouse=True)
def off_at_the_end(ip: InteractiveShell) -> Iterator[None]:
    yield
    if gm.current() is not None:
        gm.off()


@pytest.fixture
def client(server: ProviderServer) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


def all_is_sent() -> None:
    wait_until(lambda: not team_store().waiting())


def embeddings_check() -> str:
    (found,) = [each for each in gm.doctor().checks if each.check == "embeddings"]
    return found.finding


def as_colleague(magic: Typist, url: str, name: str) -> None:
    magic.told("off")
    os.rename(".gptcache", name)
    magic.told(f"on {url} --embeddings")


def test_a_colleague_sends_only_the_texts_that_nobody_had_embedded(
    magic: Typist, team_database: Database, server: ProviderServer, client: openai.OpenAI
) -> None:
    magic.told(f"on {team_database.url} --embeddings")
    first = client.embeddings.create(model=MODEL, input=["red fox", "blue"])
    all_is_sent()
    as_colleague(magic, team_database.url, "ann")

    second = client.embeddings.create(model=MODEL, input=["blue", "new", "red fox"])

    assert server.requests[-1]["input"] == ["new"]
    assert second.data[2].embedding == first.data[0].embedding
    assert second.usage.prompt_tokens == 4
    all_is_sent()
    assert embeddings_check() == (
        "kept here and in the team's store, 3 embeddings in this folder, 1.1 kB, 3 embeddings at the team, 1.1 kB"
    )


@pytest.mark.parametrize(
    "vector",
    [
        '{"embedding":{"$":["unsigned",5]}}\nxx',
        '[{"$":["unsigned",2]}]\nxx',
        '{"$":["unsigned",2]}\nxx',
        '{"object":"embedding","embedding":[{"$":["unsigned",2]}]}\nxx',
        '{"object":"embedding","other":{"$":["unsigned",2]}}\nxx',
        '{"object":"embedding","embedding":{"$":["json",4]}}\n[[1]',
        '{"object":"embedding","embedding":"x","other":{"$":["unsigned",2]}}\nxx',
    ],
)
def test_a_vector_that_somebody_has_broken_is_asked_for_again(
    magic: Typist, team_database: Database, server: ProviderServer, client: openai.OpenAI, vector: str
) -> None:
    magic.told(f"on {team_database.url} --embeddings")
    first = client.embeddings.create(model=MODEL, input=["a", "b"])
    all_is_sent()
    bad, _ = sorted(team_store().each_embedding(), key=lambda each: each.sent)
    broken = replace(bad, vector=vector.encode())
    team_database.ask(
        f"UPDATE gptcache.embedding SET digest = {embedding_checksum(broken)}, vector = '{broken.vector.decode()}'"
        f" WHERE key = decode('{bad.key}', 'hex')"
    )
    as_colleague(magic, team_database.url, "ann")

    again = client.embeddings.create(model=MODEL, input=["a", "b"])

    assert [each["input"] for each in server.requests] == [["a", "b"], ["a"]]
    assert [each.embedding for each in again.data] == [each.embedding for each in first.data]


def test_clear_asks_and_clears_for_everybody(magic: Typist, team_database: Database, client: openai.OpenAI) -> None:
    magic.told(f"on {team_database.url} --embeddings")
    client.embeddings.create(model=MODEL, input=["a", "b"])
    all_is_sent()

    told = magic.told("clear --embeddings --dry-run")
    assert told == "2 embeddings, 716 B in this folder; 2 embeddings, 716 B at the team."
    assert "removes the embeddings of everybody" in magic.refused("clear --embeddings")
    assert team_store().embeddings_there()[0] == 2
    assert magic.told("clear --embeddings --yes").startswith(
        "2 embeddings removed here, and those of the team for everybody (2 embeddings, "
    )
    assert team_store().embeddings_there() == team_store().count_embeddings() == (0, 0)


def test_a_team_that_is_away_leaves_embeddings_in_the_folder(
    magic: Typist, team_database: Database, client: openai.OpenAI, server: ProviderServer
) -> None:
    magic.told(f"on {team_database.url} --embeddings")
    client.embeddings.create(model=MODEL, input=["a"])
    all_is_sent()
    team_database.server.stop()

    client.embeddings.create(model=MODEL, input=["a", "b"])
    client.embeddings.create(model=MODEL, input=["a", "b"])

    assert server.calls == 2
    assert "2 embeddings in this folder" in embeddings_check()
    assert "the team's cannot be counted: The team's store" in embeddings_check()
    assert " 0 answers and 1 embedding wait to be sent" in magic("status").team
    assert "is away" in magic.refused("clear --embeddings --yes")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
def test_a_bundle_of_the_team_s_embeddings_serves_them_without_the_team(
    magic: Typist, team_database: Database, client: openai.OpenAI, server: ProviderServer, tmp_path: Path
) -> None:
    magic.told(f"on {team_database.url} --embeddings")
    first = client.embeddings.create(model=MODEL, input=["a", "b"])
    all_is_sent()
    magic.told("off")
    line = ["save", "team.jsonl", "--all", "--embeddings", "--at", team_database.url]
    assert shell.main(line) == 0

    gm.on("team.jsonl")
    assert client.embeddings.create(model=MODEL, input=["b", "a"]).data[1].embedding == first.data[0].embedding
    assert server.calls == 1
