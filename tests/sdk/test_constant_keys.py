"""A request has the same key in every process, and with every version of its SDK: a bundle is served for years."""

from __future__ import annotations

import pytest

import gptcache_magics as gm
from gptcache_magics.store.protocol import Selection
from tests.sdk.libraries import LIBRARIES
from tests.support.provider_server import ProviderServer

URL = "http://provider.example"
KEYS = {
    "anthropic": {"162e675e68b7329536027e6a23b681fa", "99559b8dba07ae6909092294e38421aa"},
    "azure": {"fff4de8ea68bd9d5fc0b820375ee18ad"},
    "cohere": {"77783c83d35fd915ff043a8640f22c7c"},
    "google-genai": {"940c89e78b100f28e58cde18f5a87f30", "e05603f925395decdda7ca913c50de9b"},
    "groq": {"dd7c5d0581fcef6702125cbb038bc6db"},
    "mistralai": {"6abd289d7412a1b200db024e84c2e114"},
    "ollama": {"e45f8c2084a33c4b64410be16cd3f8b7"},
    "openai": {"d91226ecec14df91cd3e3ce8d6cf999d"},
}
"""The key of the question; two where newer versions of an SDK ask for another version of the API by default."""


@pytest.mark.usefixtures("sdks_on", "certificates_read_once")
@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_a_question_has_its_recorded_key_however_it_is_asked(
    name: str, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)  # the address is a part of the key
    calls = LIBRARIES[name](URL)
    for way in ("whole", "stream", "async", "async stream"):
        calls[way]("What is a token?")
    assert server.calls == 1
    cache = gm.current()
    assert cache is not None
    (row,) = cache.store.entries(Selection())
    assert row.entry.key in KEYS[name]
