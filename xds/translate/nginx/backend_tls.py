"""proxy-ssl-*: TLS to backends, with a client certificate and with verification.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/proxyssl
"""

from typing import Final

from xds.kube.objects import Secret
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backend_tls import MAX_DEPTH, BackendTls, BackendTlsVersion
from xds.translate.credentials import JudgedSecret
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.cipher_suites import CipherList, cipher_list
from xds.translate.nginx.grammars import MAX_CHARACTERS, NATURAL, OBJECT_NAME, matching, one_of
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "TLS to backends"
_ON: Final = "on"
_SWITCH: Final = one_of(_ON, "off")
_PATHS: Final = "counts for the paths of its Ingress, and not for other Ingresses of the host"


def _versions(value: str) -> tuple[BackendTlsVersion, BackendTlsVersion]:
    """The oldest and the newest of the named versions. Other words count for nothing, as in ingress-nginx."""
    found = sorted(BackendTlsVersion(word) for word in value.split(" ") if word in list(BackendTlsVersion))
    if not found:
        raise InvalidValueError
    return found[0], found[-1]


def _ciphers(value: str) -> CipherList:
    if len(value) > MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
    return cipher_list(value)


def _asks(value: str) -> bool:
    return bool(value.strip())


def _is_on(value: str) -> bool:
    return value.strip(" ") == _ON


SECRET: Final = Annotation(
    "proxy-ssl-secret",
    _FAMILY,
    OBJECT_NAME,
    verdict=Verdict.APPROXIMATE,
    note=f"{_PATHS}; a Secret of another namespace takes --allow-cross-namespace-resources",
    protects=_asks,
    names=Secret,
)
VERIFY: Final = Annotation(
    "proxy-ssl-verify",
    _FAMILY,
    _SWITCH,
    "off",
    verdict=Verdict.APPROXIMATE,
    note="without proxy-ssl-secret, without ca.crt in the Secret, and for backends without TLS the paths answer 503, "
    "where ingress-nginx does not verify; without proxy-ssl-name the DNS names of the Service are verified, where "
    "ingress-nginx answers 502; the common name of a certificate is no name",
    protects=_is_on,
)
VERIFY_DEPTH: Final = Annotation("proxy-ssl-verify-depth", _FAMILY, NATURAL, "1")
NAME: Final = Annotation(
    "proxy-ssl-name",
    _FAMILY,
    matching("a DNS name", r"(?=.{1,253}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"),
    "the DNS names of the Service",
)
SERVER_NAME: Final = Annotation(
    "proxy-ssl-server-name",
    _FAMILY,
    _SWITCH,
    "off",
    verdict=Verdict.APPROXIMATE,
    note="without proxy-ssl-name the DNS name of the Service is sent, and not a name of nginx's own",
)
PROTOCOLS: Final = Annotation(
    "proxy-ssl-protocols", _FAMILY, Grammar("TLSv1.2, TLSv1.3 or both, with a blank between", _versions), "TLSv1.2"
)
CIPHERS: Final = Annotation(
    "proxy-ssl-ciphers",
    _FAMILY,
    Grammar("a cipher string of OpenSSL", _ciphers),
    "DEFAULT",
    verdict=Verdict.APPROXIMATE,
    note="suites that Envoy doesn't have are left out",
)
_WITH_SECRET: Final = (VERIFY_DEPTH, NAME, SERVER_NAME, PROTOCOLS, CIPHERS)
ANNOTATIONS: Final = (SECRET, VERIFY, *_WITH_SECRET)


def read(reader: AnnotationReader, objects: NamedObjects) -> BackendTls | Unavailable | None:
    """TLS to the backends; None without a Secret, where the other annotations mean nothing."""
    if not reader.text(SECRET):
        return _without_secret(reader)
    verifies = reader.get(VERIFY) == _ON
    try:
        secret = objects.secret(reader, SECRET)
        judged = objects.credentials.judge(secret)
        if judged.why_not:
            why = f"names Secret {secret.key}, which can't be used: {judged.why_not}; {CLOSED}"
            report_unusable(reader, SECRET, why)
            return Unavailable(SECRET)
    except UnusableObjectError as error:
        report_unusable(reader, SECRET, f"{error}; {CLOSED}")
        return Unavailable(SECRET)
    if verifies and judged.authorities is None:
        why = f"is on, and Secret {secret.key} has no ca.crt to verify backends by; {CLOSED}"
        report_unusable(reader, VERIFY, why)
        return Unavailable(VERIFY)
    return _tls(reader, secret, judged, verifies=verifies)


def _without_secret(reader: AnnotationReader) -> Unavailable | None:
    if reader.get(VERIFY) == _ON:
        report_unusable(reader, VERIFY, f"is on, and {SECRET.name} names no Secret to verify backends by; {CLOSED}")
        return Unavailable(VERIFY)
    for annotation in _WITH_SECRET:
        if reader.text(annotation):
            reader.report_lacking(annotation, SECRET)
    return None


def _tls(reader: AnnotationReader, secret: Secret, judged: JudgedSecret, *, verifies: bool) -> BackendTls:
    name = (reader.get(NAME) or "").lower()
    if verifies and not name:
        reader.report(
            VERIFY.full_name,
            Reason.ANNOTATION_INVALID,
            f"{VERIFY.name} is on without {NAME.name}: a backend's certificate must have the DNS name of its Service, "
            "NAME.NAMESPACE.svc",
            f"Write the name that the certificate has into {NAME.name}.",
        )
    depth = reader.get(VERIFY_DEPTH)
    # Without authorities, ingress-nginx leaves versions and suites to nginx.
    limited = judged.authorities is not None
    default = (BackendTlsVersion.TLS_1_2, BackendTlsVersion.TLS_1_2)
    return BackendTls(
        secret.key,
        presents_certificate=judged.client_certificate is not None,
        verify_depth=min(1 if depth is None else depth, MAX_DEPTH) if verifies else None,
        name=name,
        sends_name=reader.get(SERVER_NAME) == _ON,
        versions=(reader.get(PROTOCOLS) or default) if limited else None,
        ciphers=_suites(reader) if limited else (),
    )


def _suites(reader: AnnotationReader) -> tuple[str, ...]:
    found = reader.get(CIPHERS)
    if found is None:
        return ()
    if found.unknown or not found.suites:
        unknown = ", ".join(map(shown, found.unknown[:5])) or "any of these"
        left = "the others count" if found.suites else "Envoy's own suites count"
        message = f"{CIPHERS.name} names suites that Envoy doesn't have ({unknown}); {left}"
        remedy = "Remove them. Suites of TLS 1.3 need no name."
        reader.report(CIPHERS.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    return found.suites
