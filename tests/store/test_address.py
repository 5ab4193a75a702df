"""How the address of a team's store is written, and that its password is seen nowhere."""

import pytest

import gptcache_magics as gm
from gptcache_magics.errors import GPTCacheMagicsError
from gptcache_magics.store import open_store
from gptcache_magics.store.postgres.address import Address, check_form, without_password

SECRET = "correct-horse-7"
ELSEWHERE = [
    f"postgresql:/ann:{SECRET}@db/class",
    f"postgresql:ann:{SECRET}@db/class",
    f"POSTGRES:ann:{SECRET}@db/class",
    f"postgresql+psycopg://ann:{SECRET}@db/class",
    f"host=db dbname=class user=ann password={SECRET}",
    f"user=ann password = '{SECRET} with a blank' dbname=class",
]


@pytest.mark.parametrize("written", ELSEWHERE)
def test_a_database_that_is_written_in_another_way_is_no_folder(written: str) -> None:
    for use in (gm.on, lambda where: gm.entries(at=where), lambda where: gm.GPTCache(store=where), check_form):
        with pytest.raises(GPTCacheMagicsError, match=r"A team.s store is named|The address of a team.s store") as said:
            use(written)
        assert SECRET not in str(said.value)
    assert gm.current() is None


def test_the_words_of_libpq_are_answered_with_the_url_to_type() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(GPTCacheMagicsError, match=r"Type it as postgresql://ann@db:6432/class$"):
        check_form(f"host=db port=6432 dbname=class user=ann password={SECRET}")


@pytest.mark.parametrize("folder", ["postgres", "postgresql", "./postgresql:x", "hosts=a", ".gptcache", ":memory:"])
def test_a_folder_is_a_folder(folder: str) -> None:
    check_form(folder)


def test_a_slip_of_the_scheme_is_told_the_right_one() -> None:
    with pytest.raises(GPTCacheMagicsError, match="postgresql://USER@HOST/DATABASE") as said:
        open_store(f"postgre://ann:{SECRET}@db/class")
    assert SECRET not in str(said.value)


@pytest.mark.parametrize("line", [*ELSEWHERE, f"connect(dbname='x', password=\"{SECRET}\")", f"redis://:{SECRET}@db/0"])
def test_no_message_holds_the_password_of_a_database(line: str) -> None:
    assert SECRET not in without_password(f"Got '{line}'.")


@pytest.mark.parametrize(
    "line",
    [
        "https://host:8080/a@b",
        "postgresql://ann@db/class",
        "password = read()",
        "postgresql://USER:PASSWORD@HOST/DATABASE",
    ],
)
def test_other_text_stays_as_it_is(line: str) -> None:
    assert without_password(line) == line


@pytest.mark.parametrize("port", ["0", "65536", "99999", "abc"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(GPTCacheMagicsError, match="cannot be read"):
        Address.parse(f"postgresql://ann:{SECRET}@db:{port}/class")
