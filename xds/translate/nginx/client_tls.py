"""ssl-ciphers and ssl-prefer-server-ciphers: TLS 1.2 with the clients of a host."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.tls import CipherChoice
from xds.translate.nginx.annotation import Annotation, Scope, Verdict
from xds.translate.nginx.cipher_suites import cipher_list
from xds.translate.nginx.grammars import BOOLEAN, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "TLS to clients"
_HOST: Final = "of several Ingresses of a host, the oldest with the annotation decides"

CIPHERS: Final = Annotation(
    "ssl-ciphers",
    _FAMILY,
    matching("a cipher string of OpenSSL", r"[A-Za-z0-9!:+@=_.-]+"),
    scope=Scope.HOST,
    verdict=Verdict.APPROXIMATE,
    note=f"suites that Envoy doesn't have (DHE, 3DES, CCM, most with CBC) are left out; {_HOST}; no effect with the "
    "default certificate",
)
PREFER_SERVER: Final = Annotation(
    "ssl-prefer-server-ciphers",
    _FAMILY,
    BOOLEAN,
    "true",
    Scope.HOST,
    Verdict.APPROXIMATE,
    f"with false a client chooses among all suites, as in ingress-nginx; {_HOST}; no effect with the default "
    "certificate",
)
ANNOTATIONS: Final = (CIPHERS, PREFER_SERVER)


@dataclass(frozen=True, slots=True)
class AskedCiphers:
    """The wish of an Ingress for its hosts.

    Attributes:
        suites: For TLS 1.2, the preferred one first; empty: no wish.
        server_prefers: Whether the order of suites is the server's; None: no wish.
    """

    suites: tuple[str, ...] = ()
    server_prefers: bool | None = None


NO_WISH: Final = AskedCiphers()


def read(reader: AnnotationReader) -> AskedCiphers:
    found = AskedCiphers(_suites(reader), reader.get(PREFER_SERVER))
    return NO_WISH if found == NO_WISH else found


def choice(asked: Iterable[AskedCiphers]) -> CipherChoice | None:
    """The ciphers of a host by the wishes of its Ingresses, the oldest first; None: those of all hosts."""
    suites: tuple[str, ...] = ()
    server_prefers: bool | None = None
    for each in asked:
        suites = suites or each.suites
        server_prefers = each.server_prefers if server_prefers is None else server_prefers
    if not suites and server_prefers is not False:
        return None
    return CipherChoice(suites, server_prefers=server_prefers is not False)


def _suites(reader: AnnotationReader) -> tuple[str, ...]:
    text = reader.get(CIPHERS)
    if text is None:
        return ()
    found = cipher_list(text)
    if found.unknown or not found.suites:
        effect = "they are left out" if found.suites else "so the suites of all hosts count"
        words = shown(", ".join(found.unknown) or text)
        message = f"ssl-ciphers asks for {words}, of which Envoy has no cipher suite for TLS 1.2; {effect}"
        remedy = "Name suites with ECDHE and AES-GCM or CHACHA20, or remove the others."
        reader.report(CIPHERS.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    return found.suites
