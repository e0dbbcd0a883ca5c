"""Credentials of a request, and the user's entry in a password file. Both are compared as bytes."""

import base64
import binascii
from typing import Final, NamedTuple

MAX_PASSWORD_BYTES: Final = 1024
"""A longer password matches nothing: the cost of some hashes grows with its length."""

_SCHEME: Final = b"basic "


class Credentials(NamedTuple):
    """User name and password. No traceback or log may hold an instance."""

    name: bytes
    password: bytes

    def __repr__(self) -> str:
        return "Credentials(…)"


def parse(authorization: bytes) -> Credentials | None:
    """The credentials of an Authorization header; None if they can't be right for any user.

    As nginx does: any case of `Basic`, base64 with or without padding, a user name that isn't empty, and everything
    behind the first colon as the password. Two headers, which Envoy joins by a comma, are no base64.
    """
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    text = authorization[len(_SCHEME) :].strip(b" ").rstrip(b"=")
    try:
        decoded = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
    name, colon, password = decoded.partition(b":")
    if not name or not colon or len(password) > MAX_PASSWORD_BYTES or b"\0" in decoded or b"\n" in name:
        return None
    return Credentials(name, password)


def hash_of(users: bytes, name: bytes) -> bytes | None:
    """The hash of the first entry of this name in lines `NAME:HASH`; None: no such user."""
    start = 0
    if not users.startswith(name + b":"):
        start = users.find(b"\n" + name + b":") + 1
        if not start:
            return None
    return _line_at(users, start).partition(b":")[2]


def decoy(users: bytes, number: int) -> bytes:
    """The hash of an entry chosen by `number`, for a check of equal cost; empty without entries."""
    if not users:
        return b""
    return _line_at(users, users.rfind(b"\n", 0, number % len(users)) + 1).partition(b":")[2]


def _line_at(text: bytes, start: int) -> bytes:
    end = text.find(b"\n", start)
    return text[start:] if end < 0 else text[start:end]
