"""Cipher strings of OpenSSL, in the suites for TLS 1.2 that Envoy has.

Envoy rejects a listener for one unknown word, so no word of a value is passed on. Suites of TLS 1.3 are fixed.
Source: https://docs.openssl.org/3.5/man1/openssl-ciphers/
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias


class Suite(NamedTuple):
    """A cipher suite for TLS 1.2 and its parts, as OpenSSL names them."""

    name: str
    exchange: str
    authentication: str
    cipher: str
    mac: str

    @property
    def words(self) -> frozenset[str]:
        """The words of cipher strings that mean this suite, among others."""
        parts = (self.exchange, self.authentication, self.cipher, self.mac, self.version)
        rsa = {"RSA"} if self.exchange == "kRSA" else set[str]()
        return frozenset({self.name, "ALL", "DEFAULT", "HIGH", *rsa}).union(
            *(_WORDS.get(each, {each}) for each in parts)
        )

    @property
    def version(self) -> str:
        """The oldest version of TLS that has the suite."""
        if self.mac != "SHA1":
            return "TLSv1.2"
        return "SSLv3" if self.exchange == "kRSA" else "TLSv1"


_WORDS: Final = {
    "ECDHE": {"ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH"},
    "aECDSA": {"aECDSA", "ECDSA"},
    "AES256-GCM": {"AES", "AES256", "AESGCM"},
    "AES128-GCM": {"AES", "AES128", "AESGCM"},
    "AES256": {"AES", "AES256"},
    "AES128": {"AES", "AES128"},
    "SHA1": {"SHA1", "SHA"},
    "TLSv1": {"TLSv1", "TLSv1.0"},
}
"""The words for a part. Other parts are their own words."""

SUITES: Final = (
    Suite("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE", "aECDSA", "AES256-GCM", "AEAD"),
    Suite("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE", "aRSA", "AES256-GCM", "AEAD"),
    Suite("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE", "aECDSA", "CHACHA20", "AEAD"),
    Suite("ECDHE-RSA-CHACHA20-POLY1305", "ECDHE", "aRSA", "CHACHA20", "AEAD"),
    Suite("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE", "aECDSA", "AES128-GCM", "AEAD"),
    Suite("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE", "aRSA", "AES128-GCM", "AEAD"),
    Suite("ECDHE-RSA-AES128-SHA256", "ECDHE", "aRSA", "AES128", "SHA256"),
    Suite("ECDHE-ECDSA-AES256-SHA", "ECDHE", "aECDSA", "AES256", "SHA1"),
    Suite("ECDHE-RSA-AES256-SHA", "ECDHE", "aRSA", "AES256", "SHA1"),
    Suite("ECDHE-ECDSA-AES128-SHA", "ECDHE", "aECDSA", "AES128", "SHA1"),
    Suite("ECDHE-RSA-AES128-SHA", "ECDHE", "aRSA", "AES128", "SHA1"),
    Suite("AES256-GCM-SHA384", "kRSA", "aRSA", "AES256-GCM", "AEAD"),
    Suite("AES128-GCM-SHA256", "kRSA", "aRSA", "AES128-GCM", "AEAD"),
    Suite("AES256-SHA", "kRSA", "aRSA", "AES256", "SHA1"),
    Suite("AES128-SHA", "kRSA", "aRSA", "AES128", "SHA1"),
)
"""The suites that Envoy's BoringSSL has, in the order of OpenSSL, without pre-shared keys and 3DES.

Source: https://github.com/google/boringssl/blob/main/ssl/ssl_cipher.cc
"""

_NEUTRAL: Final = re.compile(r"@STRENGTH|@SECLEVEL=[0-9]|TLS_[A-Z0-9_]+")
"""Words without effect: suites are sorted by strength anyhow, and those of TLS 1.3 are always on."""


@dataclass(frozen=True, slots=True)
class CipherList:
    """A cipher string in Envoy's terms.

    Attributes:
        suites: The names, the preferred one first.
        unknown: Words that add nothing, as Envoy has no suite of theirs.
    """

    suites: tuple[str, ...]
    unknown: tuple[str, ...]


_Edit: TypeAlias = Callable[[list[Suite], list[Suite]], list[Suite]]


def _added(given: list[Suite], found: list[Suite]) -> list[Suite]:
    return [*given, *(each for each in found if each not in given)]


def _moved(given: list[Suite], found: list[Suite]) -> list[Suite]:
    """The list with the found suites at the end."""
    return [*(each for each in given if each not in found), *(each for each in given if each in found)]


def _removed(given: list[Suite], found: list[Suite]) -> list[Suite]:
    return [each for each in given if each not in found]


_EDITS: Final[dict[str, _Edit]] = {"+": _moved, "-": _removed, "!": _removed}


def cipher_list(text: str) -> CipherList:
    """The suites that a cipher string of OpenSSL means."""
    given: list[Suite] = []
    banned: set[Suite] = set()
    unknown: dict[str, None] = {}
    for word in filter(None, text.split(":")):
        if _NEUTRAL.fullmatch(word):
            continue
        operator = word[0] if word[0] in _EDITS else ""
        found = _meant(word.removeprefix(operator).split("+"))
        if operator == "!":
            banned.update(found)
        elif not found and not operator:
            unknown[word] = None
        edit = _EDITS.get(operator, _added)
        given = edit(given, [each for each in found if operator or each not in banned])
    return CipherList(tuple(each.name for each in given), tuple(unknown))


def _meant(words: Iterable[str]) -> list[Suite]:
    """The suites that all of the words mean."""
    return [each for each in SUITES if each.words.issuperset(words)]
