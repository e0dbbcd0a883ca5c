"""tls-verify: backends prove their identity by a certificate of an authority."""

import re
from dataclasses import dataclass
from typing import Final

from xds.kube.objects import Secret
from xds.problems.problem import Key
from xds.problems.text import shown
from xds.traffic.backend_tls import MAX_DEPTH, BackendTls
from xds.translate.names import is_label, is_subdomain
from xds.translate.nginx import backend_tls
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

_OFF: Final = "off"
_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Verifier:
    """The Secret with the authorities, and the name to verify.

    Attributes:
        namespace: Of the Secret; empty: that of the Ingress.
        secret: The name of the Secret; empty: nothing is verified.
        name: The DNS name of the backend; empty: the DNS names of the Service.
    """

    namespace: str = ""
    secret: str = ""
    name: str = ""

    def key_in(self, namespace: str) -> Key | None:
        """The Secret that an Ingress of the namespace means; None where nothing is verified."""
        return Key(self.namespace or namespace, self.secret) if self.secret else None


def _verifier(text: str) -> Verifier:
    if text.strip() == _OFF:
        return Verifier()
    secret, *parts = (part.strip() for part in text.split(","))
    namespace, slash, named = secret.rpartition("/")
    names = [part.removeprefix("name=").lower() for part in parts]
    if not is_subdomain(named) or (slash and not is_label(namespace)) or len(names) > 1:
        raise InvalidValueError
    if any(not part.startswith("name=") for part in parts) or not all(map(_NAME.fullmatch, names)):
        raise InvalidValueError
    return Verifier(namespace, named, names[0] if names else "")


TLS_VERIFY: Final = Annotation(
    "tls-verify",
    "TLS to backends",
    Grammar("SECRET or NAMESPACE/SECRET with ca.crt, and ,name=HOST if wanted; or off", _verifier),
    _OFF,
    prefix=OWN_PREFIX,
    protects=lambda text: text.strip() != _OFF,
    names=Secret,
    instead=tuple(each.full_name for each in backend_tls.ANNOTATIONS),
)
ANNOTATIONS: Final = (TLS_VERIFY,)


def read(reader: AnnotationReader, objects: NamedObjects) -> BackendTls | Unavailable | None:
    """TLS to the backends; ingress-nginx's annotations decide where ours is absent."""
    written = reader.text(TLS_VERIFY)
    if written is None:
        return backend_tls.read(reader, objects)
    try:
        TLS_VERIFY.grammar.parse(written)
    except InvalidValueError:
        report_unusable(reader, TLS_VERIFY, f"is {shown(written)}, which is not {TLS_VERIFY.grammar.words}; {CLOSED}")
        return Unavailable(TLS_VERIFY)
    asked = reader.get(TLS_VERIFY)
    key = asked.key_in(objects.namespace) if asked else None
    if asked is None or key is None:
        return None
    try:
        judged = objects.credentials.judge(objects.secret_of(key))
    except UnusableObjectError as error:
        report_unusable(reader, TLS_VERIFY, f"{error}; {CLOSED}")
        return Unavailable(TLS_VERIFY)
    if judged.authorities is None:
        why = judged.why_not or "it has no ca.crt"
        report_unusable(reader, TLS_VERIFY, f"names Secret {key}, which can't be used: {why}; {CLOSED}")
        return Unavailable(TLS_VERIFY)
    return BackendTls(key, verify_depth=MAX_DEPTH, name=asked.name, sends_name=True)
