"""What must not be told: the credentials that this process has seen, and text without them."""

import html
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"

_SHORTEST, _ALONE = 4, 12
"""Shorter values are in every text; those below the second count only where they stand alone."""
_STEMS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "secretkey", "pwd")
_WHOLE = {"sas", "secrets", "tokens", "passwords", "credential", "credentials"}
_KEY_OF = {
    *("access", "account", "api", "auth", "client", "encryption", "license", "master", "private", "secret"),
    *("service", "shared", "signing", "storage", "subscription"),
}
_ABOUT = {
    *("algorithm", "backend", "class", "count", "dir", "directory", "enabled", "endpoint", "expiry", "file", "files"),
    *("format", "header", "host", "length", "location", "manager", "max", "min", "mode", "name", "parallelism", "path"),
    *("port", "prefix", "provider", "providers", "region", "required", "scope", "seconds", "size", "store", "timeout"),
    *("ttl", "type", "uri", "url", "user", "username", "version"),
}
"""Last words of settings that say how a credential is had, and not what it is."""
_SHELL = {"PWD", "OLDPWD"}
"""Working directories, in every shell's environment."""
_SIGNATURES = {"sig", "signature", "x-amz-signature", "x-goog-signature"}
_SQL = ("postgres", "mysql", "mariadb", "mssql", "oracle", "snowflake", "redshift", "cockroachdb")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_PARAMETER = re.compile(r"(?<=[?&;])([\w.%-]+)=([^\s'\"<>&;#]+)")
_PAIR = re.compile(r"([A-Za-z][\w.-]*)=(['\"]?)([^\s'\"<>&;,#)]+)")
_LOGIN = re.compile(r"(?i)(authorization\W{1,4}(?:bearer|basic)\s+)[^\s'\"]+")
_PLAIN = re.compile(r"(?i)true|false|none|null|[+-]?[\d.]+(e[+-]?\d+)?|\d{4}-\d{2}(-\d{2}([T ][\d:.]+Z?)?)?")

_seen: set[str] = set()


def is_credential(name: str) -> bool:
    """Whether a setting or a variable of this name holds a credential: `fs.s3a.secret.key`, `MLFLOW_TRACKING_TOKEN`."""
    words = _words(name)
    if name in _SHELL:
        return False
    return _is_strong(words) or (len(words) > 1 and words[-1] in ("key", "keys"))


def is_plain(text: str) -> bool:
    """Whether it is a word, a number or a date that no text can do without, whatever setting it is the value of."""
    return len(text) < _SHORTEST or _PLAIN.fullmatch(text) is not None


def note_secret(text: str) -> None:
    """Remember one credential for as long as the process lives."""
    _seen.add(text)


def note_secrets(data: Any, *, name: str = "") -> None:
    """Remember what is a credential in a config's data: by its name, or by how its value is written."""
    if isinstance(data, Mapping):
        for key, each in data.items():
            note_secrets(each, name=str(key))
    elif isinstance(data, list | tuple):
        for each in data:
            note_secrets(each, name=name)
    elif isinstance(data, str):
        _seen.update(_secrets_in(data), [data] if is_credential(name) else [])


def redacted(text: str) -> str:
    """Return the text with *** for every credential: those seen, the environment's, and what is written like one."""
    return _hidden(text, _known())


def redacted_data(data: Any) -> Any:
    """Return the same data with every text in it redacted, names of mappings too."""
    return _hidden_data(data, _known())


def redacted_record(record: Mapping[str, Any], *, kept: Collection[str]) -> dict[str, Any]:
    """Return a row to be written whose texts and places are redacted; ids and names, by which it is found, stay."""
    told = {name: value for name, value in record.items() if name not in kept and not _is_word(value)}
    return {**record, **redacted_data(told)}


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.search(r"[\s/]", value) is None


def without_login(uri: str) -> str:
    """Return an address that still leads there, without user and password."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return redacted(uri)
    return redacted(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())


class RedactedStream:
    """A text stream whose lines are redacted as they are written: for what others print, such as tracebacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _hidden_data(data: Any, pattern: re.Pattern[str] | None) -> Any:
    if isinstance(data, str):
        return _hidden(data, pattern)
    if isinstance(data, Mapping):
        return {_hidden_data(key, pattern): _hidden_data(each, pattern) for key, each in data.items()}
    if isinstance(data, list | tuple):
        return [_hidden_data(each, pattern) for each in data]
    return data


def _hidden(text: str, pattern: re.Pattern[str] | None) -> str:
    shown = _URI.sub(lambda found: _shown_uri(found.group()), text) if "://" in text else text
    shown = pattern.sub(HIDDEN, shown) if pattern else shown
    if "=" in shown:
        shown = _PAIR.sub(_shown_pair, shown)
    return _LOGIN.sub(rf"\1{HIDDEN}", shown)


def _shown_uri(uri: str) -> str:
    shown = _PARAMETER.sub(_shown_parameter, uri)
    scheme, _, rest = shown.partition("://")
    login = _login_of(shown)
    return f"{scheme}://{HIDDEN}{rest[len(login) :]}" if login and _is_login(scheme, login) else shown


def _shown_parameter(found: re.Match[str]) -> str:
    name, value = found.groups()
    inner = any(True for _ in _secrets_in(unquote(value)))
    return f"{name}={HIDDEN}" if inner or name.lower() in _SIGNATURES or is_credential(name) else found.group()


def _shown_pair(found: re.Match[str]) -> str:
    name, mark, value = found.groups()
    return f"{name}={mark}{HIDDEN}" if _is_strong(_words(name)) and not is_plain(value) else found.group()


def _login_of(uri: str) -> str:
    """Return what stands before the host's @; nothing where there is none. SQLAlchemy's may hold a slash."""
    scheme, _, rest = uri.partition("://")
    try:
        login = urlsplit(uri).netloc.rpartition("@")[0]
    except ValueError:
        login = rest.partition("/")[0].rpartition("@")[0]
    if not login and scheme.lower().startswith(_SQL):
        login = rest.partition("?")[0].rpartition("@")[0]
    return login


def _is_login(scheme: str, login: str) -> bool:
    """A container of Azure's stands before an @ too, and a lone user of a database is no secret."""
    return ":" in login or scheme.lower() in ("http", "https")


def _secrets_in(text: str) -> Iterator[str]:
    for found in _URI.finditer(text):
        yield from _secrets_of(found.group())
    for name, _, value in _PAIR.findall(text):
        if _is_strong(_words(name)):
            yield value


def _secrets_of(uri: str) -> Iterator[str]:
    scheme, login = uri.partition("://")[0].lower(), _login_of(uri)
    if login and _is_login(scheme, login):
        user, _, password = login.partition(":")
        yield password or user
        if scheme.startswith("s3"):
            yield user
    for name, value in parse_qsl(uri.partition("?")[2], separator="&"):
        if name.lower() in _SIGNATURES or is_credential(name):
            yield value
        yield from _secrets_in(value)  # odbc_connect holds pairs of its own


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_strong(words: list[str]) -> bool:
    if not words or words[-1] in _ABOUT:
        return False
    is_key = any(each in ("key", "keys") and before in _KEY_OF for before, each in pairwise(words))
    return is_key or any(each in _WHOLE or each.endswith(_STEMS) for each in words)


def _known() -> re.Pattern[str] | None:
    return _pattern(frozenset(_seen), frozenset(os.environ.items()))


@lru_cache(maxsize=8)
def _pattern(seen: frozenset[str], environment: frozenset[tuple[str, str]]) -> re.Pattern[str] | None:
    there = {secret for _, value in environment for secret in _secrets_in(value)}
    there |= {value for name, value in environment if is_credential(name)}
    forms = {form for secret in seen | there if not is_plain(secret) for form in _forms(secret)}
    ordered = sorted(forms, key=lambda each: (-len(each), each))
    return re.compile("|".join(map(_as_found, ordered))) if ordered else None


def _as_found(form: str) -> str:
    text = re.sub(r"%[0-9A-Fa-f]{2}", lambda found: f"(?i:{found.group()})", re.escape(form))
    return text if len(form) >= _ALONE else rf"(?<![A-Za-z0-9]){text}(?![A-Za-z0-9])"


def _forms(secret: str) -> Iterable[str]:
    """As it is, and as addresses, JSON, Python and HTML write it."""
    plain = {secret, unquote(secret)}
    quoted = {way(each) for each in plain for way in (quote, quote_plus, _quoted_whole)}
    written = {form for each in plain for form in (json.dumps(each)[1:-1], repr(each)[1:-1], html.escape(each))}
    return {form for form in plain | quoted | written if not is_plain(form)}


def _quoted_whole(text: str) -> str:
    return quote(text, safe="")
