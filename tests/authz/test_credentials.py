"""The Authorization header, and the search of a user's entry."""

import base64

import pytest

from xds.authz.credentials import MAX_PASSWORD_BYTES, decoy, hash_of, parse

USERS = b"alice:hash-a\nbob:hash-b\nalice:second\nal:hash-c"


def header(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


@pytest.mark.parametrize(
    ("authorization", "name", "password"),
    [
        (header(b"alice:secret"), b"alice", b"secret"),
        (header(b"alice:a:b"), b"alice", b"a:b"),
        (header(b"alice:"), b"alice", b""),
        (header(b"\xff:\xfe"), b"\xff", b"\xfe"),
        (b"BASIC " + base64.b64encode(b"a:b"), b"a", b"b"),
        (b"basic   " + base64.b64encode(b"a:b"), b"a", b"b"),
        (header(b"alice:secre").rstrip(b"="), b"alice", b"secre"),
        (header(b"a:" + b"x" * MAX_PASSWORD_BYTES), b"a", b"x" * MAX_PASSWORD_BYTES),
    ],
)
def test_credentials_are_read(authorization: bytes, name: bytes, password: bytes) -> None:
    assert parse(authorization) == (name, password)


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic!",
        b"Bearer " + base64.b64encode(b"alice:secret"),
        b"Basic alice:secret",
        b"Basic YWxpY2U6c2VjcmV0," + header(b"alice:secret"),
        header(b"alice:secret") + b"," + header(b"alice:secret"),
        header(b"alice"),
        header(b":secret"),
        header(b"alice:sec\0ret"),
        header(b"ali\0ce:secret"),
        header(b"alice\nbob:secret"),
        header(b"a:" + b"x" * (MAX_PASSWORD_BYTES + 1)),
        b"Basic \xff\xff",
        b"Basic YWxp_2U6c2VjcmV0",
    ],
)
def test_other_headers_have_no_credentials(authorization: bytes) -> None:
    assert parse(authorization) is None


def test_credentials_hide_their_content() -> None:
    assert "secret" not in repr(parse(header(b"alice:secret")))


@pytest.mark.parametrize(
    ("name", "hash_"),
    [
        (b"alice", b"hash-a"),
        (b"bob", b"hash-b"),
        (b"al", b"hash-c"),
        (b"ob", None),
        (b"hash-a", None),
        (b"ALICE", None),
    ],
)
def test_the_first_entry_of_a_name_counts(name: bytes, hash_: bytes | None) -> None:
    assert hash_of(USERS, name) == hash_


def test_a_hash_may_hold_colons() -> None:
    assert hash_of(b"alice:{PLAIN}a:b", b"alice") == b"{PLAIN}a:b"


def test_no_users_have_no_hash() -> None:
    assert hash_of(b"", b"alice") is None
    assert decoy(b"", 7) == b""


def test_each_entry_can_be_a_decoy() -> None:
    found = {decoy(USERS, number) for number in range(1000)}
    assert found == {b"hash-a", b"hash-b", b"second", b"hash-c"}
