"""The kinds of hashes in password files, and the fast ones. `slow_hashes` has the others."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

SLOW: Final[Mapping[bytes, str]] = {
    b"$2a$": "bcrypt",
    b"$2b$": "bcrypt",
    b"$2y$": "bcrypt",
    b"$apr1$": "apr1",
    b"$1$": "md5",
    b"$5$": "sha256",
    b"$6$": "sha512",
}
"""Kinds that take milliseconds, by their prefix."""

_SHA1_BYTES: Final = 20


def slow_kind(hash_: bytes) -> str | None:
    """The kind of a hash that takes milliseconds; None for others."""
    return next((kind for prefix, kind in SLOW.items() if hash_.startswith(prefix)), None)


def matches(hash_: bytes, password: bytes) -> bool:
    """Whether a password has this fast hash. Hashes of DES, other kinds and bare passwords never match."""
    if hash_.startswith(b"{SHA}"):
        return hmac.compare_digest(hash_[5:], base64.b64encode(_sha1(password)))
    if hash_.startswith(b"{SSHA}"):
        return _matches_salted(hash_[6:], password)
    return hash_.startswith(b"{PLAIN}") and hmac.compare_digest(hash_[7:], password)


def _matches_salted(text: bytes, password: bytes) -> bool:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(decoded[:_SHA1_BYTES], _sha1(password + decoded[_SHA1_BYTES:]))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()  # noqa: S324 - the user's choice
