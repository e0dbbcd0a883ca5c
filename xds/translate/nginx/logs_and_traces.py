"""enable-access-log and opentelemetry annotations."""

from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.tracing import NORMAL_TRACING, Tracing
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Verdict
from xds.translate.nginx.grammars import BOOLEAN, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "logs and traces"

ACCESS_LOG: Final = Annotation("enable-access-log", _FAMILY, BOOLEAN, "true")
OPENTELEMETRY: Final = Annotation(
    "enable-opentelemetry",
    _FAMILY,
    BOOLEAN,
    "true with xds serve --otlp",
    verdict=Verdict.APPROXIMATE,
    note="without spans, too, the header traceparent of backends' requests is Envoy's, and says that there are none",
)
TRUST_INCOMING_SPAN: Final = Annotation(
    "opentelemetry-trust-incoming-span",
    _FAMILY,
    BOOLEAN,
    "true",
    verdict=Verdict.APPROXIMATE,
    note="the span of a client is trusted also with false",
)
OPERATION_NAME: Final = Annotation(
    "opentelemetry-operation-name", _FAMILY, matching("letters, digits, _ and -", r"[A-Za-z0-9_-]+")
)
ANNOTATIONS: Final = (ACCESS_LOG, OPENTELEMETRY, TRUST_INCOMING_SPAN, OPERATION_NAME)

_NO_TRACER_REMEDY: Final = "Remove the annotation, or ask the operator for xds serve --otlp HOST:PORT."


def is_logged(reader: AnnotationReader) -> bool:
    return reader.get(ACCESS_LOG) is not False


def tracing(reader: AnnotationReader, *, has_tracer: bool) -> Tracing:
    """The spans of an Ingress's requests.

    Args:
        reader: The annotations.
        has_tracer: Whether the operator has a collector of spans.
    """
    is_on, operation = reader.get(OPENTELEMETRY) is not False, reader.get(OPERATION_NAME) or ""
    distrusts = reader.get(TRUST_INCOMING_SPAN) is False
    if not has_tracer:
        for annotation in (OPENTELEMETRY, OPERATION_NAME):
            if is_on and reader.text(annotation):
                _report(reader, annotation, "there is no collector of traces", _NO_TRACER_REMEDY)
        return NORMAL_TRACING
    if distrusts and is_on:
        _report(reader, TRUST_INCOMING_SPAN, "the spans of clients are trusted", "Remove the annotation.")
    found = Tracing(is_on, operation if is_on else "")
    return NORMAL_TRACING if found == NORMAL_TRACING else found


def _report(reader: AnnotationReader, annotation: AnyAnnotation, why: str, remedy: str) -> None:
    message = f"{annotation.name} has no effect: {why}"
    reader.report(annotation.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
