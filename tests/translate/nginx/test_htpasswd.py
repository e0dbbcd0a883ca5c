"""Password files: lines as nginx reads them, kinds of hashes, bounds.

Covers: comments, empty lines, third fields, CRLF, repeated users, bytes that aren't UTF-8, control characters, every
kind of hash, hashes that cost too much. Excludes: the check of a password (tests/authz, and a real Envoy in tests/e2e).
"""

import pytest

from xds.translate.nginx.htpasswd import (
    MAX_BCRYPT_COST,
    MAX_SHA_CRYPT_ROUNDS,
    MAX_USERS,
    PasswordFile,
    TooManyUsersError,
    kind_of,
    parse_file,
    parse_map,
)

SHA = "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="
OTHER_SHA = "{SHA}NWoZK3kTsExUV00Ywo1G5jlUKKs="
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q"
SHA256 = "$5$abcdefgh$ijtOJ//yvc/9bq1g0llFn9dB688BwBDRD90DlKKSKE1"
SHA512 = "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49dFL1U4wX/"

CHECKED = {
    "SHA": SHA,
    "SSHA": "{SSHA}K/qCHdTzr1rftXNEV4Ob7XsySBlzYWx0",
    "PLAIN": "{PLAIN}pw",
    "apr1": "$apr1$abcdefgh$5VEbMkemELfbhC5ck.U.z1",
    "bcrypt": BCRYPT,
    "MD5": "$1$abcdefgh$IQtUouv7y7Q9dRWkQEPCc.",
    "SHA-256": SHA256,
    "SHA-512": SHA512,
}

IN_NO_FORM = (
    "",
    "pw",
    SHA + " ",
    SHA[:-1],
    "{SSHA}abc",
    "{SSHA}YWJj",
    "{MD5}x",
    "$2y$05$short",
    "$apr1$x",
    "$y$j9T$x$y",
)


@pytest.mark.parametrize(("kind", "written"), CHECKED.items())
def test_a_hash_of_each_kind_is_checked(kind: str, written: str) -> None:
    assert kind_of(written.encode()) == kind
    found = parse_file(f"u:{written}\n".encode())
    assert found == PasswordFile((("u", written),), takes_authz=kind != "SHA")


@pytest.mark.parametrize("variant", ["$2a$", "$2b$", "$2y$"])
def test_each_variant_of_bcrypt_is_checked(variant: str) -> None:
    assert kind_of(BCRYPT.replace("$2y$", variant).encode()) == "bcrypt"


@pytest.mark.parametrize(
    ("content", "users"),
    [
        (f"# a comment\n\nu:{SHA}\n\r\n", "u"),
        (f"u:{SHA}", "u"),
        (f"u:{SHA}\r\nv:{SHA}\r\n", "u v"),
        (f"u:{SHA}:a comment\n", "u"),
        (f"u:{SHA}:{OTHER_SHA}\r\n", "u"),
        (f"a#b:{SHA}\n", "a#b"),
        (f"ü:{SHA}\n", "ü"),
        ("", ""),
        ("\n\n#\n", ""),
    ],
)
def test_lines_are_read_as_by_nginx(content: str, users: str) -> None:
    found = parse_file(content.encode())
    assert found == PasswordFile(tuple((name, SHA) for name in users.split()))


def test_the_first_of_a_repeated_user_counts() -> None:
    assert parse_file(f"u:{SHA}\nu:{OTHER_SHA}\n".encode()).users == (("u", SHA),)
    found = parse_file(f"u:bare\nu:{SHA}\n".encode())
    assert found.users == ()
    assert [number for _, number in found.left_out] == [1]


@pytest.mark.parametrize(
    ("line", "why", "takes_authz"),
    [
        (b"u:abzlUXK5ed5rs", "with a hash of DES", True),
        *((f"u:{each}".encode(), "with a hash in no known form, or a bare password", True) for each in IN_NO_FORM),
        (b"u:{PLAIN}\xff", "with a hash in no known form, or a bare password", True),
        (b"u:{PLAIN}a\tb", "with a hash in no known form, or a bare password", True),
        (b"\xff:" + SHA.encode(), "with a name that is empty, or isn't plain UTF-8", False),
        (b"a\x00b:" + SHA.encode(), "with a name that is empty, or isn't plain UTF-8", False),
        (b":" + SHA.encode(), "with a name that is empty, or isn't plain UTF-8", False),
        (b"user", "without a hash", False),
        (
            BCRYPT.replace("$05$", f"${MAX_BCRYPT_COST + 1}$").join(("u:", "")).encode(),
            "bcrypt of a cost above 14",
            True,
        ),
        (SHA256.replace("$5$", "$5$rounds=500001$").join(("u:", "")).encode(), "more than 500000 rounds", True),
        (SHA512.replace("$6$", "$6$rounds=999999999$").join(("u:", "")).encode(), "more than 500000 rounds", True),
    ],
)
def test_a_user_that_never_matches_is_left_out(line: bytes, why: str, takes_authz: bool) -> None:
    found = parse_file(line + b"\nv:" + SHA.encode())
    assert found.users == (("v", SHA),)
    assert found.takes_authz is takes_authz
    [(words, number)] = found.left_out
    assert why in words
    assert number == 1


def test_a_hash_at_the_bound_is_checked() -> None:
    costly = (
        BCRYPT.replace("$05$", f"${MAX_BCRYPT_COST}$"),
        SHA512.replace("$6$", f"$6$rounds={MAX_SHA_CRYPT_ROUNDS}$"),
    )
    for each in costly:
        assert parse_file(f"u:{each}".encode()).users == (("u", each),)


def test_users_are_bounded() -> None:
    lines = [f"u{number}:{SHA}\n" for number in range(MAX_USERS + 1)]
    assert len(parse_file("".join(lines[:-1] * 2).encode()).users) == MAX_USERS
    with pytest.raises(TooManyUsersError):
        parse_file("".join(lines).encode())


def test_the_keys_of_a_map_are_users() -> None:
    found = parse_map(
        {"bob": f"{SHA}\nmallory:{SHA}".encode(), "alice": BCRYPT.encode(), "auth": b"x", "#": SHA.encode()}
    )
    assert found.users == (("alice", BCRYPT), ("bob", SHA))
    assert sum(number for _, number in found.left_out) == 2
    assert parse_map({}) == PasswordFile()


def test_no_user_and_no_hash_is_printed() -> None:
    found = parse_file(f"marker-user:{SHA}\nmarker-bare:secret\n".encode())
    assert found.users
    assert "marker" not in repr(found)
    assert "SHA}G" not in repr(found)
