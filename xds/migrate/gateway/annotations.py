"""The annotations of ingress-nginx in the words of the Gateway API."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.migrate.subject import Subject
from xds.translate.nginx.annotation import OWN_PREFIX
from xds.translate.nginx.registry import ANNOTATIONS


class Saying(StrEnum):
    """How the Gateway API says an annotation. Scripts depend on the values."""

    SAID = "said"
    PARTLY = "partly"
    """Said with a difference."""
    UNSAID = "unsaid"
    """Left out: the API has no words."""
    STAYS = "stays"
    """The Ingress is not converted: routes without a protection, or with other answers, would take its place."""


@dataclass(frozen=True, slots=True)
class Said:
    """The saying of an annotation, with the difference or the remedy."""

    saying: Saying
    text: str = ""


_SAID: Final = Said(Saying.SAID)
_UNSAID: Final = Said(Saying.UNSAID, "the Gateway API has no words for this")
_DEFAULT: Final = Said(Saying.UNSAID, "the value of xds serve, or of ingress-nginx's ConfigMap, holds")
_PROTECTS: Final = Said(Saying.STAYS, "a protection that the Gateway API has no words for")
_VERIFIED: Final = Said(
    Saying.STAYS, "write a BackendTLSPolicy, with the authorities in a ConfigMap; a backend is never left unverified"
)
_COOKIE: Final = Said(Saying.PARTLY, "the session cookie is for / of the host, without further attributes")
_CANARY: Final = Said(Saying.PARTLY, "a weighted backend or a match on a header; sessions don't stay with a canary")
_PROTOCOL: Final = Said(Saying.PARTLY, "set appProtocol of the Service's port: https, grpcs, or kubernetes.io/h2c")

_FAMILIES: Final[Mapping[str, Said]] = {
    "address lists": _PROTECTS,
    "affinity": _COOKIE,
    "authentication": _PROTECTS,
    "bodies": _DEFAULT,
    "buffers and logs": Said(Saying.SAID, "no effect"),
    "canary": _CANARY,
    "client certificates": _PROTECTS,
    "cookies": _UNSAID,
    "CORS": _SAID,
    "error pages": _UNSAID,
    "fastcgi": Said(Saying.STAYS, "FastCGI is refused for Ingresses, too"),
    "headers": _UNSAID,
    "hosts": _SAID,
    "limits": _PROTECTS,
    "load balancing": _UNSAID,
    "logs and traces": _UNSAID,
    "mirroring": _SAID,
    "modsecurity": _PROTECTS,
    "passthrough": Said(Saying.STAYS, "write a TLSRoute and a listener of mode Passthrough"),
    "protocols": _PROTOCOL,
    "redirects": _SAID,
    "rewriting": _SAID,
    "snippets": Said(Saying.STAYS, "snippets are refused for Ingresses, too"),
    "timeouts and retries": Said(
        Saying.UNSAID, "timeouts.request bounds whole answers, not silence; the experimental retry repeats POST, too"
    ),
    "TLS to backends": _VERIFIED,
    "TLS to clients": _UNSAID,
}

_NAMES: Final[Mapping[str, Said]] = {
    "affinity": Said(Saying.PARTLY, "sessionPersistence is in the experimental channel of the Gateway API"),
    "affinity-mode": _SAID,
    "custom-headers": _SAID,
    "preserve-trailing-slash": _SAID,
    "proxy-redirect-from": _UNSAID,
    "proxy-redirect-to": _UNSAID,
    "proxy-ssl-ciphers": _UNSAID,
    "proxy-ssl-protocols": _UNSAID,
    "proxy-ssl-server-name": _UNSAID,
    "relative-redirects": _UNSAID,
    "session-cookie-expires": _SAID,
    "session-cookie-max-age": _SAID,
    "session-cookie-name": _SAID,
    "upstream-vhost": _SAID,
    "use-port-in-redirects": _UNSAID,
}
"""In place of the family's."""

_OWN: Final[Mapping[str, Said]] = {
    "answer": Said(Saying.STAYS, "the Gateway API has no answers without a backend, but redirects"),
    "idle-timeout": _UNSAID,
    "load-balance": _UNSAID,
    "max-body-size": _UNSAID,
    "rate-limit": _PROTECTS,
    "redirect": _SAID,
    "request-headers": _SAID,
    "request-timeout": _SAID,
    "response-headers": _SAID,
    "retries": Said(Saying.UNSAID, "the experimental retry repeats POST, too"),
    "ssl-passthrough": _FAMILIES["passthrough"],
    "tls-passthrough-proxy-protocol": _FAMILIES["passthrough"],
    "tls-verify": _VERIFIED,
}
"""Our own annotations."""

_OFF: Final = frozenset(("", "false", "off", "0"))


def said(name: str) -> Said:
    """The saying of an annotation by its name: of ingress-nginx without the prefix, of our own with it."""
    if name.startswith(OWN_PREFIX):
        return _OWN.get(name.removeprefix(OWN_PREFIX), Said(Saying.UNSAID, "no annotation of xds-ingress"))
    if name in _NAMES:
        return _NAMES[name]
    known = ANNOTATIONS.get(name)
    return _FAMILIES[known.family] if known else Said(Saying.UNSAID, "no annotation of ingress-nginx")


def sayings(subject: Subject) -> Iterator[tuple[str, Said]]:
    """The annotations of an Ingress with an effect, with their sayings."""
    own = ((name, value) for name, value in subject.ingress.annotations.items() if name.startswith(OWN_PREFIX))
    for name, value in (*subject.annotations.items(), *own):
        if value.strip().lower() not in _OFF:
            yield name, said(name)
