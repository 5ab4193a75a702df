"""Names that carry credentials, in any spelling, and ordinary names that look like them."""

import pytest

from gptcache_magics.text.secret_names import changes_answers, is_doubtful, is_secret, is_tracking

SECRET = """
    api_key apiKey APIKey apikey X-API-KEY x-api-key openai_api_key OPENAI_API_KEY openAIKey account_key AccountKey
    access_key aws_access_key_id aws_secret_access_key private_key privateKey private_key_passphrase subscription-key
    Ocp-Apim-Subscription-Key x-functions-key X-Goog-Api-Key X-Portkey-Virtual-Key secretKey signing_key storage_key
    watsonx_apikey token X-Token databricks_token hf_token HF_TOKEN hf_hub_token azure_ad_token azure_ad_token_provider
    accessToken access_tokens refreshTokens id_token session_token aws_session_token X-Amz-Security-Token x-vault-token
    Private-Token authtoken accesstoken databrickstoken bearer_token auth Helicone-Auth X-Auth basic_auth oauth
    oauth2_client Authorization Proxy-Authorization cf-aig-authorization authentication secret client_secret
    clientSecret client-secret secrets SECRET_VALUE password Password db_password dbPassword DB_PASSWORD passwords
    passwd pwd userPwd passphrase key_passphrase passcode kennwort credentials aws_credentials creds
    Cookie Set-Cookie cookies
    session_cookie jwt jwt_assertion X-Jwt-Payload bearer pat github_pat connection_string connectionString
    CONNECTION_STRING conn_str sas sas_token sasToken signature X-Hub-Signature-256 sig hmac csrf X-CSRF-Token
"""

ORDINARY = """
    max_tokens max_completion_tokens max_new_tokens maxOutputTokens tokens num_tokens token_count token_limit token_ids
    custom_get_token_ids eos_token stop_token bos_token_id pad_token thinking_token_budget next_page_token tokenizer
    tokenizer_name skip_special_tokens keyword keywords key_words top_k keyless monkey hotkey author authors authored_by
    authority passage passages pass_through passthrough compass bypass encode encoding codec unicode code_interpreter
    language_code country-code statusCode source_code prompt_cache_key memory_key input_key sort_key sign_language
    secretary signal design patience pattern path spat cookiecutter user username user_id model temperature top_p seed
    stop logit_bias logprobs top_logprobs response_format tools base_url service_tier reasoning_effort sessions_limit
    presence_penalty format num_ctx keep_alive
"""

DOUBTFUL = "code key KEY session sessionId X-Session-Id pass pin otp sv se style_key access_code X-Code nonce dsn"


@pytest.mark.parametrize("name", SECRET.split())
def test_a_name_that_carries_a_credential_is_secret(name: str) -> None:
    assert is_secret(name)
    assert is_doubtful(name)  # and so in a header


@pytest.mark.parametrize("name", ORDINARY.split())
def test_an_ordinary_name_is_not_secret(name: str) -> None:
    assert not is_secret(name)
    assert not is_doubtful(name)


@pytest.mark.parametrize("name", DOUBTFUL.split())
def test_a_doubtful_name_is_a_secret_in_headers_only(name: str) -> None:
    assert not is_secret(name)
    assert is_doubtful(name)


@pytest.mark.parametrize(
    "header",
    [
        *("x-request-id", "X-Request-ID", "x-correlation-id", "traceparent", "tracestate", "baggage", "X-B3-TraceId"),
        *("Idempotency-Key", "User-Agent", "x-stainless-os", "X-Stainless-Retry-Count", "x-client-request-id"),
        *("sentry-trace", "x-datadog-trace-id", "Helicone-Property-App", "Helicone-Session-Id", "HTTP-Referer"),
        *("X-Trace", "x-span", "X-B3"),
    ],
)
def test_a_tracking_header_is_known(header: str) -> None:
    assert is_tracking(header)


@pytest.mark.parametrize(
    "header", ["anthropic-beta", "X-Tenant", "Host", "Helicone-Cache-Enabled", "X-Model", "X-Tracer"]
)
def test_a_header_that_may_change_an_answer_is_not_tracking(header: str) -> None:
    assert not is_tracking(header)


def test_the_documented_headers_are_shown() -> None:
    assert all(
        map(changes_answers, ("anthropic-beta", "Anthropic-Version", "OpenAI-Beta", "api-version", "api_version"))
    )
    assert not changes_answers("X-Beta")
