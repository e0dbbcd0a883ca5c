"""Annotations without effect: refused, not built yet, or unknown."""

from collections.abc import Iterator
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own import registry as own_registry

_MAX_SUGGESTIONS: Final = 20
"""Unknown names of an Ingress for which the nearest known one is searched."""


def without_effect(reader: AnnotationReader) -> Iterator[AnyAnnotation]:
    """The annotations that are refused or not built yet. Reports these, and names that ingress-nginx doesn't have."""
    unknown = 0
    for name in reader.names():
        annotation = ANNOTATIONS.get(name)
        if annotation is None:
            near = nearest(name, tuple(ANNOTATIONS)) if unknown < _MAX_SUGGESTIONS else ""
            _report_unknown(reader, PREFIX + name, f"Did you mean {PREFIX}{near}? Correct the name." if near else "")
            unknown += 1
        elif annotation.verdict in (Verdict.REFUSED, Verdict.NOT_YET) and not _asks_nothing(annotation, reader):
            _report_without_effect(reader, annotation)
            yield annotation
    for name in reader.names(OWN_PREFIX):
        if name not in own_registry.ANNOTATIONS:
            known = unknown < _MAX_SUGGESTIONS
            _report_unknown(reader, OWN_PREFIX + name, own_registry.unknown_remedy(name, OWN_PREFIX) if known else "")
            unknown += 1


def _asks_nothing(annotation: AnyAnnotation, reader: AnnotationReader) -> bool:
    """Whether a value says the default, or switches a protection off that would only come with the annotation."""
    if asks_protection(annotation, reader):
        return False
    is_off = annotation.verdict is Verdict.NOT_YET and annotation.protects is not None
    return is_off or reader.text(annotation) == annotation.default


def asks_protection(annotation: AnyAnnotation, reader: AnnotationReader) -> bool:
    return annotation.protects is not None and annotation.protects(reader.text(annotation) or "")


def _report_without_effect(reader: AnnotationReader, annotation: AnyAnnotation) -> None:
    why = annotation.note or "it is not supported yet"
    if asks_protection(annotation, reader):
        closed = "hosts" if annotation.scope is Scope.HOST else "paths"
        reader.report(
            annotation.full_name,
            Reason.PROTECTION_UNAVAILABLE,
            f"annotation {shown(annotation.full_name)} protects, and has no counterpart here ({why}), so the {closed} "
            "of the Ingress answer 503",
            annotation.remedy or Reason.PROTECTION_UNAVAILABLE.remedy,
        )
        return
    reader.report(
        annotation.full_name,
        Reason.ANNOTATION_UNSUPPORTED,
        f"annotation {shown(annotation.full_name)} has no effect here: {why}",
        annotation.remedy or Reason.ANNOTATION_UNSUPPORTED.remedy,
    )


def _report_unknown(reader: AnnotationReader, full_name: str, remedy: str) -> None:
    message = f"annotation {shown(full_name)} has no effect: no annotation has this name"
    reader.report(full_name, Reason.ANNOTATION_UNKNOWN, message, remedy)
