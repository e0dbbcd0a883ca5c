"""Removal of text that looks like a secret: from proxies' messages, from logs, from values of annotations."""

import re
from typing import Final

REDACTED: Final = "[redacted]"

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
