"""Lists of client addresses: allowlist-source-range, whitelist-source-range, denylist-source-range.

A bad list closes the paths, and so does an empty one: nobody knows the clients that were meant. Source:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/ipallowlist/main.go
"""

from typing import Final, TypeAlias

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, InvalidValueError
from xds.translate.nginx.grammars import always
from xds.translate.nginx.named_objects import CLOSED, Unavailable
from xds.translate.nginx.networks import networks
from xds.translate.nginx.reader import AnnotationReader

Networks: TypeAlias = tuple[str, ...] | None

_ALL_CLIENTS: Final = ("0.0.0.0/0", "::/0")


def _restricts(value: str) -> bool:
    """Whether a list is another than that of all clients.

    cert-manager writes a list of all clients into the Ingress of an ACME challenge, so that no list of the controller
    shuts the CA out: https://github.com/cert-manager/cert-manager/blob/v1.16.0/pkg/issuer/acme/http/ingress.go
    """
    try:
        return networks(value) != _ALL_CLIENTS
    except InvalidValueError:
        return True


_FAMILY: Final = "address lists"
_LIST: Final = Grammar("addresses or CIDR networks, with commas between", networks)

ALLOW: Final = Annotation("allowlist-source-range", _FAMILY, _LIST, protects=_restricts)
ALLOW_OLD: Final = Annotation("whitelist-source-range", _FAMILY, _LIST, protects=_restricts)
DENY: Final = Annotation("denylist-source-range", _FAMILY, _LIST, protects=always)
ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (ALLOW_OLD, ALLOW, DENY)


def of_config_map(value: str) -> tuple[str, ...]:
    """The networks of a key of the ConfigMap, where empty elements are left out.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/controller/template

    Raises:
        InvalidValueError: as for a list without empty elements.
    """
    return networks(",".join(filter(None, map(str.strip, value.split(",")))))


def read(reader: AnnotationReader) -> tuple[Networks, Networks] | Unavailable:
    """The networks that are denied, and those that are allowed; None without a list.

    allowlist-source-range precedes its old name, unless empty.
    """
    written = [each for each in (ALLOW, ALLOW_OLD) if reader.text(each) is not None]
    allow = next(filter(reader.text, written), written[0] if written else ALLOW_OLD)
    denied = _list(reader, DENY)
    if isinstance(denied, Unavailable):
        return denied
    allowed = _list(reader, allow)
    return allowed if isinstance(allowed, Unavailable) else (denied, allowed)


def _list(reader: AnnotationReader, annotation: Annotation[tuple[str, ...]]) -> Networks | Unavailable:
    """The list, or that of the ConfigMap, which an annotation replaces."""
    written = reader.text(annotation)
    if written is None:
        default = reader.setting(annotation.name)
        return of_config_map(default) if default else None
    try:
        return annotation.grammar.parse(written)
    except InvalidValueError as error:
        message = (
            f"{annotation.name} is {shown(written)}, which is not a list of {annotation.grammar.words}"
            f"{f' ({error})' if str(error) else ''}; {CLOSED}"
        )
        remedy = "Correct the list: one bad element spoils all of it, as in ingress-nginx. Or remove the annotation."
        reader.report(annotation.full_name, Reason.PROTECTION_UNAVAILABLE, message, remedy)
        return Unavailable(annotation)
