"""Removal of secrets from the archive of `xds collect`, after the server has left out all that it knows.

Values of annotations and lines of logs are text of users: text that looks like a secret is replaced.
"""

import re
from typing import Any, Final

REDACTED: Final = "[redacted]"

_TELLING: Final = re.compile(r"auth|token|key|secret|passw|cookie|credential|session|signature", re.IGNORECASE)
"""Parts of the names of headers whose values are secrets."""

_PATTERNS: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}",  # "-----BEGIN " in base64, which may be a key
        r"(?<=://)[^/\s\"'<>]*(?=@)",  # user and password of a URL
        r"(?i)(?<=\bbasic )[a-z0-9+/=_-]{6,}",
        r"(?i)(?<=\bbearer )[a-z0-9+/=._~-]{6,}",
        # Hashes of passwords, with the name of the user before a colon.
        r"(?:[^\s\"'\\:,]+:)?\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{8,}=*",
        r"(?:[^\s\"'\\:,]+:)?\$(?:2[abxy]?|apr1|1|5|6|argon2(?:id?|d)|scrypt|pbkdf2[a-z0-9-]*|y)\$[^\s\"'\\,:]{8,}",
    )
)


def scrub_text(text: str) -> str:
    for pattern in _PATTERNS:
        text = pattern.sub(REDACTED, text)
    return text


def scrub(value: Any) -> Any:
    """The JSON value without secrets in texts, and without the values of headers whose name suggests a secret."""
    if isinstance(value, dict):
        if _is_header(value) and _TELLING.search(str(value.get("key") or value.get("name"))):
            return {each: item if each in ("key", "name") else REDACTED for each, item in value.items()}
        return {key: scrub(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrub(item) for item in value]
    return scrub_text(value) if isinstance(value, str) else value


def _is_header(value: dict[str, Any]) -> bool:
    """Whether the object is a HeaderValue of Envoy, or a pair of name and value."""
    return value.keys() in ({"key", "value"}, {"key", "raw_value"}, {"name", "value"})
