"""Password files as `htpasswd` writes them, and as nginx reads them.

No text here repeats a user or a hash: problems count users by the kind of their hash.

Source: https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html#auth_basic_user_file
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from xds.kube.objects import Secret
from xds.problems.problem import Key

MAX_FILE_BYTES: Final = 1024 * 1024
"""Of a Secret: https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size"""

MAX_USERS: Final = 5000
"""Of a Secret. Each route with passwords holds all users, and each request carries them to `xds authz`."""

MAX_BCRYPT_COST: Final = 14
"""1.4 seconds of a processor; a step doubles the time. `xds authz` gives up after 2.3 seconds."""

MAX_SHA_CRYPT_ROUNDS: Final = 500_000
"""About one second."""

_SHA1_BYTES: Final = 20
_UNCHECKED: Final = "other"
"""The kind of hashes in no known form. Bare passwords are among these: they never match, as in nginx."""

_FORMS: Final = {
    "SHA": re.compile(rb"\{SHA\}[A-Za-z0-9+/]{27}="),
    "SSHA": re.compile(rb"\{SSHA\}[A-Za-z0-9+/]+={0,2}"),
    "PLAIN": re.compile(rb"\{PLAIN\}.*"),
    "apr1": re.compile(rb"\$apr1\$[./0-9A-Za-z]{0,8}\$[./0-9A-Za-z]{22}"),
    "bcrypt": re.compile(rb"\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}"),
    "MD5": re.compile(rb"\$1\$[./0-9A-Za-z]{0,8}\$[./0-9A-Za-z]{22}"),
    "SHA-256": re.compile(rb"\$5\$(?:rounds=([1-9][0-9]{3,8})\$)?[./0-9A-Za-z]{0,16}\$[./0-9A-Za-z]{43}"),
    "SHA-512": re.compile(rb"\$6\$(?:rounds=([1-9][0-9]{3,8})\$)?[./0-9A-Za-z]{0,16}\$[./0-9A-Za-z]{86}"),
}
"""By kind. A group is the cost, or the number of rounds."""

_DES: Final = re.compile(rb"[./0-9A-Za-z]{13}")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_LINE_END: Final = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """The users of a password file.

    Attributes:
        users: Those whose password can be checked, each name once, with the hash.
        takes_authz: Whether a user has another hash than {SHA}, which Envoy knows by itself.
        left_out: The other users by the reason why they never match, in words, most first.
    """

    users: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    takes_authz: bool = False
    left_out: tuple[tuple[str, int], ...] = ()


class TooManyUsersError(ValueError):
    """A file has more than MAX_USERS users."""


def parse_file(content: bytes) -> PasswordFile:
    """The users of a file.

    Raises:
        TooManyUsersError: there are too many.
    """
    # `#` begins a comment in the first column only. The hash ends at a third field, and at the end of the line.
    lines = (line for line in content.split(b"\n") if line and line[:1] not in (b"#", b"\r"))
    return _read(_entry(line) for line in lines)


def parse_map(values: dict[str, bytes]) -> PasswordFile:
    """The users of a Secret whose keys are the names. The first line of a value is the hash.

    Raises:
        TooManyUsersError: there are too many.
    """
    return _read((name.encode(errors="surrogatepass"), _hash(values[name])) for name in sorted(values))


class PasswordFiles:
    """Parses each Secret once: many Ingresses may name one."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[Key, bool], tuple[Secret, PasswordFile]] = {}
        self._most = 16

    def of_file(self, secret: Secret, content: bytes) -> PasswordFile:
        """The users of a file in a Secret.

        Raises:
            TooManyUsersError: there are too many.
        """
        return self._once(secret, is_map=False, parse=lambda: parse_file(content))

    def of_map(self, secret: Secret, values: dict[str, bytes]) -> PasswordFile:
        """The users of a Secret whose keys are the names.

        Raises:
            TooManyUsersError: there are too many.
        """
        return self._once(secret, is_map=True, parse=lambda: parse_map(values))

    def keep(self, current: Callable[[Key], Secret | None]) -> None:
        """Forget Secrets that are gone or changed, if many were parsed since the last time."""
        if len(self._parsed) <= self._most:
            return
        self._parsed = {key: each for key, each in self._parsed.items() if current(key[0]) is each[0]}
        self._most = max(16, 2 * len(self._parsed))

    def _once(self, secret: Secret, *, is_map: bool, parse: Callable[[], PasswordFile]) -> PasswordFile:
        known = self._parsed.get((secret.key, is_map))
        if known is None or known[0] is not secret:
            known = self._parsed[secret.key, is_map] = (secret, parse())
        return known[1]


def _entry(line: bytes) -> tuple[bytes, bytes | None]:
    name, colon, rest = line.partition(b":")
    return name, _hash(rest) if colon else None


def _hash(text: bytes) -> bytes:
    return _LINE_END.split(text, maxsplit=1)[0].partition(b":")[0]


def _read(entries: Iterable[tuple[bytes, bytes | None]]) -> PasswordFile:
    known: set[bytes] = set()
    users: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    takes_authz = False
    for name, hash_ in entries:
        if name in known:
            continue
        known.add(name)
        if len(known) > MAX_USERS:
            raise TooManyUsersError
        if why := _why_not(name, hash_):
            left_out[why] += 1
        elif hash_ is not None:
            users.append((name.decode(), hash_.decode()))
        takes_authz = takes_authz or (hash_ is not None and not _FORMS["SHA"].fullmatch(hash_))
    return PasswordFile(tuple(users), takes_authz, tuple(left_out.most_common()))


def _why_not(name: bytes, hash_: bytes | None) -> str:
    """Why a user never matches, in words that follow a number; empty for one that can."""
    if hash_ is None:
        return "without a hash"
    if not name or b":" in name or name.startswith(b"#") or not _is_plain_text(name):
        return "with a name that is empty, or isn't plain UTF-8"
    kind = kind_of(hash_)
    if kind == "DES":
        return "with a hash of DES"
    if kind == _UNCHECKED or not _is_plain_text(hash_):
        return "with a hash in no known form, or a bare password"
    return "".join(_too_costly(kind, hash_))


def kind_of(hash_: bytes) -> str:
    """The kind of a hash."""
    for kind, form in _FORMS.items():
        if form.fullmatch(hash_):
            return kind if kind != "SSHA" or _is_salted(hash_) else _UNCHECKED
    return "DES" if _DES.fullmatch(hash_) else _UNCHECKED


def _too_costly(kind: str, hash_: bytes) -> Iterator[str]:
    matched = _FORMS[kind].fullmatch(hash_)
    number = int(matched[1]) if matched and matched.re.groups and matched[1] else 0
    if kind == "bcrypt" and number > MAX_BCRYPT_COST:
        yield f"with bcrypt of a cost above {MAX_BCRYPT_COST}"
    if kind != "bcrypt" and number > MAX_SHA_CRYPT_ROUNDS:
        yield f"with more than {MAX_SHA_CRYPT_ROUNDS} rounds of {kind}"


def _is_salted(hash_: bytes) -> bool:
    try:
        return len(base64.b64decode(hash_.partition(b"}")[2], validate=True)) >= _SHA1_BYTES
    except binascii.Error:
        return False


def _is_plain_text(text: bytes) -> bool:
    """Whether the text is UTF-8 without control characters, as fields of protobuf are."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text)
