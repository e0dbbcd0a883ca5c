"""From the annotations of an Ingress to its wish for TLS passthrough."""

from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.tls import Sources
from xds.traffic.upstream import ProxyHeader
from xds.translate.nginx import address_lists, limits, passthrough
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX, AnyAnnotation, InvalidValueError
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.nginx.without_effect import asks_protection
from xds.translate.own import passthrough as own
from xds.translate.own import registry as own_registry

NAMES: Final = (own.PASSTHROUGH.full_name, passthrough.PASSTHROUGH.full_name)
"""The annotations that ask for passthrough. Ours counts where an Ingress has both."""

_LISTS: Final = frozenset(each.name for each in address_lists.ANNOTATIONS)


@dataclass(frozen=True, slots=True)
class PassthroughWish:
    """The wish of an Ingress for the TLS connections of its hosts.

    Attributes:
        annotation: The full name of the annotation that asks.
        is_valid: Whether the connections may be passed through. False: they are closed, and the problem is reported.
        proxy_header: The version that is sent to the backend; None: no header is sent.
    """

    annotation: str
    is_valid: bool = True
    proxy_header: ProxyHeader | None = None


def read(reader: AnnotationReader, *, is_enabled: bool) -> PassthroughWish | None:
    """The wish of an Ingress; None without a wish, and without --enable-ssl-passthrough."""
    annotation = own.PASSTHROUGH if reader.text(own.PASSTHROUGH) else passthrough.PASSTHROUGH
    written = reader.text(annotation) or ""
    asks = is_valid = bool(written)
    try:
        asks = asks and annotation.grammar.parse(written)
    except InvalidValueError:
        is_valid = False
    if not asks:
        reader.get(annotation)  # reports the annotation that has no effect beside ours
        if reader.text(own.PROXY_PROTOCOL):
            _report_without_passthrough(reader)
        return None
    if not is_enabled:
        message = f"{annotation.told_name} has no effect without --enable-ssl-passthrough: TLS is terminated as without"
        reader.report(annotation.full_name, Reason.PASSTHROUGH_OFF, message, "")
        return None
    if not is_valid:
        _report_bad_value(reader, annotation, written)
        return PassthroughWish(annotation.full_name, is_valid=False)
    reader.get(annotation)
    _report_unenforced(reader)
    return PassthroughWish(annotation.full_name, proxy_header=reader.get(own.PROXY_PROTOCOL))


def sources_of(reader: AnnotationReader, closing: tuple[str, ...]) -> Sources | str:
    """The clients that may connect; or, if no client may, the name of the annotation or key whose list can't be read.

    Args:
        reader: The annotations.
        closing: As from `AnnotationOptions.closing_without`.
    """
    lists = address_lists.read(reader)
    if isinstance(lists, Unavailable):
        return lists.annotation.told_name
    if key := next((key for key in closing if key.startswith("--") or key.removeprefix(PREFIX) in _LISTS), ""):
        return key
    denied, allowed = lists
    return Sources(allowed, denied or ())


def _report_bad_value(reader: AnnotationReader, annotation: AnyAnnotation, written: str) -> None:
    message = (
        f"{annotation.told_name} is {shown(written)}, which is not {annotation.grammar.words}; TLS connections of the "
        "hosts are closed, as nobody knows whether they may be decrypted"
    )
    remedy = f"Write {annotation.grammar.words}, or remove the annotation."
    reader.report(annotation.full_name, Reason.PASSTHROUGH_CLOSED, message, remedy)


def _report_without_passthrough(reader: AnnotationReader) -> None:
    name = own.PROXY_PROTOCOL.full_name
    message = f"{name} has no effect without {passthrough.PASSTHROUGH.name}"
    reader.report(name, Reason.ANNOTATION_UNSUPPORTED, message, f"Add {own.PASSTHROUGH.full_name}, or remove {name}.")


def _report_unenforced(reader: AnnotationReader) -> None:
    """Report annotations that protect requests: a proxy sees no request in a connection that is passed through."""
    known = [ANNOTATIONS[name] for name in reader.names(PREFIX) if name in ANNOTATIONS and name not in _LISTS]
    known += [own_registry.ANNOTATIONS[name] for name in reader.names(OWN_PREFIX) if name in own_registry.ANNOTATIONS]
    for each in known:
        if asks_protection(each, reader) or each.family == limits.FAMILY:
            message = f"{each.told_name} protects no connection that is passed through, and plain requests only"
            reader.report(each.full_name, Reason.PROTECTION_NOT_ENFORCED, message, "")
