"""Hashes of password files. Vectors are from `openssl passwd`, and from crypt(3) of libxcrypt by way of Perl."""

import pytest

from xds.authz import hashes, slow_hashes

VECTORS = [
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", b"secret"),
    ("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", b"secret"),
    ("{PLAIN}secret", b"secret"),
    ("{PLAIN}", b""),
    ("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", b"secret"),
    ("$1$a$41c8gzdxX5iFFuqkeAdoe0", b"secret"),
    ("$1$abcdefgh$M55TzYaaccxVGbptZWaxX/", b""),
    ("$1$abcdefgh$QLc60jVoQ2PaFW/QsiK900", "päss".encode()),
    ("$1$abcdefgh$1hL1oZhijcyvbUgunDk6O0", ("pässwörd:" * 12).encode()),
    ("$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", b"secret"),
    ("$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie.", b""),
    ("$apr1$abcdefgh$hPxweCoviMDRebVQbfSVY0", ("pässwörd:" * 12).encode()),
    ("$5$abcdefghijklmnop$i7zHaTeYqXlesRXJ8dXj6o.MEFQdzfIJpJpcWAtszs6", b"secret"),
    ("$5$rounds=1000$xy$N1hx/UywKRIfOICnjar0y/6a6.1YyPXDXo8HiDZcrb3", b"secret"),
    ("$5$abcdefghijklmnop$97eILYw3eYBhMnL6m3CcahWnvCNzm5O1Do9J.JElfl2", ("pässwörd:" * 12).encode()),
    ("$6$ab$2lDVylRMp48hlYZZFOCx/xnhJEsGPynJ17rt2um9Gb8wX6ygI4uDxg3Bg43pp/Hv397hwWfT8mciHws9eE4sR/", b"secret"),
    (
        "$6$rounds=1234$saltsalt$DSBPDUZo0nCMWUbkNmW7RMcfxGS7cBvIvCXqeuthKtjYB6G18g/1OQ8smAgXrYCNdMBsO.kPjvs8iRopadGpI/",
        b"secret",
    ),
    ("$6$ab$qo5m6vnVvdP9T9YJT.KRuoltrOZOD8yN3SQLbjfyazHQQRthXhdQ8jKJZRn7JFE3MxY7FlZ0nocgUa2Mn.V1J0", b"p\xff"),
    ("$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", b"secret"),
    ("$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", b"secret"),
    ("$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", b"secret"),
    ("$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", b"x" * 80),
]


def matches(hash_: str, password: bytes) -> bool:
    text = hash_.encode()
    if hashes.slow_kind(text):
        return slow_hashes.matches(text, password)
    return hashes.matches(text, password)


@pytest.mark.parametrize(("hash_", "password"), VECTORS)
def test_a_password_matches_its_hash_alone(hash_: str, password: bytes) -> None:
    assert matches(hash_, password)
    assert not matches(hash_, b"?" + password)
    assert not matches(hash_, password[:-1] if password and len(password) < 72 else b"?")


@pytest.mark.parametrize(
    "hash_",
    [
        "",
        "secret",
        "{SHA}",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ",
        "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}",
        "{SSHA}é",
        "{SSHA}AAAA",
        "{CLEAR}secret",
        "abNANd1rDfiNc",
        "_J9..saltsecretabcde",
        "$1$",
        "$1$abcdefgh",
        "$1$abcdefghi$cHJi5PXp/ki/ktXzqlk6I1",
        "$apr1$",
        "$apr1$é$h9FWgUz3n9YxylKLlR5SQ/",
        "$5$rounds=10$xy$N1hx/UywKRIfOICnjar0y/6a6.1YyPXDXo8HiDZcrb3",
        "$5$rounds=x$xy$N1hx/UywKRIfOICnjar0y/6a6.1YyPXDXo8HiDZcrb3",
        "$6$",
        "$2y$05$",
        "$2x$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a:x",
        "$2y$99$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$2y$5$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$7$abc$def",
        "$y$j9T$abc$def",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    ],
)
@pytest.mark.parametrize("password", [b"secret", b""])
def test_malformed_hashes_and_those_of_other_kinds_never_match(hash_: str, password: bytes) -> None:
    assert not matches(hash_, password)
