"""mirror-target, mirror-host and mirror-request-body: copies of requests.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/mirror/main.go
"""

import re
from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.names import InvalidError, is_label
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import ANYTHING, MAX_CHARACTERS, matching
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.outside import outside_address, outside_name

_FAMILY: Final = "mirroring"

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?:/|/?\$request_uri)?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SERVICE: Final = re.compile(r"(?P<name>[^.]+)\.(?P<namespace>[^.]+)\.svc(\..+)?")


@dataclass(frozen=True, slots=True)
class MirrorTarget:
    """The receiver of copies, as written.

    Attributes:
        host: A DNS name in lower case, or an address.
        port: TCP port.
        tls: Whether TLS is spoken.
        sent_host: The Host of a copy.
    """

    host: str
    port: int
    tls: bool
    sent_host: str

    @property
    def service(self) -> Key | None:
        """The Service of the cluster that the host names; None for an outside host."""
        found = _SERVICE.fullmatch(self.host)
        if found is None or not (is_label(found["name"]) and is_label(found["namespace"])):
            return None
        return Key(found["namespace"], found["name"])


def _target(value: str) -> MirrorTarget:
    found = _URL.fullmatch(value.strip(" ")) if len(value) <= MAX_CHARACTERS else None
    if found is None:
        raise InvalidValueError
    port = int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
    if not 0 < port <= 65535:
        raise InvalidValueError(f"no port is {port}")
    host = found["host"].strip("[]")
    try:
        name = outside_address(host) or outside_name(host)
    except InvalidError as error:
        raise InvalidValueError(str(error)) from error
    # No name of a Service is without a dot, nor resolves so in ingress-nginx.
    if not {".", ":"} & set(name):
        raise InvalidValueError(f"{shown(name)} has no dot")
    return MirrorTarget(name, port, found["scheme"] == "https", f"[{name}]" if ":" in name else name)


TARGET: Final = Annotation(
    "mirror-target",
    _FAMILY,
    Grammar("a URL of a scheme, a host and a port, with nothing behind but /, $request_uri or /$request_uri", _target),
    verdict=Verdict.APPROXIMATE,
    note="a copy has the path, the body and the headers of the backend's request, also where nginx would ask for "
    "/_mirror-UID; hosts other than Services of the same namespace need --allow-external-name",
)
HOST: Final = Annotation(
    "mirror-host", _FAMILY, matching("a host, of letters, digits and - . _ :", r"[A-Za-z0-9._-]+(:[0-9]+)?")
)
REQUEST_BODY: Final = Annotation(
    "mirror-request-body",
    _FAMILY,
    ANYTHING,
    "on",
    verdict=Verdict.REFUSED,
    note="Envoy copies the body of each request",
    remedy="Remove the annotation if the target may get the bodies, else mirror-target.",
)
ANNOTATIONS: Final = (TARGET, HOST, REQUEST_BODY)


def read(reader: AnnotationReader) -> MirrorTarget | None:
    """The target of copies; None: no request is copied."""
    target, host = reader.get(TARGET), reader.get(HOST)
    if target is None:
        if host:
            message = "mirror-host has no effect without a valid mirror-target, in ingress-nginx too"
            reader.report(HOST.full_name, Reason.ANNOTATION_UNSUPPORTED, message, "Add mirror-target, or remove it.")
        return None
    return MirrorTarget(target.host, target.port, target.tls, host) if host else target
