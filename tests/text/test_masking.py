"""Text of any length is searched for credentials in steps that grow with its length only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcache_magics.text.masking import _KEY_IN_TEXT, _NAMED_IN_TEXT, HIDDEN, masked, plain_url, scrubbed

N = 200_000  # one search to the end for each part would take minutes


@pytest.mark.parametrize("part", ["a:", "http://a:", "a://", "://", "jdbc:", "jdbc:a:", "a=", "x@", "a "])
def test_a_long_text_is_kept_and_what_is_secret_in_it_hidden(part: str) -> None:
    long = part * (N // len(part))
    assert scrubbed(f"{long} password=zq81xk77 {long}") == scrubbed(long) + f" password={HIDDEN} " + scrubbed(long)
    assert "zq81xk77" not in scrubbed(f"{long} http://ada:zq81xk77@db.example/{part}")
    assert "zq81xk77" not in plain_url(f"http://ada:zq81xk77@db.example/{part * 1000}")


def test_a_long_password_is_hidden_whole() -> None:
    password = "ab12:" * 10_000
    assert scrubbed(f"see http://ada:{password}@db.example/shop") == f"see http://{HIDDEN}@db.example/shop"
    assert plain_url(f"http://ada:{password}@db.example/shop") == "http://db.example/shop"
    assert scrubbed(f"password={password}") == f"password={HIDDEN}"


@pytest.mark.parametrize(
    "key",
    [
        *(
            "sk-",
            "xai-",
            "nvapi-",
            "pplx-",
            "tvly-",
            "csk-",
            "glpat-",
            "pypi-",
            "xoxb-",
            "xoxs-",
            "sk_live_",
            "rk_test_",
        ),
        *("gsk_", "hf_", "npm_", "r8_", "fw_", "lsv2_", "dop_v1_", "shpat_", "shpss_", "AIza", "ya29.", "AKIA", "ASIA"),
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "dapi", "Bearer ", "SG.ABCDEF0123456789."),
        "eyJ0123456789.eyJ0123456789.",
    ],
)
def test_a_key_of_every_kind_is_masked_in_a_text_of_a_person(key: str) -> None:
    digits = "0123456789ABCDEF" if key in ("AKIA", "ASIA") else "0123456789abcdef" * 2
    assert masked(f"Use {key}{digits} here") == "Use *** here"


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.from_regex(_KEY_IN_TEXT))
def test_no_key_is_overlooked_whatever_stands_around_it(text: str) -> None:
    assert "***" in masked(text)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.from_regex(_NAMED_IN_TEXT), st.sampled_from("\"'"), st.sampled_from("\"'"), st.sampled_from([":", ": ", ","]))
def test_a_value_with_the_name_of_a_key_is_masked_between_other_texts(
    text: str, quote: str, other: str, between: str
) -> None:
    named = f"{quote}password{quote}{between}{other}zebra{other}"
    assert "zebra" not in masked(f"{text}\n{named}")
    assert "zebra" not in masked(f"{named}\n{text}")


def test_a_private_key_is_masked_in_a_text_of_a_person() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    assert masked(f"Use {begin}\nabc\n{end} here") == "Use *** here"
    assert masked(f"Use {begin}\nabc") == "Use ***"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "see https://a.example/p.png?w=3&X-Amz-Signature=ab12cd34ef",
            "see https://a.example/p.png?w=3&X-Amz-Signature=***",
        ),
        ("https://a.example/p.png?sv=2024-11-04&sig=ab12cd34%3D", "https://a.example/p.png?sv=2024-11-04&sig=***"),
        ("https://a.example/p?token=ab12cd34#top", "https://a.example/p?token=***#top"),
        ("postgres://ada:ab12cd34@db.example/shop", "postgres://ada:***@db.example/shop"),
        ("https://a.example/p?q=ab12cd34&page=2", "https://a.example/p?q=ab12cd34&page=2"),
        ("postgres://user:password@localhost/db?token=secret", "postgres://user:password@localhost/db?token=secret"),
    ],
)
def test_credentials_in_an_address_of_a_person_are_masked(text: str, written: str) -> None:
    assert masked(text) == written
    assert masked(written) == written
