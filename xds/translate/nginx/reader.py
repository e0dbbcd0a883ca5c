"""Reads the annotations of one Ingress: values with a valid form, defaults for absent ones, problems for the others."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.nginx.annotation import PREFIX, Annotation, AnyAnnotation, InvalidValueError, Value
from xds.translate.nginx.defaults import NO_DEFAULTS

Report: TypeAlias = Callable[[str, Reason, str, str], None]
"""Takes the full name of an annotation, the reason, the message and the remedy of a problem."""


class AnnotationReader:
    """The annotations of an Ingress.

    Args:
        annotations: Of the Ingress, those of other tools among them.
        report: Takes the problems.
        defaults: Values of absent annotations, by name without the prefix, each valid by the annotation's grammar.
        ingress: The Ingress; None to read the defaults alone.

    Attributes:
        ingress: The Ingress; None to read the defaults alone.
    """

    def __init__(
        self,
        annotations: Mapping[str, str],
        report: Report,
        defaults: Mapping[str, str] = NO_DEFAULTS,
        ingress: Key | None = None,
    ) -> None:
        self.ingress = ingress
        self._annotations = annotations
        self._report = report
        self._defaults = defaults

    def text(self, annotation: AnyAnnotation) -> str | None:
        """The value as written; None without the annotation."""
        return self._annotations.get(annotation.full_name)

    def get(self, annotation: Annotation[Value]) -> Value | None:
        """The value; of an absent annotation, and of one with a bad value, the default of all Ingresses.

        None where there is neither: the family's own default counts. An empty value counts as absent, as in
        ingress-nginx.
        """
        written = self.text(annotation)
        if written:
            try:
                value = annotation.grammar.parse(written)
            except InvalidValueError as error:
                self.report_invalid(annotation, str(error))
            else:
                self._report_overridden(annotation)
                return value
        return self.default(annotation)

    def default(self, annotation: Annotation[Value]) -> Value | None:
        """The default of all Ingresses; None where the family's own default counts, as for our own annotations."""
        default = self._defaults.get(annotation.name) if annotation.prefix == PREFIX else None
        return None if default is None else annotation.grammar.parse(default)

    def setting(self, key: str) -> str:
        """The text of a key of ingress-nginx's ConfigMap that is no annotation, as its grammar allows; else empty."""
        return self._defaults.get(key, "")

    def report_invalid(self, annotation: AnyAnnotation, why: str = "") -> None:
        """Report that the value of an annotation is left out, and that the default counts instead."""
        why = f" ({why})" if why else ""
        self._report(
            annotation.full_name,
            Reason.ANNOTATION_INVALID,
            f"{annotation.told_name} is {shown(self.text(annotation) or '')}, which is not {annotation.grammar.words}"
            f"{why}; its default counts: {self._defaults.get(annotation.name, annotation.default)}",
            f"Write {annotation.grammar.words}, or remove the annotation.",
        )

    def report(self, full_name: str, reason: Reason, message: str, remedy: str) -> None:
        """Report a problem of an annotation. Without a remedy, the reason's usual one is shown."""
        self._report(full_name, reason, message, remedy)

    def report_lacking(self, annotation: AnyAnnotation, needed: AnyAnnotation) -> None:
        """Report that an annotation has no effect, here and in ingress-nginx, for want of another one."""
        self._report(
            annotation.full_name,
            Reason.ANNOTATION_UNSUPPORTED,
            f"{annotation.name} has no effect without {needed.name}, in ingress-nginx too",
            f"Add {needed.name}, or remove {annotation.name}.",
        )

    def names(self, prefix: str = PREFIX) -> Iterator[str]:
        """The names of the annotations with a prefix, without the prefix, sorted."""
        return (name.removeprefix(prefix) for name in sorted(self._annotations) if name.startswith(prefix))

    def _report_overridden(self, annotation: AnyAnnotation) -> None:
        for name in annotation.instead:
            if name in self._annotations:
                message = f"{shown(name)} has no effect beside {annotation.full_name}"
                self._report(name, Reason.ANNOTATION_OVERRIDDEN, message, "")
