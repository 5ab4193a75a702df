"""Keep credentials out of keys and out of everything that is written, by their name or by their form.

Three rules use the names of :mod:`~gptcache_magics.text.secret_names`:

- :func:`without_secrets` gives the part of a parameter that counts in a key: a rotated credential is the same call.
- :func:`shown` gives the part of it that is stored and shown. Values of headers, queries and users' objects count
  inside the key only: their names stand there, with :data:`HIDDEN` in place of the value.
- :func:`masked` treats the text of a person, and :func:`scrubbed` more strictly the text of a parameter or an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from gptcache_magics.text.secret_names import changes_answers, is_doubtful, is_hidden, is_secret, is_tracking

__all__ = [
    "HIDDEN",
    "ORDER",
    "are_headers",
    "is_credential",
    "masked",
    "plain_url",
    "scrubbed",
    "shown",
    "without_secrets",
]

HIDDEN: Final = "•••"
"""Stands for a value that counts in the key and is not stored.

In canonical JSON, a mapping with this name is the data of an object: ``{HIDDEN: "module.Class", …}``. It is shown as
``module.Class •••``.
"""

ORDER: Final = f"{HIDDEN} order"
"""In canonical JSON, the names of a mapping in their order, where that is not the alphabet's and counts."""
_SENT: Final = re.compile(r"(?:.*[_-])?headers?|(?:default|extra)_query|(?:query|url)_param(?:eter)?s", re.IGNORECASE)
"""Parameters whose values are headers or query values."""
_NAMES_IN_SCHEMA: Final = frozenset(
    [
        *("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependentRequired"),
        "parameter_definitions",  # Cohere
    ]
)
"""Keywords of JSON schema under which names are the user's: a property named ``password`` is not a password."""
_DATA_IN_SCHEMA: Final = frozenset({"const", "default", "enum", "example", "examples", "input_examples"})
"""Keywords under which data stands that the model sees: all of it counts."""
_VALUES_IN_SCHEMA: Final = _DATA_IN_SCHEMA - {"enum"}
"""Keywords under which a credential stands in the schema of a property named ``password``."""
_VARIABLES: Final = re.compile(r"env(?:iron(?:ment)?)?(?:_?var(?:iable)?s)?", re.IGNORECASE)
"""Parameters whose values are environment variables."""
_PASSWORD_OF_PAIR: Final = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[^\s/.:_-]{8,}")
"""A text like a password in the pair of a user and a password: neither a path nor the name of a model."""
_SCHEMA: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "properties"})
_SCHEMA_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


# Parameters


def are_headers(name: str) -> bool:
    """Return whether the values of a parameter of this name are headers, or values of a query."""
    return _SENT.fullmatch(name) is not None


def without_secrets(value: Any, name: str = "") -> Any:
    """Return the part of a parameter that counts in a key: without credentials and tracking headers.

    Parameters
    ----------
    name
        Name of the parameter: values of ``default_headers`` are headers.
    """
    if isinstance(value, str):
        return _without_credentials(value) if _URL.fullmatch(value) else value
    if isinstance(value, Mapping):
        if are_headers(name):
            return {str(header): item for header, item in value.items() if _counts_in_header(str(header))}
        named = {str(each): item for each, item in value.items()}
        mcp = _is_mcp(named)
        if _names_are_free(name, named):
            return {each: without_secrets(item) for each, item in named.items()}
        return {
            each: item if each in _DATA_IN_SCHEMA else without_secrets(item, each)
            for each, item in named.items()
            if not (is_credential(each, item) or (mcp and each == "headers"))
        }
    if isinstance(value, list | tuple):
        if hasattr(value, "_asdict"):
            return without_secrets(value._asdict())
        if are_headers(name) and _are_pairs(value):
            return [[str(header), item] for header, item in value if _counts_in_header(str(header))]
        return [without_secrets(item, name) for item in value]
    return value


def shown(value: Any, name: str = "") -> Any:
    """Return the part of a parameter that is stored and shown, from the JSON value that counts in the key."""
    if isinstance(value, Mapping):
        if HIDDEN in value:
            return f"{value[HIDDEN]} {HIDDEN}"
        if are_headers(name):
            return {_shown_name(header): _shown_header(header, item) for header, item in value.items()}
        if _VARIABLES.fullmatch(name):
            return {_shown_name(each): HIDDEN for each in value}
        if is_hidden(name) and not _is_schema(value):
            return HIDDEN
        if _names_are_free(name, value):
            return {each: _shown_property(each, item) for each, item in value.items()}
        url = "server_url" if "server_url" in value else "url" if _is_mcp(value) or "transport" in value else ""
        hidden = "value" if any(_names_a_secret(value.get(each)) for each in ("name", "key", "header")) else None
        return {
            _shown_name(each): HIDDEN
            if each == hidden
            else _shown_url(item, mcp=True)
            if each == url and isinstance(item, str)
            else shown(item, each)
            for each, item in value.items()
            if each != ORDER
        }
    if isinstance(value, list):
        if are_headers(name) and _are_pairs(value):
            return [[_shown_name(str(header)), _shown_header(str(header), item)] for header, item in value]
        if _are_pairs(value):
            return [[shown(first), shown(second, first if isinstance(first, str) else "")] for first, second in value]
        return [
            HIDDEN if _is_told_by(before, item, len(value)) else shown(item, name)
            for before, item in zip([None, *value], value, strict=False)
        ]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if is_doubtful(name) or (isinstance(value, str) and is_hidden(name)):
        return HIDDEN
    return _shown_name(value) if isinstance(value, str) else value


def _shown_name(text: str) -> str:
    return _shown_url(text) if _URL.fullmatch(text) else scrubbed(text)


def _shown_property(name: str, schema: Any) -> Any:
    """Return the schema of a property; what stands in it as a value may be a credential, if its name says so."""
    found = shown(schema)
    if not isinstance(schema, Mapping) or not is_secret(name):
        return found
    return {each: HIDDEN if each in _VALUES_IN_SCHEMA else item for each, item in found.items()}


def _is_told_by(before: Any, item: Any, length: int) -> bool:
    """Return whether the item before says that an item of a list is a credential: a user or an option."""
    if not (isinstance(before, str) and isinstance(item, str)):
        return False
    pair = length == 2 and (_names_a_secret(before) or _PASSWORD_OF_PAIR.fullmatch(item))
    return bool(pair) or (before.startswith("-") and _names_a_secret(before))


def _names_a_secret(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 60 and is_hidden(text)


def is_credential(name: str, value: Any) -> bool:
    """Return whether a value of this name is a credential: neither a number, a switch nor a JSON schema."""
    schema = isinstance(value, Mapping) and _is_schema(value)
    return is_secret(name) and not (isinstance(value, bool | int | float) or schema)


def _counts_in_header(name: str) -> bool:
    return changes_answers(name) or not (is_doubtful(name) or is_tracking(name))


def _shown_header(name: str, value: Any) -> Any:
    return scrubbed(value) if changes_answers(name) and isinstance(value, str) else HIDDEN


def _names_are_free(name: str, value: Mapping[str, Any]) -> bool:
    """Return whether the mapping under this name is a part of a JSON schema whose names are the user's."""
    return name in _NAMES_IN_SCHEMA and all(isinstance(item, Mapping | bool | list) for item in value.values())


def _is_schema(value: Mapping[str, Any]) -> bool:
    kinds = value.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return not _SCHEMA.isdisjoint(value) or any(str(kind).lower() in _SCHEMA_TYPES for kind in kinds)


def _is_mcp(value: Mapping[str, Any]) -> bool:
    return "server_url" in value or value.get("type") == "mcp" or (value.get("type") == "url" and "url" in value)


def _are_pairs(value: Iterable[Any]) -> bool:
    return all(isinstance(item, list | tuple) and len(item) == 2 for item in value)


# Addresses

_URL: Final = re.compile(r"[A-Za-z][\w+.-]*://\S+")
_USERINFO: Final = re.compile(
    r"""(?<=://)(?:[^\s/?#"'<>]*@|[^\s@:/?#]*:(?!\d{1,5}(?:[/?#]|$))[^\s@"']*@)"""  # an unescaped / is in the second
)
_SIGNATURES: Final = (
    *(
        (
            frozenset([f"x-{by}-signature"]),
            frozenset(f"x-{by}-{part}" for part in ("algorithm", "credential", "date", "expires", "signedheaders")),
        )
        for by in ("amz", "goog")
    ),
    (
        frozenset(["sig", "sv"]),
        frozenset(["sp", "spr", "sr", "srt", "ss", "st", "si", "sip", "ske", "sks", "skt", "skv"]),
    ),
    (frozenset(["signature", "expires", "awsaccesskeyid"]), frozenset(["expires"])),
    (frozenset(["signature", "expires", "googleaccessid"]), frozenset(["expires", "googleaccessid"])),
    (frozenset(["signature", "key-pair-id"]), frozenset(["expires", "key-pair-id", "policy"])),
)
"""Presigned addresses of S3, Google, Azure and CloudFront: what marks one, and what a new signature changes."""
_TOKEN_IN_PATH: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])(?:.*[^\w])?\w{20,}.*")
_TOKEN_IN_MCP_PATH: Final = re.compile(r"(?!v\d+\w{0,6}$)(?=.*\d).{6,}|\w{24,}")


@lru_cache(maxsize=1024)
def plain_url(url: str) -> str:
    """Return an address without user name, password and credentials in its query, and without a final slash."""
    return _without_credentials(url).rstrip("/")


def _without_credentials(url: str) -> str:
    """Return a URL as it is, but without user name, password and credentials in its query."""
    url = _with_userinfo(url, "")
    address, mark, rest = url.partition("?")
    query, sharp, fragment = rest.partition("#")
    parts = [(unquote(part.partition("=")[0]), part) for part in query.split("&")]
    signed = _signed(name for name, _ in parts)
    kept = [part for name, part in parts if not (is_doubtful(name) or name.lower() in signed)]
    return f"{address}{mark if kept else ''}{'&'.join(kept)}{sharp}{fragment}" if mark else url


def _signed(names: Iterable[str]) -> frozenset[str]:
    """Return the names of a query that are parts of its signature, in small letters."""
    found = frozenset(map(str.lower, names))
    return frozenset().union(*(names for marks, names in _SIGNATURES if marks <= found))


def _shown_url(url: str, *, mcp: bool = False) -> str:
    """Return a URL without credentials and with its other query values hidden."""
    try:
        parts = urlsplit(_without_credentials(url))
    except ValueError:
        return HIDDEN
    token = _TOKEN_IN_MCP_PATH if mcp else _TOKEN_IN_PATH
    path = parts.path.split("/")
    path = [
        HIDDEN if token.fullmatch(part) or (part and at and is_doubtful(path[at - 1])) else part
        for at, part in enumerate(path)
    ]
    query = [part.partition("=") for part in parts.query.split("&") if part]
    values = [
        name + mark + (value if changes_answers(name) else HIDDEN) if mark else HIDDEN for name, mark, value in query
    ]
    fragment = HIDDEN if "=" in parts.fragment or (mcp and parts.fragment) else parts.fragment
    return scrubbed(urlunsplit((parts.scheme, parts.netloc, "/".join(path), "&".join(values), fragment)))


# Texts

_NAMED_IN_TEXT: Final = re.compile(r"""(["'])([\w-]+)\1(: ?|, ?)(["'])(.*?)\4""")
_KEY_IN_TEXT: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|\b(?:(?:sk|xai|nvapi|pplx|tvly|csk|glpat|pypi)-[\w-]{8,}|(?:sk|rk|pk)_(?:live|test)_\w{8,}"
    r"|(?:gsk|hf|npm|r8|fw|lsv2|dop_v1|shpat|shpss)_\w{8,}|AIza[\w-]{20,}|ya29\.[\w-]{20,}|A[KS]IA[A-Z0-9]{16}"
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abeposr]-[\w-]{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|dapi[0-9a-f]{32}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+|Bearer\s+[\w.~+/-]{8,})"
)
_DASHED: Final = re.compile(
    r"-(?:(?<=sk-)|(?<=xai-)|(?<=nvapi-)|(?<=pplx-)|(?<=tvly-)|(?<=glpat-)|(?<=pypi-)|(?<=xox[abeposr]-)|----BEGIN )"
)
_UNDERSCORED: Final = re.compile(
    r"_(?:(?<=gsk_)|(?<=hf_)|(?<=npm_)|(?<=r8_)|(?<=fw_)|(?<=lsv2_)|(?<=dop_v1_)|(?<=shpat_)|(?<=shpss_)"
    r"|(?<=gh[pousr]_)|(?<=github_pat_)|(?:live|test)_)"
)
_CAPITAL: Final = re.compile("A(?:Iza|KIA|SIA)")
"""Each key in a text holds a mark that one of these finds, or one of those in ``_may_hold_key``."""
_QUOTED: Final = re.compile(r""""[:,] ?["']""")
_SINGLE_QUOTED: Final = re.compile(r"""'[:,] ?["']""")
_URL_IN_TEXT: Final = re.compile(r"""(?<![\w+.-])[A-Za-z][\w+.-]{0,40}://[^\s"'<>`]+""")
_QUERY_VALUE: Final = re.compile(r"(?<=[?&;#])([^=&?#;\s]+)=([^&#;\s]+)")
_JDBC: Final = re.compile(r"(?<=jdbc:)([\w:]{1,100}:)[^\s/:@]+/[^\s@]+@")
_ASSIGNS: Final = re.compile(
    r"(?<![\w.-])([A-Za-z][\w.-]{0,60}(?: [A-Za-z]\w{0,60})?)\\?[\"']?\s?([=:])\s?(?:(?:Bearer|Basic)\s+)?"
)
_VALUE: Final = re.compile(
    r"(?P<open>[rbfuRBFU]{0,2}(?P<quote>\\?(?:\"\"\"|'{3}|\"|')))(?P<text>(?:(?!(?P=quote))[^\n])*)"
    r"|(?P<word>[^;\s\"'\n][^;\"'\n]{0,80}(?=;)|[^\s;,&\"')\]}]+)"
)
_SAID: Final = re.compile(
    r"\b((?:key|token|password|passphrase|secret|credentials?|signature)\b[^\n:=\"']{0,24}[:=]\s*)"
    r"([^\s\"']{6,}|\"[^\"]*\"|'[^']*')",
    re.IGNORECASE,
)
_MARKS: Final = (HIDDEN, "***")
_WORD: Final = re.compile(r"[A-Za-z]?[a-z]{0,11}[.,;!?)]*")
_MIXED: Final = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])\S{6,}")
"""Letters and digits: a password rather than a word or a number."""
_OPTION: Final = re.compile(r"(?<!\S)(--?([A-Za-z][\w-]{0,60})[= ])(?!-)([^\s\"']+)")
_LOGIN: Final = re.compile(
    r"(?<!\S)((?:-u|--user)[= ]?[^\s:/]{1,100}:)[^\s\"']+|(?<![\w/:.])(\w{1,60}/)[^\s/@]{1,200}(?=@[\w.-]+:\d+/)"
)
"""User and password, as ``curl`` and Oracle take them."""
_FOLLOWED: Final = re.compile(
    r"\b((?:api[ _-]?key|token|password|passphrase|secret)(?: is)? )((?=\D{0,80}\d)[\w!$%&*+/=@#~^-]{8,})",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return the text of a person in which stars replace whatever looks like a key or is named as one.

    Texts with a line break between them give the same, or more stars, than each of them.
    """

    def hide(match: re.Match[str]) -> str:
        quote, name, between, other = match.groups()[:4]
        hidden = is_secret(name) and match[5] != HIDDEN
        return f"{quote}{name}{quote}{between}{other}***{other}" if hidden else match.group()

    if _may_name_values(text):
        text = _NAMED_IN_TEXT.sub(hide, text)
    if _may_hold_key(text):
        text = _KEY_IN_TEXT.sub("***", text)
    if "/" in text and "://" in text and ("@" in text or "=" in text):
        text = _URL_IN_TEXT.sub(lambda match: _masked_url(match.group()), text)
    return text


# Both are much quicker than their patterns, which try each word: a search for one character skips all others.


def _may_name_values(text: str) -> bool:
    """Return False of a text in which ``_NAMED_IN_TEXT`` cannot find anything."""
    return bool(('"' in text and _QUOTED.search(text)) or ("'" in text and _SINGLE_QUOTED.search(text)))


def _may_hold_key(text: str) -> bool:
    """Return False of a text in which ``_KEY_IN_TEXT`` cannot find anything."""
    return bool(
        ("-" in text and _DASHED.search(text))
        or ("_" in text and _UNDERSCORED.search(text))
        or ("A" in text and _CAPITAL.search(text))
        or ("J" in text and "eyJ" in text)
        or ("G" in text and "SG." in text)
        or ("B" in text and "Bearer" in text)
        or ("9" in text and "ya29." in text)
        or "dapi" in text
    )


def _masked_url(url: str) -> str:
    """Return a URL of a person in which stars replace a password and the credentials of its query."""

    def hide(match: re.Match[str]) -> str:
        name = unquote(match[1])
        secret = (is_secret(name) and _MIXED.fullmatch(match[2])) or name.lower() in signed
        return f"{match[1]}=***" if secret and match[2] != HIDDEN else match.group()

    signed = _signed(unquote(match[1]) for match in _QUERY_VALUE.finditer(url))
    url = _QUERY_VALUE.sub(hide, url)
    userinfo = _USERINFO.search(url, 0, url.rfind("@") + 1)  # without an @, each :// would be searched to the end
    if userinfo is None or not _MIXED.fullmatch(userinfo.group().rpartition(":")[2][:-1]):
        return url
    return _with_userinfo(url, f"{userinfo.group().partition(':')[0]}:***@" if ":" in userinfo.group() else "***@")


def scrubbed(text: str) -> str:
    """Return the text of a parameter or an error without what :func:`masked` finds, passwords in addresses and others.

    Addresses lose user name, password and credentials in their query, connection strings their passwords, and the
    words after ``password=`` or ``key provided:`` are hidden.
    """
    text = masked(text)
    text = _URL_IN_TEXT.sub(lambda match: _scrubbed_url(match.group()), text)
    text = _JDBC.sub(rf"\1{HIDDEN}@", text)
    text = _LOGIN.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text)
    text = _OPTION.sub(lambda match: match[1] + HIDDEN if is_hidden(match[2]) else match.group(), text)
    text = _without_assigned(text)
    return _FOLLOWED.sub(rf"\1{HIDDEN}", _SAID.sub(_hide_said, text))


def _scrubbed_url(url: str) -> str:
    def hide(match: re.Match[str]) -> str:
        name = unquote(match[1])
        hidden = is_hidden(name) or name.lower() in signed
        return f"{match[1]}={HIDDEN}" if hidden else match.group()

    signed = _signed(unquote(match[1]) for match in _QUERY_VALUE.finditer(url))
    return _QUERY_VALUE.sub(hide, _with_userinfo(url, f"{HIDDEN}@"))


def _with_userinfo(url: str, userinfo: str) -> str:
    """Return a URL with ``userinfo`` in place of user name and password."""
    before, at, after = url.rpartition("@")  # as in _masked_url
    return _USERINFO.sub(userinfo, before + at) + after


def _hide_said(match: re.Match[str]) -> str:
    plain = match[2].startswith(_MARKS) or _WORD.fullmatch(match[2])
    return match.group() if plain else match[1] + HIDDEN


def _without_assigned(text: str) -> str:
    """Hide the values in ``password=value`` and ``"api_key": value``."""
    parts, end = [], 0
    for assigns in _ASSIGNS.finditer(text):
        if assigns.start() < end or not is_hidden(assigns[1]):
            continue
        value = _VALUE.match(text, assigns.end())
        if value is None:
            continue
        plain = value["text"] or value["word"] or ""
        if plain.startswith(_MARKS) or (assigns[2] == ":" and _WORD.fullmatch(plain)):
            continue  # a colon in a sentence: "Password: a word that …"
        if not (is_secret(assigns[1]) or _MIXED.fullmatch(plain)):
            continue  # "code=5"
        parts += [text[end : assigns.end()], value["open"] or "", HIDDEN]
        end = value.end()
    return "".join([*parts, text[end:]])
