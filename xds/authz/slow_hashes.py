"""Hashes that take milliseconds. Imported by worker processes alone."""

import re
from typing import Any, Final

import bcrypt
from passlib.hash import apr_md5_crypt, md5_crypt, sha256_crypt, sha512_crypt

from xds.authz.hashes import slow_kind

_BCRYPT: Final = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")

_BCRYPT_BYTES: Final = 72
"""As htpasswd and nginx do, bcrypt reads no further; the library raises an error for longer passwords."""

_CRYPT: Final[dict[str, Any]] = {
    "apr1": apr_md5_crypt,
    "md5": md5_crypt,
    "sha256": sha256_crypt,
    "sha512": sha512_crypt,
}


def matches(hash_: bytes, password: bytes) -> bool:
    """Whether a password has this hash. A malformed hash never matches. Comparison takes constant time."""
    kind = slow_kind(hash_)
    try:
        if kind == "bcrypt":
            return bool(_BCRYPT.fullmatch(hash_)) and bcrypt.checkpw(password[:_BCRYPT_BYTES], hash_)
        return kind is not None and bool(_CRYPT[kind].verify(password, hash_.decode("ascii")))
    except ValueError:
        return False
